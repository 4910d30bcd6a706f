"""Stacks for the doctor's tests, and a proxy that changes some answers of their app."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from localdev.doctor.examination import examine
from localdev.doctor.findings import Finding, Level, Report
from localdev.doctor.target import Target
from localdev.host.keys import make_keys
from localdev.stack import HostProcess, run_host, sample_settings
from webpubsub_emulator import Emulator

type Forward = Callable[[], Awaitable[web.Response]]
type Respond = Callable[[web.Request, Forward], Awaitable[web.Response]]

EVENTS = ("connect", "connected", "disconnected")
WAIT_SECONDS = 60.0  # for each announcement: a busy machine is no failure
MISSING_SECONDS = 1.0  # if one does not come; one that comes before it takes about 20 ms
HOP_BY_HOP = ("content-length", "transfer-encoding", "connection")
# Several examinations in a row would make the app summarise announcements, which delays them.
NO_SUMMARIES = {"USHER_DIGEST_ABOVE": "0"}


class Deployment(Target):
    """A target that counts as a deployment, although it runs on this machine."""

    @property
    def is_local(self) -> bool:
        """Always false: the doctor must not read the settings of this folder."""
        return False


@dataclass(slots=True)
class Stack:
    """An app and its emulator; `settings` is the app's whole environment."""

    emulator: Emulator
    host: HostProcess
    settings: Mapping[str, str]
    log: list[str] = field(default_factory=list)

    def set_event_handler(self, *events: str, url: str | None = None) -> None:
        """Replace the hub's event handlers by one for these events."""
        self.remove_event_handlers()
        self.emulator.add_event_handler("chat", url or self.host.webhook, system_events=events)

    def remove_event_handlers(self) -> None:
        """Leave the hub without event handlers."""
        self.emulator.clear_event_handlers("chat")

    async def examine(
        self, kind: type[Target] = Target, app: str | None = None, **about: Any
    ) -> dict[str, Finding]:
        """Return the doctor's findings; `about` are fields of the target."""
        about = {"wait_seconds": WAIT_SECONDS, **about}
        target = kind(app or self.host.address, **about)
        return await examine(target, self.settings, Report(as_json=False))


@asynccontextmanager
async def run_doctor_stack(
    settings: Mapping[str, str] | None = None,
    *,
    emulator: Emulator | None = None,
    keys: bool = False,
    identity: bool = False,
) -> AsyncIterator[Stack]:
    """Run app and emulator with an event handler for all events.

    `settings` replace the settings of the sample. With `identity` the app has no access key.
    """
    log: list[str] = []
    async with emulator or Emulator(retry_delays=(0.01,)) as running:
        uri = {"WebPubSubConnectionString__serviceUri": running.endpoint} if identity else {}
        string = "" if identity else running.connection_string
        connection = {"WebPubSubConnectionString": string, **uri}
        wanted = {**sample_settings(), **NO_SUMMARIES, **connection, **(settings or {})}
        async with run_host(wanted, keys=make_keys() if keys else None, on_log=log.append) as host:
            # The local host removes this variable from its environment, too.
            ours = {name: text for name, text in os.environ.items() if name != "CONTAINER_NAME"}
            stack = Stack(running, host, ours | wanted, log)
            stack.set_event_handler(*EVENTS)
            yield stack


def faults(findings: Mapping[str, Finding]) -> dict[str, Finding]:
    """Return the warnings and failures by check."""
    bad = (Level.WARNING, Level.FAILURE)
    return {check: finding for check, finding in findings.items() if finding.level in bad}


def only_fault(findings: Mapping[str, Finding]) -> tuple[str, Finding]:
    """Return the one fault and the check that found it."""
    ((check, finding),) = faults(findings).items()
    assert finding.means
    assert finding.fix
    return check, finding


@asynccontextmanager
async def run_proxy(address: str, respond: Respond) -> AsyncIterator[str]:
    """Run an HTTP proxy in front of an app; yield the proxy's address.

    `respond` returns each response: its own, or the app's by `await forward()`.
    """

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
        return await respond(request, lambda: forward(request))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with aiohttp.ClientSession() as session, TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


def respond_to_preflights(status: int, **headers: str) -> Respond:
    """Answer every preflight with this response, forward everything else."""

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        if request.method != "OPTIONS" or request.path.startswith("/runtime/"):
            return await forward()
        return web.Response(status=status, headers=_header_names(headers))

    return respond


def respond_to(path: str, status: int, body: str = "", **headers: str) -> Respond:
    """Answer requests of this path with this response; forward preflights and everything else."""

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        is_preflight = request.method == "OPTIONS" and not path.startswith("/runtime/")
        if request.path != path or is_preflight:
            return await forward()
        return web.Response(status=status, text=body, headers=_header_names(headers))

    return respond


def _header_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
