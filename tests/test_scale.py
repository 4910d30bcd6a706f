"""docs/scale.md: its tables, computed again."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests import virtual_time
from usher.groups.announcements import FORMATS, Announcement, Body, write_text
from usher.groups.digest import Digest
from usher.groups.event_announcer import EventAnnouncer
from usher.groups.events import ConnectionEvent
from usher.groups.presence import write_changes, write_snapshot
from usher.groups.presence_announcer import PresenceAnnouncer
from usher.groups.workflow import join_groups, leave_groups
from usher.service.group_list import GroupList
from usher.service.pubsub import MOST_MEMBERS
from usher.settings import Connection, Settings
from webpubsub_emulator import EmulatorFixture

type JSON = str | dict[str, Any]

DEFAULTS = Settings(Connection("https://demo.webpubsub.azure.com"), "chat")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "scale.md"
TEXT, EVENTS = 111, 3597  # bytes
UNITS = [*range(1, 11), *range(20, 101, 10)]  # on offer in Standard and Premium_P1


def numbers(heading: str) -> list[list[int]]:
    """Return the rows below a heading that have two numbers or more, without their other cells."""
    section = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = (line.replace(",", "").split("|") for line in section.splitlines())
    found = [[int(cell) for cell in row if cell.strip().isdecimal()] for row in rows]
    return [row for row in found if len(row) > 1]


async def receive_frame(webpubsub: EmulatorFixture, body: JSON, group: str | None) -> str:
    """Return the frame with which a client gets a message of the app, as a member or alone."""
    async with (
        WebPubSubServiceClient.from_connection_string(
            webpubsub.connection_string, "chat"
        ) as service,
        ClientSession() as session,
    ):
        url = (await service.get_client_access_token(user_id="ana", groups=["lobby"]))["url"]
        async with session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as member:
            await member.receive_str()
            kind = "text/plain" if isinstance(body, str) else "application/json"
            if group:
                await service.send_to_group(group, body, content_type=kind)
            else:
                await service.send_to_user("ana", body, content_type=kind)
            return await member.receive_str()


@pytest.mark.parametrize("group", ["lobby", None])
async def test_the_frame_is_as_the_emulator_sends_it(
    webpubsub: EmulatorFixture, group: str | None
) -> None:
    snapshot = write_snapshot("lobby", list_users("ana"))
    frame = await receive_frame(webpubsub, snapshot, group)
    assert frame == client_frame("json", json.dumps(snapshot), group)


async def test_bytes(webpubsub: EmulatorFixture) -> None:
    """The text has the length that the emulator sends, and the events add up."""
    text, *others = numbers("Size of messages and events")
    body = write_text(DEFAULTS.join_text, "ana", "lobby")
    frame = await receive_frame(webpubsub, body, "lobby")
    assert text == [len(frame.encode()), len(body.encode())]
    *events, total = others[-4:]
    assert total == [sum(column) for column in zip(*events, strict=True)]
    assert (text[0], total[0]) == (TEXT, EVENTS)


def test_one_group() -> None:
    """Deliveries grow with the square of the group, and the rest follows from them."""
    rows = numbers("One group, every join announced to all")
    assert [row[0] for row in rows] == [100, 1_000, 10_000, 100_000]
    for n, *computed in rows:
        units = next(units for units in UNITS if units * 1_000 >= n)
        deliveries = n * (n + 1) // 2
        seconds = ceil(deliveries / (3_000 * units))
        messages = [ceil(deliveries * TEXT / 2_000), ceil(n * EVENTS / 2_000)]
        assert computed == [units, deliveries, seconds, *messages, n * (n // 100 + 1) // 2]


def test_joins_a_second() -> None:
    """A published rate, divided by what one join needs of it."""
    rows = [row[-3:] for row in numbers("Which limit is reached first")]
    assert len(rows) == 12
    for rate, one_join, joins in rows:
        assert joins == rate // one_join


class Service:
    """A group whose list is read page by page. Counts calls, deliveries and their bytes."""

    def __init__(self) -> None:
        self.members: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.deliveries = self.bytes = 0

    async def add_connection(self, *_: object) -> int:
        self.calls["add"] += 1
        return 200

    async def list_group(self, _group: str) -> GroupList:
        is_long = len(self.members) > MOST_MEMBERS
        self.calls["list"] += 1 + is_long  # user 201 is on the second page
        return GroupList(TIME, dict(islice(self.members.items(), MOST_MEMBERS)), is_long)

    async def send_to_group(self, group: str, body: Body, _content_type: str) -> int:
        self.calls["message"] += 1
        self.deliveries += len(self.members)
        self.bytes += len(self.members) * measure(body, group)[0]
        return 202

    async def send_to_connection(self, _one: str, body: Body, _content_type: str) -> int:
        self.calls["snapshot"] += 1
        self.deliveries += 1
        self.bytes += measure(body)[0]
        return 202


def measure(body: Body, group: str | None = None) -> list[int]:
    """Return the bytes of a message to a client, and of its body, as the SDK sends it."""
    content = body.decode() if isinstance(body, bytes) else json.dumps(body)
    data = json.dumps(content) if isinstance(body, bytes) else content
    kind = "text" if isinstance(body, bytes) else "json"
    return [len(client_frame(kind, data, group).encode()), len(content.encode())]


def client_frame(data_type: str, data: str, group: str | None = None) -> str:
    """Return the frame of a message, whose data is JSON text; tests compare it with a real one."""
    sender = {"from": "group", "fromUserId": None, "group": group} if group else {"from": "server"}
    fields = {"type": "message", **sender, "dataType": data_type}
    return f'{json.dumps(fields, separators=(",", ":"))[:-1]},"data":{data}}}'


def list_users(*users: str) -> GroupList:
    return GroupList(TIME, {f"c-{number}": user for number, user in enumerate(users)}, False)


JOINED = ConnectionEvent("connected", "chat", "c-1", "ana", {})
LEFT = replace(JOINED, name="disconnected")


async def count_calls(event: ConnectionEvent, presence: bool) -> Counter[str]:
    """Return the calls of one event in a quiet group."""
    service = Service()
    templates = {"connected": DEFAULTS.join_text, "disconnected": DEFAULTS.leave_text}
    text = EventAnnouncer(service, FORMATS["text"], templates, Digest(0, 1))
    announcer = PresenceAnnouncer(service, DEFAULTS.leave_grace, 5) if presence else text
    if event is JOINED:
        service.members["c-1"] = "ana"
        await join_groups(service, announcer, event, ["lobby"])
    else:
        await leave_groups(announcer, event, ["lobby"])
    return service.calls


@pytest.mark.parametrize(("row", "event"), [(0, JOINED), (1, LEFT)], ids=["join", "leave"])
def test_rest_calls_of_presence(row: int, event: ConnectionEvent) -> None:
    """Each kind of call, their sum, and the sum for text, as the app makes them."""
    calls, _ = virtual_time.run(count_calls(event, presence=True))
    text, _ = virtual_time.run(count_calls(event, presence=False))
    kinds = [calls[kind] for kind in ("add", "list", "message", "snapshot")]
    assert numbers("Presence")[row] == [*kinds, calls.total(), text.total()]


def test_bytes_of_presence() -> None:
    rows = numbers("Presence")[2:8]
    messages = [
        measure(write_changes("lobby", list_users("ana"), ["ana"]), "lobby"),
        measure(write_changes("lobby", list_users("bo"), ["ana"]), "lobby"),
    ]
    users = [f"user-{number:03}" for number in range(200)]
    for count in (1, 10, 100, 200):
        snapshot = write_snapshot("lobby", list_users(*users[:count]))
        messages.append([count, *measure(snapshot)])
    assert rows == messages


def test_joins_a_second_with_presence() -> None:
    rows = [row[-3:] for row in numbers("Presence")[8:12]]
    assert [one_join for _, one_join, _ in rows] == [4, 5, 4, 5]
    for rate, one_join, joins in rows:
        assert joins == rate // one_join


async def storm_of_presence(instances: int) -> Service:
    service = Service()
    announcers = [
        PresenceAnnouncer(service, DEFAULTS.leave_grace, DEFAULTS.digest_above)
        for _ in range(instances)
    ]

    async def join(number: int) -> None:
        await asyncio.sleep(number / RATE)
        event = replace(JOINED, connection_id=f"c-{number}", user_id=f"user-{number:03}")
        service.members[event.connection_id] = event.user_id or ""
        await join_groups(service, announcers[number % instances], event, ["lobby"])

    await asyncio.gather(*map(join, range(JOINS)))
    return service


@pytest.mark.parametrize("row", numbers("Presence")[12:], ids=lambda row: str(row[0]))
def test_a_crowd_with_presence(row: list[int]) -> None:
    """The app's own announcers on a virtual clock; megabytes are rounded."""
    service, _ = virtual_time.run(storm_of_presence(row[0]))
    calls = [service.calls[kind] for kind in ("list", "message", "snapshot")]
    assert service.calls["add"] == JOINS
    assert row[1:] == [*calls, service.deliveries, round(service.bytes / 1_000_000)]


