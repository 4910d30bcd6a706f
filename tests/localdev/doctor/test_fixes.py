"""Tests of localdev/doctor/fixes.py."""

from typing import Any

import pytest

from localdev.doctor.fixes import Fixes
from localdev.doctor.target import Target
from localdev.stack import ROOT

ARGUMENTS: dict[str, list[Any]] = {
    "change_setting": ["WebPubSubHub", "chat"],
    "correct_settings": [["WebPubSubHub", "USHER_AUTH"]],
    "allow_cors_origins": [["https://www.example.com"]],
    "allow_socket_origins": [["https://www.example.com"]],
    "correct_issuer": ["https://login.example.com"],
    "let_app_reach_provider": ["https://login.example.com"],
}
FIXES = [
    name for name, member in vars(Fixes).items() if callable(member) and not name.startswith("_")
]


@pytest.mark.parametrize("name", FIXES)
@pytest.mark.parametrize("app", ["http://127.0.0.1:7071", "https://usher.azurewebsites.net"])
def test_every_fix_has_a_text_without_secrets(name: str, app: str) -> None:
    secrets = {"system_key": "s3cret", "access_key": "s3cret", "bearer": "s3cret"}
    target = Target(app, 5, **secrets)  # type: ignore[arg-type]  # all of them are texts
    method = getattr(Fixes(target, "chat", "demo.webpubsub.azure.com"), name)
    fix = method(*ARGUMENTS.get(name, []))
    assert fix
    assert "s3cret" not in fix


def test_names_in_commands() -> None:
    """Options win over names that the doctor found; unknown names are in capitals."""
    target = Target("https://usher.azurewebsites.net", 5)
    assert "--name demo --query id" in Fixes(target, "chat", "demo.x").assign_role()
    assert "--name WEB-PUBSUB --query id" in Fixes(target, "chat", None).assign_role()
    named = Target("https://usher.azurewebsites.net", 5, resource_group="rg", web_pubsub="other")
    fixes = Fixes(named, "chat", "demo.x")
    assert "az webpubsub show --resource-group rg --name other" in fixes.assign_role()
    assert "az functionapp keys list --resource-group rg --name usher" in fixes.use_system_key()
    assert fixes.set_event_handler().startswith("infra/connect-hub.sh rg usher ")


def test_keys_of_the_local_stack() -> None:
    """No command of Azure prints them."""
    fixes = Fixes(Target("http://127.0.0.1:7071", 5), "chat", "127.0.0.1")
    assert "`webpubsub_extension` that `python3 dev.py up --keys`" in fixes.use_system_key()
    assert "`function` that `python3 dev.py up --keys`" in fixes.use_function_key()


def test_a_setting_of_the_environment_is_corrected_there() -> None:
    target = Target("http://127.0.0.1:7071", 5)
    fixes = Fixes(target, "chat", None, frozenset({"USHER_AUTH"}))
    assert fixes.correct_settings(["WebPubSubHub", "USHER_AUTH"]) == (
        "Correct WebPubSubHub in local.settings.json and USHER_AUTH in the environment, and "
        "restart the app."
    )


@pytest.mark.parametrize("name", ["connect-hub.sh", "connect-hub.ps1"])
def test_the_script_of_a_fix_exists(name: str) -> None:
    assert (ROOT / "infra" / name).exists()
