"""Ratios, goals and the table."""

import pytest

from benchmarks.figures import Figure, Goal, Report, spread_of

FIGURE = Figure("clients", "us", [1.0, 2.0, 4.0], [3.0, 4.0, 4.0], Goal(2.0, of_ratio=True))


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    """It is not the ratio of the medians when rounds differ."""
    assert FIGURE.ratios == [3.0, 2.0, 1.0]
    assert FIGURE.facts()["ratio"] == 2.0


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(2.0, of_ratio=True), True),
        (Goal(1.9, of_ratio=True), False),
        (Goal(4.0, of_ratio=False), True),
        (Goal(3.9, of_ratio=False), False),
        (None, None),
    ],
)
def test_a_goal_is_for_the_ratio_or_for_the_figure(goal: Goal | None, met: bool | None) -> None:
    """And the limit itself is within it."""
    assert Figure("clients", "us", FIGURE.floor, FIGURE.emulator, goal).is_met is met


def test_the_table() -> None:
    """Columns are aligned, and the notes follow."""
    assert Report("fanout", "CPU", [FIGURE], ["Note."]).text().splitlines() == [
        "fanout: CPU",
        "               floor  emulator  ratio    min-max    goal  met",
        "  clients, us   2.00      4.00   2.00  1.00-3.00  <= 2 x  yes",
        "  Note.",
    ]


def test_without_figures_there_is_no_table() -> None:
    """As on a system that counts no CPU time for others."""
    assert Report("idle", "memory", notes=["Not measured."]).text() == (
        "idle: memory\n  Not measured."
    )


def test_spread_of() -> None:
    """Median, least, most."""
    assert spread_of([1_200, 900, 1_000]) == "1,000 (900-1,200)"
