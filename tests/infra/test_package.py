"""The deployed package has exactly the files of the app, and the app runs from it."""

import json
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.infra.bicep import ROOT
from tests.infra.environments import python_with

LINES = (ROOT / ".funcignore").read_text("utf-8").splitlines()
PATTERNS = [line.strip() for line in LINES if line.strip() and not line.startswith("#")]
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
    ".usher/bans.sqlite",
    ".venv/bin/python",
    ".vscode/settings.json",
    "__azurite_db_blob__.json",
    "__blobstorage__/1",
    "__pycache__/function_app.cpython-313.pyc",
    "__queuestorage__/1",
    "__tablestorage__/1",
    "build/lib/usher/logs.py",
    "htmlcov/index.html",
    "local.keys.json",
    "local.settings.json",
    "usher.egg-info/PKG-INFO",
    "usher/__pycache__/logs.cpython-313.pyc",
    "usher_env/bin/python",
    "venv/bin/python",
]
# Files of packages that pip installed into .python_packages/lib/site-packages.
INSTALLED = [
    "azure/functions/__init__.py",
    "azure_core-1.0.dist-info/METADATA",
    "msal/README.md",
    "some_env/pyproject.toml",
    "usher_part.egg-info/PKG-INFO",
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
    """Return whether azd ships a file: it asks for each folder first, then for the file.

    azd reads .funcignore with go-gitignore (pattern.go, gitignore.go), not as git does.
    """
    parts = name.split("/")
    paths = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    return not any(ignored_by_azd(path, is_folder=path != name) for path in paths)


def ignored_by_azd(path: str, is_folder: bool) -> bool:
    """Return whether the last line that matches ignores the path."""
    for line in reversed(PATTERNS):
        if matches_in_azd(line.removeprefix("!"), path, is_folder):
            return not line.startswith("!")
    return False


def matches_in_azd(line: str, path: str, is_folder: bool) -> bool:
    """Return whether a line matches; without a slash inside, `*` also matches slashes."""
    if line.endswith("/") and not is_folder:
        return False
    pattern = line.strip("/")
    if "/" not in pattern:
        return fnmatchcase(path if line.startswith("/") else path.rpartition("/")[2], pattern)
    assert line.startswith(("/", "**/")), "the stand-in reads no other lines"
    return matches_parts(path.split("/"), pattern.split("/"))


def matches_parts(path: list[str], pattern: list[str]) -> bool:
    """Return whether each part of a path matches; `**` matches any number of parts."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return matches_parts(path, pattern[1:]) or bool(path and matches_parts(path[1:], pattern))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and matches_parts(path[1:], pattern[1:])


def ships_by_func(name: str) -> bool:
    """Return whether func ships a file: lines with `!` win over all others.

    It compares beginnings of paths (azure-functions-core-tools, GitIgnoreParser.cs).
    """
    kept = [line[1:] for line in PATTERNS if line.startswith("!")]
    ignored = [line for line in PATTERNS if not line.startswith("!")]
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
@pytest.mark.parametrize("name", INSTALLED)
def test_locally_installed_packages_are_shipped(ships: object, name: str) -> None:
    """Deployments without the remote build need them, whatever their files are called."""
    assert callable(ships)
    assert ships(f".python_packages/lib/site-packages/{name}")


@pytest.mark.parametrize(
    ("line", "path", "is_folder", "matches"),
    [
        ("/*.yaml", "api/openapi.yaml", False, True),
        ("/.*", ".python_packages/lib", True, True),
        ("/azure.yaml", "api/azure.yaml", False, False),
        ("/docs/", "docs", True, True),
        ("/docs/", "docs", False, False),
        ("build/", "usher/build", True, True),
        ("**/__pycache__/", "usher/door/__pycache__", True, True),
        ("/.python_packages/**", ".python_packages", True, True),
        ("/.python_packages/**", ".python_packages/lib/a.py", False, True),
        ("/a/*.py", "a/b/c.py", False, False),
    ],
)
def test_the_stand_in_reads_lines_as_azd_does(
    line: str, path: str, is_folder: bool, matches: bool
) -> None:
    """The source of each expected value is go-gitignore, pattern.go."""
    assert matches_in_azd(line, path, is_folder) is matches


def test_the_app_runs_from_the_shipped_files(tmp_path: Path) -> None:
    """Only requirements.txt is installed, by its hashes. All functions are found; imports work."""
    app, host = tmp_path / "app", tmp_path / "host"
    for name in filter(ships_by_azd, tracked()):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, app / name)
    shutil.copytree(
        ROOT / "localdev", host / "localdev"
    )  # in another folder: usher must be imported from app
    python = python_with("shipped", "--require-hashes", "-r", str(ROOT / "requirements.txt"))
    done = subprocess.run(
        [python, "-c", INDEX],
        cwd=app,
        # Without a hub the app registers no event functions.
        env={"PYTHONPATH": str(host), "WebPubSubHub": "chat"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert set(FUNCTIONS) <= {*json.loads(done.stdout)}
