"""`dev.py doctor` on a healthy stack, and on the same stack with one fault at a time."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import unused_port

from localdev.doctor import examination
from localdev.doctor.calls import Kind
from localdev.doctor.findings import Finding, Level
from tests.e2e.doctor_stacks import (
    EVENTS,
    MISSING_SECONDS,
    Deployment,
    Forward,
    Respond,
    Stack,
    faults,
    only_fault,
    respond_to,
    respond_to_preflights,
    run_doctor_stack,
    run_proxy,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "https://www.example.com"
WEBHOOK = "/runtime/webhooks/webpubsub"
HEALTH, NEGOTIATE = "/api/health", "/api/negotiate"
OPENAPI = "/api/openapi.yaml"
PLATFORM_LOGIN = 'Bearer realm="usher.azurewebsites.net"'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stack]:
    """Run one stack for all tests, as `dev.py up` does."""
    async with run_doctor_stack() as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
    """Return the stack with its event handler restored."""
    running.set_event_handler(*EVENTS)
    return running


async def test_a_healthy_stack_has_no_fault(stack: Stack) -> None:
    findings = await stack.examine()
    assert faults(findings) == {}
    skipped = [check for check, each in findings.items() if each.level is Level.SKIPPED]
    assert skipped == ["handler", "pages"]
    assert "the app announced the join after" in findings["journey"].saw
    assert re.search("and the leave after .*; visit [0-9a-f]{32}$", findings["journey"].saw)


@pytest.mark.parametrize(
    ("events", "means"),
    [
        (("connect", "disconnected"), "does not send connected."),
        (("connect", "connected"), "does not send disconnected."),
        (("connected", "disconnected"), "or its event handler does not send connect,"),
        (("connect",), "does not send connected and disconnected."),
    ],
)
async def test_events_that_are_not_sent(stack: Stack, events: tuple[str, ...], means: str) -> None:
    """The journey finds them by the announcements that do not arrive."""
    stack.set_event_handler(*events)
    check, finding = only_fault(await stack.examine(wait_seconds=MISSING_SECONDS))
    assert (check, finding.level) == ("journey", Level.FAILURE)
    assert means in finding.means
    assert f"--handler 'chat={stack.host.address}{WEBHOOK}'" in finding.fix


async def test_a_hub_without_event_handler(stack: Stack) -> None:
    stack.remove_event_handlers()
    check, finding = only_fault(await stack.examine(wait_seconds=MISSING_SECONDS))
    assert check == "journey"
    assert "no event handler" in finding.means


@pytest.mark.parametrize("path", [WEBHOOK, "/api/webpubsub"])
async def test_an_event_handler_with_a_wrong_address(stack: Stack, path: str) -> None:
    """A port where nothing listens, or a path that the app does not have."""
    address = f"http://127.0.0.1:{unused_port()}" if path == WEBHOOK else stack.host.address
    stack.set_event_handler(*EVENTS, url=address + path)
    check, finding = only_fault(await stack.examine())
    assert (check, finding.saw.split("; visit ")[0]) == (
        "journey",
        "Web PubSub answered the client's handshake with 500",
    )
    assert "a wrong key or address. The app itself accepts the client." in finding.means


async def test_a_late_clock_is_not_reported_as_a_wrong_key(stack: Stack) -> None:
    """Web PubSub answers tokens of a late clock as it answers tokens of a wrong key."""

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        response = await forward()
        if request.path == HEALTH:
            body = problem(Kind.SERVICE_UNHEALTHY, serviceStatus=401)
            response = web.Response(status=503, text=body)
        shown = datetime.now(UTC) - timedelta(minutes=10)
        response.headers["Date"] = shown.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return response

    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app))
        assert (check, finding.level) == ("clock", Level.FAILURE)
        check, finding = only_fault(await stack.examine(Deployment, app, origins=("*",)))
        assert (check, finding.level) == ("clock", Level.FAILURE)


async def test_a_wait_is_shown(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An app that does not answer is no silence: a line says so every few seconds."""
    monkeypatch.setattr(examination, "WAITING_SECONDS", 0.01)

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        shown = ""
        while request.path in (HEALTH, OPENAPI) and "still waiting" not in shown:
            await asyncio.sleep(0.01)
            shown = capsys.readouterr().out
        return await forward()

    async with run_proxy(stack.host.address, respond) as app:
        assert faults(await stack.examine(app=app)) == {}


