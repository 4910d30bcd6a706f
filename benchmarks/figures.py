"""Figures and their floors: ratios, goals, and the table. Nothing is measured here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import comb
from statistics import median
from typing import Any

_HEAD = ("", "floor", "measured", "ratio", "min-max", "95 %", "goal", "met")
_DOUBT = 0.05  # the chance that the true median is outside of the interval, if rounds suffice
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
    def met(self) -> str:
        """Return yes, no, or undecided if the interval spans the goal; empty without a goal."""
        if self.goal is None:
            return ""
        low, high = interval_of(self.ratios if self.goal.of_ratio else self.measured)
        if low <= self.goal.limit < high:
            return "undecided"
        return "yes" if high <= self.goal.limit else "no"

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table's row."""
        ratios = self.ratios
        low, high = interval_of(ratios)
        return (
            f"{self.name}, {self.unit}",
            f"{median(self.floor):.2f}",
            f"{median(self.measured):.2f}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f}-{max(ratios):.2f}",
            f"{low:.2f}-{high:.2f}",
            self._goal_text(),
            self.met,
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
        interval = {"interval": interval_of(self.ratios)}
        return {**asdict(self), **ratios, **interval, **sample_ratios, "met": self.met or None}


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
            lines += align(self._rows())
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


def interval_of(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median, by the sign test; of few values, the whole range.

    It needs no distribution of the values: the median is above each of them by even chance.
    """
    ranked, count = sorted(values), len(values)
    left_out, doubt = 0, 2 * 0.5**count
    while doubt <= _DOUBT:
        left_out += 1
        doubt += 2 * comb(count, left_out) * 0.5**count
    first = max(left_out - 1, 0)
    return ranked[first], ranked[-1 - first]


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines: first column left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + row[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
