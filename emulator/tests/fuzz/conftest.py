"""Fuzz tests: invalid input over real sockets, against an emulator in its own process.

A normal run tries a bounded number of inputs; `python3 dev.py fuzz --minutes N` runs longer.
Inputs that once found a fault are kept in `corpus/`, and every run starts with them.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from contract.target import Target
from fuzz.neighbour import Neighbour
from processes import Running, run_emulator

# No deadline: the emulator runs for the whole session, and its answers may take time.
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the emulator with an event handler that does not listen: every user event fails."""
    handler = ["--handler", "fuzzevents=http://127.0.0.1:9/{event}"]
    with run_emulator(tmp_path_factory.mktemp("fuzz") / "log", *handler) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def target(running: Running) -> Target:
    """Provide the emulator as a target of the contract suite."""
    return Target.from_connection_string(running.facts["connectionString"], is_emulator=True)


@pytest.fixture(autouse=True)
def unharmed(running: Running, target: Target) -> Iterator[None]:
    """Check after each test that another client is still connected and the log has no error."""
    seen = len(running.log())
    with Neighbour(target) as neighbour:
        yield
        neighbour.assert_well()
    written = running.log()[seen:]
    assert "Traceback" not in written, written
    assert " ERROR " not in written, written
