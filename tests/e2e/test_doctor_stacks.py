"""`dev.py doctor` on a deployment, on stacks of other modes, and on stacks with wrong settings."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from localdev.doctor.calls import Kind
from localdev.doctor.findings import Finding, Level
from localdev.stack import ROOT, sample_settings
from tests.e2e import identity_provider
from tests.e2e.doctor_stacks import (
    EVENTS,
    MISSING_SECONDS,
    Deployment,
    Forward,
    Stack,
    faults,
    only_fault,
    respond_to,
    respond_to_preflights,
    run_doctor_stack,
    run_proxy,
)
from tests.e2e.identity_stack import identity_application
from tests.e2e.room import wait_until
from tests.localdev.host.conftest import start_host
from webpubsub_emulator import ACCESS_KEY, Emulator, Faults, parse_fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "https://www.example.com"


# --- a deployment with access keys, in anonymous mode ------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anonymous() -> AsyncIterator[Stack]:
    """Run a stack whose webhook requires its key, as in Azure."""
    settings = {"USHER_AUTH": "anonymous", "USHER_ALLOWED_ORIGINS": PAGE}
    async with run_doctor_stack(settings, keys=True) as stack:
        yield stack


async def examine(anonymous: Stack, *events: str, **about: Any) -> dict[str, Finding]:
    """Examine it as a deployment, with its system key; CORS allows one origin."""
    anonymous.set_event_handler(*(events or EVENTS))
    system_key = anonymous.host.keys["webpubsub_extension"]
    allowed = {
        "Access_Control_Allow_Origin": PAGE,
        "Access_Control_Allow_Headers": "content-type",
    }
    async with run_proxy(anonymous.host.address, respond_to_preflights(204, **allowed)) as app:
        return await anonymous.examine(
            Deployment, app, **{"system_key": system_key, "origins": (PAGE,), **about}
        )


async def test_a_healthy_deployment_has_no_fault(anonymous: Stack) -> None:
    findings = await examine(anonymous, access_key=ACCESS_KEY)
    skipped = [check for check, each in findings.items() if each.level is Level.SKIPPED]
    assert (faults(findings), skipped) == ({}, ["handler"])
    assert findings["webhook"].saw.endswith("requires the system key")
    assert findings["pages"].saw == f"pages of {PAGE} can connect, other pages cannot"


async def test_a_deployment_whose_keys_are_unknown(anonymous: Stack) -> None:
    """What cannot be tested is skipped, not a fault."""
    findings = await examine(anonymous, system_key=None)
    assert faults(findings) == {}
    assert findings["webhook"].saw.startswith("401 without a key, as expected")
    assert findings["connect"].level is Level.SKIPPED
    assert findings["journey"].level is Level.OK


async def test_events_cannot_be_signed_without_the_access_key(anonymous: Stack) -> None:
    findings = await examine(anonymous)
    assert faults(findings) == {}
    assert "--access-key-from-env" in findings["connect"].saw


async def test_a_wrong_system_key(anonymous: Stack) -> None:
    """The fix is the command that prints the right one; the host answers 401 or 403."""
    for key in ("of-another-app", anonymous.host.keys["function"]):
        check, finding = only_fault(await examine(anonymous, system_key=key))
        assert (check, "systemKeys.webpubsub_extension" in finding.fix) == ("webhook", True)
        check, finding = only_fault(await anonymous.examine(system_key=key))
        assert (check, "dev.py up --keys" in finding.fix) == ("webhook", True)


@pytest.mark.parametrize("key", ["", "?code=of-another-app"])
async def test_an_event_handler_with_a_wrong_key(anonymous: Stack, key: str) -> None:
    """The app works, but Web PubSub cannot reach it."""
    url = anonymous.host.webhook.partition("?")[0] + key
    async with run_proxy(anonymous.host.address, respond_to_preflights(204)) as app:
        anonymous.set_event_handler(*EVENTS, url=url)
        keys = {
            "system_key": anonymous.host.keys["webpubsub_extension"],
            "access_key": ACCESS_KEY,
        }
        check, finding = only_fault(await anonymous.examine(Deployment, app, **keys))
    assert (check, "a wrong key" in finding.means) == ("journey", True)
    assert finding.fix.startswith("infra/connect-hub.sh RESOURCE-GROUP ")


@pytest.mark.parametrize(
    ("events", "access_key", "level", "means"),
    [
        (("connected", "disconnected"), None, Level.FAILURE, "does not send connect,"),
        (("connect",), None, Level.WARNING, "does not send connected and disconnected, or"),
        (("connect",), ACCESS_KEY, Level.FAILURE, "does not send connected and disconnected."),
        (("connect", "connected"), None, Level.WARNING, "or USHER_LEAVE_TEXT is empty."),
        (("connect", "connected"), ACCESS_KEY, Level.FAILURE, "does not send disconnected."),
    ],
)
async def test_events_that_a_deployment_does_not_get(
    anonymous: Stack, events: tuple[str, ...], access_key: str | None, level: Level, means: str
) -> None:
    """Only with the access key can the doctor rule out that announcements are turned off."""
    check, finding = only_fault(
        await examine(anonymous, *events, access_key=access_key, wait_seconds=MISSING_SECONDS)
    )
    assert (check, finding.level) == ("journey", level)
    assert means in finding.means
    assert finding.fix.startswith("infra/connect-hub.sh RESOURCE-GROUP ")


async def test_a_page_that_may_call_negotiate_but_not_connect(anonymous: Stack) -> None:
    """CORS allows its origin, USHER_ALLOWED_ORIGINS does not."""
    other = "https://other.example"
    allowed = {
        "Access_Control_Allow_Origin": other,
        "Access_Control_Allow_Headers": "content-type",
    }
    anonymous.set_event_handler(*EVENTS)
    async with run_proxy(anonymous.host.address, respond_to_preflights(204, **allowed)) as app:
        check, finding = only_fault(await anonymous.examine(Deployment, app, origins=(other,)))
    assert (check, f"USHER_ALLOWED_ORIGINS=CURRENT-VALUE,{other}" in finding.fix) == ("pages", True)


# --- other modes -------------------------------------------------------------------------


async def test_key_mode() -> None:
    """401 is expected without the function key; with it, the journey runs."""
    async with run_doctor_stack({"USHER_AUTH": "key"}, keys=True) as stack:
        keys: dict[str, Any] = {"system_key": stack.host.keys["webpubsub_extension"]}
        closed = await stack.examine(**keys)
        assert (faults(closed), closed["journey"].level) == ({}, Level.SKIPPED)
        assert closed["negotiate"].saw.startswith("key mode: 401 without a function key")
        keys["function_key"] = stack.host.keys["function"]
        opened = await stack.examine(**keys)
        assert (faults(opened), opened["journey"].level) == ({}, Level.OK)
        check, finding = only_fault(await stack.examine(**(keys | {"function_key": "none"})))
        assert (check, "function key" in finding.means) == ("negotiate", True)


@asynccontextmanager
async def run_oidc_stack() -> AsyncIterator[tuple[Stack, identity_provider.Provider]]:
    """Run a stack in `oidc` mode with its identity provider."""
    async with identity_provider.serve(identity_provider.Provider()) as provider:
        oidc = {
            "USHER_AUTH": "oidc",
            "USHER_OIDC_ISSUER": provider.issuer,
            "USHER_OIDC_AUDIENCE": identity_provider.AUDIENCE,
        }
        async with run_doctor_stack(oidc) as stack:
            yield stack, provider


async def test_oidc_mode() -> None:
    """401 is expected without credentials; with a bearer token, the journey runs."""
    async with run_oidc_stack() as (stack, provider):
        closed = await stack.examine()
        assert (faults(closed), closed["journey"].level) == ({}, Level.SKIPPED)
        opened = await stack.examine(bearer=provider.token())
        assert (faults(opened), opened["journey"].level) == ({}, Level.OK)
        for token, means in (
            (provider.token(exp=1), "expired"),
            (provider.token(aud="another"), "for another."),
            ("no-token", "not a JSON Web Token"),
        ):
            check, finding = only_fault(await stack.examine(bearer=token))
            assert check == "negotiate"
            assert means in finding.means
            assert token not in finding.saw + finding.means + finding.fix
        check, finding = only_fault(await stack.examine(bearer=provider.token(), group="vault"))
        assert (check, finding.level) == ("negotiate", Level.FAILURE)


async def test_an_identity_provider_that_fails() -> None:
    """The doctor asks the provider itself, with and without a bearer token."""
    async with run_oidc_stack() as (stack, provider):
        opened = await stack.examine()
        assert opened["negotiate"].saw.endswith("the identity provider publishes its keys")
        provider.answers[identity_provider.DISCOVERY] = not_found
        for bearer in (None, provider.token()):
            check, finding = only_fault(await stack.examine(bearer=bearer))
            assert (check, finding.level) == ("negotiate", Level.FAILURE)
            assert "/tenant/.well-known/openid-configuration returned 404" in finding.saw
            assert f"curl {provider.issuer}/.well-known" in finding.fix


async def test_an_identity_provider_that_only_the_app_cannot_reach() -> None:
    async with run_oidc_stack() as (stack, provider):
        body = {"type": f"urn:problem-type:usher:{Kind.IDENTITY_PROVIDER_FAILED}"}
        failing = respond_to("/api/negotiate", 503, json.dumps(body))

        async def respond(request: web.Request, forward: Forward) -> web.Response:
            return await (
                failing(request, forward) if "Authorization" in request.headers else forward()
            )

        async with run_proxy(stack.host.address, respond) as app:
            bearer = provider.token()
            check, finding = only_fault(await stack.examine(app=app, bearer=bearer))
    assert check == "negotiate"
    assert finding.means == f"{provider.issuer} answers this machine but not the app."


async def not_found() -> web.StreamResponse:
    return web.Response(status=404)


async def test_single_group() -> None:
    """Without connect everything works, except that every page can connect."""
    settings = {"USHER_AUTH": "anonymous", "USHER_SINGLE_GROUP": "true"}
    async with run_doctor_stack(settings) as stack:
        stack.set_event_handler("connected", "disconnected")
        check, finding = only_fault(await stack.examine())
    assert (check, finding.level) == ("pages", Level.WARNING)


async def test_announcements_that_are_turned_off() -> None:
    """With the app's settings it is known to be intended; without them it is a warning."""
    texts = {"USHER_JOIN_TEXT": "", "USHER_LEAVE_TEXT": ""}
    async with run_doctor_stack(texts, keys=True) as stack:
        system_key = stack.host.keys["webpubsub_extension"]
        keys: dict[str, Any] = {"system_key": system_key, "access_key": ACCESS_KEY}
        findings = await stack.examine(**keys)
        assert (faults(findings), findings["connect"].level) == ({}, Level.OK)
        assert "the settings turn announcements off" in findings["journey"].saw
        async with run_proxy(stack.host.address, respond_to_preflights(204)) as app:
            check, finding = only_fault(
                await stack.examine(Deployment, app, wait_seconds=MISSING_SECONDS, **keys)
            )
    assert (check, finding.level) == ("journey", Level.WARNING)
    assert "USHER_JOIN_TEXT and USHER_LEAVE_TEXT are empty" in finding.means


