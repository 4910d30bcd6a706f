"""The HTTP server of the local Functions host: the functions' routes and the event webhook.

The other modules decide on responses; this module receives requests and sends responses.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

from aiohttp import web
from multidict import CIMultiDict

from localdev.host import runtime
from localdev.host.answers import answer_event, text_answer
from localdev.host.bindings import Answer, HttpRequest, join_headers, parse_query
from localdev.host.cors import CorsPolicy
from localdev.host.errors import HostError
from localdev.host.keys import Keys, read_key
from localdev.host.logs import Records, collect_records, log_line
from localdev.host.routes import Route, match_route, order_routes, read_route
from localdev.host.runtime import Function
from localdev.host.settings import find_setting, read_local_settings, read_route_prefix
from localdev.host.webhook import EventCall, Listener, Webhook, read_listener
from localdev.http_logs import server_logger

WEBHOOKS_PATH = "/runtime/webhooks/"
WEBHOOK_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS")
BODY_LIMIT = 100 * 1024 * 1024
SHUTDOWN_SECONDS = 1.0
# Connections that may wait to be accepted. With aiohttp's default of 128, many connections at once
# wait for TCP to retry after 1 s or more.
BACKLOG = 4096


class FunctionsHost:
    """Runs one function app from a folder on 127.0.0.1, as Azure Functions would.

    An asynchronous context manager: inside, the app is indexed and the host listens. Entering
    raises HostError when the app or its settings cannot be served, OSError when the port is busy.
    ``response_timeout`` is how many seconds a request waits if Azure would never respond to it.
    Requests must have one of ``keys``; without ``keys`` none is required.
    App settings come from the environment, so call apply_local_settings before.
    """

    # Differs from Azure: without `keys` neither functions nor the webhook require a key, as in Core
    # Tools. With `keys`, all functions share one key, and no function has its own.

    def __init__(
        self,
        app_dir: Path,
        *,
        port: int = 7071,
        response_timeout: float = 30.0,
        keys: Keys | None = None,
    ) -> None:
        self._app_dir = app_dir.resolve()
        self._port = port
        self._response_timeout = response_timeout
        self._keys = keys
        self._functions: Mapping[str, Function] = {}
        self._routes: list[Route] = []
        self._webhook = Webhook([])
        self._cors = CorsPolicy(())
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """The URL that the host listens on, without a slash at its end."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the host is not running")
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        settings = read_local_settings(self._app_dir)
        self._cors = CorsPolicy(settings.cors_origins, settings.cors_credentials)
        prefix = read_route_prefix(self._app_dir)
        functions = runtime.load_functions(self._app_dir)
        try:
            self._register(functions, prefix)
            await self._listen()
        except BaseException:
            await self._stop()
            raise
        self._announce()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    def _register(self, functions: Iterable[Function], prefix: str) -> None:
        enabled = [function for function in functions if not _is_disabled(function.name)]
        supported = [function for function in enabled if _is_supported(function)]
        self._functions = {function.name: function for function in supported}
        http = [each for each in supported if each.trigger_type == "httptrigger"]
        self._routes = order_routes(_http_route(function, prefix) for function in http)
        events = (each for each in supported if each.trigger_type == "webpubsubtrigger")
        self._webhook = Webhook(_read_listeners(events))

    async def _listen(self) -> None:
        app = web.Application(client_max_size=BODY_LIMIT)
        # `s`, because aiohttp matches the decoded path, which may contain a line break.
        app.router.add_route("*", "/{path:(?s:.*)}", self._handle)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=server_logger("localdev.host.http"),
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=BACKLOG).start()

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        runtime.stop_threads()

    def _announce(self) -> None:
        for route in self._routes:
            methods = ",".join(sorted(route.methods)) or "any method"
            log_line(f"{route.function_name}: httpTrigger {methods} {self.address}/{route.path}")
        for listener in self._webhook.listeners:
            log_line(f"{listener.function_name}: webPubSubTrigger {listener.route}")

    async def _handle(self, request: web.Request) -> web.Response:
        started = perf_counter()
        with collect_records() as records:
            function_name, answer = await self._answer(request, records)
        milliseconds = (perf_counter() - started) * 1000
        path, _query = _split_target(request)
        line = f"{request.method} {path} {answer.status} {milliseconds:.0f} ms {function_name}"
        log_line(line, records.take())
        headers = CIMultiDict(answer.headers)
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def _answer(self, request: web.Request, records: Records) -> tuple[str, Answer]:
        path, _query = _split_target(request)
        if path.lower().startswith(WEBHOOKS_PATH):
            return await self._answer_webhook(request, path, records)
        headers = join_headers(tuple(request.headers.items()))
        preflight = self._cors.answer_preflight(request.method, headers)
        if preflight is not None:
            return "-", preflight
        name, answer = await self._answer_http(request, headers)
        permission = self._cors.response_headers(headers)
        return name, Answer(answer.status, (*answer.headers, *permission), answer.body)

    async def _answer_http(
        self, request: web.Request, headers: Mapping[str, str]
    ) -> tuple[str, Answer]:
        path, query = _split_target(request)
        match = match_route(self._routes, request.method, path)
        if match is None:
            return "-", Answer(404)
        route, parameters = match
        function = self._functions[route.function_name]
        level = function.trigger.get("authLevel")
        if self._keys and not self._keys.opens_function(level, _request_key(request)):
            return function.name, Answer(401)
        # As in Azure, a body in chunks does not arrive (azure-functions-host, issue 4926).
        body = b"" if request.content_length is None else await _read_body(request)
        if body is None:
            return function.name, Answer(413)
        http_request = HttpRequest(
            method=request.method,
            url=f"http://{request.host}{request.raw_path}",
            headers=headers,
            route_parameters=parameters,
            query=parse_query(query),
            body=body,
        )
        return function.name, await runtime.call_http(function, http_request)

    async def _answer_webhook(
        self, request: web.Request, path: str, records: Records
    ) -> tuple[str, Answer]:
        extension = path[len(WEBHOOKS_PATH) :].partition("/")[0]
        if self._keys and not self._keys.opens_webhook(extension, _request_key(request)):
            return "-", Answer(401)
        if extension.lower() != "webpubsub":
            return "-", Answer(404)
        if request.method not in WEBHOOK_METHODS:
            return "-", Answer(405, (("Allow", ", ".join(WEBHOOK_METHODS)),))
        body = await _read_body(request)
        if body is None:
            return "-", Answer(413)
        result = self._webhook.check(request.method, tuple(request.headers.items()), body)
        if isinstance(result, Answer):
            return "-", result
        return result.function_name, await self._call_event(result, records)

    async def _call_event(self, call: EventCall, records: Records) -> Answer:
        outcome = await runtime.call_event(self._functions[call.function_name], call.argument)
        answer = answer_event(call.context, outcome)
        if answer is not None:
            return answer
        # Differs from Azure: there the request stays open until the caller gives up.
        log_line(
            f"AZURE WOULD HANG HERE: {call.function_name} failed in a blocking event, which Azure "
            f"never answers; 500 follows after {self._response_timeout:g} s",
            records.take(),
            level=logging.ERROR,
        )
        await asyncio.sleep(self._response_timeout)
        return text_answer(500, "A task was canceled.")


