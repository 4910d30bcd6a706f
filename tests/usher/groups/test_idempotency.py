"""The first call with a key and its repetitions, with both kinds of stores."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from usher.errors import BadRequestError, KeyInUseError, KeyReusedError, StoreError
from usher.groups.idempotency import KEEP_SECONDS, MOST_CALLS, RUN_SECONDS, Calls, read_key
from usher.groups.outcomes import EVENT_SECONDS
from usher.groups.provision_request import ProvisionRequest
from usher.store.entries import CALL_SECONDS, Entry
from usher.store.memory import MemoryStore
from usher.store.sqlite import SqliteStore

REQUEST = ProvisionRequest("blue", "c-1", "hello", None, 5)
DONE = {"addStatus": 200, "sendStatus": 202}


class Clock:
    """Stands still until a test moves it."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture(params=["memory", "sqlite"])
def instances(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Calls, Calls]]:
    """Return the calls as two instances know them, or twice those of one instance."""
    if request.param == "memory":
        calls = Calls(MemoryStore(), "instance", "chat")
        yield calls, calls
        return
    files = [SqliteStore(tmp_path / "store") for _ in range(2)]
    yield Calls(files[0], "app", "chat"), Calls(files[1], "app", "chat")


# --- the header --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('"8e03978e-40d5-43e8-bc93-6894a57f9324"', '"8e03978e-40d5-43e8-bc93-6894a57f9324"'),
        ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (' "a" ', '"a"'),
        ("k" * 255, "k" * 255),
        (None, None),
    ],
)
def test_a_key_is_a_text_with_or_without_quotes(text: str | None, key: str | None) -> None:
    assert read_key({} if text is None else {"Idempotency-Key": text}) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        '"a b"',
        '"a", "b"',
        '"é"',
        '"a\t"',
        '"a"\n',
        "k" * 256,
    ],
)
def test_a_malformed_key(text: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_key({"Idempotency-Key": text})
    assert caught.value.field == "Idempotency-Key"


# --- the calls ---------------------------------------------------------------------------


async def test_a_repeated_call_gets_the_outcome_of_the_first_one(
    instances: tuple[Calls, Calls],
) -> None:
    """Also on another instance, if both have a store."""
    first, other = instances
    assert await first.begin("k", REQUEST) is None
    await first.end("k", DONE)
    assert await other.begin("k", REQUEST) == DONE
    assert await first.begin("k", REQUEST) == DONE
    assert await other.begin("k2", REQUEST) is None


async def test_a_call_that_repeats_a_running_one_is_refused(
    instances: tuple[Calls, Calls],
) -> None:
    first, other = instances
    assert await first.begin("k", REQUEST) is None
    with pytest.raises(KeyInUseError) as caught:
        await other.begin("k", REQUEST)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (409, "1")


@pytest.mark.parametrize(
    "change",
    [
        *({"group": "red"}, {"connection_id": "c-2"}, {"announcement": "bye"}),
        *({"user_id": "ana"}, {"minutes": 6}),
    ],
)
@pytest.mark.parametrize("outcome", [None, DONE])
async def test_another_request_with_the_same_key(
    instances: tuple[Calls, Calls], change: dict[str, Any], outcome: Any
) -> None:
    """It is refused while the first call runs, and afterwards."""
    first, other = instances
    await first.begin("k", REQUEST)
    if outcome:
        await first.end("k", outcome)
    with pytest.raises(KeyReusedError):
        await other.begin("k", replace(REQUEST, **change))


async def test_without_an_outcome_the_next_call_is_a_first_one(
    instances: tuple[Calls, Calls],
) -> None:
    """It may ask for something else: nothing was announced."""
    first, other = instances
    await first.begin("k", REQUEST)
    await first.end("k", None)
    assert await other.begin("k", replace(REQUEST, group="red")) is None


async def test_of_calls_at_the_same_time_one_is_the_first(instances: tuple[Calls, Calls]) -> None:
    results = await asyncio.gather(
        *(calls.begin("k", REQUEST) for calls in (*instances, *instances)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, KeyInUseError) for result in results) == 3


async def test_an_outcome_is_kept_for_ten_minutes(store: MemoryStore, clock: Clock) -> None:
    """After the end of the first call."""
    calls = Calls(store, "instance", "chat")
    await calls.begin("k", REQUEST)
    clock.now += EVENT_SECONDS
    await calls.end("k", DONE)
    clock.now += KEEP_SECONDS - 1
    assert await calls.begin("k", REQUEST) == DONE
    clock.now += 1
    assert await calls.begin("k", replace(REQUEST, group="red")) is None


async def test_a_call_whose_instance_has_stopped(store: MemoryStore, clock: Clock) -> None:
    """The next call begins again, when the first one cannot be running any more."""
    assert RUN_SECONDS > EVENT_SECONDS + 3 * CALL_SECONDS
    calls = Calls(store, "instance", "chat")
    await calls.begin("k", REQUEST)
    clock.now += RUN_SECONDS - 1
    with pytest.raises(KeyInUseError):
        await calls.begin("k", REQUEST)
    clock.now += 1
    assert await calls.begin("k", REQUEST) is None


async def test_the_store_is_bounded(clock: Clock) -> None:
    """Whatever keys are used; the oldest calls are forgotten first."""
    kept: dict[str, Entry] = {}

    class Watched(MemoryStore):
        async def put(self, entry: Entry) -> bool:
            kept[entry.key] = entry
            return await super().put(entry)

    calls = Calls(Watched(clock), "instance", "chat")
    for number in range(256 * 130):
        assert await calls.begin(f"k{number}", REQUEST) is None
    assert len(kept) == 256
    assert max(len(entry.value["calls"]) for entry in kept.values()) == MOST_CALLS
    with pytest.raises(KeyInUseError):
        await calls.begin("k33279", REQUEST)
    assert await calls.begin("k0", REQUEST) is None


async def test_the_store_has_neither_key_nor_request() -> None:
    """Only hashes of them, because an announcement may be personal data."""
    store = MemoryStore()
    calls = Calls(store, "instance", "Chat")
    await calls.begin("my-key", replace(REQUEST, user_id="ana"))
    await calls.end("my-key", DONE)
    entry = next(iter(vars(store)["_entries"].values()))
    assert entry.key.startswith("call-chat-")
    assert not [text for text in ("my-key", "hello", "ana", "blue", "c-1") if text in str(entry)]


async def test_a_store_that_other_calls_change_all_the_time() -> None:
    class Busy(MemoryStore):
        async def put(self, entry: Entry) -> bool:
            return False

    with pytest.raises(StoreError):
        await Calls(Busy(), "app", "chat").begin("k", REQUEST)