async def test_join_announcements_that_are_turned_off() -> None:
    """The journey still waits for the announcement of a leave."""
    async with run_doctor_stack({"USHER_JOIN_TEXT": ""}) as stack:
        findings = await stack.examine()
        assert faults(findings) == {}
        assert "the app announced the leave after" in findings["journey"].saw
        stack.set_event_handler("connect", "connected")
        check, finding = only_fault(await stack.examine(wait_seconds=MISSING_SECONDS))
        assert (check, "does not send disconnected" in finding.means) == ("journey", True)


async def has_both_leaves(stack: Stack) -> bool:
    """Return whether the leaves of both clients are recorded."""
    return sum('"record": "leave"' in line for line in stack.log) == 2


async def test_the_presence_format() -> None:
    """No text turns it off, and a leave is awaited for the grace. The finding is certain."""
    presence = {"USHER_ANNOUNCEMENT_FORMAT": "presence", "USHER_LEAVE_GRACE_SECONDS": "1"}
    texts = {"USHER_JOIN_TEXT": "", "USHER_LEAVE_TEXT": ""}
    async with run_doctor_stack(presence | texts) as stack:
        findings = await stack.examine()
        assert faults(findings) == {}
        assert "the app announced the join after" in findings["journey"].saw
        assert "and the leave after" in findings["journey"].saw
        # Later, the leaves of both clients would make the group busy.
        await wait_until(lambda: has_both_leaves(stack))
        stack.set_event_handler("connect", "connected")
        # A message of this format may wait for the next second.
        check, finding = only_fault(await stack.examine(wait_seconds=5))
    assert (check, finding.level) == ("journey", Level.FAILURE)
    assert finding.means == (
        "The event handler does not send disconnected. Clients still show members who left."
    )


