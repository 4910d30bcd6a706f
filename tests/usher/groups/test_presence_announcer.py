import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import virtual_time
from tests.usher.groups.recorder import UNKNOWN, answered
from usher.errors import ServiceError
from usher.groups import presence_announcer
from usher.groups.announcements import Body
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import EVENT_SECONDS, Outcome
from usher.groups.presence_announcer import PresenceAnnouncer
from usher.groups.retries import RetryBudget
from usher.service.group_list import GroupList

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)

type Sent = tuple[float, str, dict[str, Any]]  # when, to which group or connection, and what


class Service:
    """A group whose list is as old as `stale` seconds. `failures` are raised by the next calls."""

    def __init__(self) -> None:
        self.history: list[tuple[float, dict[str, str]]] = [(0.0, {})]
        self.lists: list[float] = []
        self.sent: list[Sent] = []
        self.stale, self.truncated = 0.0, False
        self.failures: dict[str, list[ServiceError]] = {"list": [], "group": [], "connection": []}

    def connect(self, **connections: str) -> None:
        self.history.append((now(), self.history[-1][1] | connections))

    def disconnect(self, *connections: str) -> None:
        rest = {one: user for one, user in self.history[-1][1].items() if one not in connections}
        self.history.append((now(), rest))

    async def list_group(self, group: str) -> GroupList:
        self.lists.append(now())
        self._fail("list")
        moment = max(now() - self.stale, 0.0)
        connections = [state for at, state in self.history if at <= moment][-1]
        as_of = (NOON + timedelta(seconds=moment)).replace(microsecond=0)
        return GroupList(as_of, connections, self.truncated)

    async def send_to_group(self, group: str, body: Body, content_type: str) -> int:
        self._fail("group")
        return self._send(group, body)

    async def send_to_connection(self, connection_id: str, body: Body, content_type: str) -> int:
        self._fail("connection")
        return self._send(connection_id, body)

    def _send(self, to: str, body: Body) -> int:
        assert isinstance(body, dict)
        self.sent.append((now(), to, body))
        return 202

    def _fail(self, call: str) -> None:
        if self.failures[call]:
            raise self.failures[call].pop(0)

    def messages(self, to: str = "lobby") -> list[tuple[float, dict[str, int], list[str]]]:
        """Return when each message was sent, and its users and those who are gone."""
        return [(at, body["users"], body["gone"]) for at, name, body in self.sent if name == to]


def now() -> float:
    return asyncio.get_running_loop().time()


class Room:
    """Runs joins and leaves at given seconds, and keeps their outcomes."""

    def __init__(self, service: Service, grace: float = 3.0, crowd: int = 5) -> None:
        self.service = service
        self.announcer = PresenceAnnouncer(service, grace, crowd)
        self.outcomes: dict[str, Outcome] = {}

    async def join(self, at: float, one: str, user: str | None, is_listed: bool = True) -> None:
        await asyncio.sleep(at)
        if is_listed:
            self.service.connect(**{one: user or ""})
        await self._announce("connected", one, user)

    async def leave(self, at: float, one: str, user: str | None, is_listed: bool = False) -> None:
        await asyncio.sleep(at)
        if not is_listed:
            self.service.disconnect(one)
        await self._announce("disconnected", one, user)

    async def remove(self, at: float, one: str, user: str) -> None:
        """Take a connection out of the group. It stays open, so its end is another event."""
        await asyncio.sleep(at)
        self.service.disconnect(one)
        await self._announce("disconnected", one, user, is_removal=True)

    async def _announce(
        self, name: str, one: str, user: str | None, is_removal: bool = False
    ) -> None:
        outcome = Outcome(name, "chat", "lobby", one, user, RetryBudget(now() + EVENT_SECONDS))
        self.outcomes[f"{name} {one}"] = outcome
        at = NOON + timedelta(seconds=now())
        event = ConnectionEvent(name, "chat", one, user, {}, time=at, is_removal=is_removal)
        await self.announcer.announce(event, outcome)

    @property
    def announced(self) -> list[int | None]:
        return [outcome.announced for outcome in self.outcomes.values()]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def room(service: Service) -> Room:
    return Room(service)


