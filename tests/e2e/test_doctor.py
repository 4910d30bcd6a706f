"""`dev.py doctor` on a healthy stack, and on the same when it is broken in one way each."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import unused_port

from localdev.doctor.findings import Level
from tests.e2e.patients import (
    EVENTS,
    Bend,
    Deployment,
    Forward,
    Stack,
    bent,
    faults,
    run_patient,
    the_fault,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "https://www.example.com"
WEBHOOK = "/runtime/webhooks/webpubsub"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stack]:
    """As `dev.py up` runs it."""
    async with run_patient() as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The same, healthy again."""
    running.attach(*EVENTS)
    return running


async def test_a_healthy_stack(stack: Stack) -> None:
    """All is well, and everything was looked at that can be."""
    findings = await stack.examine(patience=10)
    assert faults(findings) == {}
    skipped = [check for check, each in findings.items() if each.level is Level.SKIPPED]
    assert skipped == ["handler", "pages"]
    assert "hears its own join after" in findings["journey"].saw
    assert "and a leave after" in findings["journey"].saw


@pytest.mark.parametrize(
    ("events", "means"),
    [
        (("connect", "disconnected"), "does not send connected."),
        (("connect", "connected"), "does not send disconnected."),
        (("connected", "disconnected"), "no event handler, or it does not send connect,"),
        (("connect",), "does not send connected and disconnected."),
    ],
)
async def test_events_that_are_not_sent(stack: Stack, events: tuple[str, ...], means: str) -> None:
    """By what the journey hears and does not hear."""
    stack.attach(*events)
    check, finding = the_fault(await stack.examine())
    assert (check, finding.level) == ("journey", Level.FAILURE)
    assert means in finding.means
    assert f"--handler 'chat={stack.host.address}{WEBHOOK}'" in finding.fix


async def test_no_event_handler_at_all(stack: Stack) -> None:
    """Looks the same from outside."""
    stack.detach()
    check, finding = the_fault(await stack.examine())
    assert check == "journey"
    assert "no event handler" in finding.means


@pytest.mark.parametrize("path", [WEBHOOK, "/api/webpubsub"])
async def test_an_event_handler_that_leads_nowhere(stack: Stack, path: str) -> None:
    """Nobody at that port; or the app, at another path."""
    address = f"http://127.0.0.1:{unused_port()}" if path == WEBHOOK else stack.host.address
    stack.attach(*EVENTS, url=address + path)
    check, finding = the_fault(await stack.examine())
    assert (check, finding.saw) == (
        "journey",
        "the service answers the client's handshake with 500",
    )
    assert "another key or address; the app itself admits the client." in finding.means


async def test_a_function_that_is_not_there(stack: Stack) -> None:
    """The event is sent, and the app has nothing for it."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        is_meant = request.headers.get("ce-eventName") == "connected"
        return web.Response(status=404) if is_meant else await forward()

    async with bent(stack.host.address, bend) as app:
        stack.attach(*EVENTS, url=app + WEBHOOK)
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, finding.saw) == ("journey", "the app has no function for connected")


async def test_groups_that_do_not_arrive(stack: Stack) -> None:
    """Somebody on the way takes the connection's state away."""

    async def bend(_request: web.Request, forward: Forward) -> web.Response:
        response = await forward()
        response.headers.pop("ce-connectionState", None)
        return response

    async with bent(stack.host.address, bend) as app:
        stack.attach(*EVENTS, url=app + WEBHOOK)
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, "without the group lobby" in finding.saw) == ("connect", True)


@pytest.mark.parametrize(("seconds", "level"), [(90, Level.WARNING), (-900, Level.FAILURE)])
async def test_a_clock_that_is_wrong(stack: Stack, seconds: int, level: Level) -> None:
    """Five minutes are the limit for tokens, and one is worth a word."""

    async def bend(_request: web.Request, forward: Forward) -> web.Response:
        response = await forward()
        shown = datetime.now(UTC) + timedelta(seconds=seconds)
        response.headers["Date"] = shown.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return response

    async with bent(stack.host.address, bend) as app:
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, finding.level) == ("clock", level)
    assert "the clock of the app is" in finding.saw
    assert "timedatectl" in finding.fix


