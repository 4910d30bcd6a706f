"""webhook.py: bindings to listeners, and the order of the checks."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import pytest

from localdev.host.access import ServiceAccess
from localdev.host.bindings import Answer
from localdev.host.errors import HostError
from localdev.host.webhook import EventCall, Listener, Webhook, read_listener

BINDING = {
    "type": "webPubSubTrigger",
    "name": "request",
    "hub": "chat",
    "eventType": "user",
    "eventName": "message",
}
SIGNATURE = "sha256=" + hmac.new(b"key", b"c-1", hashlib.sha256).hexdigest()
HEADERS = {
    "WebHook-Request-Origin": "localhost",
    "ce-type": "azure.webpubsub.user.message",
    "ce-eventName": "message",
    "ce-hub": "CHAT",
    "ce-connectionId": "c-1",
    "ce-signature": SIGNATURE,
    "Content-Type": "text/plain",
}
PLAIN_TEXT = "text/plain; charset=utf-8"
KEYED = {"WebPubSubConnectionString": "Endpoint=http://localhost;AccessKey=key"}


def listener(environ: Mapping[str, str] = KEYED, **changes: Any) -> Listener:
    """Return the listener of a trigger for messages, with changes to its binding."""
    name = changes.pop("function_name", "on_message")
    return read_listener(name, {**BINDING, **changes}, environ)


def check(
    method: str = "POST", changes: Mapping[str, str | None] | None = None, body: bytes = b"hi"
) -> Answer | EventCall:
    """Check a request, given by changes to a good one, against three listeners."""
    connect = listener(eventType="system", eventName="connect", function_name="on_connect")
    gone = listener(eventType="system", eventName="disconnected", function_name="on_gone")
    values = {**HEADERS, **(changes or {})}
    headers = [(name, value) for name, value in values.items() if value is not None]
    return Webhook([listener(), connect, gone]).check(method, headers, body)


def test_call() -> None:
    """A good request becomes a call of the function, whatever the case of the hub."""
    call = check(body=b"hello")
    assert isinstance(call, EventCall)
    assert (call.function_name, call.context.hub) == ("on_message", "CHAT")
    assert '"data": "hello"' in str(call.argument)


def test_call_hides_the_message() -> None:
    """The repr of a call shows neither the message nor the signature."""
    shown = repr(check(body=b"hello"))
    assert "hello" not in shown
    assert SIGNATURE not in shown


SYSTEM = {"ce-type": "azure.webpubsub.sys.connect", "ce-eventName": "connect"}
GONE = {"ce-type": "azure.webpubsub.sys.disconnected", "ce-eventName": "disconnected"}
ORIGIN = "WebHook-Request-Origin"


@pytest.mark.parametrize(
    ("method", "changes", "status"),
    [
        ("OPTIONS", {"ce-hub": None}, 200),
        ("GET", {"ce-hub": None}, 200),
        ("OPTIONS", {ORIGIN: "other, localhost"}, 200),
        ("OPTIONS", {ORIGIN: "other"}, 400),
        ("GET", {ORIGIN: "LOCALHOST"}, 400),
        ("OPTIONS", {ORIGIN: None}, 500),
        ("GET", {ORIGIN: None}, 500),
        ("POST", {ORIGIN: None}, 400),
        ("POST", {"ce-connectionId": None, "ce-hub": "other"}, 400),
        ("POST", {"ce-connectionState": "?"}, 400),
        ("POST", {"ce-hub": "other", "ce-signature": None}, 404),
        ("POST", {"ce-eventName": "other"}, 404),
        ("PUT", {"ce-hub": "other"}, 404),
        ("POST", {"ce-signature": None}, 401),
        ("POST", {ORIGIN: "other"}, 401),
        ("PUT", {"ce-signature": "sha256=00"}, 401),
        ("DELETE", {"Content-Type": None}, 400),
        ("PUT", {}, 400),
        ("POST", {"Content-Type": None}, 500),
        ("POST", SYSTEM, 500),
        ("POST", GONE, 500),
    ],
)
def test_rejections(method: str, changes: dict[str, str | None], status: int) -> None:
    """Every check has its status and an empty body, in the extension's order."""
    allowed = (("WebHook-Allowed-Origin", "*"),) if status == 200 else ()
    assert check(method, changes) == Answer(status, allowed)


