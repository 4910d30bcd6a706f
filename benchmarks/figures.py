"""Figures beside their floors: ratios, goals, and the table. Nothing is measured here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

_HEAD = ("", "floor", "emulator", "ratio", "min-max", "goal", "met")


@dataclass(frozen=True)
class Goal:
    """An upper limit, of the ratio or of the emulator's own figure."""

    limit: float
    of_ratio: bool


@dataclass(frozen=True)
class Figure:
    """One figure in every round, interleaved with its floor."""

    name: str
    unit: str
    floor: list[float]
    emulator: list[float]
    goal: Goal | None = None

    @property
    def ratios(self) -> list[float]:
        """Emulator to floor, round by round."""
        return [mine / least for mine, least in zip(self.emulator, self.floor, strict=True)]

    @property
    def is_met(self) -> bool | None:
        """Whether the median keeps to the goal; None without a goal."""
        if self.goal is None:
            return None
        return median(self.ratios if self.goal.of_ratio else self.emulator) <= self.goal.limit

    def row(self) -> tuple[str, ...]:
        """The figure in words, as the table has it."""
        ratios = self.ratios
        return (
            f"{self.name}, {self.unit}",
            f"{median(self.floor):.2f}",
            f"{median(self.emulator):.2f}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f}-{max(ratios):.2f}",
            self._goal_text(),
            {None: "", True: "yes", False: "no"}[self.is_met],
        )

    def _goal_text(self) -> str:
        if self.goal is None:
            return ""
        return f"<= {self.goal.limit:g} " + ("x" if self.goal.of_ratio else self.unit)

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        medians = {"ratio": median(self.ratios), "met": self.is_met}
        return {**asdict(self), "ratios": self.ratios, **medians}


@dataclass(frozen=True)
class Report:
    """What one benchmark found; `title` says what the floor is."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """A title, the table and the notes."""
        lines = [f"{self.name}: {self.title}"]
        if self.figures:
            lines += _align([_HEAD, *(figure.row() for figure in self.figures)])
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        figures = [figure.facts() for figure in self.figures]
        return {"name": self.name, "title": self.title, "figures": figures, "notes": self.notes}


def spread_of(values: Sequence[float]) -> str:
    """Median, least and most of whole numbers."""
    return f"{median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """First column left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + row[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
