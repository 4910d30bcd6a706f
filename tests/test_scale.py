"""docs/scale.md: its tables, computed again."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import pytest
from aiohttp import ClientSession
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from tests import virtual_time
from usher.groups.announcements import Announcement, write_text
from usher.groups.digest import Digest
from usher.settings import Connection, Settings
from webpubsub_emulator import EmulatorFixture

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


async def receive_frame(webpubsub: EmulatorFixture, group: str, text: str) -> str:
    """Return the frame with which a member gets a text of the app."""
    async with (
        WebPubSubServiceClient.from_connection_string(
            webpubsub.connection_string, "chat"
        ) as service,
        ClientSession() as session,
    ):
        url = (await service.get_client_access_token(groups=[group]))["url"]
        async with session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as member:
            await member.receive_str()
            await service.send_to_group(group, text, content_type="text/plain")
            return await member.receive_str()


async def test_bytes(webpubsub: EmulatorFixture) -> None:
    """The text has the length that the emulator sends, and the events add up."""
    text, *others = numbers("Size of messages and events")
    body = write_text(DEFAULTS.join_text, "ana", "lobby")
    frame = await receive_frame(webpubsub, "lobby", body)
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
