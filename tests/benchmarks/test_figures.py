"""Ratios, goals and the table."""

import pytest

from benchmarks.figures import Figure, Goal, Report, interval_of, spread_of

FIGURE = Figure("clients", "us", [1.0, 2.0, 4.0], [3.0, 4.0, 4.0], Goal(2.0, of_ratio=True))


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    """The ratio of the medians would be another number if rounds differ."""
    assert FIGURE.ratios == [3.0, 2.0, 1.0]
    assert FIGURE.as_dict()["ratio"] == 2.0


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(3.0, of_ratio=True), "yes"),
        (Goal(2.9, of_ratio=True), "undecided"),
        (Goal(1.0, of_ratio=True), "undecided"),
        (Goal(0.9, of_ratio=True), "no"),
        (Goal(4.0, of_ratio=False), "yes"),
        (Goal(3.9, of_ratio=False), "undecided"),
        (Goal(2.9, of_ratio=False), "no"),
        (None, ""),
    ],
)
def test_a_goal_limits_the_ratio_or_the_figure(goal: Goal | None, met: str) -> None:
    """A figure that equals the limit meets the goal; an interval that spans it decides nothing."""
    figure = Figure("clients", "us", FIGURE.floor, FIGURE.measured, goal)
    assert (figure.met, figure.as_dict()["met"]) == (met, met or None)


@pytest.mark.parametrize(
    ("count", "interval"),
    [(1, (1, 1)), (5, (1, 5)), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (15, (4, 12))],
)
def test_the_interval_of_a_median(count: int, interval: tuple[int, int]) -> None:
    """The ranks of tables of the sign test for 95 %; below six values, the whole range."""
    assert interval_of([float(rank) for rank in range(count, 0, -1)]) == interval


def test_one_slow_round_does_not_decide() -> None:
    """Its ratio is in min-max, but not in the interval."""
    measured = [3.0] * 14 + [9.0]
    figure = Figure("clients", "us", [1.0] * 15, measured, Goal(4.0, of_ratio=True))
    assert figure.met == "yes"


def test_the_table_has_aligned_columns_and_notes() -> None:
    assert Report("fanout", "CPU", [FIGURE], ["Note."]).text().splitlines() == [
        "fanout: CPU",
        "               floor  measured  ratio    min-max       95 %    goal        met",
        "  clients, us   2.00      4.00   2.00  1.00-3.00  1.00-3.00  <= 2 x  undecided",
        "  Note.",
    ]


def test_the_sample_has_a_column_if_a_figure_has_one() -> None:
    """The column shows sample / floor. Figures without a sample leave it empty."""
    with_sample = Figure("tokens", "us", [1.0, 2.0, 4.0], [2.0, 3.0, 5.0], sample=[9.0, 2.0, 8.0])
    lines = Report("negotiate", "CPU", [FIGURE, with_sample]).text().splitlines()
    assert [line.split()[-1] for line in lines] == ["CPU", "sample", "undecided", "2.00"]
    assert with_sample.as_dict()["sample_ratios"] == [9.0, 1.0, 2.0]


def test_without_figures_there_is_no_table() -> None:
    assert Report("idle", "memory", notes=["No figures."]).text() == ("idle: memory\n  No figures.")


def test_spread_of_returns_median_minimum_and_maximum() -> None:
    assert spread_of([1_200, 900, 1_000]) == "1,000 (900-1,200)"
