"""Tests of handlers.py, with a fake transport and in virtual time."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Literal, cast

import pytest

from virtual_time import run
from webpubsub_emulator.deliveries import NetworkError
from webpubsub_emulator.events import ConnectAnswer, Event, EventAnswer, Refusal
from webpubsub_emulator.handler_settings import EventHandlerSetting
from webpubsub_emulator.handlers import (
    EVENT_SECONDS,
    FAILED,
    NO_HANDLER,
    TIMED_OUT,
    EventHandlers,
)
from webpubsub_emulator.messages import ErrorDetail, Payload
from webpubsub_emulator.transport import Transport
from webpubsub_emulator.upstream import Headers, Sender, UpstreamRequest, UpstreamResponse


def response(status: int, *headers: tuple[str, str], body: bytes = b"") -> UpstreamResponse:
    return UpstreamResponse(status, Headers(headers), body)


ALLOWED = response(200, ("WebHook-Allowed-Origin", "*"))


class App:
    """A fake Transport: answers events as scripted or with 204, after `seconds`."""

    def __init__(self, *answers: UpstreamResponse | Exception, seconds: float = 0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.validation = ALLOWED
        self.first_validations: list[UpstreamResponse | Exception] = []
        self.posts: list[UpstreamRequest] = []
        self.validated: list[str] = []
        self.given_up = 0

    async def send(self, request: UpstreamRequest, started: asyncio.Event) -> UpstreamResponse:
        if request.method == "OPTIONS":
            self.validated.append(request.url)
            first = self.first_validations.pop(0) if self.first_validations else self.validation
            if isinstance(first, Exception):
                raise first
            return first
        started.set()
        self.posts.append(request)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        answer = self.answers.pop(0) if self.answers else response(204)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def urls(self) -> list[str]:
        """Return the URLs that events were sent to."""
        return [request.url for request in self.posts]


def handlers(app: App, *settings: EventHandlerSetting) -> EventHandlers:
    """Return the event handlers of the hub "chat"."""
    subject = EventHandlers(
        Sender("127.0.0.1", "k" * 32), clock=lambda: asyncio.get_running_loop().time()
    )
    subject.use(cast("Transport", app))
    for setting in settings:
        subject.add("Chat", setting)
    return subject


def event(
    name: str, kind: Literal["sys", "user"] = "user", *, hub: str = "chat", number: int = 1
) -> Event:
    """Return an event of the connection c1."""
    return Event(hub, "c1", kind, name, number, Payload("text", b"x"))


EVERYTHING = EventHandlerSetting("http://app/{event}")


def test_the_first_that_takes_an_event_gets_it() -> None:
    """Event handlers are tried in their order, for system and user events independently."""
    app = App()
    subject = handlers(
        app,
        EventHandlerSetting("http://one/{hub}", ("connected",), "a"),
        EventHandlerSetting("http://two/{hub}", ("connect", "connected"), "A,b,connected"),
    )

    async def deliver() -> None:
        for name in ("a", "b", "connected"):
            await subject.ask(event(name), asyncio.Event())
        await subject.notify(event("connected", "sys"), asyncio.Event())
        await subject.connect(event("connect", "sys"), asyncio.Event())

    run(deliver())
    one, two = "http://one/chat", "http://two/chat"
    assert app.urls == [one, two, two, one, two]


@pytest.mark.parametrize(
    "subject",
    [handlers(App()), handlers(App(), EventHandlerSetting("http://app/", (), "other"))],
    ids=["none", "none that takes it"],
)
def test_without_an_event_handler(subject: EventHandlers, caplog: pytest.LogCaptureFixture) -> None:
    """Clients are accepted, user events fail, notifications are dropped, all without waiting."""
    starts = [asyncio.Event() for _ in range(3)]

    async def deliver() -> tuple[object, object]:
        await subject.notify(event("connected", "sys"), starts[0])
        return (
            await subject.connect(event("connect", "sys"), starts[1]),
            await subject.ask(event("e"), starts[2]),
        )

    assert run(deliver())[0] == (ConnectAnswer(), None)
    assert all(start.is_set() for start in starts)
    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == [
        "no event handler: event=e hub=chat"
    ]


def test_there_is_no_default_hub() -> None:
    """The event handlers of one hub get no events of another."""
    app = App()
    assert run(handlers(app, EVERYTHING).ask(event("e", hub="other"), asyncio.Event()))[0] is None
    assert app.posts == []


def test_a_bad_hub_name_is_refused() -> None:
    with pytest.raises(ValueError, match="not a hub name"):
        handlers(App()).add("a-b", EVERYTHING)


def test_each_resolved_url_is_validated_once() -> None:
    """{event} becomes "validate"; a template without {hub} is one URL for all hubs."""
    app = App()
    subject = handlers(app, EVERYTHING)
    subject.add("second", EVERYTHING)
    subject.add("third", EventHandlerSetting("http://app/{hub}/{event}"))

    async def deliver() -> None:
        for hub in ("chat", "second", "third", "third"):
            await subject.ask(event("e", hub=hub), asyncio.Event())

    run(deliver())
    assert app.validated == ["http://app/validate", "http://app/third/validate"]


def test_a_validation_is_retried() -> None:
    """After 1 and 3 s, as events are; the event waits for it."""
    app = App()
    app.first_validations = [NetworkError("lost"), response(503)]
    asked = handlers(app, EVERYTHING).ask(event("e"), asyncio.Event())
    assert run(asked) == (EventAnswer(), 4)
    assert app.validated == ["http://app/validate"] * 3


def test_events_after_a_failed_validation(caplog: pytest.LogCaptureFixture) -> None:
    """Clients are refused with 500, user events fail, notifications are dropped and logged."""
    app = App()
    app.validation = response(405)
    subject = handlers(app, EVERYTHING)
    starts = [asyncio.Event() for _ in range(3)]

    async def deliver() -> tuple[object, object]:
        await subject.notify(event("connected", "sys"), starts[0])
        return (
            await subject.connect(event("connect", "sys"), starts[1]),
            await subject.ask(event("e"), starts[2]),
        )

    assert run(deliver())[0] == (Refusal(500), None)
    assert app.posts == []
    assert all(start.is_set() for start in starts)
    assert (
        "event=connected hub=chat connection=c1 "
        "status=none (validation of the event handler failed) attempts=0"
    ) in [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_retries_are_the_same_request() -> None:
    """After 1, 3 and 5 s, with the same number, request id, time and body."""
    app = App(NetworkError("lost"), response(500), response(408), response(200, body=b"x"))
    asked = handlers(app, EVERYTHING).ask(event("e"), asyncio.Event())
    assert run(asked) == (EventAnswer(Payload("binary", b"x")), 9)
    assert app.posts == [app.posts[0]] * 4


def test_every_event_has_a_request_id_of_its_own() -> None:
    """Two events are never taken for retries of one."""
    app = App()
    subject = handlers(app, EVERYTHING)

    async def deliver() -> None:
        for number in (1, 2):
            await subject.ask(event("e", number=number), asyncio.Event())

    run(deliver())
    first, second = (request.headers for request in app.posts)
    assert first["x-ms-client-request-id"] != second["x-ms-client-request-id"]
    assert (first["ce-id"], second["ce-id"]) == ("1", "2")


@pytest.mark.parametrize(
    ("name", "result"), [("connect", Refusal(500)), ("connected", None), ("e", None)]
)
def test_an_event_has_100_seconds(name: str, result: object) -> None:
    """An app that takes longer has failed and gets no retry."""
    app = App(seconds=EVENT_SECONDS + 1)
    assert run(_deliver(handlers(app, EVERYTHING), name)) == (result, 100)
    assert len(app.posts) == 1


def _deliver(subject: EventHandlers, name: str) -> Coroutine[Any, Any, object]:
    if name == "connect":
        return subject.connect(event(name, "sys"), asyncio.Event())
    if name == "connected":
        return subject.notify(event(name, "sys"), asyncio.Event())
    return subject.ask(event(name), asyncio.Event())


def test_a_user_event_can_be_cancelled() -> None:
    """The request ends with the delivery."""
    app = App(seconds=50)

    async def deliver() -> None:
        asking = asyncio.create_task(handlers(app, EVERYTHING).ask(event("e"), asyncio.Event()))
        await asyncio.sleep(1)
        asking.cancel()
        await asyncio.wait([asking])

    assert run(deliver())[1] == 1
    assert app.given_up == 1


def test_an_answer_that_cannot_be_read_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A log record says so, without the answer."""
    app = App(response(200, ("Content-Type", "text/html"), body=b"<p>"))
    assert run(handlers(app, EVERYTHING).ask(event("e"), asyncio.Event()))[0] is None
    assert "unreadable answer: event=e hub=chat" in caplog.text
    assert "<p>" not in caplog.text


