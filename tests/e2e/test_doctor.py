"""`dev.py doctor` on healthy stacks, and on stacks that are broken in one way each."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from localdev.doctor.findings import Level
from tests.e2e.patients import EVENTS, Stack, faults, run_patient, the_fault

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    """As `dev.py up` runs it."""
    async with run_patient() as running:
        yield running


async def test_a_healthy_stack(stack: Stack) -> None:
    """All is well, and everything was looked at that can be."""
    stack.attach(*EVENTS)
    findings = await stack.examine()
    assert faults(findings) == {}
    skipped = [check for check, each in findings.items() if each.level is Level.SKIPPED]
    assert skipped == ["handler", "pages"]
    assert "hears its own join after" in findings["journey"].saw


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (("connect", "disconnected"), "does not send connected."),
        (("connect", "connected"), "does not send disconnected."),
        (("connected", "disconnected"), "no event handler, or it does not send connect,"),
        (("connect",), "does not send connected and disconnected."),
        ((), "no event handler, or it does not send connect,"),
    ],
)
async def test_events_that_are_not_sent(stack: Stack, events: tuple[str, ...], said: str) -> None:
    """By what the journey hears and does not hear."""
    stack.attach(*events)
    check, finding = the_fault(await stack.examine())
    assert check == "journey"
    assert said in finding.means
    assert "--handler 'chat=http://127.0.0.1:" in finding.fix
