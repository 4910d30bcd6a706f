"""What docs/scale.md computes, computed again."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import pytest

from tests import virtual_time
from usher.groups.announcements import News, write_announcement
from usher.groups.digest import Digests
from usher.settings import Settings
from webpubsub_emulator.messages import Payload
from webpubsub_emulator.outgoing import group_message
from webpubsub_emulator.protocol_json import JsonProtocol

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scale.md"
TEXT, EVENTS = 111, 3405  # bytes
UNITS = [*range(1, 11), *range(20, 101, 10)]  # on offer in Standard and Premium_P1


def numbers(heading: str) -> list[list[int]]:
    """The rows below a heading that have numbers in them, without their other cells."""
    section = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = (line.replace(",", "").split("|") for line in section.splitlines())
    found = [[int(cell) for cell in row if cell.strip().isdecimal()] for row in rows]
    return [row for row in found if len(row) > 1]


def test_bytes() -> None:
    """The text is as long as the emulator sends it, and the events add up."""
    text, *others = numbers("Bytes")
    said = write_announcement(Settings.join_text, "ana", "lobby").encode()
    frame = group_message("lobby", None, Payload("text", said)).encoded(JsonProtocol.encode)
    assert text == [len(frame.data), len(said)]
    *events, total = others[-4:]
    assert total == [sum(column) for column in zip(*events, strict=True)]
    assert (text[0], total[0]) == (TEXT, EVENTS)


def test_one_group() -> None:
    """Deliveries grow with the square of the group, and the rest follows from them."""
    rows = numbers("One group, and everybody is told")
    assert [row[0] for row in rows] == [100, 1_000, 10_000, 100_000]
    for n, *computed in rows:
        units = next(units for units in UNITS if units * 1_000 >= n)
        told = n * (n + 1) // 2
        seconds = ceil(told / (3_000 * units))
        messages = [ceil(told * TEXT / 2_000), ceil(n * EVENTS / 2_000)]
        assert computed == [units, told, seconds, *messages, n * (n // 100 + 1) // 2]


def test_joins_a_second() -> None:
    """A published rate divided by what one join takes of it."""
    rows = [row[-3:] for row in numbers("The first limit")]
    assert len(rows) == 12
    for rate, one_join, joins in rows:
        assert joins == rate // one_join


JOINS, RATE = 1_000, 400  # a second
TIME = datetime(2026, 11, 24, tzinfo=UTC)


async def storm(instances: int) -> list[tuple[int, int, float]]:
    """Instance, number of joins and time of each message, the joins being handed out in turn."""
    digests = [Digests(Settings.digest_above, Settings.digest_seconds) for _ in range(instances)]
    messages = []

    async def join(number: int) -> None:
        await asyncio.sleep(number / RATE)
        news = News("joined", str(number), "lobby", None, "", TIME)
        if told := await digests[number % instances].gather(news):
            now = asyncio.get_running_loop().time()
            messages.append((number % instances, len(told), now))

    await asyncio.gather(*map(join, range(JOINS)))
    return messages


@pytest.mark.parametrize("row", numbers("Several instances"), ids=lambda row: str(row[0]))
def test_several_instances(row: list[int]) -> None:
    """The app's own digests on a clock that jumps: all joins are told, by each its share."""
    instances, *computed = row
    messages, _ = virtual_time.run(storm(instances))
    shares: Counter[int] = Counter()
    for instance, count, _ in messages:
        shares[instance] += count
    assert sum(shares.values()) == JOINS
    seconds = Counter(int(now) for _, _, now in messages)
    # A member hears what is sent once it is in; the others come later.
    deliveries = sum(min(JOINS, int(now * RATE) + 1) for _, _, now in messages)
    assert computed == [len(messages), seconds[0], seconds[2], max(shares.values()), deliveries]
