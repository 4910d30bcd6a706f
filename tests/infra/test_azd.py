"""azure.yaml and the workflows: names exist, actions are pinned, no secret is stored."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import FILES, INFRA, MAIN, ROOT, default_of, nodes, read, text, tree

AZURE = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())
CHECK, DEPLOY = (
    yaml.safe_load((ROOT / ".github/workflows" / name).read_text("utf-8"))
    for name in ("check.yaml", "deploy.yaml")
)
VARIABLES = {
    name: given["value"].strip("${}")
    for name, given in json.loads((INFRA / "main.parameters.json").read_text("utf-8"))[
        "parameters"
    ].items()
}
PERMISSIONS = {
    "check": {"contents": "read"},
    "deploy": {"contents": "read", "id-token": "write"},
    "release": {"contents": "write"},  # to add a file to the release
}
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="GitHub runs the step with bash")


def steps(workflow: Path) -> list[Any]:
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


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
    """A comment has the version. Tags can be moved to another commit.

    A workflow of this repository (./) is of the same commit.
    """
    uses = re.findall(r"uses: (?!\./)(.+)", workflow.read_text("utf-8"))
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
    assert yaml.safe_load(source)["permissions"] == PERMISSIONS[workflow.stem]


def test_every_push_runs_all_checks_and_the_bicep_compiler() -> None:
    check = ROOT / ".github/workflows/check.yaml"
    source = yaml.safe_load(check.read_text("utf-8"))
    assert "push" in source[True]  # YAML 1.1 reads the key `on` as true
    runs = " ".join(step.get("run", "") for step in steps(check))
    for command in ("dev.py check", "dev.py test", "infra/main.bicep", "infra/hub.bicep"):
        assert command in runs


def test_the_compiler_checks_formatting_and_refusals() -> None:
    """One version of it, because findings and formatting depend on the version."""
    runs = [step.get("run", "") for step in CHECK["jobs"]["infrastructure"]["steps"]]
    assert "az bicep install --version v0.49.2" in runs[1]
    (formatting,) = [run for run in runs if "bicep format" in run]
    assert "git diff --exit-code -- infra" in formatting
    assert all(
        any((ROOT / file).match(p) for p in ("infra/*.bicep", "infra/app/*.bicep"))
        for file in (f"infra/{name}" for name in FILES)
    )
    assert "tests/infra/refusals.sh" in runs


def default_in(workflow: Any, variable: str) -> str:
    """Return the value of a variable in a run, if the repository does not set it."""
    form = rf"\$\{{\{{ vars\.{variable}(?: \|\| '(.*)')? \}}\}}"
    found = re.fullmatch(form, workflow["env"][variable])
    assert found, variable
    return found[1] or ""


def test_the_deployment_sets_every_parameter() -> None:
    """A run has no azd environment, so a missing variable would reset the parameter."""
    assert DEPLOY["env"].keys() - {"AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"} == {
        *VARIABLES.values()
    }


@pytest.mark.parametrize("parameter", [name for name in VARIABLES if default_of(name) is not None])
def test_the_deployment_has_the_defaults_of_main_bicep(parameter: str) -> None:
    """Written as azd parses them. An empty text would be no number, flag or object."""
    default = default_of(parameter)
    expected = default if isinstance(default, str) else json.dumps(default)
    assert default_in(DEPLOY, VARIABLES[parameter]) == expected


def test_azd_pipeline_config_knows_every_variable() -> None:
    """It copies them from the azd environment to the repository; azd adds its own."""
    own = {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    assert {*AZURE["pipeline"]["variables"]} == {*VARIABLES.values()} - own


def test_azd_is_new_enough() -> None:
    """Older versions cannot pass an object as a parameter (USHER_MORE_SETTINGS)."""
    assert AZURE["requiredVersions"] == {"azd": ">= 1.23.4"}


def test_the_deployment_waits_for_the_checks() -> None:
    """It then deploys in an environment, which can require a reviewer."""
    jobs = DEPLOY["jobs"]
    assert jobs["checks"]["uses"] == "./.github/workflows/check.yaml"
    assert jobs["deploy"]["needs"] == "checks"
    assert jobs["deploy"]["environment"] == "production"
    assert "workflow_call" in CHECK[True]
    assert CHECK[True]["push"] == {"branches-ignore": DEPLOY[True]["push"]["branches"]}


def test_a_pull_request_shows_what_it_would_change() -> None:
    """Only where the repository has a login for it, and never for a fork."""
    job = DEPLOY["jobs"]["what-if"]
    assert "pull_request" in DEPLOY[True]
    assert "vars.AZURE_PREVIEW_CLIENT_ID != ''" in job["if"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert job["environment"] == "preview"
    runs = [step.get("run", "") for step in job["steps"]]
    assert "azd provision --preview --no-prompt" in runs
    assert not [run for run in runs if "deploy" in run]


@needs_bash
@pytest.mark.parametrize(
    ("finding", "status"),
    [
        ("", 0),
        ("WARNING: A new Bicep release is available: v9.9.9.", 0),
        ("WARNING: /x/main.bicep(3,7) : Warning no-unused-params: Parameter x is unused.", 1),
        ("ERROR: /x/main.bicep(3,7) : Error BCP018: Expected the = character.", 1),
    ],
)
def test_a_warning_of_bicep_fails(tmp_path: Path, finding: str, status: int) -> None:
    """az itself ends with 0 after warnings."""
    (step,) = [each for each in steps(WORKFLOWS[0]) if "az bicep build" in each.get("run", "")]
    az = tmp_path / "az"
    az.write_text(
        f"#!/bin/sh\n[ $2 != lint ] || echo '{finding}' >&2\necho '$@' >> {tmp_path}/calls\n"
    )
    az.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-eo", "pipefail", "-c", step["run"]]  # as `shell: bash` runs it
    assert step["shell"] == "bash"
    done = subprocess.run(command, cwd=ROOT, env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == status
    assert finding in done.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == 4
