"""The demo page in a real browser, against the whole stack."""

import json
import re
import socket
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
from tests.e2e.room import Room, until
from tests.e2e.visitors import PHONE, Visitor, open_browser

# One browser serves all tests of this file, so they share its event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

type Come = Callable[..., Awaitable[Visitor]]

MARKUP = "<img src=x onerror=alert(1)>"
# The text that is shown, with the contrast of its colour to what is behind it (WCAG 2.2, 1.4.3).
# Through a canvas, because computed colours may be in any colour space.
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


@pytest.fixture(scope="module")
def demo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole stack with the control endpoint, and with no limit of how often ana may call."""
    log = tmp_path_factory.mktemp("demo-stack") / "log"
    with run([*UP, "--control"], log, {"USHER_CALLER_LIMIT": "0"}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def room(demo_stack: Running) -> AsyncIterator[Room]:
    """A group that no other test uses, and the emulator's control endpoint."""
    async with aiohttp.ClientSession() as session:
        room = Room(demo_stack, session)
        yield room
        await room.close()


@pytest_asyncio.fixture(loop_scope="module")
async def come(browser: Browser, demo_stack: Running) -> AsyncIterator[Come]:
    """Opens the page for one more visitor; all leave at the end."""

    async def come(address: str = demo_stack.facts["host"], **options: Any) -> Visitor:
        return await Visitor.come(browser, address, **options)

    yield come
    for context in browser.contexts:
        await context.close()


async def drop(room: Room, user: str) -> None:
    """The network takes the user's connection away."""
    connection = (await room.connections())[user]
    await room.control("POST", f"/connections/{connection}/drop")


def open_service(room: Room) -> WebPubSubServiceClient:
    """The service, as an operator has it."""
    connection_string = room.stack.facts["connectionString"]
    return WebPubSubServiceClient.from_connection_string(connection_string, "chat")


async def test_two_visitors_see_each_other_come_and_go(come: Come) -> None:
    """All steps light up, the rosters agree, messages arrive, and a closed tab has left."""
    ana, bo = await come(), await come()
    await ana.enter("ana", "lobby")
    await ana.sees_steps("200", "200", "202")
    await ana.hears("ana joined lobby")
    await bo.enter("bo", "lobby")
    await bo.sees_steps("200", "200", "202")
    await bo.reads("bo is in lobby. All three steps happened: 200, 200, 202.")
    await ana.hears("bo joined lobby")
    for visitor in (ana, bo):
        await visitor.sees_roster("ana", "bo")
    await bo.say("Hello, is anybody here?")
    await ana.hears("Hello, is anybody here?")
    await ana.say("Yes. I saw you come in.")
    await bo.hears("Yes. I saw you come in.")
    await ana.photograph("demo")
    await bo.page.close()
    await ana.hears("bo left lobby")
    await ana.sees_roster("ana")
    assert ana.troubles == bo.troubles == []


async def test_markup_stays_text(come: Come, room: Room) -> None:
    """In a name, a message and an announcement."""
    ana, bo = await come(), await come()
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    await bo.enter(MARKUP, room.name)
    await bo.sees_steps("200", "200", "202")
    await bo.say(f"<b>{MARKUP}</b>")
    await ana.hears(f"{MARKUP} joined {room.name}")
    await ana.hears(f"<b>{MARKUP}</b>")
    await ana.sees_roster(MARKUP, "ana")
    for visitor in (ana, bo):
        assert await visitor.page.locator("img, b").count() == 0
        assert visitor.troubles == []


async def test_the_browser_keeps_the_policy(come: Come) -> None:
    """Even a script of the page could not make HTML of text, or call elsewhere."""
    ana = await come()
    with pytest.raises(Error, match="TrustedHTML"):
        await ana.page.evaluate("document.body.innerHTML = '<b>'")
    with pytest.raises(Error, match="Failed to fetch"):
        await ana.page.evaluate("fetch('https://example.com')")
    assert "Content Security Policy" in ana.troubles[-1]


