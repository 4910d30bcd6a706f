"""The contract suite: how Web PubSub behaves, stated against any target.

Without `--target` it runs against the emulator, in a process of its own. With one it runs against
that service, skips what needs the emulator's event handler or faults, and prints a table.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.target import Target
from tests.e2e.processes import run

EMULATOR = ["localdev", "emulator", "--json", "--port", "0"]


@pytest.fixture(scope="session")
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The service under test."""
    given = request.config.getoption("--target")
    if given:
        yield Target.from_connection_string(given)
        return
    with run(EMULATOR, tmp_path_factory.mktemp("emulator") / "log") as emulator:
        string = emulator.facts["connectionString"]
        yield Target.from_connection_string(string, is_ours=True)


@pytest.fixture
def hub() -> str:
    """A hub of this test's own; hubs need no declaration."""
    return f"contract{uuid.uuid4().hex[:12]}"


@pytest.fixture
def ours(target: Target) -> Target:
    """The emulator; a test that needs what only it has says so by this fixture."""
    if not target.is_ours:
        pytest.skip("needs the emulator's own event handler or faults")
    return target


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """With a target: every statement of the suite, and whether the target agrees."""
    if not config.getoption("--target"):
        return
    words = {"passed": "agrees", "failed": "DIFFERS", "error": "DIFFERS", "skipped": "not asked"}
    terminalreporter.section("contract")
    for outcome, word in words.items():
        for report in terminalreporter.stats.get(outcome, []):
            facts = dict(report.user_properties)
            terminalreporter.line(f"{word:9}  {facts.get('states', report.nodeid)}")


@pytest.fixture(autouse=True)
def statement(request: pytest.FixtureRequest, record_property: Any) -> None:
    """Notes what the test states, by its name, for the table."""
    name, bracket, parameters = request.node.name.removeprefix("test_").partition("[")
    record_property("states", f"{name.replace('_', ' ')} {bracket}{parameters}")
