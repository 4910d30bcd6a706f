import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.usher.settings import KEY, make_settings
from usher.errors import BadEventError
from usher.groups.events import ConnectionEvent, read_event
from usher.settings import Connection

SETTINGS = make_settings()


def sign(connection_id: str, key: str = KEY) -> str:
    return f"sha256={hmac.digest(key.encode(), connection_id.encode(), 'sha256').hex()}"


def payload(**changes: Any) -> dict[str, Any]:
    """What the extension gives for `connect`; `changes` are of the context."""
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


def test_connect() -> None:
    """The groups come from the token's claims."""
    assert read(payload()) == ConnectionEvent("connect", "chat", "c-1", "ana", {}, ("a", "b,c"))


def test_claims_under_a_long_name() -> None:
    """The service gives some claims URI names; the last part counts. Others do not count."""
    document = payload()
    document["claims"] = {
        "http://schemas.example/ws/2005/webpubsub.group": ["a"],
        "my-webpubsub.group": ["b"],
        "group": ["c"],
    }
    assert read(document).token_groups == ("a",)


def test_connected_has_states_and_no_claims() -> None:
    """Everything but the context is absent; a user id may be too."""
    context = payload(eventName="connected", userId=None, states={"groups": ["a"]})
    event = read({"connectionContext": context["connectionContext"]}, "connected")
    assert event == ConnectionEvent("connected", "chat", "c-1", None, {"groups": ["a"]})


def test_what_the_service_says_of_an_event() -> None:
    """Its id and its time, whatever the case of the headers' names; the time is told in UTC."""
    event = read(payload(headers={"Ce-Id": ["3"], "ce-time": ["2026-11-24T13:00:00+01:00"]}))
    assert (event.event_id, event.time) == ("3", datetime(2026, 11, 24, 12, tzinfo=UTC))


@pytest.mark.parametrize("time", ["", "soon", "2026-11-24", "0001-01-01T00:00:00+01:00"])
def test_a_time_that_cannot_be_read(time: str) -> None:
    """It is as good as none: the event counts all the same."""
    assert read(payload(headers={"ce-time": [time] if time else []})).time is None
    assert read(payload(headers=None)).time is None


def test_the_hub_has_no_case() -> None:
    """The service sends it in lower case."""
    settings = make_settings(hub="Chat")
    assert read_event(json.dumps(payload()), "connect", settings).hub == "chat"


@pytest.mark.parametrize(
    "origin", ["DEMO.webpubsub.azure.com", "x.example, demo.webpubsub.azure.com"]
)
def test_one_of_several_origins_suffices(origin: str) -> None:
    """A service with replicas or a custom domain names several hosts."""
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
def test_events_meant_for_somebody_else(changes: dict[str, str]) -> None:
    """Another hub, another service, another function."""
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
    ],
)
def test_malformed_events(document: Any) -> None:
    """Refused, whatever is missing or of the wrong kind."""
    with pytest.raises(BadEventError):
        read(document)


OTHER = sign("c-1", "another-key-of-at-least-32-bytes!")


@pytest.mark.parametrize("name", ["a\nb", "\u202ea", " ", "a\x00"])
@pytest.mark.parametrize("field", ["connectionId", "userId"])
def test_ids_that_cannot_be_shown(field: str, name: str) -> None:
    """They would write lines of their own into logs and announcements."""
    ids = {"connectionId": "c-1"} | {field: name}
    with pytest.raises(BadEventError):
        read(payload(**ids, signature=sign(ids["connectionId"])))


@pytest.mark.parametrize("signature", [f"{OTHER},{sign('c-1')}", sign("c-1").upper()])
def test_one_good_signature_suffices(signature: str) -> None:
    """The service signs with both of its keys; hexadecimal digits have no case."""
    assert read(payload(signature=signature)).connection_id == "c-1"


def test_the_published_signature() -> None:
    """Key, connection id and signature of the service's documentation."""
    key, connection_id = "7aab239577fd4f24bc919802fb629f5f", "0f9c97a2f0bf4706afe87a14e0797b11"
    signature = "sha256=7767effcb3946f3e1de039df4b986ef02c110b1469d02c0a06f41b3b727ab561"
    host = "https://demo.webpubsub.azure.com"
    settings = make_settings(connection=Connection(host, access_key=key))
    document = payload(connectionId=connection_id, signature=signature)
    assert read_event(json.dumps(document), "connect", settings).connection_id == connection_id


@pytest.mark.parametrize(
    "signature",
    [None, "", OTHER, sign("c-2"), sign("c-1").removeprefix("sha256="), "sha256=\ud800"],
)
def test_events_that_are_not_signed(signature: str | None) -> None:
    """No signature, another key's, another connection's, another form."""
    with pytest.raises(BadEventError):
        read(payload(signature=signature))


def test_without_a_key_there_is_no_signature_to_check() -> None:
    """In identity mode the service signs with keys that nobody here has."""
    connection = Connection("https://demo.webpubsub.azure.com", managed_identity=True)
    settings = make_settings(connection=connection)
    assert read_event(json.dumps(payload(signature=None)), "connect", settings).user_id == "ana"


def test_the_origin_of_the_clients_page() -> None:
    """From the handshake's headers, in any case; no browser, no origin."""
    assert read(payload()).client_origins == ()
    document = payload() | {"headers": {"origin": ["https://a.example"], "Host": ["x"]}}
    assert read(document).client_origins == ("https://a.example",)


def test_no_json() -> None:
    """Refused like the rest."""
    with pytest.raises(BadEventError):
        read_event("{", "connect", SETTINGS)
