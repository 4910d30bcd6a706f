"""A crowd joins one group in presence format: deliveries, and whether every client is right."""

from collections.abc import Callable

from benchmarks.children import BenchmarkError
from benchmarks.figures import Figure, Goal, Report
from localdev.storm.outcome import PRESENCE, Outcome, Plan
from localdev.storm.run import run_rounds

ROUNDS = 1
CLIENTS = 1_000
RATE = 400.0  # clients that start per second
GOAL = Goal(0.01, of_ratio=True)
TITLE = (
    "1,000 clients of 200 users join one group, 400 a second; the floor is one message for each "
    "join, to everybody who is there already"
)


async def measure(rounds: int, say: Callable[[str], None], clients: int = CLIENTS) -> Report:
    """Run storms on one stack.

    Raises BenchmarkError if a client shows other users than the service lists, or other numbers of
    tabs, or if the group was listed more than once a second and instance.
    """
    say("crowd: starting")
    plan = Plan(clients, RATE, PRESENCE, (), 0, rounds, instances=1)
    run = await run_rounds(plan)
    if complaints := run.complaints():
        raise BenchmarkError("; ".join(complaints))
    naive = [one.joins * (one.joins + 1) / 2 for one in run.outcomes]
    deliveries = [float(one.deliveries) for one in run.outcomes]
    figures = [Figure("deliveries", "messages", naive, deliveries, GOAL)]
    return Report("crowd", TITLE, figures, [_note(one) for one in run.outcomes])


def _note(outcome: Outcome) -> str:
    return (
        f"{outcome.joins:,} clients show the users of the service's list, after {outcome.lists} "
        f"lists and {outcome.announcements} messages to the group in {outcome.quiet_seconds:.1f} s."
    )
