"""Bad input from outside, over real sockets, against an emulator in a process of its own.

A bounded number of inputs in a normal run; `python3 dev.py fuzz --minutes N` goes on for longer.
What once broke something is kept in `corpus/`, which every run starts with.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from contract.target import Target
from fuzz.neighbour import Neighbour
from processes import Running, run_emulator

# The emulator is a fixture of the session, and its answers take as long as they take.
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The emulator; an event handler that is not there makes every user event fail."""
    handler = ["--handler", "fuzzevents=http://127.0.0.1:9/{event}"]
    with run_emulator(tmp_path_factory.mktemp("fuzz") / "log", *handler) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def target(running: Running) -> Target:
    """How to reach it."""
    return Target.from_connection_string(running.facts["connectionString"], is_emulator=True)


@pytest.fixture(autouse=True)
def unharmed(running: Running, target: Target) -> Iterator[None]:
    """Whatever a test sends: a neighbour stays connected, and no traceback is written."""
    seen = len(running.log())
    with Neighbour(target) as neighbour:
        yield
        neighbour.assert_well()
    written = running.log()[seen:]
    assert "Traceback" not in written, written
    assert " ERROR " not in written, written
