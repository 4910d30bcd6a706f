"""The demo page in a real browser, against the whole stack."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from azure.messaging.webpubsubclient.models import WebPubSubDataType
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from playwright.async_api import Browser, Error, Route, WebSocketRoute, expect

from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.room import Room, wait_until
from tests.e2e.visitors import PHONE, Visitor, open_browser
from tests.presence.node import MODULE

# One browser serves all tests of this file, so they share its event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

type OpenPage = Callable[..., Awaitable[Visitor]]

TEXT = "text/plain"
ARRIVED = "Messages sent in the meantime have arrived."
MISSING = "Messages sent in the meantime may be missing."
MARKUP = "<img src=x onerror=alert(1)>"
# Returns each visible text with the contrast of its colour to its background (WCAG 2.2, 1.4.3).
# A canvas converts the colours, because computed colours may be in any colour space.
CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d");
  const paint = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const linear = (value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    const colour = paint(getComputedStyle(element).backgroundColor);
    return colour[3] === 255 ? colour : behind(element.parentElement);
  };
  const hasText = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
  return [...document.body.querySelectorAll("*:not(script)")]
    .filter((element) => [...element.childNodes].some(hasText) && element.checkVisibility())
    .map((element) => {
      const both = [light(paint(getComputedStyle(element).color)), light(behind(element))];
      const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
      return [element.innerText, ratio];
    });
}"""

# Returns how many pixels each placeholder leaves free.
SPACES = """() => [...document.querySelectorAll("[placeholder]")].map((input) => {
  const style = getComputedStyle(input);
  const context = document.createElement("canvas").getContext("2d");
  context.font = style.font;
  const room = input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return room - context.measureText(input.placeholder).width;
})"""


@pytest.fixture(scope="module")
def demo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack with the control endpoint and without a rate limit."""
    log = tmp_path_factory.mktemp("demo-stack") / "log"
    with run([*UP, "--control"], log, {"USHER_CALLER_LIMIT": "0"}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def room(demo_stack: Running) -> AsyncIterator[Room]:
    async with aiohttp.ClientSession() as session:
        room = Room(demo_stack, session)
        yield room
        await room.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser, demo_stack: Running) -> AsyncIterator[OpenPage]:
    """Return a function that opens the page in a new browser context. All are closed at the end."""

    async def open_page(address: str = demo_stack.facts["host"], **options: Any) -> Visitor:
        return await Visitor.open(browser, address, **options)

    yield open_page
    for context in browser.contexts:
        await context.close()


async def drop(room: Room, user: str) -> None:
    """Drop the user's connection, as a broken network does."""
    connection = (await room.members())[user]
    await room.control("POST", f"/connections/{connection}/drop")


def open_service(room: Room) -> WebPubSubServiceClient:
    """Return a client of the service with the rights of an operator."""
    connection_string = room.stack.facts["connectionString"]
    return WebPubSubServiceClient.from_connection_string(connection_string, "chat")


async def test_two_visitors_see_each_other_join_and_leave(open_page: OpenPage) -> None:
    """All steps succeed, the rosters agree, messages arrive, and a closed tab is a leave."""
    ana, bo = await open_page(), await open_page()
    await ana.enter("ana", "lobby")
    await ana.expect_steps("200", "200", "202")
    await ana.expect_message("ana joined lobby")
    await bo.enter("bo", "lobby")
    await bo.expect_steps("200", "200", "202")
    await bo.expect_status("bo is in lobby. All three steps succeeded: 200, 200, 202.")
    await ana.expect_message("bo joined lobby")
    for visitor in (ana, bo):
        await visitor.expect_roster("ana", "bo")
    await bo.send("Hello, is anybody here?")
    await ana.expect_message("Hello, is anybody here?")
    await ana.send("Yes. I saw you come in.")
    await bo.expect_message("Yes. I saw you come in.")
    await ana.take_screenshot("demo")
    await bo.page.close()
    await ana.expect_message("bo left lobby")
    await ana.expect_roster("ana")
    assert ana.errors == bo.errors == []


