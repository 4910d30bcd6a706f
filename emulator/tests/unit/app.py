"""A small app that takes events: the tests script its answers and read what it got."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], web.Response]


@dataclass
class Received:
    """One request of the emulator."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class App:
    """Answers each event as scripted, first come first served, and else with 204."""

    received: list[Received] = field(default_factory=list)
    scripts: dict[str, list[web.Response]] = field(default_factory=dict)
    options_status: int = 200
    allowed_origin: str = "*"
    release: asyncio.Event = field(default_factory=asyncio.Event)
    """Events named in `slow` wait for this."""
    slow: set[str] = field(default_factory=lambda: {"slow"})
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def application(self, hub: str = "{hub}") -> web.Application:
        """The app for an HTTP server; with a hub, it does not know those of others."""
        application = web.Application()
        application.router.add_route("*", f"/hooks/{hub}/{{event}}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self._news:
            self.received.append(Received(request.method, request.path_qs, headers, body))
            self._news.notify_all()
        if request.method == "OPTIONS":
            return self._permit(self.options_status)
        if request.method == "GET":
            return self._permit(200)
        if headers["ce-eventname"] in self.slow:
            await self.release.wait()
        scripted = self.scripts.get(headers["ce-eventname"])
        return scripted.pop(0) if scripted else web.Response(status=204)

    def _permit(self, status: int) -> web.Response:
        return web.Response(status=status, headers={"WebHook-Allowed-Origin": self.allowed_origin})

    @property
    def events(self) -> list[str]:
        """The names of the events that came, in their order."""
        return [one.headers["ce-eventname"] for one in self.received if one.method == "POST"]

    def last(self, name: str) -> Received:
        """The newest request for an event of that name."""
        return next(r for r in reversed(self.received) if r.headers.get("ce-eventname") == name)

    async def wait_for(self, *names: str) -> None:
        """Wait until exactly these events came; the list of those that did, if it takes long."""
        try:
            async with asyncio.timeout(5), self._news:
                await self._news.wait_for(lambda: self.events == list(names))
        except TimeoutError:
            raise AssertionError(self.events) from None
