"""event_context.py: the headers of event requests."""

import pytest

from localdev.host.event_context import CONTENT_HEADERS, ContextError, EventKind, read_context

HEADERS = {
    "WebHook-Request-Origin": "localhost",
    "ce-type": "azure.webpubsub.sys.connect",
    "ce-eventName": "connect",
    "ce-hub": "chat",
    "ce-connectionId": "c-1",
}


def headers_with(**changes: str | None) -> list[tuple[str, str]]:
    """Return the headers of a connect event with changes; None removes one, `_` stands for `-`."""
    values: dict[str, str | None] = dict(HEADERS)
    values |= {name.replace("_", "-"): value for name, value in changes.items()}
    return [(name, value) for name, value in values.items() if value is not None]


@pytest.mark.parametrize("name", ["ce_type", "ce_eventName", "ce_hub", "ce_connectionId"])
def test_required_header(name: str) -> None:
    """Four attributes are required."""
    with pytest.raises(ContextError):
        read_context(headers_with(**{name: None}))


def test_required_origin() -> None:
    """The origin is required on every event."""
    with pytest.raises(ContextError):
        read_context(headers_with(WebHook_Request_Origin=None))


@pytest.mark.parametrize("name", ["CE-HUB", "ce-userId", "ce-connectionState"])
def test_repeated_header(name: str) -> None:
    """Attributes must not be repeated."""
    with pytest.raises(ContextError):
        read_context([*headers_with(), (name, "e30="), (name, "e30=")])


def test_undecodable_states() -> None:
    """States that cannot be decoded are rejected, and the error does not show them."""
    with pytest.raises(ContextError) as caught:
        read_context(headers_with(ce_connectionState="no base64"))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("header", ["", "eyJrZXkiOiJhIn0="])
def test_states_of_another_writer(header: str) -> None:
    """States that the extension did not write are no states."""
    assert read_context(headers_with(ce_connectionState=header)).states == {}


@pytest.mark.parametrize("name", sorted(CONTENT_HEADERS))
def test_content_headers_are_left_out(name: str) -> None:
    """The content headers are left out, headers whose names begin alike are not."""
    longer = f"{name}-x"
    context = read_context([*headers_with(), (name.upper(), "a"), (longer, "b")])
    assert name.upper() not in context.headers
    assert context.headers[longer] == ["b"]


def test_context() -> None:
    """Repeated values are joined, states are native JSON, content headers are left out."""
    state = "eyJyb29tIjoiSW1Kc2RXVWkifQ=="
    extra = [("ce-signature", "sha256=a"), ("ce-signature", "sha256=b"), ("CONTENT-TYPE", "a/b")]
    headers = headers_with(ce_connectionState=state, ce_userId="ana")
    context = read_context([*headers, ("webhook-request-origin", "other"), *extra])
    assert context.signature == "sha256=a,sha256=b"
    assert context.origin == "localhost,other"
    assert context.states == {"room": "blue"}
    assert context.user_id == "ana"
    assert "CONTENT-TYPE" not in context.headers
    assert context.headers["ce-connectionState"] == [state]


def test_context_hides_secrets() -> None:
    """The repr of a context shows no signature, state or header."""
    context = read_context([*headers_with(), ("x-functions-key", "secret"), ("ce-signature", "s3")])
    assert "secret" not in repr(context)
    assert "s3" not in repr(context)


@pytest.mark.parametrize(
    ("ce_type", "name", "kind"),
    [
        ("azure.webpubsub.sys.connect", "connect", EventKind.CONNECT),
        ("AZURE.WEBPUBSUB.SYS.x", "Connected", EventKind.CONNECTED),
        ("azure.webpubsub.sys.disconnected", "disconnected", EventKind.DISCONNECTED),
        ("azure.webpubsub.sys.other", "other", EventKind.OTHER),
        ("azure.webpubsub.sys.user", "user", EventKind.OTHER),
        ("azure.webpubsub.user.connect", "connect", EventKind.USER),
        ("anything", "connected", EventKind.USER),
    ],
)
def test_kinds(ce_type: str, name: str, kind: EventKind) -> None:
    """The prefix of ce-type distinguishes system and user events; ce-eventName names the event."""
    assert read_context(headers_with(ce_type=ce_type, ce_eventName=name)).kind is kind
