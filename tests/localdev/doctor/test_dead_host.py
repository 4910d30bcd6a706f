"""Tests of localdev/doctor/dead_host.py and app.py: settings of a deployment, read with `az`."""

from pathlib import Path
from typing import Any

import pytest

from localdev.doctor.app import check_app, check_settings
from localdev.doctor.calls import Answer
from localdev.doctor.findings import Finding, Level
from tests.localdev.doctor.conftest import Az
from tests.localdev.doctor.contexts import make_context
from tests.localdev.doctor.test_app_settings import FATAL, KEY

DEAD = Answer(503, {}, "Function host is not running.")
INVALID = Answer(503, {}, '{"type": "urn:problem-type:usher:settings-invalid", "detail": "Text."}')
CALL = "functionapp config appsettings list --resource-group rg --name usher --output json"
VALID = {
    "WebPubSubConnectionString__serviceUri": "https://demo.webpubsub.azure.com",
    "WebPubSubHub": "chat",
    "USHER_AUTH": "easyauth",
    "PYTHONPATH": "/no/such/folder",
}


def listed(**settings: str | None) -> list[dict[str, Any]]:
    """Return the output of `az` for these settings besides valid ones."""
    both = VALID | settings
    return [{"name": name, "slotSetting": False, "value": text} for name, text in both.items()]


async def examine(check: Any = check_app, **about: Any) -> Finding:
    """Return the finding of one check about a dead deployment; no value of a setting is shown."""
    about = {"resource_group": "rg", "health": DEAD, **about}
    async with make_context(**about) as context:
        finding: Finding = await check(context)
    assert finding.level is Level.FAILURE
    assert KEY not in repr(finding)
    return finding


@pytest.mark.parametrize(("name", "value", "problem"), FATAL)
async def test_a_wrong_setting(az: Az, tmp_path: Path, name: str, value: str, problem: str) -> None:
    az(0, listed(**{name: value}))
    finding = await examine()
    assert finding.saw.endswith(f"(Function host is not running.); {name} {problem}")
    assert finding.fix == (
        "az functionapp config appsettings set --resource-group rg --name usher "
        f"--settings {name}=VALUE"
    )
    assert (tmp_path / "arguments").read_text() == CALL


async def test_all_wrong_settings(az: Az) -> None:
    """Also one that `az` shows as null; settings that the host does not read are no cause."""
    string = {"WebPubSubConnectionString": f'"AccessKey={KEY}"'}
    az(
        0,
        [
            {"name": None, "value": 5},
            *listed(WebPubSubHub=None, USHER_TOKEN_MINUTES="soon", **string),
        ],
    )
    finding = await examine()
    assert "WebPubSubHub is empty; WebPubSubConnectionString is in quotes" in finding.saw
    assert "USHER_TOKEN_MINUTES" not in finding.saw
    assert "--settings WebPubSubHub=VALUE WebPubSubConnectionString=VALUE" in finding.fix


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"WebPubSubConnectionString": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/s)"},
    ],
)
async def test_valid_settings(az: Az, settings: dict[str, str]) -> None:
    """What a reference refers to cannot be seen."""
    az(0, listed(**settings))
    finding = await examine()
    assert "the hub and connection settings show no fault" in finding.saw
    assert "if WebPubSubHub is empty" in finding.means
    assert "Diagnose and solve problems" in finding.fix


NO_LOGIN = "ERROR: Please run 'az login' to setup account."


@pytest.mark.parametrize(
    ("status", "output", "errors", "reason"),
    [
        (
            1,
            "",
            f"{NO_LOGIN}\nmore",
            f"`az functionapp config appsettings list` failed ({NO_LOGIN})",
        ),
        (1, "", "", "`az functionapp config appsettings list` failed (no error message)"),
        (0, 5, "", "the output of `az` has another form than expected"),
        (0, [{"name": "a"}], "", "the output of `az` has another form than expected"),
        (0, ["text"], "", "the output of `az` has another form than expected"),
        (0, {}, "", "the output of `az` has another form than expected"),
        (
            0,
            [{"name": "WebPubSubHub", "value": "\0"}],
            "",
            "`python -m usher.self_check` cannot be started (ValueError)",
        ),
    ],
)
async def test_az_that_fails(az: Az, status: int, output: object, errors: str, reason: str) -> None:
    """The reason is in the finding, and the causes are named."""
    az(status, output, errors)
    finding = await examine()
    assert finding.saw.endswith(f"; no setting was checked: {reason}")
    assert "if WebPubSubHub is empty" in finding.means


@pytest.mark.parametrize("output", ["write('no JSON')", "buffer.write(b'\\xff')"])
async def test_az_that_prints_no_json(az: Az, tmp_path: Path, output: str) -> None:
    az(0, [])
    script = tmp_path / "az"
    script.write_text(script.read_text().replace("write('[]')", output))
    assert "the output of `az` has another form" in (await examine()).saw


async def test_az_that_cannot_be_started(az: Az, tmp_path: Path) -> None:
    az(0, [])
    (tmp_path / "az").write_text("#!/no/such/interpreter\n")
    assert "`az` cannot be started (No such file or directory)" in (await examine()).saw


async def test_without_az_or_its_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await examine()).saw.endswith("no setting was checked: `az` is not installed")
    finding = await examine(resource_group=None)
    assert "no setting was checked: pass --resource-group" in finding.saw
    assert "if WebPubSubHub is empty" in finding.means


# --- a host that runs, with an app that refuses its settings -----------------------------


async def test_settings_that_only_the_app_refuses(az: Az, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are named. Those of this machine, the local policy file and references do not count."""
    monkeypatch.setenv("USHER_JOIN_TEXT", "{wrong}")
    reference = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)"
    az(0, listed(USHER_AUTH="local", USHER_TOKEN_MINUTES="soon", USHER_STATE_KEY=reference))
    finding = await examine(check_settings, health=INVALID)
    assert "settings-invalid (Text.); USHER_AUTH is 'local', which is refused" in finding.saw
    assert "; USHER_TOKEN_MINUTES must be a whole number" in finding.saw
    assert "USHER_JOIN_TEXT" not in finding.saw
    assert "USHER_STATE_KEY" not in finding.saw
    assert finding.fix.endswith("--settings USHER_AUTH=VALUE USHER_TOKEN_MINUTES=VALUE")


@pytest.mark.parametrize("policy", ["policy.json", "other.json"])
async def test_a_deployment_whose_settings_are_valid(az: Az, policy: str) -> None:
    """Its policy file may be wrong, which only its log shows."""
    az(0, listed(USHER_POLICY_FILE=policy))
    finding = await examine(check_settings, health=INVALID)
    assert finding.saw == "GET /api/health returned 503 settings-invalid (Text.)"
    assert "Application Insights" in finding.fix


async def test_a_deployment_whose_settings_cannot_be_seen() -> None:
    finding = await examine(check_settings, health=INVALID, resource_group=None)
    assert "no setting was checked: pass --resource-group" in finding.saw
    assert "Application Insights" in finding.fix
