"""connect-hub, with stand-ins for az and sleep."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infra import az
from tests.infra.bicep import INFRA, ROOT

KEY = "AzFuSecretSystemKeyThatMustNotBeShown=="
SETTINGS = {
    "WebPubSubHub": "chat",
    "WebPubSubConnectionString__serviceUri": "https://wps-x.webpubsub.azure.com",
    "USHER_SINGLE_GROUP": "false",
}
SCRIPT = INFRA / "connect-hub.sh"
needs_sh = pytest.mark.skipif(not shutil.which("sh"), reason="connect-hub.sh needs a POSIX sh")


class Azure:
    """A folder with stand-ins for commands and the files that they answer from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        self.add_command("az", f'exec "{sys.executable}" "{az.__file__}" "{folder}" "$@"')
        self.add_command("sleep", f'echo "$@" >> "{folder}/sleeps"')
        self.write("settings", SETTINGS)
        self.write("key", KEY)
        self.write("asks", 1)

    def add_command(self, name: str, line: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def write(self, name: str, value: Any) -> None:
        (self.folder / name).write_text(json.dumps(value))

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command, and check that its output and its calls do not show the key."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        unset = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**unset, "PATH": path, **environ},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert KEY not in done.stdout + done.stderr
        assert not [call for call in self.calls() if KEY in " ".join(call)]
        return done

    def connect(self, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(SCRIPT), "rg-usher", "func-usher-x", **environ)

    def calls(self) -> list[list[str]]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def hub(self) -> Any:
        return json.loads((self.folder / "hub").read_text())

    def sleeps(self) -> int:
        return len(self.lines("sleeps"))

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file, or none if it does not exist."""
        path = self.folder / name
        return path.read_text("utf-8").splitlines() if path.exists() else []


@pytest.fixture
def azure(tmp_path: Path) -> Azure:
    return Azure(tmp_path)


@needs_sh
def test_the_hub_gets_its_handler_from_the_app_s_settings(azure: Azure) -> None:
    """The setting with the service's address names the service."""
    done = azure.connect()
    assert done.returncode == 0, done.stderr
    assert azure.hub()["given"] == {
        "functionAppName": "func-usher-x",
        "webPubSubName": "wps-x",
        "hubName": "chat",
        "singleGroup": "false",
        "keepAliveSeconds": "20",
        "eventKey": "system",
    }
    ending = "hub chat of wps-x sends connect connected disconnected to func-usher-x\n"
    assert done.stdout.endswith(ending)


@needs_sh
def test_the_hub_gets_its_pings_from_the_app_s_settings(azure: Azure) -> None:
    """An app that an older template deployed lacks the setting; the hub then has the default."""
    azure.write("settings", SETTINGS | {"USHER_KEEP_ALIVE_SECONDS": "5"})
    assert azure.connect().returncode == 0
    assert azure.hub()["given"]["keepAliveSeconds"] == "5"


@needs_sh
def test_the_hub_gets_the_master_key_only_if_asked(azure: Azure) -> None:
    """So the system key can be renewed without a gap of events."""
    done = azure.run(str(SCRIPT), "rg-usher", "func-usher-x", "master")
    assert done.returncode == 0, done.stderr
    assert azure.hub()["given"]["eventKey"] == "master"
    assert az.MASTER_KEY not in done.stdout + done.stderr


@needs_sh
@pytest.mark.parametrize("flag", ["true", "True"])
def test_a_single_group_needs_no_connect(azure: Azure, flag: str) -> None:
    """The setting is case-insensitive."""
    azure.write("settings", SETTINGS | {"USHER_SINGLE_GROUP": flag})
    done = azure.connect()
    assert done.returncode == 0, done.stderr
    assert "sends connected disconnected to" in done.stdout


@needs_sh
def test_it_waits_until_the_host_has_the_key(azure: Azure) -> None:
    """Each try is printed."""
    azure.write("asks", 4)
    done = azure.connect()
    assert done.returncode == 0, done.stderr
    assert azure.sleeps() == 3
    assert [f"{n} of 30" in done.stdout for n in (1, 2, 3, 4)] == [True, True, True, False]


@needs_sh
def test_it_fails_after_30_tries_without_the_key(azure: Azure) -> None:
    """The error has az's last answer, and no hub is deployed."""
    azure.write("asks", 1000)
    done = azure.connect()
    assert done.returncode == 1
    assert azure.sleeps() == 29
    assert "no key webpubsub_extension after 30 tries" in done.stderr
    assert "Service Unavailable" in done.stderr
    assert not [call for call in azure.calls() if "deployment" in call]


@needs_sh
def test_azd_sets_its_arguments_in_the_environment(azure: Azure) -> None:
    """The subscription, too, which can differ from az's own."""
    done = azure.run(
        str(SCRIPT),
        AZURE_RESOURCE_GROUP="rg-usher",
        AZURE_FUNCTION_NAME="func-usher-x",
        AZURE_SUBSCRIPTION_ID="sub-1",
    )
    assert done.returncode == 0, done.stderr
    assert all(call[-2:] == ["--subscription", "sub-1"] for call in azure.calls())


@needs_sh
def test_missing_arguments_fail_before_any_call(azure: Azure) -> None:
    done = azure.run(str(SCRIPT), "rg-usher")
    assert done.returncode == 1
    assert "usage: " in done.stderr
    assert not azure.calls()


@needs_sh
def test_a_missing_login_of_az_is_an_error(azure: Azure) -> None:
    """azd has its own login."""
    azure.write("logged-out", True)
    done = azure.connect()
    assert done.returncode == 1
    assert "az login" in done.stderr


@needs_sh
def test_an_app_without_settings_is_an_error(azure: Azure) -> None:
    """Such an app was not deployed by main.bicep."""
    azure.write("settings", {})
    done = azure.connect()
    assert done.returncode == 1
    assert "func-usher-x lacks settings" in done.stderr


@needs_sh
def test_an_error_of_the_deployment_does_not_show_the_key(azure: Azure) -> None:
    """The message has the handler's URL with the key replaced."""
    azure.write("deployment-fails", True)
    done = azure.connect()
    assert done.returncode == 1
    assert "webpubsub?code=REDACTED" in done.stderr


@needs_sh
@pytest.mark.parametrize("flag", ["true", "false"])
def test_the_order_of_the_events_is_of_no_importance(azure: Azure, flag: str) -> None:
    """Azure may return them in another order than hub.bicep has them."""
    azure.write("settings", SETTINGS | {"USHER_SINGLE_GROUP": flag})
    azure.write("other-order", True)
    done = azure.connect()
    assert done.returncode == 0, done.stderr


def test_the_powershell_script_sorts_the_events_too() -> None:
    assert "Sort-Object" in (INFRA / "connect-hub.ps1").read_text("utf-8")


@needs_sh
def test_a_missing_handler_after_the_deployment_is_an_error(azure: Azure) -> None:
    azure.write("handler-is-lost", True)
    done = azure.connect()
    assert done.returncode == 1
    assert "should send 'connect connected disconnected' but sends ''" in done.stderr


def calls_in(script: str, name: str) -> list[list[str]]:
    """Return the words and options of each call of az in a script."""
    source = re.sub(r"[\\`]\n *", "", (INFRA / script).read_text("utf-8"))
    calls = re.findall(rf"\b{name} ((?:[a-z]+ )+)(--.*)", source)
    return [[*words.split(), *re.findall(r"--[a-z-]+", options)] for words, options in calls]


def test_the_powershell_script_makes_the_same_calls() -> None:
    """Compares the sources, because few machines that run these tests have PowerShell."""
    posix = calls_in("connect-hub.sh", "azure")
    assert len(posix) == 5
    assert posix == calls_in("connect-hub.ps1", "Invoke-Azure")
