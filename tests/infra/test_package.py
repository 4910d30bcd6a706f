"""What would be shipped: exactly the app, and it is complete."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pathspec
import pytest

from tests.infra.bicep import ROOT
from tests.infra.environments import python_with

LINES = (ROOT / ".funcignore").read_text("utf-8").splitlines()
SHIPPED = ("function_app.py", "host.json", "requirements.txt", "policy.json")
SHIPPED_FOLDERS = ("usher/", "api/", "web/")
# What work leaves behind on a developer's machine.
LEFT_BEHIND = [
    ".azure/test/.env",
    ".coverage",
    ".environments/shipped/pyvenv.cfg",
    ".hypothesis/examples/1",
    ".mypy_cache/x",
    ".pytest_cache/x",
    ".ruff_cache/x",
    ".venv/bin/python",
    ".vscode/settings.json",
    "__azurite_db_blob__.json",
    "__blobstorage__/1",
    "__pycache__/function_app.cpython-313.pyc",
    "__queuestorage__/1",
    "__tablestorage__/1",
    "build/lib/usher/logs.py",
    "htmlcov/index.html",
    "local.settings.json",
    "usher.egg-info/PKG-INFO",
    "usher/__pycache__/logs.cpython-313.pyc",
    "usher_env/bin/python",
    "venv/bin/python",
]
FUNCTIONS = ["connect", "connected", "disconnected", "health", "negotiate"]
INDEX = """
import json, sys
from pathlib import Path
from localdev.host.runtime import load_functions
print(json.dumps(sorted(f.name for f in load_functions(Path.cwd()))))
import pkgutil, importlib, usher
for module in pkgutil.walk_packages(usher.__path__, "usher."):
    importlib.import_module(module.name)
assert Path(usher.__file__).is_relative_to(Path.cwd()), usher.__file__
"""


def tracked() -> list[str]:
    """The files that git knows."""
    try:
        done = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the files of the repository are listed by git, which fails here: {error}")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def ships_by_azd(name: str) -> bool:
    """azd reads .funcignore as git would (azure-dev, project_utils.go)."""
    return not pathspec.GitIgnoreSpec.from_lines(LINES).match_file(name)


def ships_by_func(name: str) -> bool:
    """func compares lines with beginnings of paths (its GitIgnoreParser.cs)."""
    lines = [line for line in LINES if line.strip() and not line.startswith("#")]
    kept = [line[1:] for line in lines if line.startswith("!")]
    ignored = [line for line in lines if not line.startswith("!")]
    return begins_like(kept, name) or not begins_like(ignored, name)


def begins_like(lines: list[str], name: str) -> bool:
    """Whether the path begins like one of the lines; `*` stays within a folder, `**` does not."""
    patterns = [
        re.sub(r"[-\[\]/{}()+?.\\^$|]", r"\\\g<0>", line.removeprefix("/")) for line in lines
    ]
    found = [p.replace("**", "(.+)").replace("*", "([^/]+)") for p in patterns]
    return any(re.match(pattern, name) for pattern in found)


READERS = pytest.mark.parametrize("ships", [ships_by_azd, ships_by_func])


@READERS
def test_exactly_the_app_is_shipped(ships: object) -> None:
    """Of what is in the repository: these files and folders, and nothing else."""
    names = tracked()
    app = {name for name in names if name in SHIPPED or name.startswith(SHIPPED_FOLDERS)}
    assert callable(ships)
    assert {name for name in names if ships(name)} == app
    assert {"function_app.py", "host.json", "requirements.txt", "usher/settings.py"} <= app


@READERS
@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_nothing_that_work_leaves_behind_is_shipped(ships: object, name: str) -> None:
    """Both readers agree, although they read differently."""
    assert callable(ships)
    assert not ships(name)


@READERS
def test_packages_that_were_installed_here_are_shipped(ships: object) -> None:
    """For deployments without the remote build; nobody has them otherwise."""
    assert callable(ships)
    assert ships(".python_packages/lib/site-packages/azure/functions/__init__.py")


def test_it_runs_from_what_is_shipped(tmp_path: Path) -> None:
    """With nothing but requirements.txt installed, all functions are found and all imports work."""
    app, host = tmp_path / "app", tmp_path / "host"
    for name in filter(ships_by_azd, tracked()):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, app / name)
    shutil.copytree(ROOT / "localdev", host / "localdev")  # not beside it: usher must come from app
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    requirements = [line.partition("#")[0].strip() for line in lines]
    python = python_with("shipped", *filter(None, requirements))
    done = subprocess.run(
        [python, "-c", INDEX],
        cwd=app,
        env={"PYTHONPATH": str(host)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert set(FUNCTIONS) <= {*json.loads(done.stdout)}