async def test_a_flapping_user_does_not_postpone_the_roster(
    open_page: OpenPage, room: Room
) -> None:
    """The page reads it at most 5 s after an announcement, although more keep coming."""
    ana, started = await open_page(), time.monotonic()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    rosters = []
    async with open_service(room) as service:
        for _ in range(14):
            await service.send_to_group(room.name, f"bo joined {room.name}", content_type=TEXT)
            await asyncio.sleep(0.5)
            rosters.append(await ana.page.locator("#roster bdi").all_inner_texts())
    reads = sum("/members" in request for request in ana.requests)
    assert 2 <= reads <= 2 + (time.monotonic() - started) // 4
    # After the last announcement the page reads the roster again: `bo` has never been here.
    assert ["ana", "bo"] in rosters
    await ana.expect_roster("ana")


async def test_markup_is_shown_as_text(open_page: OpenPage, room: Room) -> None:
    """This holds in a name, a message and an announcement."""
    ana, bo = await open_page(), await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    await bo.enter(MARKUP, room.name)
    await bo.expect_steps("200", "200", "202")
    await bo.send(f"<b>{MARKUP}</b>")
    await ana.expect_message(f"{MARKUP} joined {room.name}")
    await ana.expect_message(f"<b>{MARKUP}</b>")
    await ana.expect_roster(MARKUP, "ana")
    for visitor in (ana, bo):
        assert await visitor.page.locator("img, b").count() == 0
        assert visitor.errors == []


async def test_the_browser_enforces_the_content_security_policy(open_page: OpenPage) -> None:
    """Even a script of the page cannot turn text into HTML or call another origin."""
    ana = await open_page()
    with pytest.raises(Error, match="TrustedHTML"):
        await ana.page.evaluate("document.body.innerHTML = '<b>'")
    with pytest.raises(Error, match="Failed to fetch"):
        await ana.page.evaluate("fetch('https://example.com')")
    assert "Content Security Policy" in ana.errors[-1]


async def test_after_a_dropped_connection_the_page_recovers_it(
    open_page: OpenPage, room: Room
) -> None:
    """It needs no new token, misses no message, and nobody sees a leave."""
    ana, bo = await open_page(), await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    await bo.enter("bo", room.name)
    await ana.expect_message(f"bo joined {room.name}")
    await set_random(ana, 1)
    await drop(room, "ana")
    await ana.expect_status("The connection was lost. Retrying in 1 s.")
    await bo.send("Where are you?")
    await ana.expect_message(f"Reconnected. {ARRIVED}")
    await ana.expect_message("Where are you?")
    await ana.expect_status("All three steps succeeded")
    assert ana.requests.count("negotiate") == 1
    await ana.send("I am back")
    await bo.expect_message("I am back")
    assert await bo.page.get_by_text("ana left").count() == 0


async def test_a_connection_that_cannot_be_recovered_is_replaced(
    open_page: OpenPage, room: Room
) -> None:
    """The page requests a new token, waits for its announcement, and reads the roster."""
    ana = await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    await room.control("POST", "/restart")
    await ana.expect_message(f"Reconnected. {MISSING}")
    await ana.expect_steps("200", "200", "202")
    await ana.expect_status("All three steps succeeded")
    await ana.expect_roster("ana")
    assert ana.requests.count("negotiate") == 2


async def test_waits_grow_to_a_maximum_and_a_stable_connection_resets_them(
    open_page: OpenPage, room: Room
) -> None:
    """The waits are at most 1, 2, 4, 8, 16, 30, 30 s, and the jitter takes any part of each."""
    ana = await open_page()
    clock = ana.page.clock
    await ana.page.route("**/api/negotiate", lambda route: route.fulfill(status=503))
    await clock.install()
    await clock.pause_at("2100-01-01")
    await set_random(ana, 1)
    await ana.enter("ana", room.name)
    for attempt, seconds in enumerate((1, 2, 4, 8, 16, 30, 30), start=1):
        random = 1 if attempt % 2 else 0.5
        await ana.expect_status("The status was 503. Retrying")
        # One millisecond before the end: no request is sent yet.
        await clock.run_for(int(seconds * 1000 * random) - 1)
        assert ana.requests.count("negotiate") == attempt
        await set_random(ana, 1.5 - random)
        async with ana.page.expect_response("**/api/negotiate"):
            await clock.run_for(1)
    await ana.expect_status("The status was 503. Retrying in 15 s.")
    await ana.page.unroute_all()
    await clock.run_for(15_000)
    await ana.expect_steps("200", "200", "202")
    await set_random(ana, 1)
    await drop(room, "ana")  # too soon to reset the waits
    await ana.expect_status("The connection was lost. Retrying in 30 s.")
    await clock.run_for(30_000)
    await ana.expect_status("All three steps succeeded")  # the steps are still of the last visit
    await clock.run_for(5_001)
    await drop(room, "ana")
    await ana.expect_status("The connection was lost. Retrying in 1 s.")