@pytest.mark.parametrize(
    ("app", "failure"),
    [
        (App(seconds=EVENT_SECONDS + 1), TIMED_OUT),
        (App(response(400)), FAILED),
        (App(response(200, ("Content-Type", "text/html"), body=b"<p>")), FAILED),
    ],
    ids=["slow", "refuses", "unreadable"],
)
def test_why_an_invocation_failed(app: App, failure: ErrorDetail) -> None:
    assert run(handlers(app, EVERYTHING).invoke(event("e"), asyncio.Event()))[0] == failure


def test_an_invocation_without_an_event_handler() -> None:
    assert run(handlers(App()).invoke(event("e"), asyncio.Event()))[0] == NO_HANDLER


def test_cookies_stay_with_the_connection() -> None:
    """A cookie of a successful answer is sent with later events of that connection only."""
    app = App(
        response(204, ("Set-Cookie", "a=1; Path=/")),
        response(200, ("set-cookie", "b=2"), ("Set-Cookie", "c=3")),
        response(400, ("Set-Cookie", "a=failed")),
        response(204),
        response(204, ("Set-Cookie", "a=; Max-Age=0; Path=/")),
    )
    subject = handlers(app, EVERYTHING)
    one, other = event("connected", "sys"), event("connected", "sys")

    async def deliver() -> None:
        await subject.connect(one, asyncio.Event())
        await subject.notify(one, asyncio.Event())
        for each in (one, other, one, one):
            await subject.ask(each, asyncio.Event())

    run(deliver())
    cookies = [sorted(r.headers.get("Cookie", "").split("; ")) for r in app.posts]
    assert cookies == [[""], ["a=1"], ["a=1", "b=2", "c=3"], [""], ["a=1", "b=2", "c=3"],
                       ["b=2", "c=3"]]  # fmt: skip