# --- wrong settings ----------------------------------------------------------------------


async def test_invalid_settings() -> None:
    """The finding names each wrong setting, and its consequences are not repeated."""
    wrong = {"USHER_TOKEN_MINUTES": "soon", "USHER_JOIN_TEXT": "{x}", "USHER_STATE_KEY": "short"}
    async with run_doctor_stack(wrong) as stack:
        check, finding = only_fault(await stack.examine())
        assert (check, finding.level) == ("settings", Level.FAILURE)
        assert "USHER_TOKEN_MINUTES must" in finding.saw
        assert "USHER_JOIN_TEXT may" in finding.saw
        assert "USHER_STATE_KEY must" in finding.saw
        assert "short" not in finding.saw
        stack.settings = {**stack.settings, **sample_settings()}
        check, finding = only_fault(await stack.examine())
        assert (check, finding.means) == ("settings", "The app was started with other settings.")
        async with run_proxy(stack.host.address, respond_to_preflights(204)) as app:
            check, finding = only_fault(await stack.examine(Deployment, app))
        assert (check, "Application Insights" in finding.fix) == ("settings", True)


async def test_no_authentication_mode() -> None:
    async with run_doctor_stack({"USHER_AUTH": ""}) as stack:
        check, finding = only_fault(await stack.examine())
    assert (check, "Set USHER_AUTH" in finding.fix) == ("negotiate", True)