async def set_random(visitor: Visitor, value: float) -> None:
    """Make `Math.random()` return this value on the page."""
    await visitor.page.evaluate(f"Math.random = () => {value}")


async def test_the_page_waits_as_long_as_retry_after_requires(
    open_page: OpenPage, room: Room
) -> None:
    problem = {"type": "about:blank", "status": 429, "detail": "Too many of you."}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=429, json=problem, headers={"Retry-After": "17"})

    ana = await open_page()
    await ana.page.route("**/api/negotiate", refuse)
    await set_random(ana, 0)
    await ana.enter("ana", room.name)
    await ana.expect_status("Too many of you. Retrying in 17 s.")


async def test_a_connection_that_does_not_answer_a_ping_is_replaced(
    open_page: OpenPage, room: Room
) -> None:
    """The page sends it when the network is back or another one, and recovers the connection."""
    answers: list[str | bytes] = []
    is_dead = False

    def forward(ws: WebSocketRoute) -> None:
        def deliver(message: str | bytes) -> None:
            if not is_dead:
                ws.send(message)
                answers.append(message)

        server = ws.connect_to_server()
        server.on_message(deliver)

    async def is_answered() -> bool:
        return '{"type":"pong"}' in answers

    ana = await open_page()
    await ana.page.route_web_socket(re.compile("/client/hubs/"), forward)
    await ana.page.clock.install()
    await ana.page.reload()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    go_online = "dispatchEvent(new Event('online'))"
    await ana.page.evaluate(go_online)
    await wait_until(is_answered)
    await ana.page.clock.fast_forward(11_000)
    await ana.expect_status("All three steps succeeded")
    assert ana.requests.count("negotiate") == 1
    is_dead = True
    await ana.page.evaluate("navigator.connection.dispatchEvent(new Event('change'))")
    await ana.page.clock.fast_forward(11_000)
    is_dead = False
    await ana.expect_message(f"Reconnected. {ARRIVED}")
    assert ana.requests.count("negotiate") == 1


async def test_a_page_that_the_browser_keeps_has_left_and_returns(
    open_page: OpenPage, room: Room
) -> None:
    """As after the back button: at `pagehide` it leaves, and at `pageshow` it enters again."""
    ana = await open_page()
    await ana.page.clock.install()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    await ana.page.clock.pause_at("2100-01-01")  # the browser freezes the page
    await ana.page.evaluate("dispatchEvent(new Event('pagehide'))")
    await wait_until(lambda: is_empty(room))
    assert ana.requests.count("negotiate") == 1
    await ana.page.evaluate("dispatchEvent(new Event('pageshow'))")
    await ana.page.clock.resume()
    await ana.expect_message(f"Reconnected. {MISSING}")
    await ana.expect_steps("200", "200", "202")
    assert await room.members()


async def test_a_missing_announcement_leaves_the_statuses_unknown(
    open_page: OpenPage, room: Room
) -> None:
    """The page says so after 10 s, and messages still work."""
    ana = await open_page()
    await room.set_faults("event-lost:event=connected")
    await ana.page.clock.install()
    await ana.enter("ana", room.name)
    await ana.expect_status("Waiting for the announcement")
    await ana.page.clock.fast_forward(10_000)
    await ana.expect_steps("200", "?", "?")
    await ana.expect_status("Connected, but no announcement arrived.")
    await expect(ana.page.get_by_role("status")).to_have_attribute("data-state", "unconfirmed")
    await expect(ana.page.get_by_text("No announcement within 10 s")).to_have_count(2)
    await ana.take_screenshot("not-announced")
    await ana.send("Can you read this?")
    await ana.expect_message("Can you read this?")


