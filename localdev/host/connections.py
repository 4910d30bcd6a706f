"""The HTTP server's own side: its limits, and its responses to what is no request."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from localdev.host.limits import HEADERS_LIMIT
from localdev.http_logs import server_logger

# Above the limits of Kestrel, which limits.py checks. They differ, so that the error shows which.
HEADER_LIMIT = 4 * HEADERS_LIMIT
LINE_LIMIT = HEADER_LIMIT + 1


class Connection(web.RequestHandler):
    """Rejects what aiohttp cannot parse as Kestrel does: with an empty body."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response after an error, which closes the connection."""
        super().handle_error(request, status, exc, message)  # logs the error
        if isinstance(exc, LineTooLong):
            status = 414 if exc.args[1] == LINE_LIMIT else 431
        answer = web.Response(status=status)
        answer.force_close()
        return answer


class Server(web.Server):
    """Makes a Connection for each client. Bodies stay as they were sent, compressed ones too."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler)
        self._logger = server_logger("localdev.host.http")

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is no log of accesses
            auto_decompress=False,
            logger=self._logger,
            max_field_size=HEADER_LIMIT,
            max_headers=HEADER_LIMIT,
            max_line_size=LINE_LIMIT,
        )
