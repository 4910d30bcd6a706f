"""The whole stack with `--keys`: the journey works, and requests without a key are denied."""

from collections.abc import Iterator

import aiohttp
import pytest

from tests.e2e.clients import enter, new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.test_events import event_headers

ORIGIN = {"WebHook-Request-Origin": "127.0.0.1"}
# A client without groups has left: the app has nothing to do.
EVENT = {
    **ORIGIN,
    "ce-type": "azure.webpubsub.sys.disconnected",
    "ce-eventName": "disconnected",
    "ce-hub": "chat",
    "ce-connectionId": "c-1",
    "ce-signature": event_headers("disconnected", "c-1")["ce-signature"],
}
REQUESTS = [("OPTIONS", ORIGIN, None), ("GET", ORIGIN, None), ("POST", EVENT, '{"reason": null}')]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole stack with keys."""
    with run([*UP, "--keys"], tmp_path_factory.mktemp("keys") / "log") as running:
        yield running


async def call_webhook(stack: Running, **how: dict[str, str]) -> list[tuple[int, str]]:
    """Return the status and the text of the response to each of REQUESTS."""
    url, answers = f"{stack.facts['host']}/runtime/webhooks/webpubsub", []
    async with aiohttp.ClientSession() as session:
        for method, headers, body in REQUESTS:
            sent = headers | how.get("headers", {})
            async with session.request(
                method, url, headers=sent, params=how.get("params"), data=body
            ) as response:
                answers.append((response.status, await response.text()))
    return answers


async def test_the_journey(stack: Running) -> None:
    """Events reach the app with the system key, which is not in the log."""
    room = new_room()
    async with enter(stack.facts["host"], userId="ana", group=room) as ana:
        assert await ana.hear() == f"ana joined {room}"
    stack.wait_for_record(record="join", userId="ana", group=room, addStatus=200, sendStatus=202)
    stack.wait_for_record(record="leave", userId="ana", group=room, sendStatus=202)
    assert "/runtime/webhooks/webpubsub 200 " in stack.log()
    assert not [key for key in stack.facts["keys"].values() if key in stack.log()]


async def test_the_webhook_needs_the_right_key(stack: Running) -> None:
    """401 without a key or with a wrong one, 403 with the function key (recorded); no body."""
    keys = stack.facts["keys"]
    assert list(keys) == ["master", "function", "webpubsub_extension"]
    assert await call_webhook(stack) == [(401, "")] * 3
    for key, status in (("wrong", 401), (keys["function"], 403)):
        denied = [(status, "")] * 3
        assert await call_webhook(stack, params={"code": key}) == denied
        assert await call_webhook(stack, headers={"x-functions-key": key}) == denied


@pytest.mark.parametrize("name", ["webpubsub_extension", "master"])
async def test_the_webhook_accepts_keys(stack: Running, name: str) -> None:
    """The system key and the master key are valid for validations and for events."""
    key, accepted = stack.facts["keys"][name], [(200, "")] * 3
    assert await call_webhook(stack, params={"code": key}) == accepted
    assert await call_webhook(stack, headers={"x-functions-key": key}) == accepted