async def test_a_wrong_access_key() -> None:
    """The health endpoint reports that Web PubSub answered 401."""
    async with Emulator() as emulator:
        wrong = f"Endpoint={emulator.endpoint};AccessKey={'k' * 40};Version=1.0;"
        async with run_doctor_stack({"WebPubSubConnectionString": wrong}) as stack:
            check, finding = only_fault(await stack.examine())
    assert (check, "access key" in finding.means) == ("health", True)
    assert "WebPubSubConnectionString" in finding.fix


async def test_a_service_that_does_not_run() -> None:
    gone = f"Endpoint=http://127.0.0.1:{unused_port()};AccessKey={'k' * 40};Version=1.0;"
    async with run_doctor_stack({"WebPubSubConnectionString": gone}) as stack:
        check, finding = only_fault(await stack.examine())
    assert (check, "does not answer this machine either" in finding.saw) == ("health", True)
    assert "dev.py emulator" in finding.fix


@asynccontextmanager
async def run_with_identity(
    service_faults: Faults, *, keys: bool = False, **changes: str
) -> AsyncIterator[Stack]:
    """Run a stack whose app has an identity and no access key; nothing is signed."""
    async with TestServer(identity_application("secret")) as server:
        settings = {
            "WebPubSubConnectionString__clientId": "usher-identity",
            "IDENTITY_ENDPOINT": str(server.make_url("/msi/token")),
            "IDENTITY_HEADER": "secret",
            **changes,
        }
        service = Emulator(faults=service_faults)
        async with run_doctor_stack(settings, emulator=service, keys=keys, identity=True) as stack:
            yield stack


@pytest.mark.parametrize("state_key", ["", "a-made-up-state-key-of-32-bytes!!"])
async def test_a_deployment_whose_events_nothing_protects_but_the_system_key(
    state_key: str,
) -> None:
    """The answer to `connect` shows whether the app seals its states."""
    public = {"USHER_AUTH": "anonymous", "USHER_ALLOWED_ORIGINS": PAGE}
    settings = public | {"USHER_STATE_KEY": state_key}
    async with run_with_identity(Faults(), keys=True, **settings) as stack:
        findings = await examine(stack)
        if state_key:
            assert faults(findings) == {}
        else:
            check, finding = only_fault(findings)
            assert (check, finding.level) == ("connect", Level.WARNING)
            assert "USHER_STATE_KEY" in finding.means
            assert "USHER_STATE_KEY" in finding.fix