async def test_a_dropped_connection_comes_back(come: Come, room: Room) -> None:
    """It negotiates anew, reads the roster again, and says that something may be missing."""
    ana = await come()
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    before = len(ana.asked)
    await drop(room, "ana")
    await ana.reads("Trying again")
    await ana.hears("Connected again. What was said in between is not here.")
    await ana.sees_steps("200", "200", "202")
    await ana.sees_roster("ana")
    members = f"groups/{room.name}/members?userId=ana"
    assert ana.asked[before:][:2] == ["negotiate", members]
    await ana.say("I am back")
    await ana.hears("I am back")


async def test_waits_grow_to_a_cap_and_start_anew_after_success(come: Come, room: Room) -> None:
    """All of 1, 2, 4, 8, 16, 30, 30 s or half of it, as chance will have it; then 1 s again."""
    ana = await come()
    clock = ana.page.clock
    await ana.page.route("**/api/negotiate", lambda route: route.fulfill(status=503))
    await clock.install()
    await clock.pause_at("2100-01-01")
    await draw(ana, 1)
    await ana.enter("ana", room.name)
    for attempt, seconds in enumerate((1, 2, 4, 8, 16, 30, 30), start=1):
        luck = attempt % 2
        await ana.reads("The answer was 503. Trying again")
        # To the very millisecond, so that nothing of the next wait is over before it begins.
        await clock.run_for(seconds * (500 + 500 * luck) - 1)
        assert ana.asked.count("negotiate") == attempt
        await draw(ana, 1 - luck)
        async with ana.page.expect_response("**/api/negotiate"):
            await clock.run_for(1)
    await ana.reads("The answer was 503. Trying again in 15 s.")
    await ana.page.unroute_all()
    await clock.run_for(15_000)
    await ana.sees_steps("200", "200", "202")
    await draw(ana, 1)
    await drop(room, "ana")  # too soon to be called a success
    await ana.reads("The connection is lost. Trying again in 30 s.")
    await clock.run_for(30_000)
    await ana.sees_steps("200", "200", "202")
    await clock.run_for(5_000)
    await drop(room, "ana")
    await ana.reads("The connection is lost. Trying again in 1 s.")


async def draw(visitor: Visitor, luck: int) -> None:
    """What chance says on the page from now on."""
    await visitor.page.evaluate(f"Math.random = () => {luck}")


async def test_retry_after_is_honoured(come: Come, room: Room) -> None:
    """A server that asks for more time than the page would wait gets it."""
    problem = {"type": "about:blank", "status": 429, "detail": "Too many of you."}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=429, json=problem, headers={"Retry-After": "17"})

    ana = await come()
    await ana.page.route("**/api/negotiate", refuse)
    await ana.enter("ana", room.name)
    await ana.reads("Too many of you. Trying again in 17 s.")


async def test_a_dead_socket_is_noticed(come: Come, room: Room) -> None:
    """When the network is back, a connection that does not answer is replaced."""
    answers: list[str | bytes] = []
    is_dead = False

    def carry(ws: WebSocketRoute) -> None:
        def bring(message: str | bytes) -> None:
            if not is_dead:
                ws.send(message)
                answers.append(message)

        server = ws.connect_to_server()
        server.on_message(bring)

    async def is_answered() -> bool:
        return '{"type":"pong"}' in answers

    ana = await come()
    await ana.page.route_web_socket(re.compile("/client/hubs/"), carry)
    await ana.page.clock.install()
    await ana.page.reload()
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    awake = "dispatchEvent(new Event('online'))"
    await ana.page.evaluate(awake)
    await until(is_answered)
    await ana.page.clock.fast_forward(6_000)
    await ana.reads("All three steps happened")
    assert ana.asked.count("negotiate") == 1
    is_dead = True
    await ana.page.evaluate(awake)
    await ana.page.clock.fast_forward(6_000)
    is_dead = False
    await ana.hears("Connected again. What was said in between is not here.")
    assert ana.asked.count("negotiate") == 2


