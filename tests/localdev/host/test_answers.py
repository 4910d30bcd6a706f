"""answers.py: return values of event functions, as responses to the service."""

from typing import Any

import pytest

from localdev.host.answers import answer_event
from localdev.host.bindings import Answer, Outcome
from localdev.host.event_context import EventContext
from localdev.host.states import decode_states

PLAIN_TEXT = "text/plain; charset=utf-8"
ALL_NULL = b'{"userId":null,"groups":null,"subprotocol":null,"roles":null}'


def answer(name: str, outcome: Outcome, states: dict[str, Any] | None = None) -> Answer | None:
    """Return the response to an event: the user event `message` or a system event."""
    context = EventContext(
        event_type="User" if name == "message" else "System",
        event_name=name,
        hub="chat",
        connection_id="c-1",
        user_id=None,
        signature=None,
        origin="localhost",
        states=states or {},
        headers={},
    )
    return answer_event(context, outcome)


def returned(name: str, value: object, states: dict[str, Any] | None = None) -> Answer:
    """Return the response after a function returned a value."""
    result = answer(name, Outcome(failed=False, value=value), states)
    assert result is not None
    return result


@pytest.mark.parametrize("name", ["connect", "message"])
def test_failure_of_a_blocking_event(name: str) -> None:
    """After an exception in a blocking event there is no response."""
    assert answer(name, Outcome(failed=True)) is None


@pytest.mark.parametrize(
    "outcome", [Outcome(failed=True), Outcome(False, {"code": 0}), Outcome(False, [])]
)
@pytest.mark.parametrize("name", ["connected", "disconnected", "other"])
def test_other_events_are_always_accepted(name: str, outcome: Outcome) -> None:
    """The response to an event that does not block is always 200 and empty."""
    assert answer(name, outcome) == Answer(200)


@pytest.mark.parametrize("name", ["connect", "message"])
def test_none_is_empty(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """None is 200 with an empty body, without states and without a warning."""
    assert returned(name, None, {"a": 1}) == Answer(200)
    assert not caplog.records


@pytest.mark.parametrize("value", ['{"userId": "ana"}', b"raw", 7, 1.5])
def test_other_values_are_dropped(value: object, caplog: pytest.LogCaptureFixture) -> None:
    """A value that is not a dict is dropped with a warning."""
    assert returned("connect", value) == Answer(200)
    assert "THE ANSWER IS DROPPED" in caplog.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "Response should be a JObject."),
        ({"code": "unauthorized"}, "Value cannot be null. (Parameter 'content')"),
        (
            {"code": "userError", "errorMessage": None},
            "Value cannot be null. (Parameter 'content')",
        ),
        ({"code": None, "errorMessage": "no"}, "Error converting the value of 'code'."),
        ({"code": "forbidden", "errorMessage": "no"}, "Error converting the value of 'code'."),
        ({"code": True, "errorMessage": "no"}, "Error converting the value of 'code'."),
        ({"code": 0.0, "errorMessage": "no"}, "Error converting the value of 'code'."),
        ({"groups": "blue"}, "Error converting the value of 'groups'."),
        ({"ROLES": {}}, "Error converting the value of 'roles'."),
        ({"userId": {}}, "Error reading string at 'userId'."),
    ],
)
def test_rejected_values(value: Any, text: str) -> None:
    """If the extension rejects a returned value, the response is 500 with its text."""
    assert returned("connect", value) == Answer(500, (("Content-Type", PLAIN_TEXT),), text.encode())


@pytest.mark.parametrize("name", ["connect", "message"])
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("unauthorized", 401),
        ("UserError", 400),
        ("serverError", 500),
        (" userError ", 400),
        (0, 401),
        (1, 400),
        (2, 500),
        (7, 500),
    ],
)
def test_errors(name: str, code: object, status: int) -> None:
    """A returned code is always an error; its message is the body."""
    value = {"code": code, "errorMessage": "nö", "userId": "ana", "data": "x", "states": {"a": 1}}
    expected = Answer(status, (("Content-Type", PLAIN_TEXT),), "nö".encode())
    assert returned(name, value) == expected


@pytest.mark.parametrize("code", ["success", -1])
def test_success_is_not_an_error(code: object) -> None:
    """The code of success is no error."""
    assert returned("connect", {"code": code}).body == ALL_NULL


@pytest.mark.parametrize("name", ["connect", "message"])
def test_error_message_in_another_case(name: str) -> None:
    """The name of the message may have any case, the last one wins."""
    value = {"code": "userError", "errorMessage": "first", "ERRORMESSAGE": "last\ud800"}
    assert returned(name, value).body == "last\ufffd".encode()


def test_code_in_another_case() -> None:
    """`Code` is no error to connect, and makes the extension fail for a user event."""
    value = {"Code": "unauthorized", "errorMessage": "no"}
    assert returned("connect", value).body == ALL_NULL
    text = b"StatusCode shouldn't be set to errors in a normal user event."
    assert returned("message", value) == Answer(500, (("Content-Type", PLAIN_TEXT),), text)
    assert returned("message", {"Code": "success"}).status == 200


