"""What docs/scale.md computes, computed again."""

from math import ceil
from pathlib import Path

from localdev.emulator.messages import Payload
from localdev.emulator.outgoing import group_message
from usher.announcements import write_announcement
from usher.settings import Settings

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
    assert text == [len(group_message("lobby", None, Payload("text", said)).json.data), len(said)]
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
