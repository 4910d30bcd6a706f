"""Which part of an app gets a request: a function, the event webhook, or the host's own pages.

Source: azure-functions-host WebHost (HomepageMiddleware.cs, HostController.cs); recordings.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape

from localdev.host import runtime
from localdev.host.answers import answer_event, text_answer
from localdev.host.bindings import Answer, Headers, HttpRequest, join_headers
from localdev.host.keys import Keys, read_key
from localdev.host.logs import Records, log_line
from localdev.host.registration import Registration
from localdev.host.routes import match_route, read_route
from localdev.host.targets import Target, parse_query
from localdev.host.webhook import EventCall, Webhook

WEBHOOK_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS")
WEBHOOKS = [read_route("webhook", "runtime/webhooks/{extension}/{*rest}", WEBHOOK_METHODS)]
HOST_PATHS = ("/runtime/", "/admin/")
BEARER = (("WWW-Authenticate", "Bearer"),)
# Differs from Azure, which answers an empty 401: here, the body says so to who writes a backend.
NO_KEY = Answer(
    401,
    (("Content-Type", "application/problem+json"),),
    json.dumps(
        {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "detail": "The request has no valid function key: send it in the header "
            "x-functions-key. Only the local host explains this; Azure answers an empty 401.",
        }
    ).encode(),
)
HOME_PAGE = "<!doctype html><title>Functions</title><p>The local Functions host is running.</p>"


@dataclass(frozen=True)
class Received:
    """A request of the server; ``pairs`` are the headers as sent."""

    method: str
    target: Target
    pairs: Headers = field(repr=False)
    read_body: Callable[[], Awaitable[bytes]] = field(repr=False)

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """One value per header, by its name in lower case."""
        return join_headers(self.pairs)

    @property
    def key(self) -> str:
        """The access key of the request, or an empty text."""
        return read_key(self.pairs, self.target.query)


def make_home_page(link: str) -> Answer:
    """Return the answer to `/`, with a link to a page of the app if there is one."""
    # Differs from Azure, whose home page knows nothing of the app.
    anchor = f'<p>Open <a href="{escape(link)}">{escape(link)}</a>.</p>' if link else ""
    return Answer(200, (("Content-Type", "text/html"),), f"{HOME_PAGE}{anchor}".encode())


class Dispatcher:
    """Answers the requests to one app. Each answer comes with the name of its function or ``-``."""

    def __init__(
        self, app: Registration, keys: Keys | None, response_timeout: float, home_link: str = ""
    ) -> None:
        self._app = app
        self._home_page = make_home_page(home_link)
        self._keys = keys
        self._response_timeout = response_timeout

    async def answer(self, request: Received, records: Records) -> tuple[str, Answer]:
        """Return the response; ``records`` are the log records of this request."""
        path = request.target.path
        if not path.lower().startswith(HOST_PATHS):
            return await self._answer_http(request)
        match = match_route(WEBHOOKS, request.method, path)
        if match is None:
            return "-", self._answer_admin(request)
        return await self._answer_webhook(request, match[1]["extension"], records)

    async def _answer_http(self, request: Received) -> tuple[str, Answer]:
        match = match_route(self._app.routes, request.method, request.target.path)
        if match is None:
            return "-", self._home_page if request.target.path == "/" else Answer(404)
        route, parameters = match
        function = self._app.functions[route.function_name]
        level = function.trigger.get("authLevel")
        if self._keys and not self._keys.opens_function(level, request.key):
            return function.name, NO_KEY
        if function.name in self._app.disabled:
            return function.name, Answer(404)
        # As in Azure, a body in chunks does not arrive (azure-functions-host, issue 4926).
        body = await request.read_body() if "content-length" in request.headers else b""
        http_request = HttpRequest(
            method=request.method,
            url=f"http://{request.headers['host']}{request.target.in_url}",
            headers=request.headers,
            route_parameters=parameters,
            query=parse_query(request.target.query),
            body=body,
        )
        return function.name, await runtime.call_http(function, http_request)

    def _answer_admin(self, request: Received) -> Answer:
        path = request.target.path.lower()
        if path == "/admin/host/ping":
            return Answer(200)
        if path.startswith("/admin/") and self._keys and not self._keys.opens_admin(request.key):
            return Answer(401, BEARER)
        return Answer(404)

    async def _answer_webhook(
        self, request: Received, extension: str, records: Records
    ) -> tuple[str, Answer]:
        denial = self._keys and self._keys.check_webhook(extension, request.key)
        if denial:
            return "-", Answer(denial, BEARER if denial == 401 else ())
        webhook = self._app.webhook
        if webhook is None or extension.lower() != "webpubsub":
            return "-", Answer(404)
        return await self._answer_event(webhook, request, records)

    async def _answer_event(
        self, webhook: Webhook, request: Received, records: Records
    ) -> tuple[str, Answer]:
        result = webhook.check(request.method, request.pairs, await request.read_body())
        if isinstance(result, Answer):
            return "-", result
        return result.function_name, await self._call_event(result, records)

    async def _call_event(self, call: EventCall, records: Records) -> Answer:
        outcome = await runtime.call_event(self._app.functions[call.function_name], call.argument)
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
