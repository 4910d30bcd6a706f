"""Figures and their floors: ratios, goals, and the table. Nothing is measured here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

_HEAD = ("", "floor", "measured", "ratio", "min-max", "goal", "met")
_SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Goal:
    """An upper limit for the ratio, or for the measured figure itself."""

    limit: float
    of_ratio: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of every round, measured in turn with its floor.

    `sample` is the same figure of the usual sample; empty if there is none.
    """

    name: str
    unit: str
    floor: list[float]
    measured: list[float]
    goal: Goal | None = None
    sample: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Return measured / floor for each round."""
        return _ratios(self.measured, self.floor)

    @property
    def sample_ratios(self) -> list[float]:
        """Return sample / floor for each round; empty without a sample."""
        return _ratios(self.sample, self.floor) if self.sample else []

    @property
    def is_met(self) -> bool | None:
        """Return whether the median is within the goal; None without a goal."""
        if self.goal is None:
            return None
        return median(self.ratios if self.goal.of_ratio else self.measured) <= self.goal.limit

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table's row."""
        ratios = self.ratios
        return (
            f"{self.name}, {self.unit}",
            f"{median(self.floor):.2f}",
            f"{median(self.measured):.2f}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f}-{max(ratios):.2f}",
            self._goal_text(),
            {None: "", True: "yes", False: "no"}[self.is_met],
            f"{median(self.sample_ratios):.2f}" if self.sample else "",
        )

    def _goal_text(self) -> str:
        if self.goal is None:
            return ""
        return f"<= {self.goal.limit:g} " + ("x" if self.goal.of_ratio else self.unit)

    def as_dict(self) -> dict[str, Any]:
        """Return samples, ratios and the goal, for JSON."""
        ratios = {"ratios": self.ratios, "ratio": median(self.ratios)}
        sample_ratios = {"sample_ratios": self.sample_ratios} if self.sample else {}
        return {**asdict(self), **ratios, **sample_ratios, "met": self.is_met}


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one benchmark. `title` says what the floor is."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the title, the table and the notes."""
        lines = [f"{self.name}: {self.title}"]
        if self.figures:
            lines += _align(self._rows())
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the table's rows, without the sample's column if no figure has a sample."""
        rows = [(*_HEAD, _SAMPLE), *(figure.row() for figure in self.figures)]
        has_sample = any(figure.sample for figure in self.figures)
        return rows if has_sample else [row[:-1] for row in rows]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        figures = [figure.as_dict() for figure in self.figures]
        return {"name": self.name, "title": self.title, "figures": figures, "notes": self.notes}


def spread_of(values: Sequence[float]) -> str:
    """Median, least and most of whole numbers."""
    return f"{median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def _ratios(figures: list[float], floor: list[float]) -> list[float]:
    return [figure / least for figure, least in zip(figures, floor, strict=True)]


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """First column left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + row[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
