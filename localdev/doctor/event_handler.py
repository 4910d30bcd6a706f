"""The check `handler`: the hub's event handler, read from the emulator or with `az`."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from localdev.addresses import LOCAL_HOSTS
from localdev.doctor.announcements import STALE_PRESENCE
from localdev.doctor.az import OTHER_FORM, AzError, ask_az
from localdev.doctor.calls import UnreachableError
from localdev.doctor.context import Context
from localdev.doctor.events import WEBHOOK
from localdev.doctor.findings import Finding, failure, fine, skipped, warning
from webpubsub_emulator.handler_settings import SYSTEM_EVENTS

type Handlers = Sequence[Mapping[str, Any]]

KEY_VAULT = "{@Microsoft.KeyVault("  # begins a reference to a secret in a key vault


class UnknownError(Exception):
    """The event handlers cannot be read; the text says why."""


async def check_handler(context: Context) -> Finding:
    """Check the events and the URL of the hub's event handler."""
    try:
        hubs = await _read_hubs(context)
    except UnknownError as error:
        return skipped(f"{error}; the journey check tests the event handler")
    handlers = hubs.get(context.hub.lower(), ())
    if not handlers:
        return _judge_no_handler(context, [hub for hub, some in hubs.items() if some])
    return _judge_handlers(context, handlers)


async def _read_hubs(context: Context) -> Mapping[str, Handlers]:
    """Return event handlers by hub, in lower case."""
    if context.uses_emulator:
        return await _ask_emulator(context)
    if context.target.resource_group and context.target.web_pubsub:
        return {context.hub.lower(): await _ask_azure(context)}
    raise UnknownError("pass --resource-group and --web-pubsub to read event handlers with `az`")


async def _ask_emulator(context: Context) -> Mapping[str, Handlers]:
    try:
        answer = await context.ask_service("GET", "/control/state")
    except UnreachableError as error:
        raise UnknownError(f"the emulator does not answer ({error})") from None
    if answer.status != 200:
        raise UnknownError("without --control, the emulator does not show event handlers")
    handlers: Mapping[str, Handlers] = answer.body.get("eventHandlers", {})
    return handlers


async def _ask_azure(context: Context) -> Handlers:
    """Return the hub's event handlers; none if the hub has no settings."""
    target = context.target
    names = {"resource_group": target.resource_group or "", "name": target.web_pubsub or ""}
    try:
        # `hub show` would report a missing hub by an error message, `hub list` leaves the hub out.
        listed = await ask_az("webpubsub", "hub", "list", **names)
    except AzError as error:
        raise UnknownError(str(error)) from None
    return _read_azure(context, listed)


def _read_azure(context: Context, listed: Any) -> Handlers:
    try:
        hubs = {each["name"].lower(): each["properties"] for each in listed}
        properties = hubs.get(context.hub.lower(), {})
        handlers: Handlers = properties.get("eventHandlers") or []
    except (KeyError, TypeError, AttributeError):
        raise UnknownError(OTHER_FORM) from None
    if not isinstance(listed, list):
        raise UnknownError(OTHER_FORM)
    context.allows_anonymous = properties.get("anonymousConnectPolicy") == "allow"
    return handlers


def _judge_no_handler(context: Context, others: list[str]) -> Finding:
    saw = f"the hub {context.hub} has no event handler"
    if not others:
        return failure(saw, "The app receives no events.", context.fixes.set_event_handler())
    return failure(
        f"{saw}, but {', '.join(others)} has one",
        "The app and the event handler are for different hubs.",
        context.fixes.change_setting("WebPubSubHub", others[0]),
    )


def _judge_handlers(context: Context, handlers: Handlers) -> Finding:
    fix = context.fixes.set_event_handler()
    sent = {name: _find(handlers, name) for name in SYSTEM_EVENTS}
    missing = [name for name in ("connected", "disconnected") if sent[name] is None]
    if missing:
        saw = f"the event handler does not send {' and '.join(missing)}"
        return failure(saw, _describe_missing(context, missing), fix)
    urls = [each["urlTemplate"] for each in sent.values() if each is not None]
    for url in urls:
        if fault := _judge_url(context, url):
            return failure(*fault, fix)
    context.sends_connect = sent["connect"] is not None
    context.handler_remarks = _remarks(context, urls)
    if context.allows_anonymous:
        return _judge_anonymous_clients(context)
    if not context.handler_remarks:
        return fine("sends connect, connected and disconnected to the app")
    saw = "; ".join(context.handler_remarks)
    # The journey tests whether this works, if it has a token.
    if context.token is not None:
        return fine(saw)
    return warning(saw, "This may be intended; only a client with a token can test it.", fix)


def _describe_missing(context: Context, missing: list[str]) -> str:
    means = "The app cannot announce what it does not receive."
    has_presence = context.self_check.get("leaveGrace", 0) > 0
    return f"{means} {STALE_PRESENCE}" if has_presence and "disconnected" in missing else means


def _judge_anonymous_clients(context: Context) -> Finding:
    saw = f"the hub {context.hub} admits clients without a token (anonymousConnectPolicy)"
    means = (
        "They have no user id, so their messages have no fromUserId either: a client that may send "
        "to a group could forge announcements and presence. infra/hub.bicep denies such clients."
    )
    return warning(saw, means, context.fixes.deny_anonymous_clients())


def _find(handlers: Handlers, event: str) -> Mapping[str, Any] | None:
    # An event goes to the first handler that takes it (howto-develop-eventhandler).
    return next(
        (each for each in handlers if event in map(str.lower, each.get("systemEvents") or ())), None
    )


def _judge_url(context: Context, url: str) -> tuple[str, str] | None:
    """Return what is certainly wrong with a URL, and what that means. Never shows its key."""
    if url.startswith(KEY_VAULT):
        return None  # the vault holds the whole URL
    parts = urlsplit(url)
    # The host accepts any path below the webhook (azure-functions-host, HostController.cs).
    if not f"{parts.path.lower()}/".startswith(f"{WEBHOOK}/"):
        saw = f"the event handler's URL has the path {parts.path or '/'}"
        return saw, f"The app's webhook is at {WEBHOOK}."
    if not context.requires_key or context.uses_emulator or KEY_VAULT in url:
        return None  # the emulator does not show the key, and a vault holds it elsewhere
    return _judge_code(context, parts.query)


def _judge_code(context: Context, query: str) -> tuple[str, str] | None:
    means = "The app rejects every event with 401."
    codes = {name.lower(): values for name, values in parse_qs(query).items()}.get("code")
    if not codes:
        return "the event handler's URL has no ?code=", means
    if context.target.system_key and codes != [context.target.system_key]:
        return "the event handler's URL contains a key that is not the app's", means
    return None


def _remarks(context: Context, urls: list[str]) -> list[str]:
    remarks = []
    if not context.sends_connect:
        text = "the event handler does not send connect, which only USHER_SINGLE_GROUP allows"
        remarks.append(text)
    # Not a fault by itself: an app may have several domain names.
    addresses = {_address(url) for url in urls if not url.startswith(KEY_VAULT)}
    for address in sorted(addresses - {_address(context.target.app)}):
        remarks.append(f"the event handler sends events to {address}")
    return remarks


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname in LOCAL_HOSTS else parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
