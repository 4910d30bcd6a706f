"""Passes requests on to several instances in turn, as a front end spreads them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

# They are about one connection, and this is another (RFC 9110, section 7.6.1).
HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade")


class Balancer:
    """An asynchronous context manager: inside, it listens at `address`."""

    def __init__(self, instances: Sequence[str]) -> None:
        self._turns = cycle(instances)
        self._resources = AsyncExitStack()
        self._session: aiohttp.ClientSession
        self.address = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            connector = aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            self._session = await resources.enter_async_context(session)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(app, access_log=None)
            resources.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._resources.aclose()

    async def _pass_on(self, request: web.Request) -> web.Response:
        async with self._session.request(
            request.method,
            URL(next(self._turns) + request.raw_path, encoded=True),
            headers=_without_hops(request.headers),
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            body, headers = await answer.read(), _without_hops(answer.headers)
            return web.Response(status=answer.status, headers=headers, body=body)


def _without_hops(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in HOP_BY_HOP:
        kept.popall(name, None)
    return kept