async def test_without_access_to_the_roster_the_page_follows_the_announcements(
    open_page: OpenPage, room: Room
) -> None:
    """The page says so, with the detail of the problem."""
    problem = {"status": 403, "detail": "Not for ana."}
    ana = await open_page()
    await ana.page.route("**/members**", lambda route: route.fulfill(status=403, json=problem))
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    await room.join("bo")
    await ana.expect_roster("ana", "bo")
    await room.leave("bo")
    await ana.expect_roster("ana")
    note = ana.page.get_by_text("The roster cannot be read")
    await expect(note).to_contain_text("Not for ana.")
    await expect(note).to_be_visible()


async def test_a_leave_without_an_announcement_is_found_at_the_next_one(
    open_page: OpenPage, room: Room
) -> None:
    """Every announcement makes the page read the roster again; it never polls."""
    await room.join("bo")
    ana = await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_roster("ana", "bo")
    await room.set_faults("event-lost:event=disconnected")
    await room.leave("bo")
    await room.wait_for_event("bo", "disconnected")
    await room.set_faults()
    await room.join("cy")
    await ana.expect_roster("ana", "cy")
    assert await ana.page.get_by_text("bo left").count() == 0


@pytest.mark.parametrize("is_json", [False, True])
async def test_a_summary_confirms_the_join_of_a_user_that_it_names(
    open_page: OpenPage, room: Room, is_json: bool
) -> None:
    """The names of a JSON summary are added to the list. Its text is not taken for a name."""
    text = f"eve, ana and 3 others joined {room.name}"
    summary = {"type": "joined", "id": "1", "group": room.name, "userIds": ["eve", "ana"]}
    await room.set_faults("event-lost:event=connected")
    ana = await open_page()
    # Otherwise the service's list would soon show that `eve` is not here.
    await ana.page.route("**/members**", lambda route: route.fulfill(status=503))
    await ana.enter("ana", room.name)
    await ana.expect_status("Waiting for the announcement")
    await ana.expect_roster("ana")
    async with open_service(room) as service:
        if is_json:
            await service.send_to_group(room.name, summary | {"count": 5, "text": text})
        else:
            await service.send_to_group(room.name, text, content_type="text/plain")
    await ana.expect_message(text)
    await ana.expect_roster(*(["ana", "eve"] if is_json else ["ana"]))
    await ana.expect_steps("200", "200", "202")


async def test_a_member_cannot_fake_an_announcement(open_page: OpenPage, room: Room) -> None:
    """A message with a sender is shown as a message, whatever it contains."""
    await room.join("bo")
    ana = await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_roster("ana", "bo")
    fake = {"type": "joined", "id": "1", "group": room.name, "userId": "eve", "text": "eve joined"}
    await room.users["bo"].client.send_to_group(room.name, fake, WebPubSubDataType.JSON)
    await ana.expect_message(json.dumps(fake, separators=(",", ":")))
    await room.users["bo"].client.send_to_group(
        room.name, f"cy joined {room.name}", WebPubSubDataType.TEXT
    )
    await ana.expect_message(f"cy joined {room.name}")
    await ana.expect_roster("ana", "bo")
    assert await ana.page.locator(".notice", has_text="cy joined").count() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"userIds": 5},
        {"userIds": [None, {}, ""]},
        {"userId": ""},
        {"userId": {"toString": 5}},
        {"id": {}, "at": {}},
        {"id": None, "at": None, "type": []},
    ],
)
async def test_an_announcement_with_other_types_does_not_break_the_page(
    open_page: OpenPage, room: Room, changes: dict[str, Any]
) -> None:
    ana = await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_roster("ana")
    async with open_service(room) as service:
        odd = {"type": "joined", "group": room.name, "text": "an odd announcement"} | changes
        await service.send_to_group(room.name, odd)
        await service.send_to_group(room.name, f" joined {room.name}", content_type="text/plain")
        await service.send_to_group(room.name, "the next message", content_type="text/plain")
    await ana.expect_message("an odd announcement")
    await ana.expect_message("the next message")
    assert ana.errors == []


