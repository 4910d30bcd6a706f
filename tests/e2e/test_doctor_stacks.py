"""`dev.py doctor` on stacks of other modes, and on stacks that were started wrongly."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer, unused_port

from localdev.doctor.findings import Finding, Level
from localdev.stack import ROOT, sample_settings
from tests.e2e import identity_provider
from tests.e2e.identity_stack import identity_application
from tests.e2e.patients import (
    EVENTS,
    Deployment,
    Stack,
    bent,
    faults,
    run_patient,
    the_fault,
)
from tests.e2e.test_doctor import PAGE, preflights
from tests.localdev.host.conftest import start_host
from webpubsub_emulator.faults import Faults, parse_fault
from webpubsub_emulator.server import Emulator
from webpubsub_emulator.tokens import ACCESS_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- an app elsewhere, with keys, for guests ---------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guests() -> AsyncIterator[Stack]:
    """As in Azure: the webhook asks for its key, and nothing is known but answers."""
    settings = {"USHER_AUTH": "anonymous", "USHER_ALLOWED_ORIGINS": PAGE}
    async with run_patient(settings, keys=True) as stack:
        yield stack


async def examine(guests: Stack, *events: str, **about: Any) -> dict[str, Finding]:
    """The system key is known, and pages of one origin may call."""
    guests.attach(*(events or EVENTS))
    system_key = guests.host.keys["webpubsub_extension"]
    allowed = {
        "Access_Control_Allow_Origin": PAGE,
        "Access_Control_Allow_Headers": "content-type",
    }
    async with bent(guests.host.address, preflights(204, **allowed)) as app:
        return await guests.examine(
            Deployment, app, **{"system_key": system_key, "origins": (PAGE,), **about}
        )


async def test_a_healthy_deployment(guests: Stack) -> None:
    """All is well, by its answers alone."""
    findings = await examine(guests, access_key=ACCESS_KEY, patience=10)
    skipped = [check for check, each in findings.items() if each.level is Level.SKIPPED]
    assert (faults(findings), skipped) == ({}, ["handler"])
    assert findings["webhook"].saw.endswith("401 without the key")
    assert findings["pages"].saw == f"{PAGE} may open a connection; a foreign page may not"


async def test_a_deployment_of_which_no_key_is_known(guests: Stack) -> None:
    """What cannot be tried is not a fault."""
    findings = await examine(guests, system_key=None, patience=10)
    assert faults(findings) == {}
    assert findings["webhook"].saw.startswith("401 without a key, as it should be")
    assert findings["connect"].level is Level.SKIPPED
    assert findings["journey"].level is Level.OK


async def test_events_must_be_signed(guests: Stack) -> None:
    """Without the access key nobody can tell what the app does."""
    findings = await examine(guests, patience=10)
    assert faults(findings) == {}
    assert "--access-key-from-env" in findings["connect"].saw


async def test_a_key_that_is_none(guests: Stack) -> None:
    """The command that shows the right one is the fix."""
    check, finding = the_fault(await examine(guests, system_key="of-another-app"))
    assert (check, "systemKeys.webpubsub_extension" in finding.fix) == ("webhook", True)


@pytest.mark.parametrize("key", ["", "?code=of-another-app"])
async def test_an_event_handler_with_a_wrong_key(guests: Stack, key: str) -> None:
    """The app is well; the service cannot reach it."""
    guests.attach(*EVENTS)
    url = guests.host.webhook.partition("?")[0] + key
    async with bent(guests.host.address, preflights(204)) as app:
        guests.attach(*EVENTS, url=url)
        system_key = guests.host.keys["webpubsub_extension"]
        found = await guests.examine(Deployment, app, system_key=system_key, access_key=ACCESS_KEY)
    check, finding = the_fault(found)
    assert (check, "another key" in finding.means) == ("journey", True)
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
async def test_events_that_are_not_sent_elsewhere(
    guests: Stack, events: tuple[str, ...], access_key: str | None, level: Level, means: str
) -> None:
    """As sure as one can be with the keys that there are."""
    check, finding = the_fault(await examine(guests, *events, access_key=access_key))
    assert (check, finding.level) == ("journey", level)
    assert means in finding.means
    assert finding.fix.startswith("infra/connect-hub.sh RESOURCE-GROUP ")


async def test_a_page_that_may_call_and_not_connect(guests: Stack) -> None:
    """CORS has its origin, and the app has not."""
    other = "https://other.example"
    allowed = {
        "Access_Control_Allow_Origin": other,
        "Access_Control_Allow_Headers": "content-type",
    }
    guests.attach(*EVENTS)
    async with bent(guests.host.address, preflights(204, **allowed)) as app:
        check, finding = the_fault(await guests.examine(Deployment, app, origins=(other,)))
    assert (check, f"USHER_ALLOWED_ORIGINS=THOSE-OF-NOW,{other}" in finding.fix) == ("pages", True)


# --- other modes -------------------------------------------------------------------------


async def test_key_mode() -> None:
    """Without the function key 401 is right; with it the journey is made; a wrong one is told."""
    async with run_patient({"USHER_AUTH": "key"}, keys=True) as stack:
        keys: dict[str, Any] = {"system_key": stack.host.keys["webpubsub_extension"]}
        closed = await stack.examine(**keys)
        assert (faults(closed), closed["journey"].level) == ({}, Level.SKIPPED)
        assert closed["negotiate"].saw.startswith("key mode: 401 without a function key")
        keys["function_key"] = stack.host.keys["function"]
        opened = await stack.examine(**keys, patience=10)
        assert (faults(opened), opened["journey"].level) == ({}, Level.OK)
        check, finding = the_fault(await stack.examine(**(keys | {"function_key": "none"})))
        assert (check, "function keys" in finding.means) == ("negotiate", True)


async def test_oidc_mode() -> None:
    """401 is right for strangers; a bearer token makes the journey; one that fails says why."""
    async with identity_provider.serve(identity_provider.Provider()) as provider:
        oidc = {
            "USHER_AUTH": "oidc",
            "USHER_OIDC_ISSUER": provider.issuer,
            "USHER_OIDC_AUDIENCE": identity_provider.AUDIENCE,
        }
        async with run_patient(oidc) as stack:
            closed = await stack.examine()
            assert (faults(closed), closed["journey"].level) == ({}, Level.SKIPPED)
            opened = await stack.examine(bearer=provider.token(), patience=10)
            assert (faults(opened), opened["journey"].level) == ({}, Level.OK)
            for token, means in (
                (provider.token(exp=1), "expired"),
                (provider.token(aud="another"), "for another."),
                ("no-token", "no JSON Web Token"),
            ):
                check, finding = the_fault(await stack.examine(bearer=token))
                assert check == "negotiate"
                assert means in finding.means
                assert token not in finding.saw + finding.means + finding.fix
            check, finding = the_fault(await stack.examine(bearer=provider.token(), group="vault"))
            assert (check, finding.level) == ("negotiate", Level.WARNING)


async def test_single_group() -> None:
    """Without connect all is well but this: every page gets in."""
    settings = {"USHER_AUTH": "anonymous", "USHER_SINGLE_GROUP": "true"}
    async with run_patient(settings) as stack:
        stack.attach("connected", "disconnected")
        check, finding = the_fault(await stack.examine())
    assert (check, finding.level) == ("pages", Level.WARNING)


async def test_texts_that_are_empty() -> None:
    """Nothing is announced, and here that is known to be meant; elsewhere it is not."""
    texts = {"USHER_JOIN_TEXT": "", "USHER_LEAVE_TEXT": ""}
    async with run_patient(texts, keys=True) as stack:
        system_key = stack.host.keys["webpubsub_extension"]
        keys: dict[str, Any] = {"system_key": system_key, "access_key": ACCESS_KEY}
        findings = await stack.examine(**keys)
        assert (faults(findings), findings["connect"].level) == ({}, Level.OK)
        assert "the settings say that nothing is announced" in findings["journey"].saw
        async with bent(stack.host.address, preflights(204)) as app:
            check, finding = the_fault(await stack.examine(Deployment, app, **keys))
    assert (check, finding.level) == ("journey", Level.WARNING)
    assert "USHER_JOIN_TEXT and USHER_LEAVE_TEXT are empty" in finding.means


async def test_a_join_text_that_is_empty() -> None:
    """Leaves are waited for all the same."""
    async with run_patient({"USHER_JOIN_TEXT": ""}) as stack:
        findings = await stack.examine(patience=10)
        assert faults(findings) == {}
        assert "hears a leave after" in findings["journey"].saw
        stack.attach("connect", "connected")
        check, finding = the_fault(await stack.examine())
        assert (check, "does not send disconnected" in finding.means) == ("journey", True)


# --- wrong from the start ----------------------------------------------------------------


async def test_wrong_settings() -> None:
    """Every key, and nothing that follows from it."""
    wrong = {"USHER_TOKEN_MINUTES": "soon", "USHER_JOIN_TEXT": "{x}"}
    async with run_patient(wrong) as stack:
        check, finding = the_fault(await stack.examine())
        assert (check, finding.level) == ("settings", Level.FAILURE)
        assert "USHER_TOKEN_MINUTES must" in finding.saw
        assert "USHER_JOIN_TEXT may" in finding.saw
        stack.settings = {**stack.settings, **sample_settings()}
        check, finding = the_fault(await stack.examine())
        assert (check, finding.means) == ("settings", "It was started with others.")
        async with bent(stack.host.address, preflights(204)) as app:
            check, finding = the_fault(await stack.examine(Deployment, app))
        assert (check, "Application Insights" in finding.fix) == ("settings", True)


async def test_no_mode() -> None:
    """Negotiate is closed, and says which setting would open it."""
    async with run_patient({"USHER_AUTH": ""}) as stack:
        check, finding = the_fault(await stack.examine())
    assert (check, "Set USHER_AUTH" in finding.fix) == ("negotiate", True)


async def test_a_wrong_access_key() -> None:
    """Health tells, for the service answers the app with 401."""
    async with Emulator() as emulator:
        wrong = f"Endpoint={emulator.endpoint};AccessKey={'k' * 40};Version=1.0;"
        async with run_patient({"WebPubSubConnectionString": wrong}) as stack:
            check, finding = the_fault(await stack.examine())
    assert (check, "access key" in finding.means) == ("health", True)
    assert "WebPubSubConnectionString" in finding.fix


async def test_a_service_that_is_not_there() -> None:
    """It answers nobody, from here neither."""
    gone = f"Endpoint=http://127.0.0.1:{unused_port()};AccessKey={'k' * 40};Version=1.0;"
    async with run_patient({"WebPubSubConnectionString": gone}) as stack:
        check, finding = the_fault(await stack.examine())
    assert (check, "does not answer from here either" in finding.saw) == ("health", True)
    assert "dev.py emulator" in finding.fix


@asynccontextmanager
async def run_with_identity(service_faults: Faults) -> AsyncIterator[Stack]:
    """The app has no access key, so that nobody looks at signatures."""
    async with TestServer(identity_application("secret")) as server:
        settings = {
            "WebPubSubConnectionString__clientId": "usher-identity",
            "IDENTITY_ENDPOINT": str(server.make_url("/msi/token")),
            "IDENTITY_HEADER": "secret",
        }
        service = Emulator(faults=service_faults)
        async with run_patient(settings, emulator=service, identity=True) as stack:
            yield stack


async def test_identity_mode() -> None:
    """Healthy; and then with a role that lets the app look and not mint tokens."""
    service_faults = Faults()
    async with run_with_identity(service_faults) as stack:
        findings = await stack.examine(patience=10)
        assert (faults(findings), findings["connect"].level) == ({}, Level.OK)
        # Health is remembered for some seconds: of that alone nothing is seen in the first call.
        service_faults.replace([parse_fault("rest-forbidden")], 0)
        check, finding = the_fault(await stack.examine())
    assert (check, "a lesser role" in finding.means) == ("negotiate", True)
    assert "az role assignment create" in finding.fix


async def test_a_role_that_is_missing() -> None:
    """An identity without it gets 403; the command that assigns it is the fix."""
    forbidden = Faults([parse_fault("rest-forbidden")])
    async with (
        run_with_identity(forbidden) as stack,
        bent(stack.host.address, preflights(204)) as app,
    ):
        check, finding = the_fault(await stack.examine(Deployment, app, resource_group="rg"))
    assert check == "health"
    assert finding.means == "The app's identity has not the role Web PubSub Service Owner."
    assert 'az role assignment create --role "Web PubSub Service Owner"' in finding.fix
    assert "az webpubsub show --resource-group rg --name WEB-PUBSUB" in finding.fix


async def test_functions_that_did_not_load() -> None:
    """No function for events: of all that follows nothing is told."""
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in EVENTS}
    async with run_patient(disabled) as stack:
        check, finding = the_fault(await stack.examine())
    assert (check, "No function" in finding.means) == ("webhook", True)


async def test_a_connect_function_that_is_disabled() -> None:
    """The others take the service's question; the event says it."""
    async with run_patient({"AzureWebJobs.connect.Disabled": "true"}) as stack:
        check, finding = the_fault(await stack.examine())
    assert (check, finding.saw) == ("connect", "connect is answered 404")


