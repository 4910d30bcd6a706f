"""The app with different settings on the local host, each time in a new process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e import identity_provider
from tests.e2e.clients import enter
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.e2e.test_events import connect_body, post_event

HOST = ["localdev", "host", "--json", "--port", "0"]
SECRET = "a-key-that-must-not-be-shown-anywhere"


async def read_statuses(app: Running) -> dict[str, int]:
    """Call each function and return its status."""
    async with aiohttp.ClientSession() as session:
        found = {}
        for name in ("negotiate", "health"):
            response = await session.get(f"{app.facts['host']}/api/{name}")
            assert "WebPubSub" not in await response.text()
            found[name] = response.status
        body = connect_body("lobby")
        found["connect"], _ = await post_event(
            session, app, "connect", connection_id="c-1", body=body
        )
        for name in ("connected", "disconnected"):
            found[name], _ = await post_event(
                session, app, name, connection_id="c-1", body={"reason": ""}
            )
        return found


@contextmanager
def run_app(tmp_path: Path, **settings: str) -> Iterator[Running]:
    with run(HOST, tmp_path / "log", settings) as app:
        yield app


CLOSED = {"negotiate": 503, "health": 503, "connect": 500, "connected": 200, "disconnected": 200}


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"WebPubSubConnectionString": ""}, ["WebPubSubConnectionString"]),
        (
            {"USHER_AUTH": "local", "WEBSITE_INSTANCE_ID": "x", "USHER_BANS": "off"},
            ["USHER_AUTH"],
        ),
        (
            {"USHER_TOKEN_MINUTES": "soon", "USHER_JOIN_TEXT": "{x}", "USHER_AUTH": "?"},
            ["USHER_AUTH", "USHER_TOKEN_MINUTES", "USHER_JOIN_TEXT"],
        ),
    ],
)
async def test_wrong_settings_close_every_function(
    tmp_path: Path, settings: dict[str, str], wrong: list[str]
) -> None:
    """The app starts, each function fails, and one log record names every wrong key."""
    with run_app(tmp_path, **settings) as app:
        assert await read_statuses(app) == CLOSED
        for function in CLOSED:
            (record,) = app.records(record="settings", function=function)
            assert list(record["problems"]) == wrong


@pytest.mark.parametrize("hub", ["", "my-hub"])
async def test_without_a_valid_hub_the_http_functions_are_closed(tmp_path: Path, hub: str) -> None:
    """There are no event functions, because they would stop the host in Azure if it is empty."""
    with run_app(tmp_path, WebPubSubHub=hub) as app:
        events = dict.fromkeys(("connect", "connected", "disconnected"), 404)
        assert await read_statuses(app) == CLOSED | events
        (record,) = app.records(record="events-off")
        assert list(record["problems"]) == ["WebPubSubHub"]
        (record,) = app.records(record="settings", function="health")
        assert list(record["problems"]) == ["WebPubSubHub"]


async def test_a_broken_connection_string_is_not_shown(tmp_path: Path) -> None:
    """Neither the log nor a response has it, although the SDK's own error would print it."""
    broken = f"Endpoint=http://127.0.0.1:1;{SECRET}"
    with run_app(tmp_path, WebPubSubConnectionString=broken) as app:
        async with aiohttp.ClientSession() as session:
            response = await session.get(f"{app.facts['host']}/api/negotiate")
            assert (response.status, SECRET in await response.text()) == (503, False)
        assert app.records(record="settings")
        assert SECRET not in app.log()


@pytest.mark.parametrize(
    ("connection", "reason"),
    [
        ('"Endpoint=http://127.0.0.1:1;{}"', "has no Endpoint"),
        ("Endpoint=http://127.0.0.1:1;{0};{0}", "names a property twice"),
    ],
)
async def test_a_connection_string_that_stops_the_host(
    tmp_path: Path, connection: str, reason: str
) -> None:
    """As in Azure, nothing of the app answers any more; the terminal says why in one line."""
    broken = connection.format(f"AccessKey={SECRET}")
    with run_app(tmp_path, WebPubSubConnectionString=broken) as app:
        async with aiohttp.ClientSession(app.facts["host"]) as session:
            for path in ("/api/health", "/api/negotiate", "/", "/runtime/webhooks/webpubsub"):
                response = await session.get(path)
                assert response.status == 503
                assert await response.text() == "Function host is not running."
        (line,) = (line for line in app.log().splitlines() if line.startswith("ERROR: "))
        assert "'WebPubSubConnectionString'" in line
        assert reason in line
        assert SECRET not in app.log()