async def test_an_identity_that_loses_its_role() -> None:
    """Health is remembered for some seconds, so negotiate finds the missing role first."""
    service_faults = Faults()
    async with run_with_identity(service_faults) as stack:
        findings = await stack.examine()
        assert (faults(findings), findings["connect"].level) == ({}, Level.OK)
        service_faults.replace([parse_fault("rest-forbidden")], 0)
        check, finding = only_fault(await stack.examine())
    assert (check, "allows less than" in finding.means) == ("negotiate", True)
    assert "az role assignment create" in finding.fix


async def test_an_identity_without_its_role() -> None:
    """Web PubSub answers 403; the fix is the command that assigns the role."""
    forbidden = Faults([parse_fault("rest-forbidden")])
    async with (
        run_with_identity(forbidden) as stack,
        run_proxy(stack.host.address, respond_to_preflights(204)) as app,
    ):
        check, finding = only_fault(await stack.examine(Deployment, app, resource_group="rg"))
    assert check == "health"
    assert finding.means == ("The app's identity does not have the role Web PubSub Service Owner.")
    assert 'az role assignment create --role "Web PubSub Service Owner"' in finding.fix
    assert "az webpubsub show --resource-group rg --name WEB-PUBSUB" in finding.fix


async def test_event_functions_that_are_disabled() -> None:
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in EVENTS}
    async with run_doctor_stack(disabled) as stack:
        check, finding = only_fault(await stack.examine())
    assert (check, "no function" in finding.means) == ("webhook", True)


async def test_a_connect_function_that_is_disabled() -> None:
    """The validation succeeds, because other event functions run; the event finds it."""
    async with run_doctor_stack({"AzureWebJobs.connect.Disabled": "true"}) as stack:
        check, finding = only_fault(await stack.examine())
    assert (check, finding.saw) == ("connect", "connect returned 404")


@pytest.mark.parametrize("control", [False, True])
async def test_an_app_for_another_hub_than_the_event_handler(control: bool) -> None:
    """With --control the doctor reads the event handlers; without, the journey finds it."""
    settings = {"WebPubSubHub": "other"}
    async with run_doctor_stack(settings, emulator=Emulator(control=control)) as stack:
        check, finding = only_fault(await stack.examine(wait_seconds=MISSING_SECONDS))
    if control:
        saw = "the hub other has no event handler, but chat has one"
        assert (check, finding.saw) == ("handler", saw)
        assert "Set WebPubSubHub to chat" in finding.fix
    else:
        assert (check, "The hub other has no event handler" in finding.means) == ("journey", True)


async def test_the_control_endpoint_makes_the_journey_certain() -> None:
    async with run_doctor_stack(emulator=Emulator(control=True)) as stack:
        findings = await stack.examine()
        assert (faults(findings), findings["handler"].level) == ({}, Level.OK)
        stack.set_event_handler("connected", "disconnected")
        check, finding = only_fault(await stack.examine(wait_seconds=MISSING_SECONDS))
    assert (check, finding.means) == (
        "journey",
        "The event handler does not send connect, the only event that contains the groups.",
    )


async def test_cors_origins_of_the_local_host(tmp_path: Path) -> None:
    """An origin in `Host.CORS` may call negotiate, another one may not."""
    for name in ("function_app.py", "host.json", "policy.json", "usher"):
        (tmp_path / name).symlink_to(ROOT / name)
    cors = {"Values": sample_settings(), "Host": {"CORS": PAGE}}
    (tmp_path / "local.settings.json").write_text(json.dumps(cors))
    async with run_doctor_stack() as stack:
        process = start_host(tmp_path, subprocess.DEVNULL)
        assert process.stdout
        app = process.stdout.readline().strip()
        found = await stack.examine(app=app, origins=(PAGE,))
        assert found["cors"].saw == f"pages of {PAGE} may call negotiate, other pages may not"
        rejected = (await stack.examine(app=app, origins=(PAGE, "https://b.example")))["cors"]
        process.terminate()
        process.communicate(timeout=60)
    assert rejected.saw.startswith("preflight from https://b.example: ")
    assert "https://b.example" in rejected.fix
    assert PAGE not in rejected.fix
