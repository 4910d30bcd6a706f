"""Tests of localdev/doctor/event_handler.py, with an emulator and with a fake `az`."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import unused_port

from localdev.doctor import child
from localdev.doctor.event_handler import check_handler
from localdev.doctor.findings import Finding, Level
from tests.localdev.doctor.conftest import Az
from tests.localdev.doctor.contexts import APP, make_context, make_token
from webpubsub_emulator import Emulator

LOCAL = "http://127.0.0.1:7071"
WEBHOOK = f"{APP}/runtime/webhooks/webpubsub"
EVENTS = ["connect", "connected", "disconnected"]


async def ask_emulator(emulator: Emulator, **about: Any) -> Finding:
    """Check the event handler of the app on this machine, whose hub is chat."""
    self_check = {"service": emulator.endpoint, "hub": "chat", "problems": {}}
    async with make_context(LOCAL, self_check=self_check, **about) as context:
        return await check_handler(context)


async def test_a_correct_event_handler() -> None:
    async with Emulator(control=True) as emulator:
        emulator.add_event_handler("Chat", f"{LOCAL}/runtime/webhooks/webpubsub?code=secret")
        finding = await ask_emulator(emulator)
    saw = "sends connect, connected and disconnected to the app"
    assert (finding.level, finding.saw) == (Level.OK, saw)


async def test_an_emulator_without_control() -> None:
    async with Emulator() as emulator:
        finding = await ask_emulator(emulator)
    assert (finding.level, "--control" in finding.saw) == (Level.SKIPPED, True)


@pytest.mark.parametrize(
    ("hub", "events", "path", "saw"),
    [
        (
            "other",
            EVENTS,
            "/runtime/webhooks/webpubsub",
            "chat has no event handler, but other has",
        ),
        ("chat", EVENTS[:2], "/runtime/webhooks/webpubsub", "does not send disconnected"),
        ("chat", EVENTS[:1], "/runtime/webhooks/webpubsub", "not send connected and disconnected"),
        ("chat", EVENTS, "/api/events", "the event handler's URL has the path /api/events"),
    ],
)
async def test_certain_faults(hub: str, events: list[str], path: str, saw: str) -> None:
    async with Emulator(control=True) as emulator:
        emulator.add_event_handler(hub, LOCAL + path, system_events=events)
        finding = await ask_emulator(emulator)
    assert (finding.level, saw in finding.saw) == (Level.FAILURE, True)


@pytest.mark.parametrize("grace", [0, 3])
async def test_presence_without_disconnected(grace: int) -> None:
    """In the presence format, the finding says what clients see; other formats have no grace."""
    async with Emulator(control=True) as emulator:
        url = f"{LOCAL}/runtime/webhooks/webpubsub"
        emulator.add_event_handler("chat", url, system_events=EVENTS[:2])
        facts = {"service": emulator.endpoint, "hub": "chat", "problems": {}, "leaveGrace": grace}
        async with make_context(LOCAL, self_check=facts) as context:
            finding = await check_handler(context)
    assert ("still show members who left" in finding.means) == bool(grace)


async def test_no_hub_has_an_event_handler() -> None:
    """Then no other hub can be the intended one."""
    async with Emulator(control=True) as emulator:
        finding = await ask_emulator(emulator)
    assert (finding.level, finding.saw) == (Level.FAILURE, "the hub chat has no event handler")


@pytest.mark.parametrize(
    ("events", "address", "saw"),
    [
        (EVENTS[1:], LOCAL, "does not send connect, which only USHER_SINGLE_GROUP allows"),
        (EVENTS, "http://127.0.0.1:7072", "sends events to http://127.0.0.1:7072"),
    ],
)
async def test_possible_faults(events: list[str], address: str, saw: str) -> None:
    """The journey tests them; without a token for it, they are a warning."""
    async with Emulator(control=True) as emulator:
        url = f"{address}/runtime/webhooks/webpubsub"
        emulator.add_event_handler("chat", url, system_events=events)
        websocket = emulator.endpoint.replace("http", "ws") + "/client/hubs/chat"
        with_journey = await ask_emulator(emulator, token=make_token(websocket))
        without = await ask_emulator(emulator)
    saw = f"the event handler {saw}"
    assert (with_journey.level, with_journey.saw) == (Level.OK, saw)
    assert (without.level, without.saw) == (Level.WARNING, saw)


async def test_names_of_this_machine_are_one_address() -> None:
    async with Emulator(control=True) as emulator:
        url = "http://localhost:7071/runtime/webhooks/webpubsub"
        emulator.add_event_handler("chat", url)
        assert (await ask_emulator(emulator)).level is Level.OK


async def test_an_emulator_that_does_not_run() -> None:
    self_check = {"service": f"http://127.0.0.1:{unused_port()}", "hub": "chat", "problems": {}}
    async with make_context(LOCAL, self_check=self_check) as context:
        finding = await check_handler(context)
    assert (finding.level, "does not answer" in finding.saw) == (Level.SKIPPED, True)


# --- az ----------------------------------------------------------------------------------


def hubs_with(
    *handlers: dict[str, Any], hub: str = "Chat", anonymous: str = "deny"
) -> list[dict[str, Any]]:
    """Return the output of `az webpubsub hub list` for one hub with these event handlers."""
    properties = {"anonymousConnectPolicy": anonymous, "eventHandlers": list(handlers)}
    return [{"name": hub, "properties": properties}]


async def ask_azure(**about: Any) -> Finding:
    """Check the event handler of a deployment whose webhook requires its key."""
    about = {"resource_group": "rg", "web_pubsub": "demo", "requires_key": True, **about}
    async with make_context(token=make_token(), **about) as context:
        return await check_handler(context)


async def test_a_correct_event_handler_in_azure(az: Az, tmp_path: Path) -> None:
    """The doctor reads the hub that negotiate named; case does not matter."""
    url = f"{WEBHOOK}?code=the-key"
    az(0, hubs_with({"urlTemplate": url, "systemEvents": EVENTS}))
    finding = await ask_azure(system_key="the-key")
    assert finding.level is Level.OK
    asked = "webpubsub hub list --resource-group rg --name demo --output json"
    assert (tmp_path / "arguments").read_text() == asked


async def test_a_hub_that_admits_clients_without_a_token(az: Az) -> None:
    """Their messages have no sender, like those of the app."""
    url = f"{WEBHOOK}?code=the-key"
    az(0, hubs_with({"urlTemplate": url, "systemEvents": EVENTS}, anonymous="allow"))
    finding = await ask_azure(system_key="the-key")
    assert (finding.level, "anonymousConnectPolicy" in finding.saw) == (Level.WARNING, True)
    assert finding.fix == (
        "az webpubsub hub update --resource-group rg --name demo --hub-name chat "
        "--allow-anonymous false"
    )


@pytest.mark.parametrize(
    ("query", "saw"),
    [
        ("", "the event handler's URL has no ?code="),
        ("?code=another-key", "the event handler's URL contains a key that is not the app's"),
        ("?code={@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)}", None),
        ("?Code=the-key", None),
    ],
)
async def test_the_key_of_the_event_handler(az: Az, query: str, saw: str | None) -> None:
    """A key in a key vault cannot be compared; no key is shown."""
    az(0, hubs_with({"urlTemplate": WEBHOOK + query, "systemEvents": EVENTS}))
    finding = await ask_azure(system_key="the-key")
    assert finding.level is (Level.FAILURE if saw else Level.OK)
    assert finding.saw == (saw or "sends connect, connected and disconnected to the app")
    assert "another-key" not in finding.saw + finding.means + finding.fix


async def test_an_event_goes_to_the_first_handler_that_takes_it(az: Az) -> None:
    az(
        0,
        hubs_with(
            {"urlTemplate": "https://other.example/api", "systemEvents": ["connected"]},
            {"urlTemplate": f"{WEBHOOK}?code=k", "systemEvents": EVENTS},
        ),
    )
    finding = await ask_azure()
    assert (finding.level, finding.saw) == (
        Level.FAILURE,
        "the event handler's URL has the path /api",
    )


@pytest.mark.parametrize("hubs", [[], hubs_with({"urlTemplate": WEBHOOK}, hub="other")])
async def test_a_hub_without_settings(az: Az, hubs: list[dict[str, Any]]) -> None:
    """`az` does not list it; other hubs may belong to other apps."""
    az(0, hubs)
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
async def test_urls_that_are_accepted(az: Az, url: str) -> None:
    """A URL in a key vault, and a URL below the webhook."""
    az(0, hubs_with({"urlTemplate": url, "systemEvents": EVENTS}))
    assert (await ask_azure()).level is Level.OK


@pytest.mark.parametrize("output", ["", {"name": "chat"}, [{"name": "chat"}], [{"name": None}]])
async def test_output_of_another_form(az: Az, output: object) -> None:
    az(0, output)
    finding = await ask_azure()
    assert (finding.level, "another form than expected" in finding.saw) == (Level.SKIPPED, True)


@pytest.mark.parametrize("system_events", [None, []])
async def test_no_system_events(az: Az, system_events: list[str] | None) -> None:
    """The property may be null or empty."""
    az(0, hubs_with({"urlTemplate": WEBHOOK, "systemEvents": system_events}))
    assert "does not send connected and disconnected" in (await ask_azure()).saw


async def test_an_error_of_az(az: Az) -> None:
    """The finding quotes the first line."""
    az(1, "", "ERROR: Please run 'az login' to setup account.\nmore")
    finding = await ask_azure()
    assert finding.level is Level.SKIPPED
    assert "failed (ERROR: Please run 'az login' to setup account.); the journey" in finding.saw


async def test_az_that_does_not_end(
    az: Az, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may wait for a login."""
    az(0, "")
    script = (tmp_path / "az").read_text()
    (tmp_path / "az").write_text(script.replace("import sys", "import sys, time; time.sleep(60)"))
    monkeypatch.setattr(child, "CHILD_SECONDS", 0.1)
    finding = await ask_azure()
    assert finding.saw == "`az` did not end within 0.1 s; the journey check tests the event handler"


@pytest.mark.parametrize("names", [{}, {"resource_group": None}, {"web_pubsub": None}])
async def test_without_az_or_its_options(
    names: dict[str, None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = await ask_azure(**names)
    assert finding.level is Level.SKIPPED
    assert ("`az` is not installed" if not names else "--web-pubsub") in finding.saw