async def test_anonymous_mode_admits_guests_of_allowed_origins_by_post(tmp_path: Path) -> None:
    """Each guest gets a new user id and cannot choose it."""
    settings = {"USHER_AUTH": "anonymous", "USHER_ALLOWED_ORIGINS": "https://a.example"}
    with run(UP, tmp_path / "log", settings) as stack:
        url = f"{stack.facts['host']}/api/negotiate"
        async with aiohttp.ClientSession() as session:
            assert (await session.get(url)).status == 405
            assert (await session.post(url, json={"userId": "ana"})).status == 400
            answer = await (await session.post(url, json={})).json()
            assert answer["userId"].startswith("guest-")
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(answer["url"], origin="https://b.example")
            assert caught.value.status == 401
            async with session.ws_connect(answer["url"], origin="https://a.example"):
                stack.wait_for_record(record="join", userId=answer["userId"], addStatus=200)


async def test_oidc_mode_admits_the_subject_of_the_token_only(tmp_path: Path) -> None:
    """Neither the bearer token nor the client access token is logged."""
    async with identity_provider.serve(identity_provider.Provider()) as provider:
        settings = {
            "USHER_AUTH": "oidc",
            "USHER_OIDC_ISSUER": provider.issuer,
            "USHER_OIDC_AUDIENCE": identity_provider.AUDIENCE,
        }
        with run(UP, tmp_path / "log", settings) as stack:
            url, token = f"{stack.facts['host']}/api/negotiate", provider.token()
            async with aiohttp.ClientSession() as session:

                async def negotiate(token: str, **body: str) -> tuple[int, dict[str, Any]]:
                    headers = {"Authorization": f"Bearer {token}"}
                    async with session.post(url, json=body, headers=headers) as response:
                        return response.status, await response.json()

                status, answer = await negotiate(token, userId="ana", group="blue")
                assert (status, answer["userId"], answer["groups"]) == (200, "ana", ["blue"])
                assert (await negotiate(token, userId="bo"))[0] == 403
                assert (await negotiate(provider.token(aud="another")))[0] == 401
                async with session.ws_connect(answer["url"], protocols=["json.webpubsub.azure.v1"]):
                    stack.wait_for_record(record="join", userId="ana", sendStatus=202)
            assert token not in stack.log()
            assert answer["token"] not in stack.log()


@pytest.mark.parametrize("mode", ["easyauth", "oidc"])
async def test_headers_of_app_service_are_not_trusted_outside_of_it(
    tmp_path: Path, mode: str
) -> None:
    """The request has the principal's headers, but App Service did not add them; no token."""
    oidc = {"USHER_OIDC_ISSUER": "http://127.0.0.1:9", "USHER_OIDC_AUDIENCE": "usher"}
    with run_app(tmp_path, USHER_AUTH=mode, **oidc) as app:
        headers = {"X-MS-CLIENT-PRINCIPAL-ID": "ana", "X-MS-CLIENT-PRINCIPAL-NAME": "ana"}
        async with aiohttp.ClientSession() as session:
            response = await session.post(f"{app.facts['host']}/api/negotiate", headers=headers)
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_without_an_authentication_mode_negotiate_names_the_setting(tmp_path: Path) -> None:
    with run_app(tmp_path, USHER_AUTH="") as app, pytest.raises(AssertionError, match="USHER_AUTH"):
        async with enter(app.facts["host"], userId="ana"):
            pass


async def test_with_an_access_key_tokens_are_issued_while_the_service_is_down(
    tmp_path: Path,
) -> None:
    """The app signs them itself. The health endpoint reports the service."""
    string = f"Endpoint=http://127.0.0.1:1;AccessKey={SECRET}"
    with run_app(tmp_path, WebPubSubConnectionString=string) as app:
        async with aiohttp.ClientSession() as session:
            for name, status in (("negotiate", 200), ("health", 503)):
                response = await session.get(f"{app.facts['host']}/api/{name}")
                assert response.status == status
            assert response.headers["Age"] == "0"
        assert SECRET not in app.log()


async def test_with_a_single_group_only_the_default_group_is_allowed(tmp_path: Path) -> None:
    """Events then need no connection state."""
    settings = {"USHER_SINGLE_GROUP": "true", "USHER_DEFAULT_GROUP": "hall"}
    with run(UP, tmp_path / "log", settings) as stack:
        host = stack.facts["host"]
        async with enter(host, userId="ana") as ana:
            assert await ana.hear() == "ana joined hall"
        async with aiohttp.ClientSession() as session:
            response = await session.get(f"{host}/api/negotiate?group=vip")
            assert response.status == 403
            await post_event(session, stack, "connected", connection_id="gone")
        (record,) = stack.records(record="join", connectionId="gone")
        assert record["group"] == "hall"


async def test_announcements_use_the_templates_of_the_settings(tmp_path: Path) -> None:
    """An empty template means no announcement."""
    settings = {"USHER_JOIN_TEXT": "welcome {userId}", "USHER_LEAVE_TEXT": ""}
    with run(UP, tmp_path / "log", settings) as stack:
        async with enter(stack.facts["host"], userId="ana") as ana:
            assert await ana.hear() == "welcome ana"
            async with enter(stack.facts["host"], userId="bo") as bo:
                assert await bo.hear() == "welcome bo"
        stack.wait_for_request("disconnected", 2)
        assert stack.records(record="leave") == []
