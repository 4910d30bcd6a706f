"""The model: random histories of a group on virtual time, with faults of every kind.

Two instances of the app's own code serve a simulated service; simulated clients merge what they
get. After the last event every client has the service's users and counts, nobody sees a reload
within the grace as a leave, and no user joins or leaves twice. Each history is played by the Python
twin of the reducer, and its messages then by the browser module, which must agree on each of them.
Without Node.js the twin is alone.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localdev.presence import Rules
from tests.presence.histories import History, make_history, shrink
from tests.presence.replay import Replay
from tests.presence.simulation import Simulation
from usher.groups import presence_announcer
from usher.groups.presence import Change

HISTORIES = 10_000
CHUNKS = 4  # so that parallel runs of the tests can share them
CORPUS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "corpus.json").read_text("utf-8")
)
# The rules of the clients without one of them.
WITHOUT: dict[str, Callable[[], Rules]] = {
    "the floor": lambda: Rules(has_floor=False),
    "the order by n": lambda: Rules(orders_by_n=False),
    "the check after an older message": lambda: Rules(checks_late=False),
    "two answers for a leave": lambda: Rules(confirms_leaves=False),
}
# What must have happened in a chunk, at least so often.
LEAST = {
    **{"reload": 4000, "reconnect": 2000, "kill": 2000, "close": 3000},
    **{"lost events": 1000, "doubled events": 1000, "delayed events": 1500},
    **{"lost messages": 4000, "doubled messages": 4000, "delayed messages": 8000},
    **{"stale lists": 6000, "late visibilities": 2500, "crowds": 400},
    **{"restarts with something to lose": 700, "reloads within the grace": 2000},
    **{"roster requests": 2000, "leaves by two answers": 100, "floor": 30, "order by n": 2000},
}


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with Simulation() as simulation:
        yield simulation


def kind_of(fault: str) -> str:
    return fault.partition(":")[0]


def report(simulation: Simulation, history: History, fault: str) -> str:
    """Shrink a history, and return it as an entry for the corpus."""
    kind = kind_of(fault)
    small = shrink(history, lambda one: kind_of(simulation.find_fault(one)) == kind)
    entry = {"without": "", "fault": kind, "history": small}
    text = json.dumps(entry, ensure_ascii=False)
    return f"{simulation.find_fault(small)}\nFor corpus.json:\n{text}"


def find_counterexample(simulation: Simulation) -> str:
    """Return the first fault of the histories. Raises AssertionError if there is none."""
    faults = (simulation.find_fault(make_history(seed)) for seed in range(HISTORIES))
    found = next(filter(None, faults), "")
    assert found, "the model does not notice that the rule is missing"
    return found


@pytest.mark.parametrize("entry", CORPUS, ids=[f"{n}" for n in range(len(CORPUS))])
def test_histories_that_once_failed(
    simulation: Simulation, entry: dict[str, Any], tmp_path: Path
) -> None:
    """They fail again without the rule that they are about."""
    run, compared = simulation.run(entry["history"]), Replay(tmp_path)
    assert run.find_fault() == ""
    compared.add(entry["fault"], run.replayed())
    compared.compare()
    if entry["without"] in WITHOUT:
        with Simulation(WITHOUT[entry["without"]]()) as without:
            assert kind_of(without.find_fault(entry["history"])) == entry["fault"]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_everybody_sees_who_is_there(simulation: Simulation, chunk: int, tmp_path: Path) -> None:
    size = HISTORIES // CHUNKS
    compared = Replay(tmp_path)
    for seed in range(chunk * size, (chunk + 1) * size):
        run = simulation.run(make_history(seed))
        if fault := run.find_fault():
            pytest.fail(report(simulation, make_history(seed), fault))
        compared.add(f"seed {seed}", run.replayed())
    rare = {name: simulation.seen[name] for name, n in LEAST.items() if simulation.seen[name] < n}
    assert not rare, "the histories hardly have these"
    compared.compare()


@pytest.mark.parametrize("rule", WITHOUT)
def test_the_model_notices_a_missing_rule_of_the_clients(rule: str) -> None:
    with Simulation(WITHOUT[rule]()) as simulation:
        find_counterexample(simulation)


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        pytest.param(Change, "is_shown", lambda *_: True, id="stale lists"),
        pytest.param(Change, "supersedes", lambda *_: False, id="superseded changes"),
        pytest.param(presence_announcer, "_is_settled", lambda _: True, id="one correction"),
    ],
)
def test_the_model_notices_a_missing_rule_of_the_app(
    monkeypatch: pytest.MonkeyPatch, simulation: Simulation, owner: Any, name: str, broken: Any
) -> None:
    monkeypatch.setattr(owner, name, broken)
    find_counterexample(simulation)


def test_a_history_is_data() -> None:
    """The same for the same seed, also after it was written and read."""
    assert make_history(7) == make_history(7) != make_history(8)
    with Simulation() as one, Simulation() as other:
        read = json.loads(json.dumps(make_history(7)))
        runs = one.run(make_history(7)).replayed(), other.run(read).replayed()
    assert runs[0] == runs[1]
    assert one.seen == other.seen


def test_a_failing_history_is_shrunk_and_printed() -> None:
    with Simulation(WITHOUT["the order by n"]()) as simulation:
        seeds = map(make_history, range(HISTORIES))
        history = next(one for one in seeds if simulation.find_fault(one))
        printed = report(simulation, history, simulation.find_fault(history))
        small = json.loads(printed.splitlines()[-1])["history"]
        assert simulation.find_fault(small)
    assert len(small["operations"]) < len(history["operations"])