async def test_a_join_that_nobody_announces(come: Come, room: Room) -> None:
    """Said as it is: not heard within 10 s, no status for what is not known. The room works."""
    ana = await come()
    await room.switch("event-lost:event=connected")
    await ana.page.clock.install()
    await ana.enter("ana", room.name)
    await ana.reads("Listening for the announcement")
    await ana.page.clock.fast_forward(10_000)
    await ana.sees_steps("200", "?", "?")
    await ana.reads("Connected, but the announcement was not heard.")
    await expect(ana.page.get_by_text("Not heard within 10 s")).to_have_count(2)
    await ana.photograph("not-heard")
    await ana.say("Does anybody hear me?")
    await ana.hears("Does anybody hear me?")


async def test_hints_serve_where_there_is_no_roster(come: Come, room: Room) -> None:
    """Who may not see it follows the announcements, and is told that they are no more than that."""
    problem = {"status": 403, "detail": "There is no such group for this caller."}
    ana = await come()
    await ana.page.route("**/members**", lambda route: route.fulfill(status=403, json=problem))
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    await room.enter("bo")
    await ana.sees_roster("ana", "bo")
    await room.go("bo")
    await ana.sees_roster("ana")
    note = f"The roster cannot be read, so these are hints only. {problem['detail']}"
    await expect(ana.page.get_by_text(note)).to_be_visible()


async def test_a_leave_that_nobody_announces(come: Come, room: Room) -> None:
    """The roster is read again now and then, so that nobody stays in it for ever."""
    await room.enter("bo")
    ana = await come()
    await ana.page.clock.install()
    await ana.enter("ana", room.name)
    await ana.sees_roster("ana", "bo")
    await room.switch("event-lost:event=disconnected")
    await room.go("bo")
    await room.settled("bo", "disconnected")

    async def is_alone() -> bool:
        await ana.page.clock.fast_forward(38_000)
        return await ana.page.locator("#roster bdi").all_text_contents() == ["ana"]

    await until(is_alone)
    assert await ana.page.get_by_text("bo left").count() == 0


@pytest.mark.parametrize("is_json", [False, True])
async def test_a_crowd_is_told_of_at_once(come: Come, room: Room, is_json: bool) -> None:
    """It proves the steps of whom it names, and its text is nobody's name."""
    text = f"eve, ana and 3 others joined {room.name}"
    crowd = {"type": "joined", "id": "1", "group": room.name, "userIds": ["eve", "ana"]}
    await room.switch("event-lost:event=connected")
    ana = await come()
    await ana.enter("ana", room.name)
    await ana.reads("Listening for the announcement")
    await ana.sees_roster("ana")
    async with open_service(room) as service:
        if is_json:
            await service.send_to_group(room.name, crowd | {"count": 5, "text": text})
        else:
            await service.send_to_group(room.name, text, content_type="text/plain")
    await ana.hears(text)
    # At once, before the roster is read again.
    names = await ana.page.locator("#roster bdi").all_text_contents()
    assert names == (["ana", "eve"] if is_json else ["ana"])
    await ana.sees_steps("200", "200", "202")


async def test_nobody_in_the_room_can_announce_anybody(come: Come, room: Room) -> None:
    """What has a sender is a message, whatever it says; what the server sends is believed."""
    await room.enter("bo")
    ana = await come()
    await ana.enter("ana", room.name)
    await ana.sees_roster("ana", "bo")
    false = {"type": "joined", "id": "1", "group": room.name, "userId": "eve", "text": "eve joined"}
    await room.users["bo"].client.send_to_group(room.name, false, WebPubSubDataType.JSON)
    await ana.hears(json.dumps(false, separators=(",", ":")))
    await room.users["bo"].client.send_to_group(
        room.name, f"cy joined {room.name}", WebPubSubDataType.TEXT
    )
    await ana.hears(f"cy joined {room.name}")
    await ana.sees_roster("ana", "bo")
    assert await ana.page.locator(".notice", has_text="cy joined").count() == 0