async def test_a_missing_event_function(stack: Stack) -> None:
    """Web PubSub sends the event, but the app has no function for it."""

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        is_meant = request.headers.get("ce-eventName") == "connected"
        return web.Response(status=404) if is_meant else await forward()

    async with run_proxy(stack.host.address, respond) as app:
        stack.set_event_handler(*EVENTS, url=app + WEBHOOK)
        check, finding = only_fault(await stack.examine(app=app, wait_seconds=MISSING_SECONDS))
    saw = finding.saw.split("; visit ")[0]
    assert (check, saw) == ("journey", "the app has no function for connected")


async def test_a_proxy_that_removes_the_connection_state(stack: Stack) -> None:
    async def respond(_request: web.Request, forward: Forward) -> web.Response:
        response = await forward()
        response.headers.pop("ce-connectionState", None)
        return response

    async with run_proxy(stack.host.address, respond) as app:
        stack.set_event_handler(*EVENTS, url=app + WEBHOOK)
        check, finding = only_fault(await stack.examine(app=app))
    assert (check, "without the group lobby" in finding.saw) == ("connect", True)


@pytest.mark.parametrize(("seconds", "level"), [(90, Level.WARNING), (-900, Level.FAILURE)])
async def test_a_wrong_clock(stack: Stack, seconds: int, level: Level) -> None:
    """More than one minute is a warning, more than five minutes a failure."""

    async def respond(_request: web.Request, forward: Forward) -> web.Response:
        response = await forward()
        shown = datetime.now(UTC) + timedelta(seconds=seconds)
        response.headers["Date"] = shown.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return response

    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app))
    assert (check, finding.level) == ("clock", level)
    assert "the clock of the app is" in finding.saw
    assert "timedatectl" in finding.fix


# --- CORS --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("respond", "saw", "fix"),
    [
        (respond_to_preflights(204), "the answer 204 does not allow this origin", "Host.CORS"),
        (
            respond_to_preflights(307, Location="https://login.example"),
            "a redirect, which no browser follows",
            "Return401",
        ),
        (
            respond_to_preflights(404, Access_Control_Allow_Origin=PAGE),
            "the answer allows this origin, but its status is 404",
            "Host.CORS",
        ),
        (
            respond_to_preflights(204, Access_Control_Allow_Origin=PAGE),
            "the answer does not allow the header Content-Type",
            "Host.CORS",
        ),
        (
            respond_to_preflights(
                204, Access_Control_Allow_Origin="*", Access_Control_Allow_Credentials="true"
            ),
            "browsers reject `*` together with credentials",
            "Host.CORS",
        ),
    ],
)
async def test_pages_that_cannot_call_negotiate(
    stack: Stack, respond: Respond, saw: str, fix: str
) -> None:
    """A browser would not send the call after such a preflight."""
    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app, origins=(PAGE,)))
    assert (check, finding.level) == ("cors", Level.FAILURE)
    assert finding.saw == f"preflight from {PAGE}: {saw}"
    assert fix in finding.fix


async def test_every_page_may_call_although_origins_are_named(stack: Stack) -> None:
    """It may be intended, so it is a warning."""
    allowed = {
        "Access_Control_Allow_Origin": "*",
        "Access_Control_Allow_Headers": "content-type",
    }
    async with run_proxy(stack.host.address, respond_to_preflights(204, **allowed)) as app:
        check, finding = only_fault(await stack.examine(app=app, origins=(PAGE,)))
    assert (check, finding.level) == ("cors", Level.WARNING)
    assert "https://foreign.example: allowed" in finding.saw


async def test_no_page_may_call_although_every_page_should(stack: Stack) -> None:
    async with run_proxy(stack.host.address, respond_to_preflights(204)) as app:
        check, finding = only_fault(await stack.examine(app=app, origins=("*",)))
    assert (check, finding.saw) == ("cors", "preflight from *: the answer 204 allows no origin")


# --- answers of the app, or of a program in front of it ----------------------------------


def problem(kind: str, detail: str = "Some text.", **members: object) -> str:
    """Return a problem as the app writes it (RFC 9457)."""
    return json.dumps({"type": f"urn:problem-type:usher:{kind}", "detail": detail, **members})


