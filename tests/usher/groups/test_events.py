import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.usher.settings import KEY, make_settings
from usher.errors import BadEventError
from usher.groups.events import ConnectionEvent, read_event
from usher.logs import noted_visit, start_notes
from usher.settings import Connection

SETTINGS = make_settings()


def sign(connection_id: str, key: str = KEY) -> str:
    return f"sha256={hmac.digest(key.encode(), connection_id.encode(), 'sha256').hex()}"


def payload(**changes: Any) -> dict[str, Any]:
    """Return the payload of a `connect` event; `changes` are fields of `connectionContext`."""
    context: dict[str, Any] = {
        "eventType": "System",
        "eventName": "connect",
        "hub": "chat",
        "connectionId": "c-1",
        "userId": "ana",
        "signature": sign("c-1"),
        "origin": "demo.webpubsub.azure.com",
        "states": {},
        "headers": {},
    }
    claims = {"sub": ["ana"], "webpubsub.group": ["a", "b,c"]}
    return {"claims": claims, "query": {}, "connectionContext": context | changes}


def read(document: Any, name: str = "connect") -> ConnectionEvent:
    return read_event(json.dumps(document), name, SETTINGS)


def test_connect_has_the_groups_of_the_token() -> None:
    event = replace(read(payload()), visit="")
    assert event == ConnectionEvent("connect", "chat", "c-1", "ana", {}, ("a", "b,c"))


def test_connect_has_the_roles_of_the_token() -> None:
    """The service gives the claim the name of ASP.NET's role claim."""
    name = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
    for claim in ("role", name):
        document = payload()
        document["claims"] |= {claim: ["webpubsub.sendToGroup.a"]}
        assert read(document).token_roles == ("webpubsub.sendToGroup.a",)
    assert read(payload()).token_roles == ()


def test_a_claim_whose_name_is_a_uri() -> None:
    """The last part of the URI must be the claim's short name."""
    document = payload()
    document["claims"] = {
        "http://schemas.example/ws/2005/webpubsub.group": ["a"],
        "my-webpubsub.group": ["b"],
        "group": ["c"],
    }
    assert read(document).token_groups == ("a",)


def test_connected_has_states_and_no_claims() -> None:
    """The payload has only the context; the user id may be missing."""
    context = payload(eventName="connected", userId=None, states={"groups": ["a"]})
    event = read({"connectionContext": context["connectionContext"]}, "connected")
    assert replace(event, visit="") == ConnectionEvent(
        "connected", "chat", "c-1", None, {"groups": ["a"]}
    )


@pytest.mark.parametrize("place", ["claims", "query"])
def test_connect_has_the_visit_of_the_token_or_of_the_url(place: str) -> None:
    """The app signs a claim itself; where the service makes the token, the URL has the visit."""
    document = payload()
    document[place] |= {"visit": ["9" * 32]}
    assert read(document).visit == "9" * 32


@pytest.mark.parametrize("query", [{"visit": ["x"]}, {"visit": [None]}, {"visit": None}, None, []])
def test_an_invalid_visit_refuses_nobody(query: Any) -> None:
    """Whatever the client writes there, the event is accepted."""
    assert read(payload() | {"query": query}).visit == read(payload()).visit


def test_a_later_event_has_the_visit_of_the_state() -> None:
    """Without one, all events of a connection have the same visit, and other connections others."""
    context = payload(eventName="connected", states={"visit": "9" * 32})["connectionContext"]
    assert read({"connectionContext": context}, "connected").visit == "9" * 32
    context = payload(eventName="disconnected")["connectionContext"]
    left = read({"connectionContext": context}, "disconnected")
    assert left.visit == read(payload()).visit
    other = payload(connectionId="c-2", signature=sign("c-2"))
    assert left.visit != read(other).visit


async def test_the_refusal_of_an_event_has_its_visit() -> None:
    """Also if the event is of another hub, so that all records of a visit are found."""
    start_notes()
    document = payload(hub="other")
    document["claims"] |= {"visit": ["9" * 32]}
    with pytest.raises(BadEventError):
        read(document)
    assert noted_visit() == "9" * 32


def test_id_and_time_of_an_event() -> None:
    """The case of the header names is ignored; the time is in UTC."""
    event = read(payload(headers={"Ce-Id": ["3"], "ce-time": ["2026-11-24T13:00:00+01:00"]}))
    assert (event.event_id, event.time) == ("3", datetime(2026, 11, 24, 12, tzinfo=UTC))