def test_unsupported_data() -> None:
    """A user event of another media type is rejected with a text."""
    text = b"Message data only supports text, binary, json. Current value is: text/html"
    expected = Answer(400, (("Content-Type", PLAIN_TEXT),), text)
    assert check(changes={"Content-Type": "text/html"}) == expected


def test_mqtt_is_not_served() -> None:
    """The response to an event of an MQTT client is 501."""
    answer = check(changes={"ce-subprotocol": "mqtt", "ce-physicalConnectionId": "p-1"})
    assert isinstance(answer, Answer)
    assert answer.status == 501


def test_validation_without_listeners() -> None:
    """Without listeners no origin is accepted."""
    assert Webhook([]).check("OPTIONS", [(ORIGIN, "localhost")], b"") == Answer(400)


def test_validation_with_one_open_listener() -> None:
    """One listener without a connection accepts every origin."""
    webhook = Webhook([listener(), listener({}, hub="open")])
    result = webhook.check("OPTIONS", [(ORIGIN, "other")], b"")
    assert result == Answer(200, (("WebHook-Allowed-Origin", "*"),))


def test_protocol_of_listeners() -> None:
    """A listener for plain clients wins over one for all clients; one for MQTT gets no event."""
    plain = listener(clientProtocols="webPubSub", function_name="plain")
    mqtt = listener(clientProtocols="MQTT", function_name="mqtt")
    for listeners, name in [
        ([listener(), plain, mqtt], "plain"),
        ([mqtt, listener()], "on_message"),
    ]:
        call = Webhook(listeners).check("POST", list(HEADERS.items()), b"")
        assert isinstance(call, EventCall)
        assert call.function_name == name
    assert Webhook([mqtt]).check("POST", list(HEADERS.items()), b"") == Answer(404)


def test_duplicate_listeners() -> None:
    """Of two functions for one event the first gets it, whatever the case of the hub."""
    webhook = Webhook([listener(function_name="one"), listener(hub="Chat", function_name="two")])
    assert [each.function_name for each in webhook.listeners] == ["one"]


def test_settings_in_bindings() -> None:
    """Hub and event name may be settings, the hub also the app's default."""
    environ = {"Hub": "blue", "Name": "move", "WebPubSubHub": "main"}
    assert listener(environ, hub="%Hub%", eventName="%Name%").route == "blue.User.move.All"
    assert listener(environ, hub=None).route == "main.User.message.All"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"hub": None}, "no hub"),
        ({"hub": "%Missing%"}, "%Missing%"),
        ({"eventName": "%Missing%"}, "%Missing%"),
        ({"eventType": "other"}, "`eventType` must be one of system, user"),
        ({"clientProtocols": "tcp"}, "`clientProtocols` must be one of"),
        ({"connections": ["Missing"]}, "'Missing' has no app setting"),
        ({"connection": "Missing"}, "'Missing' has no app setting"),
        ({"connections": "A"}, "must be a list"),
    ],
)
def test_bad_bindings(changes: dict[str, Any], fault: str) -> None:
    """A binding that cannot work is an error that says why."""
    with pytest.raises(HostError, match=fault):
        listener(**changes)


def test_connections_of_a_binding() -> None:
    """`connections` wins over its older alias, and an empty alias is ignored."""
    environ = {"A": "Endpoint=http://a.example", "B": "Endpoint=http://b.example", **KEYED}
    assert listener(environ, connections=["A"], connection="B").accesses == (
        ServiceAccess("a.example"),
    )
    assert listener(environ, connection="B").accesses == (ServiceAccess("b.example"),)
    assert listener(environ, connection="").accesses == (ServiceAccess("localhost", "key"),)


def test_binary_bindings() -> None:
    """The data type of a binding says whether Python gets bytes."""
    assert listener(dataType="BINARY").binary
    assert not listener().binary