@pytest.mark.parametrize("name", ["connect", "message"])
def test_states_in_another_case(name: str) -> None:
    """`States` is ignored."""
    assert "ce-connectionState" not in dict(returned(name, {"States": {"a": 1}}).headers)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({}, ALL_NULL),
        (
            {"userId": "anä", "groups": ["blue"], "roles": [], "more": 1},
            '{"userId":"anä","groups":["blue"],"subprotocol":null,"roles":[]}'.encode(),
        ),
        (
            {"userID": "first", "GROUPS": ["blue"], "Roles": [], "USERID": "an\ud800"},
            '{"userId":"an\ufffd","groups":["blue"],"subprotocol":null,"roles":[]}'.encode(),
        ),
        ({"groups": "", "roles": "", "subprotocol": None}, ALL_NULL),
        (
            {"userId": "a\x85\u2028\u2029b\x1f"},
            ALL_NULL.replace(b'"userId":null', rb'"userId":"a\u0085\u2028\u2029b\u001f"'),
        ),
        (
            {"userId": 5, "subprotocol": "json"},
            ALL_NULL.replace(b'"userId":null', b'"userId":"5"').replace(
                b'"subprotocol":null', b'"subprotocol":"json"'
            ),
        ),
    ],
)
def test_connect_answer(value: Any, body: bytes) -> None:
    """The response to connect has exactly the four keys."""
    assert returned("connect", value) == Answer(200, (("Content-Type", "application/json"),), body)


@pytest.mark.parametrize(
    ("value", "content_type", "body"),
    [
        ({"data": "hi", "dataType": "text"}, "text/plain", b"hi"),
        ({"data": "{}", "dataType": "JSON"}, "application/json", b"{}"),
        ({"data": "hi", "dataType": "binary"}, "application/octet-stream", b"hi"),
        ({"data": "hi", "dataType": 2}, "text/plain", b"hi"),
        ({"data": "hi", "dataType": 3}, "application/octet-stream", b"hi"),
        ({"data": "hi", "dataType": -1}, "application/octet-stream", b"hi"),
        ({"data": "hi", "dataType": " +1 "}, "application/json", b"hi"),
        ({"data": "hi", "dataType": "7"}, "application/octet-stream", b"hi"),
        ({"data": "hi", "dataType": " Text "}, "text/plain", b"hi"),
        ({"data": "hi", "dataType": "text, JSON"}, "application/octet-stream", b"hi"),
        ({"data": "hi", "dataType": "binary,json"}, "application/json", b"hi"),
        ({"DATA": "a", "Data": "b", "DATATYPE": "text"}, "text/plain", b"b"),
        ({"data": "a\ud800b"}, "application/octet-stream", "a\ufffdb".encode()),
        ({"data": "hi"}, "application/octet-stream", b"hi"),
        ({}, "application/octet-stream", b""),
        ({"dataType": "text"}, "text/plain", b""),
        ({"data": {"type": "Buffer", "data": "aGk="}}, "application/octet-stream", b"hi"),
        ({"data": {"type": "Buffer", "data": [104, 105]}}, "application/octet-stream", b"hi"),
    ],
)
def test_user_event_answer(value: Any, content_type: str, body: bytes) -> None:
    """The data is the body, its type the content type; without a type it is binary."""
    assert returned("message", value) == Answer(200, (("Content-Type", content_type),), body)


@pytest.mark.parametrize("data", [None, 1, ["a"], {"x": 1}])
def test_data_must_be_text(data: object) -> None:
    """Data that is not text is rejected."""
    result = returned("message", {"data": data})
    assert result.status == 500
    assert result.body == b"Message data should be string, please stringify object."


@pytest.mark.parametrize("data", ["?", [256], ["a"], None])
def test_bad_buffer(data: object) -> None:
    """A buffer that cannot be decoded is rejected."""
    assert returned("message", {"data": {"type": "Buffer", "data": data}}).status == 500


@pytest.mark.parametrize("data_type", ["html", "", "text,", "1.0", "9" * 11, None, True, 1.0])
def test_bad_data_type(data_type: object) -> None:
    """An unknown data type is rejected."""
    assert returned("message", {"data": "hi", "dataType": data_type}).status == 500


@pytest.mark.parametrize("name", ["connect", "message"])
@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"b": {"n": 3}}, {"a": 1, "b": {"n": 3}}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, "text", {"a": 1}),
    ],
)
def test_states_are_merged(name: str, old: Any, new: Any, merged: Any) -> None:
    """Returned states override the states of the request, and the header has all of them."""
    headers = dict(returned(name, {"states": new}, old).headers)
    assert decode_states(headers["ce-connectionState"]) == merged


def test_no_states_no_header() -> None:
    """Without any state there is no header."""
    assert "ce-connectionState" not in dict(returned("connect", {"states": {}}).headers)
