"""Wrong choices are refused before anything is created, in words that name what to set.

Only the Bicep compiler can evaluate main.bicep: .github/workflows/check.yaml runs refusals.sh with
it. Here a stand-in shows that the script can fail.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.bicep import MAIN, ROOT, default_of, read, resource

SCRIPT = ROOT / "tests" / "infra" / "refusals.sh"
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="GitHub runs the script with bash")
REFUSES = """
case $(tr '\\n' ' ' <"$2") in
*"'easyauth'"*ClientId*|*Issuer*Audience*) exit 0 ;;
*"'easyauth'"*) echo "MESSAGE USHER_EASYAUTH_CLIENT_ID" ;;
*"'oidc'"*) echo "MESSAGE USHER_OIDC_ISSUER USHER_OIDC_AUDIENCE" ;;
*'*'*) echo "MESSAGE USHER_ALLOWED_ORIGINS" ;;
*eventsWithIdentity*) echo "MESSAGE USHER_EVENTS_WITH_IDENTITY" ;;
*"'open'"*) echo "MESSAGE authMode" ;;
*) exit 0 ;;
esac
exit 1
"""


def values() -> dict[str, str]:
    variables = read(MAIN)["variables"]
    return {name: str(found["value"]) for name, found in variables.items()}


def test_the_group_needs_the_checks() -> None:
    """Every module is in the group, so nothing is created before it."""
    assert resource(MAIN, "group").body["location"] == "checkedLocation"
    assert "'problem'" in values()["checkedLocation"]


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("starText", ["USHER_ALLOWED_ORIGINS"]),
        ("providerText", ["USHER_OIDC_ISSUER", "USHER_OIDC_AUDIENCE"]),
        ("clientIdText", ["USHER_EASYAUTH_CLIENT_ID"]),
        ("checkText", ["USHER_EVENTS_WITH_IDENTITY"]),
    ],
)
def test_a_refusal_names_the_variables_of_azd(text: str, variables: list[str]) -> None:
    """main.parameters.json and test_azd.py know the same names."""
    assert all(name in values()[text] for name in variables)


def test_an_unknown_mode_is_refused_by_its_parameter() -> None:
    """azd and az show the description, which names the setting."""
    parameter = read(MAIN)["parameters"]["authMode"]
    assert default_of("authMode") is None
    assert "USHER_AUTH" in str(parameter)


def run(folder: Path, bicep: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a stand-in for the compiler."""
    stand_in = folder / "bicep"
    stand_in.write_text(f"#!/bin/sh\n{bicep}")
    stand_in.chmod(0o755)
    return subprocess.run(["bash", SCRIPT, stand_in], capture_output=True, text=True)


@needs_bash
@pytest.mark.parametrize(
    ("bicep", "problem"),
    [
        (REFUSES, ""),
        ("exit 0", "easyauth none is not refused"),
        ("echo BCP018; exit 1", "key none is refused: BCP018"),
        (REFUSES.replace("USHER_OIDC_ISSUER ", ""), "does not name USHER_OIDC_ISSUER"),
    ],
    ids=["refuses", "accepts everything", "refuses everything", "names nothing"],
)
def test_the_script_fails_unless_each_refusal_names_its_variable(
    tmp_path: Path, bicep: str, problem: str
) -> None:
    done = run(tmp_path, bicep)
    assert problem in done.stderr
    assert (done.returncode == 0) is (not problem), done.stdout + done.stderr
    assert not (ROOT / "infra" / "refusals.bicepparam").exists()
