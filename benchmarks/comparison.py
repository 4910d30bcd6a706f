"""Two runs side by side: an earlier one, from the file of `--json`, and this one."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import align, interval_of
from benchmarks.machine import machine_line

_HEAD = ("", "before", "95 %", "now", "95 %", "change", "differs")


class ComparisonError(Exception):
    """The file has no run; the text says why."""


def read_run(file: Path) -> dict[str, Any]:
    """Return the run that `--json` wrote. Raises ComparisonError."""
    try:
        run = json.loads(file.read_text("utf-8"))
        machine_line(run["machine"])
        list(_ratios(run))
    except OSError as error:
        raise ComparisonError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ComparisonError(f"{file} was not written by --json") from None
    return dict(run)


def compare_runs(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return both machines, and the ratios of the figures that both runs have."""
    earlier = dict(_ratios(before))
    rows = [_row(name, earlier[name], ratios) for name, ratios in _ratios(now) if name in earlier]
    lines = [
        "compared, measured / floor of each run",
        f"  before: {machine_line(before['machine'])}",
        f"  now:    {machine_line(now['machine'])}",
    ]
    return "\n".join([*lines, *(align([_HEAD, *rows]) if rows else ["  no figure is in both"])])


def _ratios(run: dict[str, Any]) -> Iterator[tuple[str, list[float]]]:
    for benchmark in run["benchmarks"]:
        for figure in benchmark["figures"]:
            name = f"{benchmark['name']}: {figure['name']}, {figure['unit']}"
            yield name, [float(ratio) for ratio in figure["ratios"]]


def _row(name: str, before: list[float], now: list[float]) -> tuple[str, ...]:
    intervals = [interval_of(before), interval_of(now)]
    (low, high), (new_low, new_high) = intervals
    shown = [f"{low:.2f}-{high:.2f}" for low, high in intervals]
    change = median(now) / median(before) - 1
    # Intervals that overlap show no difference.
    differs = "yes" if new_high < low or new_low > high else "undecided"
    medians = [f"{median(ratios):.2f}" for ratios in (before, now)]
    return name, medians[0], shown[0], medians[1], shown[1], f"{change:+.0%}", differs