def run(*events: Any) -> None:
    async def run_all() -> None:
        await asyncio.gather(*events)

    virtual_time.run(run_all())


def test_a_join_sends_a_snapshot_to_the_newcomer_and_the_user_to_the_group(
    service: Service, room: Room
) -> None:
    run(room.join(0, "c-1", "ana"), room.join(5, "c-2", "bo"))
    assert service.messages() == [(0, {"ana": 1}, []), (5, {"bo": 1}, [])]
    assert service.messages("c-2") == [(5, {"ana": 1, "bo": 1}, [])]
    assert [body["snapshot"] for _, to, body in service.sent if to == "c-2"] == [True]
    assert service.sent[-1][2]["asOf"] == "2026-11-26T12:00:05Z"
    assert service.lists == [0, 5]
    assert room.announced == [1, 1]


def test_the_outcome_counts_lists_messages_and_snapshots(service: Service, room: Room) -> None:
    """A newcomer that has left gets no snapshot; who hands over counts nothing."""
    service.failures["connection"] = [UNKNOWN]
    events = [room.join(at, f"c-{at}", f"u{at}") for at in (0, 0.2, 0.9)]
    run(*events, room.leave(1.5, "c-0.9", "u0.9"))
    counts = {name: (one.lists, one.messages, one.snapshots) for name, one in room.outcomes.items()}
    assert counts == {
        "connected c-0": (1, 1, 0),
        "connected c-0.2": (1, 1, 2),
        "connected c-0.9": (0, 0, 0),
        "disconnected c-0.9": (1, 1, 0),
    }


def test_joins_within_a_second_share_the_next_list(service: Service, room: Room) -> None:
    """The list that has begun does not serve them."""
    run(*(room.join(at, f"c-{at}", f"u{at}") for at in (0, 0.2, 0.9, 1.5)))
    assert service.lists == [0, 1, 2]
    assert service.messages()[1] == (1, {"u0.2": 1, "u0.9": 1}, [])
    assert len(service.messages("c-0.2")) == len(service.messages("c-0.9")) == 1
    assert room.announced == [1, 2, 0, 1]


def test_a_crowd_gets_one_message_that_is_the_snapshot(service: Service, room: Room) -> None:
    run(*(room.join(n / 400, f"c-{n}", f"u{n}") for n in range(1000)))
    assert service.lists == [0, 1, 2, 3]
    assert [len(users) for _, users, _ in service.messages()] == [1, 400, 800, 1000]
    assert [to for _, to, _ in service.sent if to != "lobby"] == ["c-0"]
    snapshots = [body["snapshot"] for _, to, body in service.sent if to == "lobby"]
    assert snapshots == [False, True, True, True]


def test_the_message_of_a_crowd_names_those_who_left(service: Service) -> None:
    room = Room(service, grace=1)
    service.history = [(0.0, {"c-x": "cy"})]
    joins = [room.join(1 + n / 100, f"c-{n}", f"u{n}") for n in range(8)]
    run(room.leave(0.25, "c-x", "cy"), *joins)
    assert service.messages() == [(1.25, {f"u{n}": 1 for n in range(8)}, ["cy"])]
    assert service.sent[0][2]["snapshot"]


def test_a_leave_waits_the_grace(service: Service, room: Room) -> None:
    """Then one message has the user: gone, or with the connections that remain."""
    service.history = [(0.0, {"c-1": "ana", "c-2": "ana", "c-3": "bo"})]
    run(room.leave(1, "c-1", "ana"), room.leave(1.5, "c-3", "bo"))
    assert service.messages() == [(4, {"ana": 1}, []), (5, {}, ["bo"])]
    assert service.lists == [4, 5]


def test_each_leave_has_its_whole_grace(service: Service, room: Room) -> None:
    """The leaves of a second share a list, and none is listed before its grace is over."""
    service.history = [(0.0, {f"c-{n}": f"u{n}" for n in range(9)})]
    run(*(room.leave(at, f"c-{n}", f"u{n}") for n, at in enumerate((1, 1.25, 1.75, 3.5))))
    assert service.messages() == [(4, {}, ["u0"]), (5, {}, ["u1", "u2"]), (6.5, {}, ["u3"])]
    assert room.announced == [1, 2, 0, 1]