def preflights(status: int, **headers: str) -> Bend:
    """Answers every preflight so."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        if request.method != "OPTIONS" or request.path == WEBHOOK:
            return await forward()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=named)

    return bend


@pytest.mark.parametrize(
    ("bend", "saw"),
    [
        (preflights(204), "the answer 204 does not allow it"),
        (preflights(307, Location="https://login.example"), "it is redirected"),
        (
            preflights(404, Access_Control_Allow_Origin=PAGE),
            "it is allowed with status 404, which is no success",
        ),
        (preflights(204, Access_Control_Allow_Origin=PAGE), "a body in JSON is not allowed"),
        (
            preflights(
                204, Access_Control_Allow_Origin="*", Access_Control_Allow_Credentials="true"
            ),
            "browsers refuse `*` together with credentials",
        ),
    ],
)
async def test_pages_that_may_not_call(stack: Stack, bend: Bend, saw: str) -> None:
    """A browser would not send the call that follows."""
    async with bent(stack.host.address, bend) as app:
        check, finding = the_fault(await stack.examine(app=app, origins=(PAGE,)))
    assert (check, finding.level) == ("cors", Level.FAILURE)
    assert f"preflight from {PAGE}: {saw}" in finding.saw


async def test_any_page_may_call_where_some_are_named(stack: Stack) -> None:
    """That may be meant, so it is a warning."""
    allowed = {
        "Access_Control_Allow_Origin": "*",
        "Access_Control_Allow_Headers": "content-type",
    }
    async with bent(stack.host.address, preflights(204, **allowed)) as app:
        check, finding = the_fault(await stack.examine(app=app, origins=(PAGE,)))
    assert (check, finding.level) == ("cors", Level.WARNING)
    assert "https://foreign.example is allowed" in finding.saw


def answers(path: str, status: int, body: str = "", **headers: str) -> Bend:
    """Answers calls of that path so, preflights apart."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        is_preflight = request.method == "OPTIONS" and request.path != WEBHOOK
        if request.path != path or is_preflight:
            return await forward()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, headers=named)

    return bend


def problem(kind: str, detail: str) -> str:
    """As the app writes it."""
    return f'{{"type": "urn:problem-type:usher:{kind}", "detail": "{detail}"}}'


HEALTH, NEGOTIATE = "/api/health", "/api/negotiate"
EASY_AUTH = 'Bearer realm="usher.azurewebsites.net"'


@pytest.mark.parametrize(
    ("bend", "check", "means"),
    [
        (answers(HEALTH, 404), "app", "Usher is not there"),
        (answers(HEALTH, 503), "app", "The Functions host does not run"),
        (answers(HEALTH, 401), "health", "App Service Authentication covers it"),
        (
            answers(HEALTH, 503, problem("not-ready", "Web PubSub does not answer.")),
            "health",
            "The service answers from here and not from the app",
        ),
        (
            answers(HEALTH, 503, problem("not-ready", "Web PubSub answers this app with 429.")),
            "health",
            "more than its units allow",
        ),
        (
            answers(HEALTH, 503, problem("not-ready", "Web PubSub answers this app with 500.")),
            "health",
            "The service fails.",
        ),
        (answers(WEBHOOK, 404), "webhook", "No function of the app takes events"),
        (answers(WEBHOOK, 503), "webhook", "The Functions host does not run"),
        (answers(WEBHOOK, 418), "webhook", "not the webhook of a function app"),
        (
            answers(WEBHOOK, 200, "", WebHook_Allowed_Origin="*"),
            "webhook",
            "takes events of every service",
        ),
        (answers(NEGOTIATE, 404), "negotiate", "The function negotiate is not there"),
        (answers(NEGOTIATE, 200, "{}"), "negotiate", "Another app answers there."),
        (answers(NEGOTIATE, 302), "negotiate", "sends callers to a login page"),
        (answers(NEGOTIATE, 429), "negotiate", "called too often"),
        (answers(NEGOTIATE, 500), "negotiate", "does not mint tokens"),
        (
            answers(NEGOTIATE, 502, problem("service-failed", "Web PubSub did not do it.")),
            "negotiate",
            "a lesser role",
        ),
        (
            answers(NEGOTIATE, 503, problem("identity-provider-failed", "It does not answer.")),
            "negotiate",
            "cannot tell who is calling",
        ),
    ],
)
async def test_answers_that_mean_something(
    stack: Stack, bend: Bend, check: str, means: str
) -> None:
    """What stands in front of an app, or the app itself, answers something else."""
    async with bent(stack.host.address, bend) as app:
        found, finding = the_fault(await stack.examine(app=app))
    assert found == check
    assert means in finding.means


