"""Tests of messages.py."""

import pytest

from webpubsub_emulator.messages import (
    MALFORMED,
    ClientFrame,
    FrameError,
    JoinGroup,
    LeaveGroup,
    Payload,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    choose_subprotocol,
    parse_frame,
    parse_json,
)
from webpubsub_emulator.names import is_group_name, is_hub_name


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('{"type":"joinGroup","group":"g"}', JoinGroup("g", None)),
        ('{"type":"JOINGROUP","group":"g","ackId":1}', JoinGroup("g", 1)),
        ('{"type":"leaveGroup","group":"g","ackId":null}', LeaveGroup("g", None)),
        ('{"type":"ping","unknown":[1,{"a":2}]}', Ping()),
        (' { "type" : "ping" } ', Ping()),
        ('{"type":"sequenceAck","sequenceId":7}', SequenceAck(7)),
        (
            '{"type":"event","event":"e","data":"x"}',
            SendEvent("e", Payload("json", b'"x"'), None),
        ),
        (
            '{"type":"event","event":"e","dataType":"text","data":"\\u00e9"}',
            SendEvent("e", Payload("text", "é".encode()), None),
        ),
        (
            '{"type":"sendToGroup","group":"g","dataType":"binary","data":"AAE=","noEcho":true}',
            SendToGroup("g", Payload("binary", b"\x00\x01"), True, None),
        ),
        (
            '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":null}',
            SendToGroup("g", Payload("json", b"1"), False, None),
        ),
        (
            '{"type":"sendToGroup","group":"g","data":{},"ttlSeconds":300,"ackId":0}',
            SendToGroup("g", Payload("json", b"{}"), False, 0),
        ),
    ],
)
def test_frames_are_read(text: str, frame: ClientFrame) -> None:
    """Each frame of the subprotocol becomes its dataclass."""
    assert parse_frame(text) == frame


def test_json_data_keeps_its_text() -> None:
    """JSON data is passed on as written: blanks, digits, escapes and doubled keys."""
    data = '{ "b": 1.50, "a": 1e400, "a": "\\u00e9", "n": 123456789012345678901234567890 }'
    frame = parse_frame(f'{{"data": {data} , "type":"event","event":"e"}}')
    assert frame == SendEvent("e", Payload("json", data.encode()), None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"type":"ping"} more',
        '{"type":"ping",}',
        '{"type":"ping"',
        '{"type":1}',
        '{"type":"invoke"}',
        '{"type":"joinGroup"}',
        '{"type":"joinGroup","group":" "}',
        '{"type":"joinGroup","group":"g","ackId":-1}',
        '{"type":"joinGroup","group":"g","ackId":true}',
        '{"type":"joinGroup","group":"g","ackId":18446744073709551616}',
        '{"type":"sequenceAck","sequenceId":"1"}',
        '{"type":"event","event":"9","data":1}',
        '{"type":"event","event":"e"}',
        '{"type":"event","event":"e","data":null}',
        '{"type":"event","event":"e","data":NaN}',
        '{"type":"event","event":"e","dataType":"text","data":1}',
        '{"type":"event","event":"e","dataType":"text","data":"\\ud800"}',
        '{"type":"event","event":"e","dataType":"binary","data":"*"}',
        '{"type":"event","event":"e","dataType":"xml","data":"x"}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":"true"}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":301}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":false}',
        '{"type":"event","event":"e","dataType":"protobuf","data":"*"}',
        '{"type":"event","event":"e","dataType":null,"data":1}',
        '{"type":"event","event":"e","metadata":null}',
        '{"type":"event","event":"e","data":1,"metadata":[]}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":1}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":null}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":"1","a":"1"}}',
        '{"type":"event","event":"e","data":1,"metadata":{"":"1"}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a b":"1"}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":"\u00e9"}}',
        '{"type":"event","event":"e","metadata":{"a":"1"},"data":null}',
        '{"type":"event","event":"e","data":' + "[" * 100_000,
        '{"type":"event","event":"e","data":1,"metadata":{"a":' + "[" * 100_000,
    ],
)
def test_malformed_frames_are_refused(text: str) -> None:
    """Every broken frame is the same error, with the text of close code 1007."""
    with pytest.raises(FrameError, match=MALFORMED):
        parse_frame(text)


@pytest.mark.parametrize(
    ("members", "payload"),
    [
        ('"data":1,"metadata":{"b":"2","a":"1"}', Payload("json", b"1", (("b", "2"), ("a", "1")))),
        ('"data":1,"metadata":{"A":"1","a":"1"}', Payload("json", b"1", (("A", "1"), ("a", "1")))),
        ('"data":1,"metadata":null', Payload("json", b"1")),
        ('"metadata":{"a":"1"}', Payload("text", b"", (("a", "1"),))),
        ('"metadata":{}', Payload("text", b"")),
        ('"metadata":{"a":"1"},"dataType":"json"', Payload("text", b"", (("a", "1"),))),
        ('"data":"CgE=","dataType":"protobuf"', Payload("protobuf", b"\n\x01")),
        ('"data":"x","dataType":"TEXT"', Payload("text", b"x")),
    ],
)
def test_metadata_and_protobuf_data(members: str, payload: Payload) -> None:
    """Metadata keeps its order and case and may come without data; protobuf data is base64."""
    frame = parse_frame(f'{{"type":"event","event":"e",{members}}}')
    assert frame == SendEvent("e", payload, None)


@pytest.mark.parametrize("text", ["[" * 100_000, "Infinity", "{'a':1}", ""])
def test_bad_json_is_one_error(text: str) -> None:
    """Depth and Python's additions to JSON are a ValueError like any other mistake."""
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


@pytest.mark.parametrize(
    ("offered", "picked", "chosen"),
    [
        ((), None, None),
        (("mine",), None, None),
        (("mine", "JSON.webpubsub.azure.v1"), None, "JSON.webpubsub.azure.v1"),
        (("json.webpubsub.azure.v1", "mine"), "mine", "mine"),
        (("protobuf.webpubsub.azure.v1",), None, None),
    ],
)
def test_subprotocol_choice(offered: tuple[str, ...], picked: str | None, chosen: str) -> None:
    """The app's pick wins, then the first known one, as the client spelled it."""
    assert choose_subprotocol(offered, picked) == chosen


def test_names() -> None:
    """Hub names start with a letter and have no hyphen; group names are anything but blanks."""
    hubs = ("chat", "a`,.[]_9", "a" * 128, "9a", "a-b", "", "a" * 129, "chat\n")
    assert [is_hub_name(name) for name in hubs] == [True] * 3 + [False] * 5
    groups = ("g", "a/b", " x", "*", "g" * 1024, "", " \t", "g" * 1025)
    assert [is_group_name(name) for name in groups] == [True] * 5 + [False] * 3
