"""Single HTTP requests to event handlers over aiohttp. Retries are in deliveries.py."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
from yarl import URL

from webpubsub_emulator.deliveries import NetworkError, TransferError
from webpubsub_emulator.upstream import ANSWER_LIMIT, Headers, UpstreamRequest, UpstreamResponse


class Transport:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, request: UpstreamRequest, started: asyncio.Event) -> UpstreamResponse:
        """Send once, and set `started` when the request is on its way.

        Raises NetworkError or TransferError, without the URL, whose query may contain a code.
        """
        try:
            return await self._send(request, started)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise NetworkError(type(error).__name__) from None
        except ValueError:
            # A user id or a state that no header can carry, or an answer that is too long.
            raise TransferError("not transferable") from None

    async def _send(self, request: UpstreamRequest, started: asyncio.Event) -> UpstreamResponse:
        # Differs from Azure: HTTP/1.1 only. The service asks for HTTP/2 first.
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
            trace_request_ctx=started,
        ) as response:
            body = await _read_limited(response)
            headers = Headers(tuple(response.headers.items()))
            return UpstreamResponse(response.status, headers, body)


@asynccontextmanager
async def open_transport() -> AsyncIterator[Transport]:
    """Yield a transport without a cookie jar and without a limit on connections."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_mark_started)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[trace],
    ) as session:
        yield Transport(session)


async def _mark_started(session: object, context: SimpleNamespace, params: object) -> None:
    context.trace_request_ctx.set()


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise ValueError("answer too large")
    return bytes(body)