def test_a_reload_sends_no_leave(service: Service, room: Room) -> None:
    """The join has said how many connections the user has."""
    service.history = [(0.0, {"c-1": "ana", "c-2": "bo"})]
    run(room.leave(1, "c-1", "ana"), room.join(2.5, "c-3", "ana"))
    assert service.messages() == [(2.5, {"ana": 1}, [])]
    assert service.lists == [2.5]
    assert room.announced == [0, 1]


def test_a_leave_announces_the_earlier_leaves_of_its_user(service: Service, room: Room) -> None:
    """So a tab that is closed does not announce the reload of the other one as a leave."""
    service.history = [(0.0, {"c-1": "ana", "c-2": "ana", "c-3": "bo"})]
    run(
        room.leave(1, "c-1", "ana"),
        room.leave(2.5, "c-2", "ana"),
        room.join(4.5, "c-4", "ana"),
        room.leave(1, "c-3", "bo"),
    )
    assert service.messages() == [(4, {}, ["bo"]), (5.5, {"ana": 1}, [])]


def test_a_removal_does_not_wait_for_the_leave_of_its_client(service: Service, room: Room) -> None:
    """A client that was taken out of the group closes at once; its own leave has the grace."""
    service.history = [(0.0, {"c-1": "bo", "c-2": "ana"})]
    run(room.join(0, "c-1", "bo"), room.remove(0.25, "c-2", "ana"), room.leave(0.5, "c-2", "ana"))
    assert service.messages()[:2] == [(0, {"bo": 1}, []), (1, {}, ["ana"])]


def test_leaves_without_a_user_do_not_wait_for_each_other(service: Service, room: Room) -> None:
    service.history = [(0.0, {"c-1": "", "c-2": "", "c-3": ""})]
    run(room.leave(1, "c-1", None), room.leave(2.5, "c-2", None))
    assert service.messages() == [(4, {"": 1}, []), (5.5, {"": 1}, [])]


def test_a_leave_ends_the_join_of_its_connection(service: Service, room: Room) -> None:
    """While the join waits for its list, or for a list that shows it."""
    service.history = [(0.0, {"c-1": "bo"})]
    run(room.join(0, "c-1", "bo"), room.join(0.25, "c-2", "ana"), room.leave(0.5, "c-2", "ana"))
    assert service.messages() == [(0, {"bo": 1}, []), (3.5, {}, ["ana"])]
    assert service.lists == [0, 3.5]


def test_a_list_without_the_newcomer_is_stale(service: Service, room: Room) -> None:
    """The newcomer counts, and a second later there is another list, for those before it."""
    service.history = [(0.0, {"c-1": "ana"}), (4.9, {"c-1": "ana", "c-2": "bo"})]
    service.stale = 0.5
    run(room.join(5, "c-3", "cy"))
    assert service.messages() == [(5, {"cy": 1}, []), (6, {"cy": 1}, [])]
    assert [users for _, users, _ in service.messages("c-3")] == [
        {"ana": 1, "cy": 1},
        {"ana": 1, "bo": 1, "cy": 1},
    ]
    assert service.sent[0][2]["count"] == 2


def test_a_list_with_a_connection_that_left_is_stale(service: Service) -> None:
    room = Room(service, grace=1)
    service.history = [(0.0, {"c-1": "ana", "c-2": "bo"})]
    service.stale = 1.5
    run(room.leave(3.875, "c-1", "ana"))
    assert service.messages() == [(4.875, {}, ["ana"]), (5.875, {}, ["ana"])]
    assert service.sent[0][2]["count"] == service.sent[1][2]["count"] == 1


def test_a_list_of_the_second_of_the_leave_is_stale(service: Service) -> None:
    """A message of that second with the connection would win."""
    room = Room(service, grace=1)
    service.history = [(0.0, {"c-1": "ana"})]
    service.stale = 0.9
    run(room.leave(4.05, "c-1", "ana"))
    assert service.lists == [5.05, 6.05]
    assert service.sent[-1][2]["asOf"] == "2026-11-26T12:00:05Z"


def test_a_newcomer_that_three_lists_do_not_show_has_left(service: Service, room: Room) -> None:
    """It counts in the first message only; its leave has an event of its own."""
    run(room.join(5, "c-1", "ana", is_listed=False))
    assert service.messages() == [(5, {"ana": 1}, [])]
    assert service.lists == [5, 6, 7]
    assert room.announced == [1]


