"""Stacks for the doctor: healthy, and broken in one way each."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from localdev.doctor.examination import examine
from localdev.doctor.findings import Finding, Level
from localdev.doctor.report import Report
from localdev.doctor.target import Target
from localdev.stack import HostProcess, run_host, sample_settings
from webpubsub_emulator.server import Emulator

PATIENCE = 0.5  # here everything is told within some 20 ms
Forward = Callable[[], Awaitable[web.Response]]
Bend = Callable[[web.Request, Forward], Awaitable[web.Response]]
HOP_BY_HOP = ("content-length", "transfer-encoding", "connection")


class Deployment(Target):
    """A target that is taken for one elsewhere: nothing is known of it but what it answers."""

    @property
    def is_local(self) -> bool:
        """Never."""
        return False


@dataclass
class Stack:
    """An app and the service that it talks to; `settings` are all of the app's environment."""

    emulator: Emulator
    host: HostProcess
    settings: Mapping[str, str]
    log: list[str] = field(default_factory=list)

    def attach(self, *events: str, url: str | None = None) -> None:
        """Gives the hub one event handler for these events, instead of those it had."""
        self.detach()
        self.emulator.add_event_handler("chat", url or self.host.webhook, system_events=events)

    def detach(self) -> None:
        """Takes the hub's event handlers away."""
        self.emulator.clear_event_handlers("chat")

    async def examine(
        self, kind: type[Target] = Target, app: str | None = None, **about: Any
    ) -> dict[str, Finding]:
        """What the doctor finds."""
        about = {"patience": PATIENCE, **about}
        target = kind(app or self.host.address, **about)
        return await examine(target, self.settings, Report(as_json=False))


# One doctor after the other is a crowd, of which the app tells later.
ONE_BY_ONE = {"USHER_DIGEST_ABOVE": "0"}
EVENTS = ("connect", "connected", "disconnected")


@asynccontextmanager
async def run_patient(
    settings: Mapping[str, str] | None = None,
    *,
    emulator: Emulator | None = None,
    keys: bool = False,
    identity: bool = False,
) -> AsyncIterator[Stack]:
    """Runs both parts, with an event handler for everything; `settings` are above the sample's."""
    log: list[str] = []
    async with emulator or Emulator(retry_delays=(0.01,)) as running:
        uri = {"WebPubSubConnectionString__serviceUri": running.endpoint} if identity else {}
        string = "" if identity else running.connection_string
        connection = {"WebPubSubConnectionString": string, **uri}
        wanted = {**sample_settings(), **ONE_BY_ONE, **connection, **(settings or {})}
        async with run_host(wanted, keys=keys, on_log=log.append) as host:
            # Without what the local host takes out of its environment, too.
            ours = {name: text for name, text in os.environ.items() if name != "CONTAINER_NAME"}
            stack = Stack(running, host, ours | wanted, log)
            stack.attach(*EVENTS)
            yield stack


def faults(findings: Mapping[str, Finding]) -> dict[str, Finding]:
    """What is not as it should be, by check."""
    bad = (Level.WARNING, Level.FAILURE)
    return {check: finding for check, finding in findings.items() if finding.level in bad}


def the_fault(findings: Mapping[str, Finding]) -> tuple[str, Finding]:
    """The one fault, and the check that found it."""
    ((check, finding),) = faults(findings).items()
    assert finding.means
    assert finding.fix
    return check, finding


@asynccontextmanager
async def bent(address: str, bend: Bend) -> AsyncIterator[str]:
    """An HTTP proxy before an app that answers some requests otherwise. Gives its address."""

    async def forward(request: web.Request) -> web.Response:
        async with session.request(
            request.method,
            address + request.path_qs,
            headers={name: value for name, value in request.headers.items() if name != "Host"},
            data=await request.read() or None,
            allow_redirects=False,
        ) as reply:
            headers = [(k, v) for k, v in reply.headers.items() if k.lower() not in HOP_BY_HOP]
            body = await reply.read()
        return web.Response(status=reply.status, headers=dict(headers), body=body)

    async def answer(request: web.Request) -> web.Response:
        return await bend(request, lambda: forward(request))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with aiohttp.ClientSession() as session, TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")
