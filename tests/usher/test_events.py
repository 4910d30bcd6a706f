import json
from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.errors import BadEventError
from usher.events import ConnectionEvent, read_event

SETTINGS = make_settings()


def payload(**changes: Any) -> dict[str, Any]:
    """What the extension gives for `connect`; `changes` are of the context."""
    context: dict[str, Any] = {
        "eventType": "System",
        "eventName": "connect",
        "hub": "chat",
        "connectionId": "c-1",
        "userId": "ana",
        "signature": "sha256=aa",
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


def test_no_json() -> None:
    """Refused like the rest."""
    with pytest.raises(BadEventError):
        read_event("{", "connect", SETTINGS)