@pytest.mark.parametrize("control", [False, True])
async def test_another_hub(control: bool) -> None:
    """The event handler is for one, and the app for another; whoever can look, says so."""
    async with run_patient({"WebPubSubHub": "other"}, emulator=Emulator(control=control)) as stack:
        check, finding = the_fault(await stack.examine())
    if control:
        assert (check, finding.saw) == (
            "handler",
            "the hub other has no event handler; chat has one",
        )
        assert "Set WebPubSubHub to chat" in finding.fix
    else:
        assert (check, "The hub other has no event handler" in finding.means) == ("journey", True)


async def test_what_the_control_endpoint_shows() -> None:
    """It makes sure of what the journey can only suppose."""
    async with run_patient(emulator=Emulator(control=True)) as stack:
        findings = await stack.examine(patience=10)
        assert (faults(findings), findings["handler"].level) == ({}, Level.OK)
        stack.attach("connected", "disconnected")
        check, finding = the_fault(await stack.examine())
    assert (check, finding.means) == (
        "journey",
        "The hub's event handler does not send connect, which alone knows the groups.",
    )


async def test_origins_of_the_host(tmp_path: Path) -> None:
    """One that `Host.CORS` names may call, and another may not."""
    for name in ("function_app.py", "host.json", "policy.json", "usher"):
        (tmp_path / name).symlink_to(ROOT / name)
    cors = {"Values": sample_settings(), "Host": {"CORS": PAGE}}
    (tmp_path / "local.settings.json").write_text(json.dumps(cors))
    async with run_patient() as stack:
        process = start_host(tmp_path, subprocess.DEVNULL)
        assert process.stdout
        app = process.stdout.readline().strip()
        found = await stack.examine(app=app, origins=(PAGE,))
        assert found["cors"].saw == f"allowed: {PAGE}; a foreign page is not"
        refused = (await stack.examine(app=app, origins=(PAGE, "https://b.example")))["cors"]
        process.terminate()
        process.communicate(timeout=10)
    assert refused.saw.startswith("preflight from https://b.example: ")
    assert "https://b.example" in refused.fix
    assert PAGE not in refused.fix
