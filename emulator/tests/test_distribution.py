"""The wheel and the sdist: their exact contents, and a green test after an installation."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from npm import packages

FOLDER = Path(__file__).resolve().parent.parent
PACKAGE = FOLDER / "src" / "webpubsub_emulator"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))
VERSION = PROJECT["project"]["version"]
NAME = f"webpubsub_emulator-{VERSION}"
METADATA = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
# Files that hatchling adds to every sdist.
ALWAYS = (".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml")
# What the README's first test and the journey need, besides the emulator.
NEEDED = [
    requirement
    for requirement in PROJECT["dependency-groups"]["test"]
    if requirement.startswith(("azure-messaging-", "filelock==", "pytest==", "pytest-asyncio=="))
]
OLDEST = ("3.11", "3.12")
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the sdist, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    options = ("--no-isolation", "--outdir", str(folder))
    command = [sys.executable, "-m", "build", *options, str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def modules() -> set[str]:
    """Return the package's files, as paths below its folder."""
    return {file.name for file in PACKAGE.glob("*.py")} | {"py.typed"}


def test_the_wheel(built: Path) -> None:
    """The package and its metadata, no test and no cache."""
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        names = {*wheel.namelist()}
    package = {f"webpubsub_emulator/{name}" for name in modules()}
    assert names == package | {f"{NAME}.dist-info/{name}" for name in METADATA}


def test_the_sdist(built: Path) -> None:
    """What the wheel is built from, and the changelog."""
    with tarfile.open(built / f"{NAME}.tar.gz") as sdist:
        names = {member.name for member in sdist.getmembers() if member.isfile()}
    package = {f"src/webpubsub_emulator/{name}" for name in modules()}
    assert names == {f"{NAME}/{name}" for name in package | {*ALWAYS, "CHANGELOG.md"}}


def pythons() -> Iterator[Path | str]:
    """Yield the commands of older Pythons that may be here, the oldest first."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in OLDEST:
        yield f"python{version}"
        yield from sorted((pyenv / "versions").glob(f"{version}.*/bin/python"))


def oldest_python() -> str:
    """Return the oldest supported Python that starts, or else the one that runs this test."""
    for command in pythons():
        try:
            # A shim of pyenv can exist and fail.
            subprocess.run([command, "-c", "import ensurepip, venv"], check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return str(command)
    print("No older Python was found, so the running one is used.")
    return sys.executable


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of a fresh environment with the wheel. Needs the package index."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([oldest_python(), "-m", "venv", folder], check=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    wheel = built / f"{NAME}-py3-none-any.whl"
    done = subprocess.run(
        [programs / "python", *PIP, wheel, *NEEDED], capture_output=True, text=True
    )
    if done.returncode and re.search(r"connection broken by|ConnectTimeout", done.stderr):
        pytest.skip("the package index cannot be reached; it is needed to install the wheel")
    assert done.returncode == 0, done.stderr
    return programs


def test_the_first_test_of_the_readme_is_green(installed: Path, tmp_path: Path) -> None:
    """In a fresh environment of the oldest Python, without this repository."""
    snippet = re.search(r"```python\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.S)
    assert snippet
    (tmp_path / "test_first.py").write_text(snippet[1])
    # pytest-asyncio is there for the journey, and warns where a project has not set it up.
    options = ("-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio")
    command = [str(installed / "python"), "-m", "pytest", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_journey_on_the_official_packages_is_green(installed: Path) -> None:
    """In the same environment, with the SDKs for Python and the packages of npm."""
    packages.installed()  # skips without Node.js
    options = ("-p", "no:cacheprovider", "--quiet", "tests/npm/test_journey.py")
    command = [str(installed / "python"), "-m", "pytest", *options]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_installed_command_starts(installed: Path, tmp_path: Path) -> None:
    """It prints the version of the wheel."""
    done = subprocess.run(
        [installed / "webpubsub-emulator", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{VERSION}\n"
