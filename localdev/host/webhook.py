"""The checks of the event webhook, in their order, up to the call of a function. Does no I/O.

Source: Microsoft.Azure.WebJobs.Extensions.WebPubSub WebPubSubTriggerDispatcher.cs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localdev.host.access import (
    ServiceAccess,
    is_allowed_origin,
    is_valid_signature,
    read_accesses,
    split_list,
)
from localdev.host.answers import text_answer
from localdev.host.bindings import Answer, Headers, join_headers
from localdev.host.errors import HostError, StartError
from localdev.host.event_context import ContextError, EventContext, read_context
from localdev.host.events import BodyError, DataTypeError, argument_value, event_values
from localdev.host.settings import find_setting, resolve_settings

EVENT_TYPES = {"system": "System", "user": "User"}
CLIENT_PROTOCOLS = {"all": "All", "webpubsub": "WebPubSub", "mqtt": "Mqtt"}


@dataclass(frozen=True, slots=True)
class Listener:
    """One function with a webPubSubTrigger, its settings resolved."""

    function_name: str
    hub: str
    event_type: str
    event_name: str
    client_protocols: str
    argument_name: str
    binary: bool
    accesses: tuple[ServiceAccess, ...]

    @property
    def route(self) -> str:
        """The events that the function handles, as one word for logs."""
        return f"{self.hub}.{self.event_type}.{self.event_name}.{self.client_protocols}"


@dataclass(frozen=True, slots=True)
class EventCall:
    """A checked event: the function to call, the value of its parameter, the event itself."""

    function_name: str
    argument: str | bytes | None = field(repr=False)
    context: EventContext


def read_listener(
    function_name: str, binding: Mapping[str, Any], environ: Mapping[str, str]
) -> Listener:
    """Read a trigger's binding.

    Raises HostError if Azure would start no listener for it, and StartError if that would stop the
    whole app.

    Source: Microsoft.Azure.WebJobs.Extensions.WebPubSub WebPubSubTriggerBindingProvider.cs.
    """
    hub = resolve_settings(str(binding.get("hub") or ""), environ)
    hub = hub or find_setting(environ, "WebPubSubHub") or ""
    if not hub:
        raise StartError("no hub: give the trigger a `hub` or set WebPubSubHub")
    return Listener(
        function_name=function_name,
        hub=hub,
        event_type=_choice(binding, "eventType", EVENT_TYPES),
        event_name=resolve_settings(str(binding.get("eventName") or ""), environ),
        client_protocols=_choice(
            {"clientProtocols": "all", **binding}, "clientProtocols", CLIENT_PROTOCOLS
        ),
        argument_name=binding["name"],
        binary=str(binding.get("dataType", "")).lower() == "binary",
        accesses=read_accesses(_connection_names(binding), environ),
    )


class Webhook:
    """All listeners of one app, and the checks that every event request goes through."""

    def __init__(self, listeners: Iterable[Listener]) -> None:
        """Register the listeners; of two for the same events the first gets them (recorded)."""
        self._listeners: dict[str, Listener] = {}
        for listener in listeners:
            # Python's lower() replaces .NET's InvariantCultureIgnoreCase.
            self._listeners.setdefault(listener.route.lower(), listener)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All registered listeners."""
        return tuple(self._listeners.values())

    def check(self, method: str, headers: Headers, body: bytes) -> Answer | EventCall:
        """Return the call to make, or the response to a request that no function handles."""
        if method in ("OPTIONS", "GET"):
            return self._validate(headers)
        try:
            context = read_context(headers)
        except ContextError:
            return Answer(400)
        if context.is_mqtt:
            # Differs from Azure: these events have another form there.
            return text_answer(501, "The local host does not handle events of MQTT clients.")
        listener = self._find_listener(context)
        if listener is None:
            return Answer(404)
        if not _is_signed(listener, context):
            return Answer(401)
        if method != "POST":
            return Answer(400)
        return _make_call(listener, context, body)

    def _validate(self, headers: Headers) -> Answer:
        origin = join_headers(headers).get("webhook-request-origin")
        if origin is None:
            return Answer(500)
        hosts = split_list(origin)
        if any(is_allowed_origin(each.accesses, hosts) for each in self._listeners.values()):
            return Answer(200, (("WebHook-Allowed-Origin", "*"),))
        return Answer(400)

    def _find_listener(self, context: EventContext) -> Listener | None:
        route = f"{context.hub}.{context.event_type}.{context.event_name}".lower()
        return self._listeners.get(f"{route}.webpubsub") or self._listeners.get(f"{route}.all")


def _choice(binding: Mapping[str, Any], key: str, choices: Mapping[str, str]) -> str:
    value = str(binding.get(key, "")).lower()
    if value not in choices:
        raise HostError(f"`{key}` must be one of {', '.join(choices)}")
    return choices[value]


def _connection_names(binding: Mapping[str, Any]) -> list[str]:
    # `connection` is the older alias, which counts only if `connections` is empty.
    if names := binding.get("connections"):
        if not isinstance(names, list):
            raise HostError("`connections` must be a list of names")
        return names
    return [binding["connection"]] if binding.get("connection") else []


def _is_signed(listener: Listener, context: EventContext) -> bool:
    return is_valid_signature(
        listener.accesses, context.origin, context.signature, context.connection_id
    )


def _make_call(listener: Listener, context: EventContext, body: bytes) -> Answer | EventCall:
    try:
        values = event_values(context, body)
    except DataTypeError as error:
        return text_answer(400, str(error))
    except BodyError:
        return Answer(500)
    argument = argument_value(values, listener.argument_name, binary=listener.binary)
    return EventCall(listener.function_name, argument, context)