async def test_after_a_refused_message_the_page_keeps_the_text(
    open_page: OpenPage, room: Room
) -> None:
    ana = await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    connection = (await room.members())["ana"]
    async with open_service(room) as service:
        await service.revoke_permission("sendToGroup", connection, target_name=room.name)
    await ana.send("May I?")
    await expect(ana.page.get_by_role("alert")).to_contain_text("Not sent: ")
    await expect(ana.page.get_by_label("Message to the room")).to_have_value("May I?")


async def test_the_page_shows_why_the_service_closed_the_connection(
    open_page: OpenPage, room: Room
) -> None:
    """It then tries to reconnect."""
    ana = await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    connection = (await room.members())["ana"]
    async with open_service(room) as service:
        await service.close_connection(connection, reason="Time for a break.")
    await ana.expect_status("Time for a break. Retrying in 1 s.")


@pytest.mark.parametrize("is_hub", [True, False], ids=["hub", "group"])
async def test_who_is_removed_is_told_why_and_stays_out(
    open_page: OpenPage, room: Room, is_hub: bool
) -> None:
    """The reason is text, never HTML. The page does not come back, and Enter does not help."""
    bo, mallory, user = await open_page(), await open_page(), f"mallory-{room.name}"
    await bo.enter("bo", room.name)
    await mallory.enter(user, room.name)
    await mallory.expect_steps("200", "200", "202")
    await bo.expect_message(f"{user} joined {room.name}")
    removal = {"userId": user, "group": None if is_hub else room.name, "reason": MARKUP}
    url = f"{room.stack.facts['host']}/api/removals"
    async with room.session.post(url, json=removal) as response:
        assert response.status == 201
    alert = mallory.page.get_by_role("alert")
    await expect(alert).to_have_text(f"You were removed: {MARKUP}")
    await mallory.expect_status("Not connected.")
    await mallory.expect_steps("", "", "")
    await bo.expect_roster("bo")
    assert mallory.errors == []
    assert mallory.requests.count("negotiate") == 1
    await mallory.page.get_by_role("button", name="Enter").click()
    await expect(alert).to_have_text(
        re.compile(f"^You were removed until .+: {re.escape(MARKUP)}$")
    )
    await expect(mallory.page.locator("#policy-hint")).to_be_hidden()
    await mallory.take_screenshot("removed")
    assert bo.errors == []
    assert mallory.requests.count("negotiate") == 2


async def test_a_refusal_is_shown_at_the_field_that_it_names(open_page: OpenPage) -> None:
    """The page shows the problem's detail and does not retry."""
    ana = await open_page()
    problem = await ana.expect_refusal("ana", "a/b")
    assert problem["field"] == "group"
    await ana.expect_steps("400", "", "")
    group = ana.page.get_by_label("Room", exact=True)
    await expect(group).to_be_focused()
    await expect(group).to_have_attribute("aria-invalid", "true")
    await ana.take_screenshot("refused")
    assert ana.requests.count("negotiate") == 1


async def test_the_page_works_with_the_keyboard_alone(open_page: OpenPage, room: Room) -> None:
    """Tab follows the reading order. The Enter key enters, sends and leaves."""
    ana = await open_page()
    press = ana.page.keyboard.press

    async def tab() -> Any:
        await press("Tab")
        return await ana.page.evaluate("document.activeElement.id")

    ids = ["name", "group", "enter", "second-tab", "feed", "text"]
    assert [await tab() for _ in range(6)] == ids
    await ana.page.get_by_label("Your name").focus()
    await ana.page.keyboard.type("ana")
    await press("Tab")
    await ana.page.keyboard.type(room.name)
    await press("Enter")
    await ana.expect_steps("200", "200", "202")
    await expect(ana.page.get_by_label("Message to the room")).to_be_focused()
    await ana.page.keyboard.type("without a mouse")
    await press("Enter")
    await ana.expect_message("without a mouse")
    for _ in ("feed", "second-tab", "leave"):
        await press("Shift+Tab")
    await expect(ana.page.get_by_role("button", name="Leave")).to_be_focused()
    await press("Enter")
    await ana.expect_status("Not connected.")
    await expect(ana.page.get_by_label("Your name")).to_be_focused()
    await wait_until(lambda: is_empty(room))


