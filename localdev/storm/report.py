"""The report of storms: a table for people, and JSON. Nothing is measured here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from localdev.storm.outcome import Percentiles, Plan, Run, Usage, Use

LAST_ROUNDS = 3  # their median memory is compared with the memory after the second round
COLUMN_GAP = "  "

# Of several instances the largest is shown.
PROCESSES: dict[str, Callable[[Usage], list[Use]]] = {
    "host": lambda usage: usage.hosts,
    "emulator": lambda usage: [usage.emulator],
}

type Cell = Callable[[Run], str]

# The rows about the last storm of each run.
ROWS: dict[str, Cell] = {
    "clients that joined": lambda run: f"{run.last.joins:,}",
    "joins per second": lambda run: f"{run.last.joins / max(run.last.seconds, 0.001):,.0f}",
    "clients that failed": lambda run: f"{sum(run.last.failures.values()):,}",
    "members listed by the service": lambda run: f"{run.last.members:,}",
    "joins announced": lambda run: f"{run.last.announced:,}",
    "announcement messages": lambda run: f"{run.last.announcements:,}",
    "lists of the group": lambda run: f"{run.last.lists:,}",
    "deliveries": lambda run: f"{run.last.deliveries:,}",
    "duplicate deliveries": lambda run: f"{run.last.doubles:,}",
    "seconds to the last delivery": lambda run: f"{run.last.quiet_seconds:.1f}",
}


def write_report(runs: Sequence[Run]) -> str:
    """Return the table with a column per run, notes, and what is wrong."""
    lines = [_title(runs[0].plan), "", *_table(runs), ""]
    for run in runs:
        lines += [f"{run.plan.name}: {note}" for note in _notes(run)]
    if len(runs) == 2:
        with_digest, without = (run.last.deliveries for run in runs)
        share = with_digest / max(without, 1)
        lines.append(f"With the digest there are {share:.1%} of the deliveries without it.")
    return "\n".join([*lines, *_verdict(runs)])


def describe_runs(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the whole result as an object for JSON."""
    plan = runs[0].plan
    return {
        "plan": {**asdict(plan), "faults": [str(fault) for fault in plan.faults]},
        "runs": [_describe_run(run) for run in runs],
    }


def _describe_run(run: Run) -> dict[str, Any]:
    facts = asdict(run)
    del facts["plan"]
    return {"digest": run.plan.has_digest, **facts, "complaints": run.complaints()}


def _title(plan: Plan) -> str:
    instances = f"{plan.instances} instance{'s' if plan.instances > 1 else ''}"
    rounds = f", the last of {plan.rounds} storms" if plan.rounds > 1 else ""
    return (
        f"{plan.users:,} clients join one group, up to {plan.rate:g} per second, {instances}, "
        f"announcements in {plan.format}{rounds}"
    )


def _table(runs: Sequence[Run]) -> list[str]:
    rows = [["", *(run.plan.name for run in runs)]]
    rows += [[name, *map(cell, runs)] for name, cell in ROWS.items()]
    for stage in runs[0].last.stages:
        label = f"{stage}, ms: p50, p99"
        rows.append([label, *(_milliseconds(run.last.stages[stage]) for run in runs)])
    for name, uses in PROCESSES.items():
        rows.append([f"{name}, CPU ms per join", *(_cpu(run, uses) for run in runs)])
        rows.append([f"{name}, MB: before, full, after", *(_memory(run, uses) for run in runs)])
    if runs[0].plan.instances > 1:
        shares = (" ".join(map(str, run.last.announced_by_instance)) for run in runs)
        rows.append(["joins announced by each instance", *shares])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        COLUMN_GAP.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    ]


def _milliseconds(found: Percentiles | None) -> str:
    return f"{found[0] * 1000:,.0f} {found[1] * 1000:,.0f}" if found else "-"


def _cpu(run: Run, uses: Callable[[Usage], list[Use]]) -> str:
    """Return the CPU time of the last storm up to the last delivery, of all instances together."""
    begun = [*run.before, *run.after][-2]
    seconds = [sum(use.cpu_seconds for use in uses(usage)) for usage in (begun, run.full[-1])]
    return f"{(seconds[1] - seconds[0]) * 1000 / max(run.last.joins, 1):.1f}"


def _memory(run: Run, uses: Callable[[Usage], list[Use]]) -> str:
    usages = (run.before[0], run.full[-1], run.after[-1])
    return " ".join(f"{_largest(usage, uses):.0f}" for usage in usages)


def _largest(usage: Usage, uses: Callable[[Usage], list[Use]]) -> float:
    return max(use.megabytes for use in uses(usage))


def _notes(run: Run) -> list[str]:
    return [
        *_counts("clients failed", run.last.failures),
        *_counts("joins were not announced", run.last.unannounced),
        *_counts("faults happened", run.last.faults),
        *_presence_share(run),
        *(
            note
            for name, uses in PROCESSES.items()
            for note in _growth(name, [_largest(usage, uses) for usage in run.after])
        ),
    ]


def _counts(what: str, counts: Mapping[str, int]) -> list[str]:
    return [f"{count:,} {what}: {reason}" for reason, count in sorted(counts.items())]


def _presence_share(run: Run) -> list[str]:
    """Compare with one message for each join, which everybody gets who is there already."""
    if not run.last.lists:
        return []
    joins = run.last.joins
    share = run.last.deliveries / max(joins * (joins + 1) // 2, 1)
    return [f"{share:.1%} of the deliveries of one message for each join"]


def _growth(name: str, after: Sequence[float]) -> list[str]:
    """Return how much the memory grew since the second storm.

    The first storm does not count, because it fills caches that stay.
    """
    if len(after) < LAST_ROUNDS + 2:
        return []
    grown = median(after[-LAST_ROUNDS:]) - after[1]
    course = " ".join(f"{megabytes:.1f}" for megabytes in after)
    return [
        f"{name}, MB after each storm: {course}; "
        f"{grown:+.1f} from the second to the median of the last {LAST_ROUNDS}"
    ]


def _verdict(runs: Sequence[Run]) -> list[str]:
    complaints = [f"WRONG: {run.plan.name}: {text}" for run in runs for text in run.complaints()]
    return complaints or ["No member is missing, and every join was announced once or explained."]
