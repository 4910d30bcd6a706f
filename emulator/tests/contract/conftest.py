"""The contract suite: how Web PubSub behaves, stated against any target.

Without `--target` it runs against the emulator, in a process of its own. With one it runs against
that service, skips what needs the emulator's event handler, and prints a table.
"""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from contract.table import read_reports, redact, table
from contract.target import Hub, Target
from processes import run_emulator
from unit.app import App

HANDLED_HUBS = [f"handled{number}" for number in range(100)]
"""Each test of event handlers takes one for itself."""


@dataclass(frozen=True, slots=True)
class Service:
    """The service under test, and what the event handlers of `HANDLED_HUBS` listen with."""

    target: Target
    listening: socket.socket | None = None


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service of `--target`, or an emulator that sends events of some hubs to the tests."""
    given = request.config.getoption("--target")
    if given is not None:
        yield Service(Target.from_connection_string(given))
        return
    folder = tmp_path_factory.mktemp("emulator")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        file = write_handlers(folder / "handlers.json", listening.getsockname()[1])
        with run_emulator(folder / "log", "--handlers", str(file)) as emulator:
            string = emulator.facts["connectionString"]
            yield Service(Target.from_connection_string(string, is_ours=True), listening)


def write_handlers(file: Path, port: int) -> Path:
    """Event handlers in the form of a hub's settings in Azure, all hubs in one file."""
    hooks = f"http://127.0.0.1:{port}/hooks/{{hub}}"
    system_events = ["connect", "connected", "disconnected"]
    everything = {"systemEvents": system_events, "userEventPattern": "*"}
    hubs = {hub: [{"urlTemplate": f"{hooks}/{{event}}?code=c0de"} | everything]
            for hub in HANDLED_HUBS}  # fmt: skip
    hubs["shared"] = [
        {
            "urlTemplate": f"{hooks}/one-{{event}}",
            "systemEvents": ["connect", "disconnected"],
            "userEventPattern": "A, connected",
        },
        {"urlTemplate": f"{hooks}/two-{{event}}"} | everything,
    ]
    hubs["narrow"] = [{"urlTemplate": f"{hooks}/{{event}}", "userEventPattern": "other"}]
    content = {hub: {"eventHandlers": handlers} for hub, handlers in hubs.items()}
    file.write_text(json.dumps({"hubs": content}))
    return file


@pytest.fixture
def target(service: Service) -> Target:
    """The service under test."""
    return service.target


@pytest.fixture
def hub(target: Target) -> Hub:
    """A hub of this test's own, without an event handler; hubs need no declaration."""
    return Hub(target, f"contract{uuid.uuid4().hex[:12]}")


@pytest.fixture
def ours(target: Target) -> Target:
    """The emulator; a test that needs what only it has says so by this fixture."""
    if not target.is_ours:
        pytest.skip("needs an event handler of the tests")
    return target


@pytest.fixture(scope="session")
def free_hubs() -> list[str]:
    """Hubs that no test has had yet."""
    return HANDLED_HUBS.copy()


@pytest.fixture
def handled(request: pytest.FixtureRequest, ours: Target, free_hubs: list[str]) -> Hub:
    """A hub of this test's own whose events go to `app`, or the one that the test names."""
    return Hub(ours, getattr(request, "param", None) or free_hubs.pop(0))


@pytest.fixture
async def app(service: Service, handled: Hub) -> AsyncIterator[App]:
    """The event handler of the hub `handled`."""
    assert service.listening
    subject = App()
    runner = web.AppRunner(subject.application(handled.name))
    await runner.setup()
    await web.SockSite(runner, service.listening.dup()).start()
    yield subject
    await runner.cleanup()


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:
    """With a target, values are shown as they are where pytest would number them."""
    if config.getoption("--target") is None or not isinstance(val, (dict, list, tuple)):
        return None
    return str(val)


def pytest_sessionstart(session: pytest.Session) -> None:
    """A target that cannot be asked is one line, and no test runs."""
    given = session.config.getoption("--target")
    if given is None:
        return
    try:
        target = Target.from_connection_string(given)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    try:
        answer = asyncio.run(target.call("HEAD", "/api/hubs/contract/users/nobody"))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise pytest.UsageError(f"{target.endpoint} does not answer: {reason}") from None
    if answer.status in (401, 403):
        raise pytest.UsageError(f"{target.endpoint} refuses the access key ({answer.status}).")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A failure shows no key and no token of the target, whatever it shows."""
    report = yield
    given = item.config.getoption("--target")
    if given is not None and report.failed:
        key = Target.from_connection_string(given).access_key
        report.longrepr = redact(str(report.longrepr), key)
        report.sections = [(name, redact(text, key)) for name, text in report.sections]
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """With a target: every statement of the suite, and whether the target agrees."""
    if config.getoption("--target") is None:
        return
    terminalreporter.section("contract")
    for line in table(read_reports(terminalreporter.stats)):
        terminalreporter.line(line)
