"""The Python twin of the reducer in web/usher.js: the same rules, held equal by tests.

The storm, the demo and the model of presence use it.

`Rules` takes single rules out, to show that the model finds their absence.
"""

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

HOUR = timedelta(hours=1)
MOST_TOMBSTONES = 200


class State(NamedTuple):
    """What a client knows: for each name the newest pair (asOf, n), n being 0 for gone."""

    records: Mapping[str, tuple[str, int]]
    floor: str
    newest: str
    is_ready: bool
    check: tuple[Any, Any] | None  # count and checksum of the newest message, if it had them


class Result(NamedTuple):
    state: State
    joined: list[str]
    left: list[str]
    is_behind: bool


EMPTY = State({}, "", "", False, None)


@dataclass(frozen=True)
class Rules:
    """The rules that can be taken out, and how often some of them decided.

    `confirms_leaves` is a rule of the client: who is missing in one answer may be reloading.
    """

    has_floor: bool = True
    orders_by_n: bool = True
    checks_late: bool = True
    confirms_leaves: bool = True
    uses: Counter[str] = field(default_factory=Counter)


def apply_presence(state: State | None, message: Any, rules: Rules | None = None) -> Result:
    """Merge a message into a state. Return the new state, who joined and left, and if it lags."""
    rules = rules or Rules()
    state = state or EMPTY
    if not is_presence(message):
        return Result(state, [], [], False)
    merged = _merge(state, message, rules)
    joined, left = _compare(state, merged) if state.is_ready else ([], [])
    is_checked = rules.checks_late or message["asOf"] >= state.newest
    is_behind = is_checked and _differs(merged)
    return Result(state if merged == state else merged, joined, left, is_behind)


def present_users(state: State | None) -> dict[str, int]:
    """Return the users who are present, each with the number of connections."""
    return {name: n for name, (_, n) in (state or EMPTY).records.items() if n}


def _merge(state: State, message: Mapping[str, Any], rules: Rules) -> State:
    as_of, records = message["asOf"], dict(state.records)
    is_list = message["snapshot"] and not message["truncated"]
    pairs = [*message["users"].items(), *((name, 0) for name in message["gone"])]
    for name, n in pairs:
        if _wins(records.get(name), (as_of, n), state.floor, rules):
            records[name] = (as_of, n)
    if is_list:
        for name, record in records.items():
            if record < (as_of, 0):
                records[name] = (as_of, 0)
    floor = max(state.floor, as_of) if is_list and rules.has_floor else state.floor
    newest = max(state.newest, as_of)
    records, floor = _forget(records, floor, newest)
    check = _read_check(message) if as_of >= state.newest else state.check
    return State(records, floor, newest, state.is_ready or message["snapshot"], check)


def _read_check(message: Mapping[str, Any]) -> tuple[Any, Any] | None:
    has_checksum = message.get("checksum") is not None
    return (message.get("count"), message["checksum"]) if has_checksum else None


def _wins(record: tuple[str, int] | None, pair: tuple[str, int], floor: str, rules: Rules) -> bool:
    if record is None:
        rules.uses["floor"] += pair[0] < floor and pair[1] > 0
        return pair > (floor, 0)
    if record[0] == pair[0] and record[1] != pair[1]:
        rules.uses["order by n"] += 1
        return pair > record or not rules.orders_by_n
    return pair > record


def _forget(
    records: dict[str, tuple[str, int]], floor: str, newest: str
) -> tuple[dict[str, tuple[str, int]], str]:
    gone = sorted(as_of for as_of, n in records.values() if not n and as_of > floor)
    if gone:
        oldest, excess = hour_before(newest), len(gone) - MOST_TOMBSTONES
        expired = [as_of for i, as_of in enumerate(gone) if as_of < oldest or i < excess]
        floor = max([floor, *expired])
    if all(n or as_of > floor for as_of, n in records.values()):
        return records, floor
    kept = {name: (as_of, n) for name, (as_of, n) in records.items() if n or as_of > floor}
    return kept, floor


def _compare(before: State, after: State) -> tuple[list[str], list[str]]:
    old, new = present_users(before).keys(), present_users(after).keys()
    return sorted(new - old, key=_code_units), sorted(old - new, key=_code_units)


def _differs(state: State) -> bool:
    if state.check is None:
        return False
    users = present_users(state)
    return state.check != (len(users), checksum(users))


def checksum(users: Mapping[str, int]) -> str:
    """Return the checksum, written here a second time so that it can disagree with the app."""
    return f"{sum(_hash(name, n) for name, n in users.items()) & 0xFFFFFFFF:08x}"


@cache
def _hash(name: str, n: int) -> int:
    h = (zlib.crc32(name.encode()) + n * 0x9E3779B9) & 0xFFFFFFFF
    h = (h ^ (h >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ (h >> 16)


@cache
def hour_before(moment: str) -> str:
    return format_moment(datetime.fromisoformat(moment) - HOUR)


def format_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_presence(message: Any) -> bool:
    """Return whether a message has the form that the reducer accepts."""
    if not isinstance(message, dict) or message.get("type") != "presence":
        return False
    users, gone = message.get("users"), message.get("gone")
    flags = (message.get("snapshot"), message.get("truncated"))
    return (
        isinstance(message.get("group"), str)
        and is_moment(message.get("asOf"))
        and isinstance(users, dict)
        and all(type(n) is int and 0 < n < 2**53 for n in users.values())
        and isinstance(gone, list)
        and all(isinstance(name, str) for name in gone)
        and all(isinstance(flag, bool) for flag in flags)
    )


def is_moment(value: object) -> bool:
    return isinstance(value, str) and _is_moment(value)


@cache
def _is_moment(text: str) -> bool:
    try:
        return format_moment(datetime.fromisoformat(text)) == text
    except ValueError:
        return False


def _code_units(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")