@pytest.mark.parametrize(
    ("respond", "check", "means"),
    [
        (respond_to(HEALTH, 404), "app", "Usher does not run here"),
        (respond_to(HEALTH, 503), "app", "The Functions host does not run"),
        (respond_to(HEALTH, 401), "health", "App Service Authentication protects this path"),
        (respond_to(OPENAPI, 500), "package", "The deployed package lacks files"),
        (respond_to(OPENAPI, 404), "package", "The deployed package lacks files"),
        (respond_to(OPENAPI, 401), "package", "App Service Authentication protects this path"),
        (respond_to(WEBHOOK, 404), "webhook", "The app has no function for events"),
        (respond_to(WEBHOOK, 503), "webhook", "The Functions host does not run"),
        (respond_to(WEBHOOK, 418), "webhook", "has no webhook"),
        (
            respond_to(WEBHOOK, 200, "", WebHook_Allowed_Origin="*"),
            "webhook",
            "accepts events of every service",
        ),
        (respond_to(NEGOTIATE, 404), "negotiate", "The function negotiate did not load"),
        (respond_to(NEGOTIATE, 200, "{}"), "negotiate", "Another app runs at this address."),
        (respond_to(NEGOTIATE, 302), "negotiate", "redirects callers to a login page"),
        (respond_to(NEGOTIATE, 429), "negotiate", "Too many calls came from this address"),
        (respond_to(NEGOTIATE, 500), "negotiate", "The app issues no tokens."),
    ],
)
async def test_answers_that_are_no_problem_of_the_app(
    stack: Stack, respond: Respond, check: str, means: str
) -> None:
    """The doctor judges them by path and status."""
    async with run_proxy(stack.host.address, respond) as app:
        found, finding = only_fault(await stack.examine(app=app))
    assert found == check
    assert means in finding.means


PROBLEMS = [
    (HEALTH, 503, problem(Kind.SETTINGS_INVALID), "settings", "started with other settings"),
    (HEALTH, 500, problem("internal"), "health", "The app failed for another reason."),
    *(
        (HEALTH, 503, problem(Kind.SERVICE_UNHEALTHY, serviceStatus=status), "health", means)
        for status, means in (
            (None, "Web PubSub answers this machine but not the app"),
            (401, "The app's access key is not a key of this Web PubSub resource"),
            (403, "does not have the role Web PubSub Service Owner"),
            (429, "more requests than its units allow"),
            (500, "Web PubSub fails."),
        )
    ),
    *(
        (NEGOTIATE, status, problem(kind), "negotiate", means)
        for status, kind, means in (
            (403, Kind.FORBIDDEN, "The policy does not allow"),
            (429, Kind.SERVICE_THROTTLED, "more requests than its units allow"),
            (429, "too-many", "Too many calls came from this address"),
            (500, "internal", "The app issues no tokens."),
            (502, Kind.SERVICE_FAILED, "allows less than Web PubSub Service Owner"),
            (503, Kind.IDENTITY_PROVIDER_FAILED, "cannot get the identity provider's keys"),
            (503, Kind.MODE_NOT_SET, "Without an authentication mode"),
            (504, Kind.SERVICE_UNANSWERED, "allows less than Web PubSub Service Owner"),
        )
    ),
]


@pytest.mark.parametrize(("path", "status", "body", "check", "means"), PROBLEMS)
async def test_problems_of_the_app(
    stack: Stack, path: str, status: int, body: str, check: str, means: str
) -> None:
    """The doctor judges them by their type and members."""
    async with run_proxy(stack.host.address, respond_to(path, status, body)) as app:
        found, finding = only_fault(await stack.examine(app=app))
    assert found == check
    assert means in finding.means


# Sentences of the app that say something else than the problems' types.
MISLEADING = (
    "Web PubSub answers this app with 403.",
    "The app cannot identify callers: USHER_AUTH is not set.",
    "The settings of this app are not valid. Its log names each wrong one.",
)


