"""Tests of validator.py, in virtual time."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from virtual_time import run
from webpubsub_emulator.deliveries import Delivery
from webpubsub_emulator.upstream import Headers, UpstreamRequest, UpstreamResponse
from webpubsub_emulator.validator import VALIDATION_SECONDS, Validator

URL = "http://app/validate"


class App:
    """Answers after `seconds` with each status in turn and repeats the last; None is no answer."""

    def __init__(self, *statuses: int | None, seconds: float = 0) -> None:
        self.statuses = list(statuses)
        self.seconds = seconds
        self.asked: list[tuple[str, str]] = []
        self.given_up = 0

    async def send(self, request: UpstreamRequest, seconds: float) -> Delivery:
        assert seconds == VALIDATION_SECONDS == 10
        self.asked.append((request.method, request.url))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        headers = Headers((("WebHook-Allowed-Origin", "*"),))
        return Delivery(1, None if status is None else UpstreamResponse(status, headers, b""))


def validator(app: App) -> Validator:
    """Return a validator with the clock of the event loop."""
    return Validator("127.0.0.1", app.send, lambda: asyncio.get_running_loop().time())


async def timed(coroutine: Coroutine[Any, Any, bool]) -> tuple[bool, float]:
    """Return the result and how many seconds it took."""
    clock = asyncio.get_running_loop().time
    start = clock()
    return await coroutine, clock() - start


@pytest.mark.parametrize(
    ("statuses", "methods", "allowed"),
    [
        ([200], ["OPTIONS"], True),
        ([204], ["OPTIONS"], True),
        ([404, 200], ["OPTIONS", "GET"], True),
        ([404, 404], ["OPTIONS", "GET"], False),
        ([405, 200], ["OPTIONS"], False),
        ([400, 200], ["OPTIONS"], False),
        ([500, 200], ["OPTIONS"], False),
        ([None, 200], ["OPTIONS"], False),
        ([404, None], ["OPTIONS", "GET"], False),
    ],
)
def test_what_is_asked(statuses: list[int | None], methods: list[str], allowed: bool) -> None:
    """OPTIONS first, GET only after a 404; any answer but a success is a refusal."""
    app = App(*statuses)
    assert run(validator(app).is_allowed(URL))[0] is allowed
    assert app.asked == [(method, URL) for method in methods]


def test_events_at_the_same_time_share_a_validation() -> None:
    """The first events wait for the same answer; events of the next minute do not wait."""
    app = App(200, seconds=3)

    async def events() -> list[tuple[bool, float]]:
        subject = validator(app)
        both = await asyncio.gather(*(timed(subject.is_allowed(URL)) for _ in range(2)))
        await asyncio.sleep(59)
        return [*both, await timed(subject.is_allowed(URL))]

    assert run(events())[0] == [(True, 3), (True, 3), (True, 0)]
    assert len(app.asked) == 1


def test_each_url_is_asked() -> None:
    """The answer of one URL is not used for another."""
    app = App(200, 405)

    async def events() -> list[bool]:
        subject = validator(app)
        return [await subject.is_allowed(url) for url in ("http://a/", "http://b/", "http://a/")]

    assert run(events())[0] == [True, False, True]
    assert [url for _, url in app.asked] == ["http://a/", "http://b/"]


def test_a_success_is_refreshed_in_the_background() -> None:
    """After 60 s events use the old result while the URL is asked again."""
    app = App(200, 405, seconds=3)

    async def events() -> list[tuple[bool, float]]:
        subject = validator(app)
        results = [await timed(subject.is_allowed(URL))]
        await asyncio.sleep(60)
        results += [await timed(subject.is_allowed(URL)) for _ in range(2)]
        await asyncio.sleep(3.5)
        return [*results, await timed(subject.is_allowed(URL))]

    assert run(events())[0] == [(True, 3), (True, 0), (True, 0), (False, 0)]
    assert len(app.asked) == 2


def test_a_failure_holds_until_it_is_due() -> None:
    """For 1 s, then 2 s, the URL is not asked; then the next event waits for a new answer."""
    app = App(None, None, 200, seconds=0.5)

    async def events() -> list[tuple[bool, float]]:
        subject = validator(app)
        results = []
        for wait in (0, 0.9, 0.1, 1.9, 0.1):
            await asyncio.sleep(wait)
            results.append(await timed(subject.is_allowed(URL)))
        return results

    assert run(events())[0] == [(False, 0.5), (False, 0), (False, 0.5), (False, 0), (True, 0.5)]
    assert len(app.asked) == 3


def test_a_cancelled_event_does_not_end_a_validation() -> None:
    """The other events that wait for the same answer get it."""
    app = App(200, seconds=3)

    async def events() -> bool:
        subject = validator(app)
        waits = [asyncio.create_task(subject.is_allowed(URL)) for _ in range(2)]
        await asyncio.sleep(1)
        waits[0].cancel()
        return await waits[1]

    assert run(events()) == (True, 3)
    assert len(app.asked) == 1


def test_close_cancels_a_refresh() -> None:
    app = App(200, seconds=3)

    async def events() -> None:
        subject = validator(app)
        await subject.is_allowed(URL)
        await asyncio.sleep(60)
        await subject.is_allowed(URL)
        await asyncio.sleep(1)
        await subject.close()

    assert run(events())[1] == 64
    assert app.given_up == 1
