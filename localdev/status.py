"""`dev.py status`: what runs on this machine, and who is connected."""

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from localdev.doctor.calls import PROBLEM_TYPE
from localdev.doctor.dead_host import DEAD_HOST
from localdev.log_lines import show

SECONDS = 10  # the longest wait for an answer; the app asks the emulator, too
NOTHING = "nothing runs on port {port}: start it with python3 dev.py up"
SILENCE = "port {port} is open, but nothing answers within {seconds} s: end what uses it"
OTHER = "another service uses port {port}: end it, or name the right port with {option}"
DEAD = "the host runs without an app: the log of dev.py up says why"


class _NoAnswerError(Exception):
    """There is no answer to judge; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two servers. `ok` is whether it can be used, `state` says it in words."""

    url: str
    ok: bool
    state: str


@dataclass(frozen=True, slots=True)
class Port:
    """Where to look for a server, and the option that names another port."""

    number: int
    option: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.number}"

    def fail(self, text: str, seconds: float = SECONDS) -> _NoAnswerError:
        return _NoAnswerError(
            text.format(port=self.number, option=self.option, seconds=f"{seconds:g}")
        )


async def report_status(options: argparse.Namespace, seconds: float = SECONDS) -> int:
    """Print the status; return 0 if emulator and app can be used, otherwise 1."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        (emulator, hubs), app = await asyncio.gather(
            examine_emulator(session, Port(options.emulator_port, "--emulator-port")),
            examine_app(session, Port(options.host_port, "--host-port")),
        )
    if options.json:
        print(json.dumps({"emulator": asdict(emulator), "app": asdict(app), "hubs": hubs}))
    else:
        print("\n".join([*describe_parts(emulator, app), *describe_hubs(hubs)]))
    return 0 if emulator.ok and app.ok else 1


async def examine_emulator(
    session: aiohttp.ClientSession, port: Port
) -> tuple[Part, dict[str, Any]]:
    """Return the state of the emulator, and its hubs."""
    try:
        _, body = await _get(session, port, "/inspection")
        hubs = _read_json(port, body).get("hubs")
        if not isinstance(hubs, dict):
            raise port.fail(OTHER)
    except _NoAnswerError as error:
        return Part(port.url, False, str(error)), {}
    return Part(port.url, True, "runs"), hubs


async def examine_app(session: aiohttp.ClientSession, port: Port) -> Part:
    """Return the state of the app, which is the answer of its health endpoint."""
    try:
        status, body = await _get(session, port, "/api/health")
        if body.strip() == DEAD_HOST.encode():
            return Part(port.url, False, DEAD)
        answer = _read_json(port, body)
    except _NoAnswerError as error:
        return Part(port.url, False, str(error))
    if answer == {"status": "ok"}:
        return Part(port.url, True, "runs, health ok")
    if not str(answer.get("type")).startswith(PROBLEM_TYPE):
        return Part(port.url, False, str(port.fail(OTHER)))
    return Part(port.url, False, f"runs, health {status}: {answer.get('detail')}")


async def _get(session: aiohttp.ClientSession, port: Port, path: str) -> tuple[int, bytes]:
    try:
        async with session.get(port.url + path, allow_redirects=False) as response:
            return response.status, await response.read()
    except aiohttp.ClientConnectorError:
        raise port.fail(NOTHING) from None
    except TimeoutError:
        raise port.fail(SILENCE, session.timeout.total or SECONDS) from None
    except aiohttp.ClientError:  # no HTTP
        raise port.fail(OTHER) from None


def _read_json(port: Port, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise port.fail(OTHER)
    return value


def describe_parts(emulator: Part, app: Part) -> list[str]:
    """Return a line for each of the two."""
    parts = (("emulator", emulator), ("app", app))
    return _align([(name, part.url, show(part.state)) for name, part in parts])


def describe_hubs(hubs: Mapping[str, Any]) -> list[str]:
    """Return for each hub its groups with their sizes, and its connections, the oldest first."""
    lines = []
    for name, hub in hubs.items():
        groups = [(show(group), str(len(ids))) for group, ids in hub["groups"].items()]
        connections = sorted(hub["connections"], key=lambda one: (one["opened"] or "", one["id"]))
        rows = [_describe_connection(one) for one in connections]
        sizes = f"{_count(groups, 'group')}, {_count(rows, 'connection')}"
        lines += ["", f"hub {show(name)}: {sizes}"]
        lines += _table(("group", "connections"), groups)
        lines += _table(("connection id", "user", "opened", "socket", "groups"), rows)
    return lines


def _count(rows: Sequence[object], name: str) -> str:
    return f"{len(rows)} {name}{'' if len(rows) == 1 else 's'}"


def _describe_connection(connection: Mapping[str, Any]) -> tuple[str, ...]:
    groups = ", ".join(show(group) for group in connection["groups"])
    facts = [show(connection[name]) for name in ("id", "userId", "opened", "socket")]
    return tuple(fact or "-" for fact in (*facts, groups))


def _table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"  {line}" for line in _align([heading, *rows])] if rows else []


def _align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