@pytest.mark.parametrize(
    ("path", "status", "kind", "members"),
    [
        (HEALTH, 503, Kind.SERVICE_UNHEALTHY, {"serviceStatus": 429}),
        (HEALTH, 503, Kind.SERVICE_UNHEALTHY, {"serviceStatus": None}),
        (HEALTH, 503, Kind.SETTINGS_INVALID, {}),
        (NEGOTIATE, 503, Kind.IDENTITY_PROVIDER_FAILED, {}),
        (NEGOTIATE, 503, Kind.MODE_NOT_SET, {}),
    ],
)
async def test_no_finding_depends_on_the_text_of_a_detail(
    stack: Stack, path: str, status: int, kind: str, members: dict[str, object]
) -> None:
    """`saw` quotes the detail; everything else stays the same when the detail changes."""

    async def examine_with(detail: str) -> tuple[str, Finding]:
        body = problem(kind, detail, **members)
        async with run_proxy(stack.host.address, respond_to(path, status, body)) as app:
            # A deployment's settings cannot be read, so everything comes from its answers.
            check, finding = only_fault(await stack.examine(Deployment, app, origins=("*",)))
        assert f"({detail})" in finding.saw
        return check, replace(finding, saw=finding.saw.replace(detail, "DETAIL"))

    expected = await examine_with("Some text.")
    for detail in MISLEADING:
        assert await examine_with(detail) == expected


async def test_a_deployment_whose_service_does_not_answer(stack: Stack) -> None:
    """Without --web-pubsub, the doctor cannot try the service itself."""
    body = problem(Kind.SERVICE_UNHEALTHY, serviceStatus=None)
    async with run_proxy(stack.host.address, respond_to(HEALTH, 503, body)) as app:
        found = await stack.examine(Deployment, app, origins=("*",))
    check, finding = only_fault(found)
    assert (check, "pass --web-pubsub" in finding.saw) == ("health", True)
    assert "WebPubSubConnectionString__serviceUri=https://WEB-PUBSUB" in finding.fix


async def test_a_deployment_without_the_webhook(stack: Stack) -> None:
    """An old Functions host is one of the causes."""
    async with run_proxy(stack.host.address, respond_to(WEBHOOK, 404)) as app:
        check, finding = only_fault(await stack.examine(Deployment, app, origins=("*",)))
    assert (check, "pull request 11489" in finding.means) == ("webhook", True)


async def test_platform_authentication_in_front_of_the_app(stack: Stack) -> None:
    """The health endpoint is then not accessible; for negotiate, 401 is expected."""
    closed = (HEALTH, NEGOTIATE)

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        if request.path not in closed or request.method == "OPTIONS":
            return await forward()
        return web.Response(status=401, headers={"WWW-Authenticate": PLATFORM_LOGIN})

    async with run_proxy(stack.host.address, respond) as app:
        found = await stack.examine(app=app)
    check, finding = only_fault(found)
    assert (check, finding.level) == ("health", Level.WARNING)
    assert found["settings"].level is Level.SKIPPED
    assert "easyauth or oidc mode: 401 without credentials" in found["negotiate"].saw
    assert found["connect"].level is Level.OK


async def test_an_app_that_stops_during_the_examination(stack: Stack) -> None:
    async def respond(request: web.Request, forward: Forward) -> web.Response:
        if request.path == WEBHOOK and request.transport:
            request.transport.abort()
        return await forward()

    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app))
    assert (check, finding.saw) == ("webhook", "no answer: ServerDisconnectedError")


async def test_an_app_that_rejects_get_and_post(stack: Stack) -> None:
    async def respond(request: web.Request, forward: Forward) -> web.Response:
        if request.path != NEGOTIATE or request.method == "OPTIONS":
            return await forward()
        return web.Response(status=405 if request.method == "GET" else 429)

    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app))
    assert (check, "Too many calls" in finding.means) == ("negotiate", True)


async def test_a_webhook_that_accepts_every_key(stack: Stack) -> None:
    async def respond(request: web.Request, forward: Forward) -> web.Response:
        is_open = request.path != WEBHOOK or "x-functions-key" in request.headers
        return await forward() if is_open else web.Response(status=401)

    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app, system_key="the-key"))
    assert (check, finding.saw) == ("webhook", "OPTIONS with a wrong key returned 200")


