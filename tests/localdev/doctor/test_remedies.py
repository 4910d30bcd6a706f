"""Tests of localdev/doctor/remedies.py."""

from typing import Any

import pytest

from localdev.doctor.remedies import Remedies
from localdev.doctor.target import Target
from localdev.stack import ROOT

FIXES: list[tuple[str, list[Any]]] = [
    *((name, []) for name in ("write_handler", "assign_role", "renew_connection", "open_network")),
    *((name, []) for name in ("correct_service", "forbid_other_origins", "load_functions")),
    *((name, []) for name in ("show_system_key", "show_function_key", "read_log", "deploy")),
    *((name, []) for name in ("exclude_webhook", "ask_for_key", "choose_group")),
    *((name, []) for name in ("correct_issuer", "open_to_clients")),
    ("change_setting", ["WebPubSubHub", "chat"]),
    ("allow_origins", [["https://www.example.com"]]),
    ("admit_pages", [["https://www.example.com"]]),
]


@pytest.mark.parametrize(("name", "arguments"), FIXES)
@pytest.mark.parametrize("app", ["http://127.0.0.1:7071", "https://usher.azurewebsites.net"])
def test_fixes(name: str, arguments: list[Any], app: str) -> None:
    """There is one for each place, and no secret is in it."""
    secrets = {"system_key": "s3cret", "access_key": "s3cret", "bearer": "s3cret"}
    target = Target(app, 5, **secrets)  # type: ignore[arg-type]  # all of them are texts
    fix = getattr(Remedies(target, "chat", "demo.webpubsub.azure.com"), name)(*arguments)
    assert fix
    assert "s3cret" not in fix


def test_names() -> None:
    """Those that are known, by the operator's word before what was seen."""
    target = Target("https://usher.azurewebsites.net", 5)
    assert "--name demo --query id" in Remedies(target, "chat", "demo.x").assign_role()
    assert "--name WEB-PUBSUB --query id" in Remedies(target, "chat", None).assign_role()
    told = Target("https://usher.azurewebsites.net", 5, resource_group="rg", web_pubsub="other")
    fixes = Remedies(told, "chat", "demo.x")
    assert "az webpubsub show --resource-group rg --name other" in fixes.assign_role()
    assert "az functionapp keys list --resource-group rg --name usher" in fixes.show_system_key()
    assert fixes.write_handler().startswith("infra/connect-hub.sh rg usher ")


def test_the_script_is_there() -> None:
    """That the fix of an event handler names, for both systems."""
    for name in ("connect-hub.sh", "connect-hub.ps1"):
        assert (ROOT / "infra" / name).exists()
