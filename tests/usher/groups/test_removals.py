"""Removals that race connections, on virtual time, with two instances and one store."""

import asyncio
import json
from datetime import timedelta

import pytest

from tests.usher.groups.removal_world import GROUP, NOON, OPEN, USER, Connection, World
from tests.virtual_time import run
from usher.errors import ServiceError, UnansweredError
from usher.groups.events import ConnectionEvent
from usher.groups.removals import REPEAT_SECONDS
from usher.groups.workflow import SURE_SECONDS

TRIES = 500  # of each kind
SECONDS = 3.0


async def race(seed: int, group: str | None, error_rate: float) -> tuple[World, float]:
    """Let up to four connections race one removal; return when the ban was in force."""
    world = World(seed, error_rate)

    async def start(number: int) -> None:
        await asyncio.sleep(world.rng.uniform(0, 4))
        await world.connect(f"c{number}")

    connecting = [start(number) for number in range(world.rng.randint(1, 4))]
    watching = asyncio.gather(world.watch(group, until=16), *connecting)
    await asyncio.sleep(2)
    banned_at = await world.remove(group)
    await watching
    return world, banned_at


@pytest.mark.parametrize("group", [None, GROUP], ids=["hub", "group"])
def test_after_3_seconds_nobody_is_inside(group: str | None) -> None:
    """In 1,000 races with slow handshakes, late visibility and slow events."""
    slipped = 0
    for seed in range(TRIES):
        (world, banned_at), _ = run(race(seed, group, error_rate=0.0))
        late = [moment for moment, _ in world.hub.inside if moment > banned_at + SECONDS]
        assert not late, (seed, banned_at, late[0])
        slipped += any(moment > banned_at + 1 for moment, _ in world.hub.inside)
    assert slipped > TRIES / 20  # otherwise the races would prove nothing


def test_with_errors_of_the_service_nobody_stays_inside() -> None:
    """A call in ten fails, half of them after their effect. Retries take their time."""
    for seed in range(200):
        (world, _), _ = run(race(seed, None, error_rate=0.1))
        assert not [moment for moment, _ in world.hub.inside if moment > 13], seed


def test_the_times_fit() -> None:
    """An add that ends within SURE_SECONDS precedes the second round of an unseen removal."""
    assert SURE_SECONDS < REPEAT_SECONDS < SECONDS


# --- what slips through --------------------------------------------------------------------


@pytest.mark.parametrize("group", [None, GROUP], ids=["hub", "group"])
def test_an_instance_that_dies_between_ban_and_close(group: str | None) -> None:
    """The next `connected` ends what the dead instance left, also of other connections."""

    async def scenario() -> World:
        world = World(1)
        for name in ("old", "new"):
            world.hub.connections[name] = Connection(name, USER, visible_at=0)
        await world.instances[0].bans.add(USER, group, 60, "spam")
        await world.arrive("new")
        return world

    world, _ = run(scenario())
    rights = [one.rights for one in world.hub.connections.values()]
    # Of a connection that only the dead instance knew, the right to send is taken, too.
    assert rights == ([] if group is None else [{OPEN}, {OPEN}])
    assert world.announcer.announced == []


def test_an_add_that_takes_long_asks_the_bans_again() -> None:
    """The removal is over when the add is done, and nobody else would end the membership."""

    async def scenario() -> World:
        world = World(1)
        world.hub.connections["c"] = Connection("c", USER, visible_at=0)
        add = world.hub.add_connection

        async def add_late(group: str, one: str, user_id: str | None = None) -> int:
            await asyncio.sleep(4)
            return await add(group, one, user_id)

        world.hub.add_connection = add_late  # type: ignore[method-assign,assignment]
        await asyncio.gather(world.arrive("c"), later(world.remove(GROUP)))
        return world

    async def later(removing: object) -> None:
        await asyncio.sleep(0.1)
        await removing  # type: ignore[misc]

    world, _ = run(scenario())
    assert world.hub.connections["c"].rights == {OPEN}
    assert ("connected", "c") not in world.announcer.announced


def test_without_a_store_that_answers_the_join_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """`connect` has asked, and would have refused."""

    async def scenario() -> World:
        world = World(1)
        world.hub.connections["c"] = Connection("c", USER, visible_at=0)
        world.store.is_down = True
        await world.arrive("c")
        return world

    with caplog.at_level("INFO", "usher"):
        world, _ = run(scenario())
    assert world.announcer.announced == [("connected", "c")]
    records = [json.loads(record.getMessage())["record"] for record in caplog.records]
    assert records == ["bans-down", "join"]


# --- a removal -----------------------------------------------------------------------------


def test_the_leave_is_announced_at_once_and_the_connection_is_notified() -> None:
    """The event says that it is a removal, and is not earlier than the removal."""

    async def scenario() -> tuple[World, list[ConnectionEvent], float]:
        world = World(1)
        events: list[ConnectionEvent] = []
        world.hub.connections["c"] = Connection("c", USER, visible_at=0)
        world.hub.connections["other"] = Connection("other", "bo", visible_at=0)
        announce = world.announcer.announce

        async def keep(event: ConnectionEvent, outcome: object) -> None:
            events.append(event)
            times.append(asyncio.get_running_loop().time())
            await announce(event, outcome)  # type: ignore[arg-type]

        times: list[float] = []
        world.announcer.announce = keep  # type: ignore[method-assign]
        ban, _ = await world.instances[0].bans.add(USER, GROUP, 60, "spam")
        started = asyncio.get_running_loop().time()
        assert await world.instances[0].remover.remove(ban) == {"membershipsEnded": 1}
        return world, events, times[0] - started

    (world, events, seconds), _ = run(scenario())
    assert seconds < 1
    (event,) = events
    assert (event.name, event.connection_id, event.user_id) == ("disconnected", "c", USER)
    assert event.is_removal
    assert event.time == NOON + timedelta(seconds=1)
    message = {"type": "removed", "group": GROUP, "reason": "spam"}
    assert world.hub.messages == [("c", message)]
    assert world.hub.connections["other"].rights >= {OPEN, "member", "sender"}


def test_a_service_that_fails() -> None:
    """The error says that the ban is in force. The caller repeats the call."""

    async def scenario(status: int | None) -> ServiceError:
        world = World(1)

        async def fail(user_id: str, reason: str) -> bool:
            if status is None:
                await asyncio.sleep(60)
            raise ServiceError("answered", answered=status)

        world.hub.close_user = fail  # type: ignore[method-assign]
        with pytest.raises(ServiceError) as caught:
            await world.remove(None)
        return caught.value

    error, seconds = run(scenario(403))
    assert seconds < 1
    assert error.members == {
        **{"step": "end", "serviceStatus": 403, "serviceCode": None, "done": ["ban"]},
        "mayBeDone": False,
    }
    error, seconds = run(scenario(500))
    assert (error.members["serviceStatus"], error.members["mayBeDone"]) == (500, True)
    assert seconds < 11
    error, _ = run(scenario(None))
    assert isinstance(error, UnansweredError)


def test_a_group_that_is_too_large_to_list() -> None:
    """Connections beyond the list could still send, so the user's connections are closed."""

    async def scenario() -> World:
        world = World(1)
        world.hub.connections["c"] = Connection("c", USER, visible_at=0)
        list_group = world.hub.list_group

        async def truncate(group: str) -> object:
            listed = await list_group(group)
            return type(listed)(listed.as_of, {}, truncated=True)

        world.hub.list_group = truncate  # type: ignore[method-assign,assignment]
        await world.remove(GROUP)
        return world

    world, _ = run(scenario())
    assert world.hub.connections == {}