def test_while_a_newcomer_is_not_listed_nobody_says_that_its_user_is_gone(
    service: Service, room: Room
) -> None:
    """A reload whose new connection appears late in the list, and the leave of its old one."""
    service.history = [(0.0, {"c-1": "ana"})]
    service.stale = 0.25
    run(room.leave(5, "c-1", "ana"), room.join(5.5, "c-2", "ana", is_listed=False))
    assert service.messages() == [(5.5, {"ana": 1}, [])]
    assert service.lists == [5.5, 6.5, 8]


def test_who_is_removed_is_gone_without_the_grace(service: Service, room: Room) -> None:
    """The second message is of a later second, so that it wins over what was true before."""
    service.history = [(0.0, {"c-1": "mallory", "c-2": "bo"})]
    run(room.remove(5.5, "c-1", "mallory"))
    assert service.messages() == [(5.5, {}, ["mallory"]), (6.5, {}, ["mallory"])]
    assert [body["asOf"][-3:] for *_, body in service.sent] == ["05Z", "06Z"]


def test_the_user_of_a_missing_newcomer_is_announced_with_another_tab(
    service: Service, room: Room
) -> None:
    run(
        room.join(5, "c-1", "ana", is_listed=False),
        room.join(6.5, "c-2", "ana"),
    )
    assert service.messages() == [(5, {"ana": 1}, []), (7, {"ana": 1}, [])]
    assert [to for _, to, _ in service.sent].count("c-2") == 1


def test_after_three_lists_a_connection_that_left_is_there(service: Service, room: Room) -> None:
    service.history = [(0.0, {"c-1": "ana"})]
    run(room.leave(5, "c-1", "ana", is_listed=True))
    assert service.messages() == [(8, {}, ["ana"]), (10, {"ana": 1}, [])]
    assert service.lists == [8, 9, 10]


def test_a_connection_without_a_user_has_an_empty_name(service: Service, room: Room) -> None:
    run(room.join(0, "c-1", None), room.join(2, "c-2", None), room.leave(4, "c-1", None))
    assert service.messages() == [(0, {"": 1}, []), (2, {"": 2}, []), (7, {"": 1}, [])]


def test_a_newcomer_that_has_left_again_is_no_failure(service: Service, room: Room) -> None:
    service.failures["connection"] = [UNKNOWN]
    run(room.join(0, "c-1", "ana"))
    assert service.messages() == [(0, {"ana": 1}, [])]


def test_transient_failures_are_retried(service: Service, room: Room) -> None:
    service.failures = {call: [answered(503), answered(500)] for call in service.failures}
    run(room.join(0, "c-1", "ana"))
    assert len(service.messages()) == len(service.messages("c-1")) == 1
    assert room.outcomes["connected c-1"].budget.retries == 6


def test_a_failed_snapshot_does_not_stop_the_message_to_the_group(
    service: Service, room: Room
) -> None:
    service.failures["connection"] = [answered(401)]
    with pytest.raises(ServiceError):
        run(room.join(0, "c-1", "ana"))
    assert service.messages() == [(0, {"ana": 1}, [])]
    assert room.outcomes["connected c-1"].send.status == 202


def test_the_deadline_of_a_leave_starts_after_the_grace(service: Service) -> None:
    room = Room(service, grace=10)
    service.failures["list"] = [answered(503)] * 3
    run(room.leave(0, "c-1", "ana"))
    assert service.messages()[0][1:] == ({}, ["ana"])


def test_memory_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_announcer, "MOST_REMEMBERED", 3)
    announcer = PresenceAnnouncer(service, 3, 5)

    async def join(group: str) -> None:
        outcome = Outcome("join", "chat", group, "c-1", "ana", RetryBudget(now() + EVENT_SECONDS))
        await announcer.announce(ConnectionEvent("connected", "chat", "c-1", "ana", {}), outcome)

    service.history = [(0.0, {"c-1": "ana"})]
    run(*(join(f"g{n}") for n in range(9)))
    assert [*announcer._batches] == ["g6", "g7", "g8"]
    assert len(service.sent) == 18
