"""Which functions of an app the host serves, and what keeps the whole app from starting.

Sources: azure-functions-host FunctionMetadataManager.cs (order), HttpBinding and ScriptHost.cs
(routes); recordings of the host's starts.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from localdev.host.errors import HostError, StartError
from localdev.host.logs import log_line
from localdev.host.routes import Route, read_route
from localdev.host.runtime import Function
from localdev.host.settings import find_setting
from localdev.host.webhook import Listener, Webhook, read_listener

HTTP_TRIGGER = "httptrigger"
EVENT_TRIGGER = "webpubsubtrigger"
RESERVED_ROUTES = ("admin", "runtime")


@dataclass(frozen=True, slots=True)
class Registration:
    """An app's functions by name, the names of disabled ones, routes, and the webhook if any."""

    functions: Mapping[str, Function] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    routes: Sequence[Route] = ()
    webhook: Webhook | None = None


def register(
    functions: Iterable[Function], prefix: str, environ: Mapping[str, str]
) -> Registration:
    """Register an app's functions in the order of their names.

    A function that cannot run is left out, and the log says why. Raises StartError for a fault
    that stops the whole app.
    """
    ordered = sorted(filter(_is_supported, functions), key=lambda each: each.name.upper())
    _check_names(ordered)
    disabled = frozenset(each.name for each in ordered if _is_disabled(each.name, environ))
    events = [each for each in ordered if each.trigger_type == EVENT_TRIGGER]
    listeners = _read_listeners([each for each in events if each.name not in disabled], environ)
    return Registration(
        functions={each.name: each for each in ordered},
        disabled=disabled,
        routes=_read_routes(ordered, prefix),
        # The extension is only loaded for an app with a trigger of its own.
        webhook=Webhook(listeners) if events else None,
    )


def _is_supported(function: Function) -> bool:
    # Differs from Azure: other triggers, and input and output bindings, are not served.
    allowed = {HTTP_TRIGGER: ["http $return"], EVENT_TRIGGER: []}
    others = [each for each in function.bindings if each is not function.trigger]
    names = [f"{each['type']} {each['name']}" for each in others]
    if names == allowed.get(function.trigger_type):
        return True
    types = ", ".join(each["type"] for each in function.bindings)
    _log_skipped(function.name, f"the local host does not serve its bindings ({types})")
    return False


def _check_names(ordered: Sequence[Function]) -> None:
    for one, other in pairwise(ordered):
        if one.name.upper() == other.name.upper():
            raise StartError(f"two functions differ only in case: {one.name} and {other.name}")


def _is_disabled(function_name: str, environ: Mapping[str, str]) -> bool:
    # Source: Azure Functions documentation, "How to disable functions".
    value = find_setting(environ, f"AzureWebJobs.{function_name}.Disabled") or ""
    if value.lower() not in ("true", "1"):
        return False
    log_line(f"{function_name} does not run: an app setting disables it")
    return True


def _read_routes(functions: Sequence[Function], prefix: str) -> list[Route]:
    if prefix != prefix.strip("/"):
        raise StartError("host.json: the routePrefix begins or ends with a slash")
    routes: list[Route] = []
    for function in functions:
        if function.trigger_type == HTTP_TRIGGER:
            try:
                routes.append(_read_route(function, prefix, routes))
            except StartError:
                raise
            except HostError as error:
                _log_skipped(function.name, str(error))
    return routes


def _read_route(function: Function, prefix: str, earlier: Iterable[Route]) -> Route:
    trigger = function.trigger
    path = str(trigger.get("route") or function.name)
    if path.startswith("/"):
        raise StartError(f"the route of {function.name} begins with a slash")
    if path.lower().startswith(RESERVED_ROUTES):
        raise HostError(f"routes that begin with {' or '.join(RESERVED_ROUTES)} are the host's own")
    route = read_route(function.name, f"{prefix}/{path}".lstrip("/"), trigger.get("methods"))
    for other in earlier:
        if _conflict(route, other):
            raise HostError(f"{other.function_name} has the same route")
    return route


def _conflict(one: Route, other: Route) -> bool:
    # No methods, and an empty list of them, count as all (ScriptHost.cs, HttpRoutesConflict).
    has_common = not one.methods or not other.methods or bool(one.methods & other.methods)
    return has_common and one.path.strip("/").lower() == other.path.strip("/").lower()


def _read_listeners(functions: Iterable[Function], environ: Mapping[str, str]) -> list[Listener]:
    listeners = []
    for function in functions:
        try:
            listeners.append(read_listener(function.name, function.trigger, environ))
        except StartError as error:
            raise StartError(f"{function.name} cannot listen for events: {error}") from None
        except HostError as error:
            # As in Azure, the other functions run.
            _log_skipped(function.name, str(error))
    return listeners


def _log_skipped(function_name: str, reason: str) -> None:
    log_line(f"ERROR: {function_name} does not run: {reason}", level=logging.ERROR)