async def test_pages_from_anywhere_that_may_not_call(stack: Stack) -> None:
    """`*` is asked for, and is not what the host has."""
    async with bent(stack.host.address, preflights(204)) as app:
        check, finding = the_fault(await stack.examine(app=app, origins=("*",)))
    assert (check, finding.saw) == ("cors", "preflight from *: the answer 204 allows nothing")


async def test_a_deployment_whose_service_is_gone(stack: Stack) -> None:
    """Nothing is known of where it should be."""
    told = problem("not-ready", "Web PubSub does not answer.")
    async with bent(stack.host.address, answers(HEALTH, 503, told)) as app:
        found = await stack.examine(Deployment, app, origins=("*",))
    check, finding = the_fault(found)
    assert (check, "--web-pubsub names it" in finding.saw) == ("health", True)
    assert "WebPubSubConnectionString__serviceUri=https://WEB-PUBSUB" in finding.fix


async def test_a_deployment_without_the_webhook(stack: Stack) -> None:
    """Among the reasons is a host that is too old."""
    async with bent(stack.host.address, answers(WEBHOOK, 404)) as app:
        check, finding = the_fault(await stack.examine(Deployment, app, origins=("*",)))
    assert (check, "pull request 11489" in finding.means) == ("webhook", True)


async def test_authentication_before_everything(stack: Stack) -> None:
    """Callers of negotiate are strangers to it; nobody can ask for health, or about settings."""
    closed = (HEALTH, NEGOTIATE)

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        if request.path not in closed or request.method == "OPTIONS":
            return await forward()
        return web.Response(status=401, headers={"WWW-Authenticate": EASY_AUTH})

    async with bent(stack.host.address, bend) as app:
        found = await stack.examine(app=app)
    check, finding = the_fault(found)
    assert (check, finding.level) == ("health", Level.WARNING)
    assert found["settings"].level is Level.SKIPPED
    assert "easyauth or oidc mode: 401 without credentials" in found["negotiate"].saw
    assert found["connect"].level is Level.OK


async def test_an_app_that_goes_away(stack: Stack) -> None:
    """In the middle of the examination."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        if request.path == WEBHOOK and request.transport:
            request.transport.abort()
        return await forward()

    async with bent(stack.host.address, bend) as app:
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, finding.saw) == ("webhook", "no answer: ServerDisconnectedError")


async def test_an_app_without_a_post(stack: Stack) -> None:
    """By GET it says that POST is the way, and then that it is not."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        if request.path != NEGOTIATE or request.method == "OPTIONS":
            return await forward()
        return web.Response(status=405 if request.method == "GET" else 429)

    async with bent(stack.host.address, bend) as app:
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, "too often" in finding.means) == ("negotiate", True)


