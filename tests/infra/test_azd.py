"""azure.yaml and the workflows: names exist, actions are pinned, no secret is stored."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import INFRA, MAIN, ROOT, nodes, read, text, tree

AZURE = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())


def steps(workflow: Path) -> list[Any]:
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def test_the_service_is_the_one_that_bicep_tags() -> None:
    """azd finds the app by the tag `azd-service-name`."""
    ((key, service),) = AZURE["services"].items()
    pairs = [text(pair) for pair in nodes(tree("app/function.bicep"), "object_property")]
    assert f"'azd-service-name': '{key}'" in pairs
    assert service == {"project": ".", "language": "python", "host": "function"}


def test_the_hook_has_a_script_for_posix_and_windows() -> None:
    """azd runs it after the code is deployed."""
    hook = AZURE["hooks"]["postdeploy"]
    assert hook["posix"] == {"shell": "sh", "run": "infra/connect-hub.sh"}
    assert hook["windows"] == {"shell": "pwsh", "run": "infra/connect-hub.ps1"}
    for system in hook.values():
        assert os.access(ROOT / system["run"], os.X_OK)


def test_the_hook_reads_outputs_of_main_bicep() -> None:
    """azd sets them as environment variables."""
    script = (INFRA / "connect-hub.sh").read_text("utf-8")
    variables = {*re.findall(r"\$\{(AZURE_\w+)", script)}
    assert variables == {"AZURE_RESOURCE_GROUP", "AZURE_FUNCTION_NAME", "AZURE_SUBSCRIPTION_ID"}
    assert (
        variables - {"AZURE_SUBSCRIPTION_ID"} <= read(MAIN)["outputs"].keys()
    )  # set by azd itself


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_a_commit(workflow: Path) -> None:
    """A comment has the version. Tags can be moved to another commit."""
    uses = re.findall(r"uses: (.+)", workflow.read_text("utf-8"))
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_no_secret_is_stored(workflow: Path) -> None:
    """The checkout does not keep its token, and permissions are minimal."""
    source = workflow.read_text("utf-8")
    assert "secrets." not in source
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"] == {"persist-credentials": False}
    permissions = yaml.safe_load(source)["permissions"]
    assert permissions == {"contents": "read"} | (
        {"id-token": "write"} if "deploy" in workflow.stem else {}
    )


def test_every_push_runs_all_checks_and_the_bicep_compiler() -> None:
    check = ROOT / ".github/workflows/check.yaml"
    source = yaml.safe_load(check.read_text("utf-8"))
    assert "push" in source[True]  # YAML 1.1 reads the key `on` as true
    runs = " ".join(step.get("run", "") for step in steps(check))
    for command in ("dev.py check", "dev.py test", "infra/main.bicep", "infra/hub.bicep"):
        assert command in runs


def test_the_deployment_sets_parameters_that_exist() -> None:
    """Each variable is in main.parameters.json, or azd reads it itself."""
    deploy = yaml.safe_load((ROOT / ".github/workflows/deploy.yaml").read_text("utf-8"))
    variables = deploy["jobs"]["deploy"]["env"].keys()
    parameters = (INFRA / "main.parameters.json").read_text("utf-8")
    of_azd = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"}
    assert not {name for name in variables - of_azd if f"${{{name}}}" not in parameters}
