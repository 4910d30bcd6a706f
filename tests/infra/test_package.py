"""The deployed package has exactly the files of the app, and the app runs from it."""

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
# Files that development leaves in the folder.
LEFTOVERS = [
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
    """Return the files that git tracks."""
    try:
        done = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git cannot list the files of the repository: {error}")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def ships_by_azd(name: str) -> bool:
    """Return whether azd ships a file; it reads .funcignore as git does (project_utils.go)."""
    return not pathspec.GitIgnoreSpec.from_lines(LINES).match_file(name)


def ships_by_func(name: str) -> bool:
    """Return whether func ships a file; it compares beginnings of paths (GitIgnoreParser.cs)."""
    lines = [line for line in LINES if line.strip() and not line.startswith("#")]
    kept = [line[1:] for line in lines if line.startswith("!")]
    ignored = [line for line in lines if not line.startswith("!")]
    return begins_like(kept, name) or not begins_like(ignored, name)


def begins_like(lines: list[str], name: str) -> bool:
    """Return whether the path begins like one of the lines.

    `*` stays within a folder, `**` does not.
    """
    patterns = [
        re.sub(r"[-\[\]/{}()+?.\\^$|]", r"\\\g<0>", line.removeprefix("/")) for line in lines
    ]
    found = [p.replace("**", "(.+)").replace("*", "([^/]+)") for p in patterns]
    return any(re.match(pattern, name) for pattern in found)


READERS = pytest.mark.parametrize("ships", [ships_by_azd, ships_by_func])


@READERS
def test_exactly_the_app_is_shipped(ships: object) -> None:
    """Other files of the repository are not shipped."""
    names = tracked()
    app = {name for name in names if name in SHIPPED or name.startswith(SHIPPED_FOLDERS)}
    assert callable(ships)
    assert {name for name in names if ships(name)} == app
    assert {"function_app.py", "host.json", "requirements.txt", "usher/settings.py"} <= app


@READERS
@pytest.mark.parametrize("name", LEFTOVERS)
def test_leftovers_of_development_are_not_shipped(ships: object, name: str) -> None:
    """Both tools agree, although they read the file differently."""
    assert callable(ships)
    assert not ships(name)


@READERS
def test_locally_installed_packages_are_shipped(ships: object) -> None:
    """Deployments without the remote build need them."""
    assert callable(ships)
    assert ships(".python_packages/lib/site-packages/azure/functions/__init__.py")


def test_the_app_runs_from_the_shipped_files(tmp_path: Path) -> None:
    """Only requirements.txt is installed. All functions are found and all imports work."""
    app, host = tmp_path / "app", tmp_path / "host"
    for name in filter(ships_by_azd, tracked()):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, app / name)
    shutil.copytree(
        ROOT / "localdev", host / "localdev"
    )  # in another folder: usher must be imported from app
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
