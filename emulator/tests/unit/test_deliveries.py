"""Tests of deliveries.py, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from virtual_time import run
from webpubsub_emulator.deliveries import (
    RETRY_DELAYS,
    Delivery,
    NetworkError,
    TransferError,
    deliver,
)
from webpubsub_emulator.upstream import Headers, UpstreamResponse

Outcome = int | Exception


def attempts(outcomes: list[Outcome], seconds: float) -> Callable[[], Awaitable[UpstreamResponse]]:
    """Return an attempt function: each call takes some seconds and gives a status or an error."""

    async def attempt() -> UpstreamResponse:
        outcome = outcomes.pop(0)
        await asyncio.sleep(seconds)
        if isinstance(outcome, Exception):
            raise outcome
        return UpstreamResponse(outcome, Headers(()), b"")

    return attempt


def facts(delivery: Delivery) -> tuple[int | None, str, int]:
    """Return status, failure and number of attempts."""
    status = delivery.response.status if delivery.response else None
    return status, delivery.failure if status is None else "", delivery.attempts


LOST = NetworkError("lost")


@pytest.mark.parametrize(
    ("outcomes", "result", "seconds"),
    [
        ([200], (200, "", 1), 0),
        ([400], (400, "", 1), 0),
        ([404], (404, "", 1), 0),
        ([429], (429, "", 1), 0),
        ([307], (307, "", 1), 0),
        ([408, 204], (204, "", 2), 1),
        ([500, 599, 200], (200, "", 3), 4),
        ([LOST, LOST, LOST, 200], (200, "", 4), 9),
        ([503, 503, 503, 503], (503, "", 4), 9),
        ([503, LOST, 503, LOST], (None, "lost", 4), 9),
        ([TransferError("too long")], (None, "too long", 1), 0),
    ],
)
def test_attempts(
    outcomes: list[Outcome], result: tuple[int | None, str, int], seconds: float
) -> None:
    """Network errors, 408 and 5xx are retried after 1, 3 and 5 s; other outcomes are final."""
    delivery, took = run(deliver(attempts(list(outcomes), 0), RETRY_DELAYS, 100))
    assert (facts(delivery), took) == (result, seconds)


@pytest.mark.parametrize(
    ("seconds", "count", "took"),
    [(101, 1, 100), (40, 3, 100), (24, 4, 96)],
)
def test_all_attempts_share_the_time(seconds: float, count: int, took: float) -> None:
    """A request that is not answered in time has failed and is not retried."""
    outcomes: list[Outcome] = [503] * 4
    delivery, virtual = run(deliver(attempts(outcomes, seconds), (0, 0, 0), 100))
    assert (delivery.attempts, virtual) == (count, took)
    assert facts(delivery)[:2] == ((503, "") if took < 100 else (None, "timeout"))