JOINS, RATE = 1_000, 400  # a second
TIME = datetime(2026, 11, 24, tzinfo=UTC)


async def storm(instances: int) -> list[tuple[int, int, float]]:
    """Return instance, number of joins and time of each message; the instances take turns."""
    digests = [Digest(DEFAULTS.digest_above, DEFAULTS.digest_seconds) for _ in range(instances)]
    messages = []

    async def join(number: int) -> None:
        await asyncio.sleep(number / RATE)
        announcement = Announcement("joined", str(number), "lobby", None, "", TIME)
        if gathered := await digests[number % instances].collect(announcement):
            now = asyncio.get_running_loop().time()
            messages.append((number % instances, len(gathered), now))

    await asyncio.gather(*map(join, range(JOINS)))
    return messages


@pytest.mark.parametrize("row", numbers("Several instances"), ids=lambda row: str(row[0]))
def test_several_instances(row: list[int]) -> None:
    """The app's own digests on a virtual clock announce every join, each instance its share."""
    instances, *computed = row
    messages, _ = virtual_time.run(storm(instances))
    shares: Counter[int] = Counter()
    for instance, count, _ in messages:
        shares[instance] += count
    assert sum(shares.values()) == JOINS
    seconds = Counter(int(now) for _, _, now in messages)
    # A member receives what is sent after its join.
    deliveries = sum(min(JOINS, int(now * RATE) + 1) for _, _, now in messages)
    assert computed == [len(messages), seconds[0], seconds[2], max(shares.values()), deliveries]