@pytest.mark.parametrize("time", ["", "soon", "2026-11-24", "0001-01-01T00:00:00+01:00"])
def test_a_malformed_time_is_ignored(time: str) -> None:
    """The event is valid without a time."""
    assert read(payload(headers={"ce-time": [time] if time else []})).time is None
    assert read(payload(headers=None)).time is None


def test_the_case_of_the_hub_is_ignored() -> None:
    """The service sends it in lower case."""
    settings = make_settings(hub="Chat")
    assert read_event(json.dumps(payload()), "connect", settings).hub == "chat"


@pytest.mark.parametrize(
    "origin", ["DEMO.webpubsub.azure.com", "x.example, demo.webpubsub.azure.com"]
)
def test_one_matching_origin_suffices(origin: str) -> None:
    """A service with replicas or a custom domain sends several hosts."""
    assert read(payload(origin=origin)).hub == "chat"


@pytest.mark.parametrize(
    "changes",
    [
        {"hub": "other"},
        {"origin": "other.webpubsub.azure.com"},
        {"origin": "demo.webpubsub.azure.com.evil.example"},
        {"eventName": "connected"},
    ],
)
def test_events_of_another_source(changes: dict[str, str]) -> None:
    """Another hub, another service, or the event of another function."""
    with pytest.raises(BadEventError):
        read(payload(**changes))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"connectionContext": []},
        payload(connectionId=""),
        payload(connectionId=None),
        payload(userId=5),
        payload(states=[]),
        payload(origin=None),
        payload() | {"claims": []},
        payload() | {"claims": {"webpubsub.group": [5]}},
        payload() | {"claims": {"webpubsub.group": None}},
        payload() | {"claims": {"role": [5]}},
    ],
)
def test_malformed_events(document: Any) -> None:
    """A value is missing, or has the wrong type."""
    with pytest.raises(BadEventError):
        read(document)


OTHER_KEY = sign("c-1", "another-key-of-at-least-32-bytes!")


@pytest.mark.parametrize("value", ["a\nb", "\u202ea", " ", "a\x00", "ana ", "\u3164", "an\u0303"])
@pytest.mark.parametrize("field", ["connectionId", "userId"])
def test_ids_that_are_not_printable(field: str, value: str) -> None:
    """They could forge lines in the log and in announcements."""
    ids = {"connectionId": "c-1"} | {field: value}
    with pytest.raises(BadEventError):
        read(payload(**ids, signature=sign(ids["connectionId"])))


@pytest.mark.parametrize("signature", [f"{OTHER_KEY},{sign('c-1')}", sign("c-1").upper()])
def test_one_valid_signature_suffices(signature: str) -> None:
    """The service signs with both of its keys; the case of the digits is ignored."""
    assert read(payload(signature=signature)).connection_id == "c-1"


def test_the_documented_signature() -> None:
    """Key, connection id and signature are from the documentation of Web PubSub."""
    key, connection_id = "7aab239577fd4f24bc919802fb629f5f", "0f9c97a2f0bf4706afe87a14e0797b11"
    signature = "sha256=7767effcb3946f3e1de039df4b986ef02c110b1469d02c0a06f41b3b727ab561"
    host = "https://demo.webpubsub.azure.com"
    settings = make_settings(connection=Connection(host, access_key=key))
    document = payload(connectionId=connection_id, signature=signature)
    assert read_event(json.dumps(document), "connect", settings).connection_id == connection_id


@pytest.mark.parametrize(
    "signature",
    [None, "", OTHER_KEY, sign("c-2"), sign("c-1").removeprefix("sha256="), "sha256=\ud800"],
)
def test_events_without_a_valid_signature(signature: str | None) -> None:
    """No signature, or the signature of another key or connection, or a malformed one."""
    with pytest.raises(BadEventError):
        read(payload(signature=signature))


def test_without_an_access_key_no_signature_is_checked() -> None:
    """With an identity, the app has no key of the service."""
    connection = Connection("https://demo.webpubsub.azure.com", managed_identity=True)
    settings = make_settings(connection=connection)
    assert read_event(json.dumps(payload(signature=None)), "connect", settings).user_id == "ana"


def test_the_origin_of_the_client() -> None:
    """It is a header of the handshake, in any case; clients other than browsers send none."""
    assert read(payload()).client_origins == ()
    document = payload() | {"headers": {"origin": ["https://a.example"], "Host": ["x"]}}
    assert read(document).client_origins == ("https://a.example",)


def test_an_event_that_is_no_json() -> None:
    with pytest.raises(BadEventError):
        read_event("{", "connect", SETTINGS)