def _split_target(request: web.Request) -> tuple[str, str]:
    path, _mark, query = request.raw_path.partition("?")
    return path, query


def _request_key(request: web.Request) -> str:
    _path, query = _split_target(request)
    return read_key(tuple(request.headers.items()), query)


def _is_supported(function: Function) -> bool:
    # Differs from Azure: other triggers, and input and output bindings, are not served.
    allowed = {"httptrigger": ["http $return"], "webpubsubtrigger": []}
    others = [each for each in function.bindings if each is not function.trigger]
    names = [f"{each['type']} {each['name']}" for each in others]
    if names == allowed.get(function.trigger_type):
        return True
    types = ", ".join(each["type"] for each in function.bindings)
    _log_skipped(function.name, f"the local host does not serve its bindings ({types})")
    return False


def _is_disabled(function_name: str) -> bool:
    # Source: Azure Functions documentation, "How to disable functions".
    value = find_setting(os.environ, f"AzureWebJobs.{function_name}.Disabled") or ""
    if value.lower() not in ("true", "1"):
        return False
    log_line(f"{function_name} does not run: an app setting disables it")
    return True


def _log_skipped(function_name: str, reason: str) -> None:
    log_line(f"ERROR: {function_name} does not run: {reason}", level=logging.ERROR)


def _http_route(function: Function, prefix: str) -> Route:
    trigger = function.trigger
    path = f"{prefix}/{trigger.get('route') or function.name}".strip("/")
    return read_route(function.name, path, trigger.get("methods") or ())


def _read_listeners(functions: Iterable[Function]) -> list[Listener]:
    listeners = []
    for function in functions:
        try:
            listeners.append(read_listener(function.name, function.trigger, os.environ))
        except HostError as error:
            # As in Azure, the other functions run.
            _log_skipped(function.name, str(error))
    return listeners


async def _read_body(request: web.Request) -> bytes | None:
    # Like Kestrel, reject by Content-Length; aiohttp would read up to the limit first.
    if (request.content_length or 0) > BODY_LIMIT:
        return None
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return None
