"""azure.yaml and the workflows: what they name is there, and nothing they use can change."""

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
    """azd looks for its key in the tag `azd-service-name`."""
    ((key, service),) = AZURE["services"].items()
    pairs = [text(pair) for pair in nodes(tree("app/function.bicep"), "object_property")]
    assert f"'azd-service-name': '{key}'" in pairs
    assert service == {"project": ".", "language": "python", "host": "function"}


def test_the_hook_is_there_for_both_systems() -> None:
    """After the code was deployed, the same script as by hand."""
    hook = AZURE["hooks"]["postdeploy"]
    assert hook["posix"] == {"shell": "sh", "run": "infra/connect-hub.sh"}
    assert hook["windows"] == {"shell": "pwsh", "run": "infra/connect-hub.ps1"}
    for system in hook.values():
        assert os.access(ROOT / system["run"], os.X_OK)


def test_the_hook_finds_what_it_reads() -> None:
    """azd makes variables of the outputs of main.bicep."""
    script = (INFRA / "connect-hub.sh").read_text("utf-8")
    variables = {*re.findall(r"\$\{(AZURE_\w+)", script)}
    assert variables == {"AZURE_RESOURCE_GROUP", "AZURE_FUNCTION_NAME", "AZURE_SUBSCRIPTION_ID"}
    assert variables - {"AZURE_SUBSCRIPTION_ID"} <= read(MAIN)["outputs"].keys()  # azd's own


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned(workflow: Path) -> None:
    """To a commit, with the version beside it: a tag can be moved."""
    uses = re.findall(r"uses: (.+)", workflow.read_text("utf-8"))
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_no_secret_is_stored(workflow: Path) -> None:
    """The token of the checkout is not kept, and permissions are the least."""
    source = workflow.read_text("utf-8")
    assert "secrets." not in source
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"] == {"persist-credentials": False}
    permissions = yaml.safe_load(source)["permissions"]
    assert permissions == {"contents": "read"} | (
        {"id-token": "write"} if "deploy" in workflow.stem else {}
    )


def test_every_push_is_checked() -> None:
    """The same commands as on every machine, and the Bicep compiler for both that are deployed."""
    check = ROOT / ".github/workflows/check.yaml"
    source = yaml.safe_load(check.read_text("utf-8"))
    assert "push" in source[True]  # YAML 1.1 reads the key `on` so
    runs = " ".join(step.get("run", "") for step in steps(check))
    for wanted in ("dev.py check", "dev.py test", "infra/main.bicep", "infra/hub.bicep"):
        assert wanted in runs


def test_the_deployment_gives_parameters_that_exist() -> None:
    """Each variable that it sets is in main.parameters.json, or azd's own."""
    deploy = yaml.safe_load((ROOT / ".github/workflows/deploy.yaml").read_text("utf-8"))
    variables = deploy["jobs"]["deploy"]["env"].keys()
    parameters = (INFRA / "main.parameters.json").read_text("utf-8")
    own = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"}
    assert not {name for name in variables - own if f"${{{name}}}" not in parameters}
