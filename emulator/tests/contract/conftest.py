"""The contract suite: statements about Web PubSub, checked against any target.

Without `--target` the target is the emulator, in a process of its own. With `--target` it is that
service: tests that need the emulator's event handlers are skipped, and a table is printed.
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

from contract.hubs import FreeHubs, event_handlers
from contract.table import EVIDENCE, read_reports, redact, table
from contract.target import Hub, Target
from processes import run_emulator
from unit.app import App


@dataclass(frozen=True, slots=True)
class Service:
    """The service under test, and the socket for the event handlers of `FreeHubs`."""

    target: Target
    listening: socket.socket | None = None


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Provide the service of `--target`, or an emulator whose events go to the tests."""
    option = request.config.getoption("--target")
    if option is not None:
        yield Service(Target.from_connection_string(option))
        return
    folder = tmp_path_factory.mktemp("emulator")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        file = write_handlers(folder / "handlers.json", listening.getsockname()[1])
        with run_emulator(folder / "log", "--handlers", str(file)) as emulator:
            string = emulator.facts["connectionString"]
            yield Service(Target.from_connection_string(string, is_emulator=True), listening)


def write_handlers(file: Path, port: int) -> Path:
    """Write event handlers of all hubs to one file, in the form of a hub's settings in Azure."""
    file.write_text(json.dumps(event_handlers(f"http://127.0.0.1:{port}/hooks")))
    return file


@pytest.fixture
def target(service: Service) -> Target:
    """Provide the service under test."""
    return service.target


@pytest.fixture
def hub(target: Target) -> Hub:
    """Provide a hub for this test alone, without an event handler. Hubs need no declaration."""
    return Hub(target, f"contract{uuid.uuid4().hex[:12]}")


@pytest.fixture
def emulator_only(target: Target) -> Target:
    """Provide the emulator; skip the test if the target is another service."""
    if not target.is_emulator:
        pytest.skip("needs an event handler of the tests")
    return target


@pytest.fixture(scope="session")
def free_hubs() -> FreeHubs:
    """Provide the hubs with event handlers that no test has used yet."""
    return FreeHubs()


@pytest.fixture
def handled(request: pytest.FixtureRequest, emulator_only: Target, free_hubs: FreeHubs) -> Hub:
    """Provide a hub for this test alone whose events go to `app`; a parameter may choose it."""
    return Hub(emulator_only, free_hubs.take(getattr(request, "param", "everything")))


@pytest.fixture
async def app(service: Service, handled: Hub) -> AsyncIterator[App]:
    """Provide the event handler of the hub `handled`."""
    assert service.listening
    handler = App()
    runner = web.AppRunner(handler.application(handled.name))
    await runner.setup()
    await web.SockSite(runner, service.listening.dup()).start()
    yield handler
    await runner.cleanup()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks that say where a statement comes from; the table shows them."""
    for name, meaning in EVIDENCE.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:
    """With a target, show values where pytest would show numbers."""
    if config.getoption("--target") is None or not isinstance(val, (dict, list, tuple)):
        return None
    return str(val)


def pytest_sessionstart(session: pytest.Session) -> None:
    """End with one line, before any test, if the target does not answer or refuses the key."""
    option = session.config.getoption("--target")
    if option is None:
        return
    try:
        target = Target.from_connection_string(option)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    try:
        answer = asyncio.run(target.call("HEAD", "/api/hubs/contract/users/unknown"))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise pytest.UsageError(f"{target.endpoint} does not answer: {reason}") from None
    if answer.status in (401, 403):
        raise pytest.UsageError(f"{target.endpoint} refuses the access key ({answer.status}).")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Remove the target's key and its tokens from reports of failures."""
    report = yield
    option = item.config.getoption("--target")
    if option is not None and report.failed:
        key = Target.from_connection_string(option).access_key
        report.longrepr = redact(str(report.longrepr), key)
        report.sections = [(name, redact(text, key)) for name, text in report.sections]
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """With a target, print every statement and whether the target agrees."""
    if config.getoption("--target") is None:
        return
    terminalreporter.section("contract")
    for line in table(read_reports(terminalreporter.stats)):
        terminalreporter.line(line)