async def is_empty(room: Room) -> bool:
    return not await room.members()


async def test_a_screen_reader_gets_a_name_for_each_control_and_region(
    open_page: OpenPage, room: Room
) -> None:
    ana = await open_page()
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    await expect(ana.page.locator("body")).to_match_aria_snapshot(
        f"""
        - banner:
          - heading "Usher" [level=1]
        - main:
          - region "Enter a room":
            - group "Your name and the room":
              - textbox "Your name (empty for a guest)" [disabled]: ana
              - textbox "Room" [disabled]: {room.name}
            - button "Leave"
            - status: "ana is in {room.name}. All three steps succeeded: 200, 200, 202."
          - heading "The three steps" [level=2]
          - list:
            - listitem:
              - heading "generateToken" [level=3]
              - text: "200"
            - listitem:
              - heading "addConnection" [level=3]
              - text: "200"
            - listitem:
              - heading "announceJoin" [level=3]
              - text: "202"
          - region "Messages in {room.name}":
            - heading "Messages in {room.name}" [level=2]
            - log "Messages in {room.name}"
            - textbox "Message to the room"
            - button "Send"
          - region "Who is here":
            - heading "Who is here" [level=2]
            - list "Who is here":
              - listitem: ana you
        """
    )
    await expect(ana.page.get_by_role("alert")).to_have_count(1)
    assert await ana.page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_has_enough_contrast_in_both_colour_schemes(
    open_page: OpenPage, room: Room, scheme: str
) -> None:
    """The background follows the scheme, and every contrast is at least 4.5."""
    ana = await open_page(color_scheme=scheme)
    await room.join("bo", "Özil")
    await ana.enter("ana", room.name)
    await ana.expect_steps("200", "200", "202")
    await ana.expect_roster("ana", "bo", "Özil")
    await ana.send("Hello")
    await ana.expect_message("Hello")
    await ana.take_screenshot(scheme)
    background = await ana.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background))) / 3 / 255
    assert brightness > 0.9 if scheme == "light" else brightness < 0.1
    contrasts = await ana.page.evaluate(CONTRASTS)
    assert len(contrasts) > 20
    assert not [(text, ratio) for text, ratio in contrasts if ratio < 4.5]


async def test_a_phone_never_scrolls_sideways(open_page: OpenPage, room: Room) -> None:
    """At 320 pixels even long words wrap."""
    ana = await open_page(viewport=PHONE, has_touch=True)
    await ana.enter("n" * 128, room.name)
    await ana.expect_steps("200", "200", "202")
    await ana.send("m" * 500)
    await ana.expect_message("m" * 500)
    await ana.take_screenshot("phone")
    width = await ana.page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["width"]


@pytest.mark.parametrize("width", [320, 390, 960])
async def test_no_placeholder_is_cut(open_page: OpenPage, width: int) -> None:
    ana = await open_page(viewport={"width": width, "height": 640})
    spaces = await ana.page.evaluate(SPACES)
    assert len(spaces) == 1
    assert not [space for space in spaces if space < 0]