async def test_a_message_that_is_refused(come: Come, room: Room) -> None:
    """The page says so and keeps the text, so that it is not lost."""
    ana = await come()
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    connection = (await room.connections())["ana"]
    async with open_service(room) as service:
        await service.revoke_permission("sendToGroup", connection, target_name=room.name)
    await ana.say("May I?")
    await expect(ana.page.get_by_role("alert")).to_contain_text("Not sent: ")
    await expect(ana.page.get_by_label("Message to the room")).to_have_value("May I?")


async def test_a_connection_that_is_closed_with_a_reason(come: Come, room: Room) -> None:
    """The page tells the reason, and asks negotiate whether it may come back."""
    ana = await come()
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    connection = (await room.connections())["ana"]
    async with open_service(room) as service:
        await service.close_connection(connection, reason="Time for a break.")
    await ana.reads("Time for a break. Trying again in 1 s.")


async def test_a_refusal_is_shown(come: Come) -> None:
    """With the problem's detail, at the field that it names, and the page stays usable."""
    ana = await come()
    await ana.enter("ana", "a/b")
    await expect(ana.page.get_by_role("alert")).to_contain_text("no slash")
    await ana.sees_steps("400", "", "")
    group = ana.page.get_by_label("Room", exact=True)
    await expect(group).to_be_focused()
    await expect(group).to_have_attribute("aria-invalid", "true")
    await ana.photograph("refused")
    assert ana.asked.count("negotiate") == 1


async def test_the_keyboard_is_enough(come: Come, room: Room) -> None:
    """Tab goes through everything in the order of reading; Enter enters, sends and leaves."""
    ana = await come()
    press = ana.page.keyboard.press

    async def tab() -> Any:
        await press("Tab")
        return await ana.page.evaluate("document.activeElement.id")

    assert [await tab() for _ in range(6)] == ["name", "group", "enter", "again", "feed", "text"]
    await ana.page.get_by_label("Your name").focus()
    await ana.page.keyboard.type("ana")
    await press("Tab")
    await ana.page.keyboard.type(room.name)
    await press("Enter")
    await ana.sees_steps("200", "200", "202")
    await expect(ana.page.get_by_label("Message to the room")).to_be_focused()
    await ana.page.keyboard.type("without a mouse")
    await press("Enter")
    await ana.hears("without a mouse")
    for _ in ("feed", "again", "leave"):
        await press("Shift+Tab")
    await expect(ana.page.get_by_role("button", name="Leave")).to_be_focused()
    await press("Enter")
    await ana.reads("Outside.")
    await expect(ana.page.get_by_label("Your name")).to_be_focused()
    await until(lambda: is_empty(room))


async def is_empty(room: Room) -> bool:
    return not await room.connections()