async def test_an_app_whose_webhook_expects_another_service(stack: Stack) -> None:
    """Its tokens name one service, its connection setting another."""

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        response = await forward()
        if request.path == NEGOTIATE and request.method == "GET":
            text = (response.text or "").replace("127.0.0.1", "localhost")
            return web.Response(text=text, content_type="application/json")
        return response

    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app))
    assert (check, finding.means) == (
        "webhook",
        "The app's connection setting names another service than localhost.",
    )


@pytest.mark.parametrize(
    ("status", "text", "means"),
    [
        (500, "The log says more.", "The app fails, and therefore rejects every client."),
        (401, "The event is of another hub.", "The app rejects a client that has a valid token"),
    ],
)
async def test_a_connect_function_that_rejects_a_valid_client(
    stack: Stack, status: int, text: str, means: str
) -> None:
    async def respond(request: web.Request, forward: Forward) -> web.Response:
        is_meant = request.headers.get("ce-eventName") == "connect"
        return web.Response(status=status, text=text) if is_meant else await forward()

    async with run_proxy(stack.host.address, respond) as app:
        stack.set_event_handler(*EVENTS, url=app + WEBHOOK)
        check, finding = only_fault(await stack.examine(app=app))
    assert (check, finding.saw) == ("connect", f"connect returned {status} ({text})")
    assert means in finding.means


async def test_an_app_that_announces_nothing(stack: Stack) -> None:
    """Its announcement texts are not empty, so the app must have failed."""

    async def respond(request: web.Request, forward: Forward) -> web.Response:
        is_notice = request.headers.get("ce-eventName") in EVENTS[1:]
        return web.Response() if is_notice else await forward()

    async with run_proxy(stack.host.address, respond) as app:
        stack.set_event_handler(*EVENTS, url=app + WEBHOOK)
        check, finding = only_fault(await stack.examine(app=app, wait_seconds=MISSING_SECONDS))
    assert (check, finding.level) == ("journey", Level.FAILURE)
    assert "are not empty" in finding.means


async def test_too_many_calls_of_the_api_description(stack: Stack) -> None:
    """A rate limit says nothing about the package."""
    async with run_proxy(stack.host.address, respond_to(OPENAPI, 429)) as app:
        findings = await stack.examine(app=app)
    assert (faults(findings), findings["package"].level) == ({}, Level.SKIPPED)


async def test_platform_authentication_in_front_of_the_webhook(stack: Stack) -> None:
    """It rejects requests with and without the key."""
    respond = respond_to(WEBHOOK, 401, WWW_Authenticate=PLATFORM_LOGIN)
    async with run_proxy(stack.host.address, respond) as app:
        check, finding = only_fault(await stack.examine(app=app, system_key="any"))
    assert (check, "excludedPaths" in finding.fix) == ("webhook", True)


async def test_a_deployment_whose_webhook_requires_no_key(stack: Stack) -> None:
    """On this machine it is usual, as in Core Tools; in a deployment it is a failure."""
    async with run_proxy(stack.host.address, respond_to_preflights(204)) as app:
        check, finding = only_fault(await stack.examine(Deployment, app))
    assert (check, finding.saw) == ("webhook", "OPTIONS without a key returned 200")


async def test_a_group_that_the_policy_denies(stack: Stack) -> None:
    """No client can join it, so a script has to notice."""
    check, finding = only_fault(await stack.examine(group="vault"))
    assert (check, finding.level) == ("negotiate", Level.FAILURE)
    assert "--group" in finding.fix


async def test_a_policy_that_became_invalid_after_the_start(stack: Stack, tmp_path: Path) -> None:
    """The running app still has the old policy; the finding names the wrong place."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"rules": [\n{"caller": "any", "group": "a",\n"allow": ["all"]}]}')
    changed = replace(stack, settings={**stack.settings, "USHER_POLICY_FILE": str(policy)})
    check, finding = only_fault(await changed.examine())
    assert (check, "policy.json rules[0].allow must be" in finding.saw) == ("settings", True)
    assert finding.saw.endswith("(line 3)")
    assert finding.fix == "Correct the policy file, and restart the app."


async def test_an_access_key_of_another_service(stack: Stack) -> None:
    check, finding = only_fault(await stack.examine(access_key="of-another-service"))
    assert (check, finding.means) == (
        "connect",
        "The signature was not made with the app's access key.",
    )
