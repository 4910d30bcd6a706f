"""The Python twin of the reducer: the table of cases, its laws, and whether the module agrees."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from localdev.presence import (
    MOST_TOMBSTONES,
    State,
    apply_presence,
    checksum,
    format_moment,
    present_users,
)
from tests.presence.node import CASES, find_node
from tests.presence.replay import Replay, replay
from tests.presence.world import moment_of

TABLE: list[dict[str, Any]] = json.loads(CASES.read_text("utf-8"))
NAMES = ("ana", "bo", "", "__proto__", "constructor", "Zoë", "安娜", "😀")
HOUR = 3600


def make_message(chance: random.Random, seconds: int = 6) -> dict[str, Any]:
    """Return a message about some names, with a checksum that may be of these names."""
    users = {name: chance.randint(1, 3) for name in chance.sample(NAMES, chance.randint(0, 4))}
    gone = chance.sample(NAMES, chance.randint(0, 3))
    has_checksum = chance.random() < 0.8
    return {
        "type": "presence",
        "group": "lobby",
        "asOf": format_moment(moment_of(1000 * chance.randint(0, seconds))),
        "users": users,
        "gone": gone,
        "count": len(users) if has_checksum else None,
        "checksum": checksum(users) if has_checksum else None,
        "truncated": chance.random() < 0.2,
        "snapshot": chance.random() < 0.3,
    }


def make_unusual_message(chance: random.Random) -> Any:
    """Return a message that is hours later, has many names, or is malformed."""
    message = make_message(chance, 3 * HOUR)
    crowd = [f"u{n}" for n in range(chance.randint(1, 2 * MOST_TOMBSTONES))]
    broken = {"asOf": "2026-11-26", "users": {"ana": 0}, "gone": [1], "snapshot": None, "type": ""}
    key = chance.choice([*broken])
    return chance.choice([message, message | {"gone": crowd}, message | {key: broken[key]}, None])


def read_merged(messages: list[Any]) -> tuple[Any, ...]:
    """Return the state after the messages, without `check`: that is of the last of a second."""
    state: State | None = None
    for message in messages:
        state = apply_presence(state, message).state
    assert state
    return state[:4]


@pytest.mark.parametrize("case", TABLE, ids=[case["name"] for case in TABLE])
def test_the_twin_does_what_the_table_says(case: dict[str, Any]) -> None:
    state: State | None = None
    for message, expected in zip(case["messages"], case["expect"], strict=True):
        state, joined, left, is_behind = apply_presence(state, message)
        seen = {"users": present_users(state), "joined": joined, "left": left}
        assert seen | {"isBehind": is_behind} == expected


def test_any_order_and_any_doubling_have_the_same_result() -> None:
    for seed in range(300):
        chance = random.Random(seed)  # noqa: S311 - the same messages in every run
        messages = [make_message(chance) for _ in range(chance.randint(2, 9))]
        merged = read_merged(messages)
        for _ in range(5):
            again = messages + chance.choices(messages, k=3)
            chance.shuffle(again)
            assert read_merged(again) == merged, f"seed {seed}"


def test_a_message_that_changes_nothing_returns_the_same_state() -> None:
    message = make_message(random.Random(1))  # noqa: S311
    state = apply_presence(None, message).state
    assert apply_presence(state, message).state is state
    assert apply_presence(state, {"type": "other"}).state is state


def test_a_client_is_behind_after_an_older_message_brings_somebody_back() -> None:
    """The newest message has the last word about who is there, whenever the older one comes."""
    facts = {"group": "lobby", "gone": [], "truncated": False, "snapshot": False, "count": 1}
    older = facts | {"type": "presence", "asOf": "2026-11-26T12:00:08Z", "users": {"ana": 1}}
    newest = older | {"asOf": "2026-11-26T12:00:09Z", "users": {}, "gone": ["bo"], "count": 0}
    messages = [newest | {"checksum": checksum({})}, older | {"checksum": checksum({"ana": 1})}]
    assert [is_behind for _, _, is_behind in replay(messages).results] == [False, True]


def test_the_module_does_the_same_as_the_twin(tmp_path: Path) -> None:
    """With random messages, some of them hours later, about many names, or malformed."""
    find_node()
    compared = Replay(tmp_path)
    for seed in range(600):
        chance = random.Random(seed)  # noqa: S311 - the same messages in every run
        make = make_unusual_message if seed % 4 == 0 else make_message
        messages = [make(chance) for _ in range(chance.randint(1, 14))]
        compared.add(f"seed {seed}", [replay(messages)])
    compared.compare()