async def test_what_a_screen_reader_gets(come: Come, room: Room) -> None:
    """Names for all that can be used, headings, lists, a log, a status line, and an alert."""
    ana = await come()
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    await expect(ana.page.locator("body")).to_match_aria_snapshot(
        f"""
        - banner:
          - heading "Usher" [level=1]
        - main:
          - region "The door":
            - group "Who enters which room":
              - textbox "Your name (none for a guest)" [disabled]: ana
              - textbox "Room" [disabled]: {room.name}
            - button "Leave"
            - status: "ana is in {room.name}. All three steps happened: 200, 200, 202."
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
          - region "The room {room.name}":
            - heading "The room {room.name}" [level=2]
            - log "The room {room.name}"
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
async def test_text_can_be_read_in_light_and_in_dark(come: Come, room: Room, scheme: str) -> None:
    """The paper is as bright as was asked for, and all text has a contrast of 4.5 at least."""
    ana = await come(color_scheme=scheme)
    await room.enter("bo", "Özil")
    await ana.enter("ana", room.name)
    await ana.sees_steps("200", "200", "202")
    await ana.sees_roster("ana", "bo", "Özil")
    await ana.say("Hello")
    await ana.hears("Hello")
    await ana.photograph(scheme)
    paper = await ana.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", paper))) / 3 / 255
    assert brightness > 0.9 if scheme == "light" else brightness < 0.1
    contrasts = await ana.page.evaluate(CONTRASTS)
    assert len(contrasts) > 20
    assert not [(text, ratio) for text, ratio in contrasts if ratio < 4.5]


async def test_a_phone_scrolls_one_way_only(come: Come, room: Room) -> None:
    """At 320 pixels nothing sticks out, not even words without end."""
    ana = await come(viewport=PHONE, has_touch=True)
    await ana.enter("n" * 128, room.name)
    await ana.sees_steps("200", "200", "202")
    await ana.say("m" * 500)
    await ana.hears("m" * 500)
    await ana.photograph("phone")
    width = await ana.page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["width"]


async def test_guests(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where names or rooms are not free, the page says so; it lets in who wants neither."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    command = [*UP[:-1], port]
    settings = {
        "USHER_AUTH": "anonymous",
        "USHER_ALLOWED_ORIGINS": address,
        "USHER_POLICY_FILE": "policy.json",
        "USHER_JOIN_TEXT": "Welcome, {userId}!",  # enough that it names who came
    }
    with run(command, tmp_path_factory.mktemp("guests") / "log", settings):
        guest = await Visitor.come(browser, address)
        await guest.enter("ana", "lobby")
        alert = guest.page.get_by_role("alert")
        await expect(alert).to_have_text("Anonymous callers cannot choose their userId.")
        await expect(guest.page.get_by_label("Your name")).to_be_focused()
        await guest.enter("", "vault")
        await expect(alert).to_have_text("There is no such group for this caller.")
        await guest.sees_steps("403", "", "")
        await guest.enter("", "lobby")
        await guest.sees_steps("200", "200", "202")
        await expect(guest.page.locator("#roster bdi")).to_have_text(
            re.compile("guest-[0-9a-f]{8}")
        )
        await expect(alert).to_have_text("")
        await guest.page.context.close()


async def test_announcements_in_json(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """They prove the steps as well, in any words, and one that comes twice is shown once."""
    settings = {"USHER_ANNOUNCEMENT_FORMAT": "json", "USHER_JOIN_TEXT": "Welcome {userId}"}
    log = tmp_path_factory.mktemp("json") / "log"
    with run([*UP, "--control"], log, settings) as running:
        async with aiohttp.ClientSession() as session:
            room = Room(running, session, "lobby")
            ana = await Visitor.come(browser, running.facts["host"])
            await ana.enter("ana", "lobby")
            await ana.sees_steps("200", "200", "202")
            await room.come("bo")
            await ana.hears("Welcome bo")
            sent = len(await room.calls("POST"))

            async def was_sent_again() -> bool:
                return len(await room.calls("POST")) >= sent + 2

            # The service acts and does not say so; the app takes 503 for "did not act".
            await room.switch("rest-error-after:status=503")
            await room.go("bo")
            await until(was_sent_again)
            await room.switch()
            running.wait_for_record(record="leave", sendStatus=202)
            await ana.say("That was all")
            await ana.hears("That was all")
            notices = ["Welcome ana", "Welcome bo", "bo left lobby"]
            await expect(ana.page.locator(".notice bdi")).to_have_text(notices)
            await ana.page.context.close()


async def test_off_there_is_no_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A 404 problem; off is the default."""
    log = tmp_path_factory.mktemp("off") / "log"
    command = ["localdev", "host", "--json", "--port", "0"]
    with run(command, log, {"USHER_DEMO": ""}) as running:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{running.facts['host']}/api/demo") as response,
        ):
            problem = await response.json()
            assert response.content_type == "application/problem+json"
    assert (problem["status"], problem["type"]) == (404, "urn:problem-type:usher:not-found")