async def test_a_webhook_with_any_key(stack: Stack) -> None:
    """It asks for a key, and does not look which."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        is_open = request.path != WEBHOOK or "x-functions-key" in request.headers
        return await forward() if is_open else web.Response(status=401)

    async with bent(stack.host.address, bend) as app:
        check, finding = the_fault(await stack.examine(app=app, system_key="the-key"))
    assert (check, finding.saw) == ("webhook", "OPTIONS with a wrong key is answered 200")


async def test_an_app_of_another_service(stack: Stack) -> None:
    """Its settings name one, and its tokens another."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        response = await forward()
        if request.path == NEGOTIATE and request.method == "GET":
            text = (response.text or "").replace("127.0.0.1", "localhost")
            return web.Response(text=text, content_type="application/json")
        return response

    async with bent(stack.host.address, bend) as app:
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, finding.means) == (
        "webhook",
        "The app's connection setting is for another service than localhost.",
    )


@pytest.mark.parametrize(
    ("status", "text", "means"),
    [
        (500, "The log says more.", "The app fails, so that every client is refused."),
        (401, "The event is of another hub.", "The app refuses a client that has a token"),
    ],
)
async def test_a_connect_function_that_refuses(
    stack: Stack, status: int, text: str, means: str
) -> None:
    """A client with a token of the app's own."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        is_meant = request.headers.get("ce-eventName") == "connect"
        return web.Response(status=status, text=text) if is_meant else await forward()

    async with bent(stack.host.address, bend) as app:
        stack.attach(*EVENTS, url=app + WEBHOOK)
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, finding.saw) == ("connect", f"connect is answered {status}: {text}")
    assert means in finding.means


async def test_an_app_that_announces_nothing(stack: Stack) -> None:
    """Its texts are not empty, so that it must have failed."""

    async def bend(request: web.Request, forward: Forward) -> web.Response:
        is_notice = request.headers.get("ce-eventName") in EVENTS[1:]
        return web.Response() if is_notice else await forward()

    async with bent(stack.host.address, bend) as app:
        stack.attach(*EVENTS, url=app + WEBHOOK)
        check, finding = the_fault(await stack.examine(app=app))
    assert (check, finding.level) == ("journey", Level.FAILURE)
    assert "are not empty here" in finding.means


async def test_authentication_before_the_webhook(stack: Stack) -> None:
    """It refuses everything, with the key as without."""
    async with bent(stack.host.address, answers(WEBHOOK, 401, WWW_Authenticate=EASY_AUTH)) as app:
        check, finding = the_fault(await stack.examine(app=app, system_key="any"))
    assert (check, "excludedPaths" in finding.fix) == ("webhook", True)


async def test_a_webhook_that_is_open_elsewhere(stack: Stack) -> None:
    """On this machine that is as in Core Tools, and nowhere else."""
    async with bent(stack.host.address, preflights(204)) as app:
        check, finding = the_fault(await stack.examine(Deployment, app))
    assert (check, finding.saw) == ("webhook", "OPTIONS without a key is answered 200")


async def test_a_group_that_the_policy_closes(stack: Stack) -> None:
    """It may be meant, so it is a warning; another group is the way on."""
    check, finding = the_fault(await stack.examine(group="vault"))
    assert (check, finding.level) == ("negotiate", Level.WARNING)
    assert "--group" in finding.fix


async def test_a_policy_that_was_broken_meanwhile(stack: Stack, tmp_path: Path) -> None:
    """The app has not read it again; its place is named."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"rules": [{"caller": "any", "group": "a", "allow": ["all"]}]}')
    now = replace(stack, settings={**stack.settings, "USHER_POLICY_FILE": str(policy)})
    check, finding = the_fault(await now.examine())
    assert (check, "policy.json rules[0].allow must be" in finding.saw) == ("settings", True)


async def test_an_access_key_that_is_not_the_apps(stack: Stack) -> None:
    """Its signature is refused by the extension."""
    check, finding = the_fault(await stack.examine(access_key="of-another-service"))
    assert (check, finding.means) == ("connect", "The signature is not of the app's access key.")