async def test_a_refusal_by_the_policy_names_the_policy(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Other refusals do not, and the next attempt hides it."""
    log = tmp_path_factory.mktemp("policy") / "log"
    with run(UP, log, {"USHER_POLICY_FILE": "policy.json"}) as running:
        ana = await Visitor.open(browser, running.facts["host"])
        hint = ana.page.get_by_text("policy.json opens rooms")
        await ana.expect_refusal("ana", "a/b")
        await expect(hint).to_be_hidden()
        await ana.expect_refusal("ana", "vault")
        await expect(hint).to_be_visible()
        await ana.enter("ana", "lobby")
        await ana.expect_steps("200", "200", "202")
        await expect(hint).to_be_hidden()
        await ana.page.context.close()


async def test_a_user_who_closes_one_of_two_tabs_stays_in_the_list(
    open_page: OpenPage, room: Room
) -> None:
    """The text says that the user left, but the service's list decides."""
    ana, second, bo = await open_page(), await open_page(), await open_page()
    for visitor, name in ((ana, "ana"), (second, "ana"), (bo, "bo")):
        await visitor.enter(name, room.name)
        await visitor.expect_steps("200", "200", "202")
    await bo.expect_roster("ana", "bo")
    await second.page.close()
    await bo.expect_message(f"ana left {room.name}")
    await bo.expect_roster("ana", "bo")
    await expect(bo.page.locator("#roster li").first).to_have_text("Aana")
    await bo.expect_roster("ana", "bo")


async def test_in_anonymous_mode_the_page_admits_guests_only(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The page shows why a name and a room are refused."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    command = [*UP[:-1], port]
    settings = {
        "USHER_AUTH": "anonymous",
        "USHER_ALLOWED_ORIGINS": address,
        "USHER_POLICY_FILE": "policy.json",
        "USHER_JOIN_TEXT": "Welcome, {userId}!",  # the user id in the text confirms the join
    }
    with run(command, tmp_path_factory.mktemp("guests") / "log", settings):
        guest = await Visitor.open(browser, address)
        assert (await guest.expect_refusal("ana", "lobby"))["field"] == "userId"
        await expect(guest.page.get_by_label("Your name")).to_be_focused()
        problem = await guest.expect_refusal("", "vault")
        assert problem["type"] == "urn:problem-type:usher:forbidden"
        await guest.expect_steps("403", "", "")
        await guest.enter("", "lobby")
        await guest.expect_steps("200", "200", "202")
        await expect(guest.page.locator("#roster bdi")).to_have_text(
            re.compile("guest-[0-9a-f]{32}")
        )
        await expect(guest.page.get_by_role("alert")).to_have_text("")
        await guest.page.context.close()


async def test_a_repeated_json_announcement_is_shown_once(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A JSON announcement confirms the join, whatever its text says."""
    settings = {"USHER_ANNOUNCEMENT_FORMAT": "json", "USHER_JOIN_TEXT": "Welcome {userId}"}
    log = tmp_path_factory.mktemp("json") / "log"
    with run([*UP, "--control"], log, settings) as running:
        async with aiohttp.ClientSession() as session:
            room = Room(running, session, "lobby")
            ana = await Visitor.open(browser, running.facts["host"])
            await ana.enter("ana", "lobby")
            await ana.expect_steps("200", "200", "202")
            await room.connect("bo")
            await ana.expect_message("Welcome bo")
            sent = len(await room.call_statuses("POST"))

            async def was_sent_again() -> bool:
                return len(await room.call_statuses("POST")) >= sent + 2

            # The service sends the message but answers 503, so the app sends it again.
            await room.set_faults("rest-error-after:status=503")
            await room.leave("bo")
            await wait_until(was_sent_again)
            await room.set_faults()
            running.wait_for_record(record="leave", sendStatus=202)
            await ana.send("That was all")
            await ana.expect_message("That was all")
            notices = ["Welcome ana", "Welcome bo", "bo left lobby"]
            await expect(ana.page.locator(".notice bdi")).to_have_text(notices)
            await ana.page.context.close()


async def test_the_page_is_off_by_default(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The browser module is served: other pages use it."""
    log = tmp_path_factory.mktemp("off") / "log"
    command = ["localdev", "host", "--json", "--port", "0"]
    with run(command, log, {"USHER_DEMO": ""}) as running:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{running.facts['host']}/api/demo") as response,
        ):
            problem = await response.json()
            assert response.content_type == "application/problem+json"
        await check_module(running.facts["host"])
    assert (problem["status"], problem["type"]) == (404, "urn:problem-type:usher:not-found")


async def check_module(host: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{host}/api/usher.js") as response,
    ):
        assert await response.read() == MODULE.read_bytes()
        assert response.content_type == "text/javascript"
        assert response.headers["Cache-Control"] == "public, max-age=300"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
