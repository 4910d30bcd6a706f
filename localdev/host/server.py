"""The HTTP server of the local Functions host: receives requests and sends responses.

The other modules decide on responses.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

from aiohttp import web
from multidict import CIMultiDict

from localdev.host import runtime
from localdev.host.answers import text_answer
from localdev.host.bindings import Answer
from localdev.host.connections import Server
from localdev.host.cors import CorsPolicy
from localdev.host.dispatch import Dispatcher, Received
from localdev.host.errors import StartError
from localdev.host.keys import Keys
from localdev.host.limits import BODY_LIMIT, find_rejection
from localdev.host.logs import Records, collect_records, log_line
from localdev.host.registration import Registration, register
from localdev.host.runtime import Function
from localdev.host.settings import read_local_settings, read_route_prefix
from localdev.host.targets import TargetError, read_target

NOT_RUNNING = "Function host is not running."
SHUTDOWN_SECONDS = 1.0
# Connections that may wait to be accepted. With aiohttp's default of 128, many connections at once
# wait for TCP to retry after 1 s or more.
BACKLOG = 4096


class BodyLimitError(Exception):
    """The body is over the limit."""


class FunctionsHost:
    """Runs one function app from a folder on 127.0.0.1, as Azure Functions would.

    An asynchronous context manager: inside, the app is indexed and the host listens. Entering
    raises HostError when the app or its settings cannot be served, OSError when the port is busy.
    An app that Azure would not start is no error: every request to it gets 503.
    ``response_timeout`` is how many seconds a request waits if Azure would never respond to it.
    Requests must have one of ``keys``; without ``keys`` none is required.
    ``home_link`` is the page of the app that the home page links to.
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
        home_link: str = "",
    ) -> None:
        self._app_dir = app_dir.resolve()
        self._port = port
        self._response_timeout = response_timeout
        self._keys = keys
        self._home_link = home_link
        self._dispatcher: Dispatcher | None = None
        self._cors = CorsPolicy(())
        self._runner: web.ServerRunner | None = None

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
            app = _register(functions, prefix)
            if app is not None:
                self._dispatcher = Dispatcher(
                    app, self._keys, self._response_timeout, self._home_link
                )
            await self._listen()
        except BaseException:
            await self._stop()
            raise
        self._announce(app)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _listen(self) -> None:
        self._runner = web.ServerRunner(Server(self._handle), shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=BACKLOG).start()

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        runtime.stop_threads()

    def _announce(self, app: Registration | None) -> None:
        for route in app.routes if app else ():
            methods = "any method" if route.methods is None else ",".join(sorted(route.methods))
            log_line(f"{route.function_name}: httpTrigger {methods} {self.address}/{route.path}")
        for listener in app.webhook.listeners if app and app.webhook else ():
            log_line(f"{listener.function_name}: webPubSubTrigger {listener.route}")

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        started = perf_counter()
        with collect_records() as records:
            function_name, answer = await self._answer(request, records)
        milliseconds = (perf_counter() - started) * 1000
        path = request.raw_path.partition("?")[0]
        line = f"{request.method} {path} {answer.status} {milliseconds:.0f} ms {function_name}"
        log_line(line, records.take())
        headers = CIMultiDict(answer.headers)
        response = web.Response(status=answer.status, headers=headers, body=answer.body)
        if answer.closes:
            response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest, records: Records) -> tuple[str, Answer]:
        rejection = find_rejection(request.method, request.raw_path, request.raw_headers)
        if rejection is not None:
            return "-", Answer(rejection, closes=True)
        try:
            target = read_target(request.raw_path)
        except TargetError:
            return "-", Answer(400, closes=True)
        pairs = tuple(request.headers.items())
        received = Received(request.method, target, pairs, lambda: _read_body(request))
        if "Origin" not in request.headers:
            return await self._dispatch(received, records)
        preflight = self._cors.answer_preflight(request.method, received.headers)
        if preflight is not None:
            return "-", preflight
        name, answer = await self._dispatch(received, records)
        return name, self._cors.permit(answer, received.headers.get("origin"))

    async def _dispatch(self, received: Received, records: Records) -> tuple[str, Answer]:
        if self._dispatcher is None:
            return "-", text_answer(503, NOT_RUNNING)
        try:
            return await self._dispatcher.answer(received, records)
        except BodyLimitError:
            return "-", Answer(500, closes=True)


def _register(functions: Iterable[Function], prefix: str) -> Registration | None:
    try:
        return register(functions, prefix, os.environ)
    except StartError as error:
        text = f"ERROR: the app does not start, and every request gets 503, as in Azure: {error}"
        log_line(text, level=logging.ERROR)
        return None


async def _read_body(request: web.BaseRequest) -> bytes:
    # Reject by Content-Length first, as Kestrel does.
    if (request.content_length or 0) > BODY_LIMIT:
        raise BodyLimitError
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as in aiohttp, the response itself has not begun
    body = bytearray()
    while len(body) <= BODY_LIMIT:
        part = await request.content.readany()
        if not part:
            return bytes(body)
        body += part
    raise BodyLimitError
