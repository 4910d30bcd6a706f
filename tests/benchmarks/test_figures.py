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
    assert Figure("clients", "us", FIGURE.floor, FIGURE.measured, goal).is_met is met


def test_the_table() -> None:
    """Columns are aligned, and the notes follow."""
    assert Report("fanout", "CPU", [FIGURE], ["Note."]).text().splitlines() == [
        "fanout: CPU",
        "               floor  measured  ratio    min-max    goal  met",
        "  clients, us   2.00      4.00   2.00  1.00-3.00  <= 2 x  yes",
        "  Note.",
    ]


def test_the_sample_has_a_column_where_there_is_one() -> None:
    """Its ratio to the same floor; figures without one leave it empty."""
    beside = Figure("tokens", "us", [1.0, 2.0, 4.0], [2.0, 3.0, 5.0], sample=[9.0, 2.0, 8.0])
    lines = Report("negotiate", "CPU", [FIGURE, beside]).text().splitlines()
    assert [line.split()[-1] for line in lines] == ["CPU", "sample", "yes", "2.00"]
    assert beside.facts()["sample_ratios"] == [9.0, 1.0, 2.0]


def test_without_figures_there_is_no_table() -> None:
    """As on a system that counts no CPU time for others."""
    assert Report("idle", "memory", notes=["Not measured."]).text() == (
        "idle: memory\n  Not measured."
    )


def test_spread_of() -> None:
    """Median, least, most."""
    assert spread_of([1_200, 900, 1_000]) == "1,000 (900-1,200)"
