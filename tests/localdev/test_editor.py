"""The files for VS Code and for development containers name commands that exist."""

import json
from typing import Any

from localdev.__main__ import COMMANDS
from localdev.arguments import HOST_PORT
from localdev.stack import ROOT

EMULATOR_PORT = 8080  # as the emulator's README says


def read(name: str) -> Any:
    return json.loads((ROOT / name).read_text("utf-8"))


def test_the_container_can_develop_and_deploy() -> None:
    """Python of the version that Azure runs, az and azd, the ports of `dev.py up`."""
    container = read(".devcontainer/devcontainer.json")
    assert container["image"].startswith("mcr.microsoft.com/devcontainers/python:3.13")
    features = " ".join(container["features"])
    assert all(name in features for name in ("azure-cli", "azure-dev/azd"))
    assert container["forwardPorts"] == [HOST_PORT, EMULATOR_PORT]
    assert container["postCreateCommand"].endswith("python3 dev.py check")


def test_container_and_editor_have_the_same_extensions() -> None:
    extensions = read(".devcontainer/devcontainer.json")["customizations"]["vscode"]["extensions"]
    assert extensions == read(".vscode/extensions.json")["recommendations"]


def test_the_tasks_are_commands_of_dev_py() -> None:
    tasks = read(".vscode/tasks.json")["tasks"]
    assert {task["args"][0] for task in tasks} == {"dev.py"}
    assert {task["args"][1] for task in tasks} <= COMMANDS.keys()
    assert {"check", "test", "up", "demo", "doctor"} <= {task["args"][1] for task in tasks}


def test_the_debugger_starts_modules_that_exist() -> None:
    launches = read(".vscode/launch.json")["configurations"]
    modules = {launch["module"]: launch["args"][0] for launch in launches}
    assert modules.keys() == {"localdev", "pytest"}
    assert modules["localdev"] in COMMANDS
