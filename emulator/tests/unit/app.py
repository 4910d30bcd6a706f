"""A small app that receives events: tests script its answers and read its requests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], web.Response]


@dataclass(frozen=True, slots=True)
class Received:
    """One request of the emulator."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class App:
    """Answers each event with its next scripted answer, or with 204 without one."""

    received: list[Received] = field(default_factory=list)
    scripts: dict[str, list[web.Response]] = field(default_factory=dict)
    options_status: int = 200
    allowed_origin: str = "*"
    slow: set[str] = field(default_factory=lambda: {"slow"})  # events that wait for `release`
    release: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def application(self, hub: str = "{hub}") -> web.Application:
        """Return the app for an HTTP server. With a hub it answers 404 for other hubs."""
        application = web.Application()
        application.router.add_route("*", f"/hooks/{hub}/{{event}}", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self._changed:
            self.received.append(Received(request.method, request.path_qs, headers, body))
            self._changed.notify_all()
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
        """The names of the events received, in their order."""
        return [one.headers["ce-eventname"] for one in self.received if one.method == "POST"]

    def last(self, name: str) -> Received:
        """Return the last request for an event with this name."""
        return next(r for r in reversed(self.received) if r.headers.get("ce-eventname") == name)

    async def wait_for(self, *names: str) -> None:
        """Wait until exactly these events arrived. Raises AssertionError after 60 s."""
        try:
            async with asyncio.timeout(60), self._changed:
                await self._changed.wait_for(lambda: self.events == list(names))
        except TimeoutError:
            raise AssertionError(self.events) from None
