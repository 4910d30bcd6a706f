"""Tests of localdev/doctor/handler.py, against an emulator with control and a made-up `az`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import unused_port

from localdev.doctor import handler
from localdev.doctor.findings import Finding, Level
from localdev.doctor.handler import check_handler
from tests.localdev.doctor.patients import APP, make_patient, make_token
from webpubsub_emulator.server import Emulator

LOCAL = "http://127.0.0.1:7071"
WEBHOOK = f"{APP}/runtime/webhooks/webpubsub"
EVENTS = ["connect", "connected", "disconnected"]
Az = Callable[..., None]


async def ask_emulator(emulator: Emulator, **about: Any) -> Finding:
    """The patient is the app on this machine, with hub chat."""
    facts = {"service": emulator.endpoint, "hub": "chat", "problems": {}}
    async with make_patient(LOCAL, facts=facts, **about) as patient:
        return await check_handler(patient)


async def test_the_emulator_shows_it() -> None:
    """Where it is as it should be."""
    async with Emulator(control=True) as emulator:
        emulator.add_event_handler("Chat", f"{LOCAL}/runtime/webhooks/webpubsub?code=secret")
        finding = await ask_emulator(emulator)
    said = "sends connect, connected and disconnected to the app"
    assert (finding.level, finding.saw) == (Level.OK, said)


async def test_without_control_the_journey_tells() -> None:
    """Nobody is asked for more."""
    async with Emulator() as emulator:
        finding = await ask_emulator(emulator)
    assert (finding.level, "--control" in finding.saw) == (Level.SKIPPED, True)


@pytest.mark.parametrize(
    ("hub", "events", "path", "saw"),
    [
        ("other", EVENTS, "/runtime/webhooks/webpubsub", "chat has no event handler; other has"),
        ("chat", EVENTS[:2], "/runtime/webhooks/webpubsub", "does not send disconnected"),
        ("chat", EVENTS[:1], "/runtime/webhooks/webpubsub", "not send connected and disconnected"),
        ("chat", EVENTS, "/api/events", "its URL has the path /api/events"),
    ],
)
async def test_what_is_surely_wrong(hub: str, events: list[str], path: str, saw: str) -> None:
    """Another hub, events that are not sent, another path."""
    async with Emulator(control=True) as emulator:
        emulator.add_event_handler(hub, LOCAL + path, system_events=events)
        finding = await ask_emulator(emulator)
    assert (finding.level, saw in finding.saw) == (Level.FAILURE, True)


async def test_no_hub_has_one() -> None:
    """Then there is no other hub to be meant."""
    async with Emulator(control=True) as emulator:
        finding = await ask_emulator(emulator)
    assert (finding.level, finding.saw) == (Level.FAILURE, "the hub chat has no event handler")


@pytest.mark.parametrize(
    ("events", "address", "saw"),
    [
        (EVENTS[1:], LOCAL, "it does not send connect, which is for USHER_SINGLE_GROUP only"),
        (EVENTS, "http://127.0.0.1:7072", "it sends events to http://127.0.0.1:7072"),
    ],
)
async def test_what_may_be_meant(events: list[str], address: str, saw: str) -> None:
    """The journey tells; where there can be none, it is a warning."""
    async with Emulator(control=True) as emulator:
        url = f"{address}/runtime/webhooks/webpubsub"
        emulator.add_event_handler("chat", url, system_events=events)
        websocket = emulator.endpoint.replace("http", "ws") + "/client/hubs/chat"
        with_journey = await ask_emulator(emulator, token=make_token(websocket))
        without = await ask_emulator(emulator)
    assert (with_journey.level, with_journey.saw) == (Level.OK, saw)
    assert (without.level, without.saw) == (Level.WARNING, saw)


async def test_this_machine_has_several_names() -> None:
    """They are one address."""
    async with Emulator(control=True) as emulator:
        url = "http://localhost:7071/runtime/webhooks/webpubsub"
        emulator.add_event_handler("chat", url)
        assert (await ask_emulator(emulator)).level is Level.OK


async def test_an_emulator_that_is_gone() -> None:
    """Nobody shows it."""
    facts = {"service": f"http://127.0.0.1:{unused_port()}", "hub": "chat", "problems": {}}
    async with make_patient(LOCAL, facts=facts) as patient:
        finding = await check_handler(patient)
    assert (finding.level, "does not answer" in finding.saw) == (Level.SKIPPED, True)


# --- az ----------------------------------------------------------------------------------


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Az:
    """Puts an `az` on the PATH, which notes its arguments and answers the same each time."""
    if sys.platform == "win32":
        pytest.skip("a script cannot be a command on Windows")

    def install(status: int, output: object, errors: str = "") -> None:
        script = tmp_path / "az"
        script.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"open({str(tmp_path / 'arguments')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
            f"sys.stdout.write({json.dumps(output)!r})\nsys.stderr.write({errors!r})\n"
            f"sys.exit({status})\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


def hub_with(*handlers: dict[str, Any]) -> dict[str, Any]:
    """As `az webpubsub hub show` prints it."""
    properties = {"anonymousConnectPolicy": "deny", "eventHandlers": list(handlers)}
    return {"name": "chat", "properties": properties}


async def ask_azure(**about: Any) -> Finding:
    """The patient is a deployment, whose webhook asks for its key."""
    about = {"resource_group": "rg", "web_pubsub": "demo", "asks_for_key": True, **about}
    async with make_patient(token=make_token(), **about) as patient:
        return await check_handler(patient)


async def test_azure_shows_it(az: Az, tmp_path: Path) -> None:
    """The hub that negotiate named is asked for."""
    url = f"{WEBHOOK}?code=the-key"
    az(0, hub_with({"urlTemplate": url, "systemEvents": EVENTS}))
    finding = await ask_azure(system_key="the-key")
    assert finding.level is Level.OK
    asked = "webpubsub hub show --resource-group rg --name demo --hub-name chat --output json"
    assert (tmp_path / "arguments").read_text() == asked


@pytest.mark.parametrize(
    ("query", "saw"),
    [
        ("", "its URL has no ?code="),
        ("?code=another-key", "its URL has another key than the app"),
        ("?code={@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)}", None),
        ("?Code=the-key", None),
    ],
)
async def test_the_key_of_the_event_handler(az: Az, query: str, saw: str | None) -> None:
    """A reference to a key vault cannot be looked into; no key is shown."""
    az(0, hub_with({"urlTemplate": WEBHOOK + query, "systemEvents": EVENTS}))
    finding = await ask_azure(system_key="the-key")
    assert finding.level is (Level.FAILURE if saw else Level.OK)
    assert finding.saw == (saw or "sends connect, connected and disconnected to the app")
    assert "another-key" not in finding.saw + finding.means + finding.fix


async def test_the_first_event_handler_counts(az: Az) -> None:
    """An event goes to the first that takes it."""
    az(
        0,
        hub_with(
            {"urlTemplate": "https://other.example/api", "systemEvents": ["connected"]},
            {"urlTemplate": f"{WEBHOOK}?code=k", "systemEvents": EVENTS},
        ),
    )
    finding = await ask_azure()
    assert (finding.level, finding.saw) == (Level.FAILURE, "its URL has the path /api")


async def test_a_hub_without_settings(az: Az) -> None:
    """Azure knows none of that name."""
    az(3, "", "ERROR: (ResourceNotFound) .../webPubSub/demo/hubs/chat was not found.")
    finding = await ask_azure()
    assert (finding.level, finding.saw) == (Level.FAILURE, "the hub chat has no event handler")
    assert finding.fix.startswith("infra/connect-hub.sh rg usher")


@pytest.mark.parametrize(
    "url",
    [
        "{@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/url)}",
        f"{WEBHOOK}/{{hub}}/{{event}}?code=k",
    ],
)
async def test_urls_that_will_do(az: Az, url: str) -> None:
    """One that is kept in a key vault, and one that says more than the host needs."""
    az(0, hub_with({"urlTemplate": url, "systemEvents": EVENTS}))
    assert (await ask_azure()).level is Level.OK


@pytest.mark.parametrize("output", ["", [], {"name": "chat"}])
async def test_output_that_cannot_be_read(az: Az, output: object) -> None:
    """Another `az`, perhaps: the journey tells."""
    az(0, output)
    finding = await ask_azure()
    assert (finding.level, "cannot be read" in finding.saw) == (Level.SKIPPED, True)


@pytest.mark.parametrize("system_events", [None, []])
async def test_no_system_events(az: Az, system_events: list[str] | None) -> None:
    """A property may be null."""
    az(0, hub_with({"urlTemplate": WEBHOOK, "systemEvents": system_events}))
    assert "does not send connected and disconnected" in (await ask_azure()).saw


async def test_azure_does_not_tell(az: Az) -> None:
    """Nobody is logged in: the journey tells."""
    az(1, "", "ERROR: Please run 'az login' to setup account.\nmore")
    finding = await ask_azure()
    assert finding.level is Level.SKIPPED
    assert "failed: ERROR: Please run 'az login' to setup account.; the journey" in finding.saw


async def test_azure_does_not_end(az: Az, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for somebody to sign in, perhaps; it is not waited for."""
    az(0, "")
    script = (tmp_path / "az").read_text()
    (tmp_path / "az").write_text(script.replace("import sys", "import sys, time; time.sleep(60)"))
    monkeypatch.setattr(handler, "AZ_SECONDS", 0.1)
    finding = await ask_azure()
    assert finding.saw == "`az` does not end; the journey tells"


@pytest.mark.parametrize("names", [{}, {"resource_group": None}, {"web_pubsub": None}])
async def test_nobody_to_ask(
    names: dict[str, None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No `az` here, or a name that is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = await ask_azure(**names)
    assert finding.level is Level.SKIPPED
    assert ("`az` is not here" if not names else "--web-pubsub") in finding.saw
