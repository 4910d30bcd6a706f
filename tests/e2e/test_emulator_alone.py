"""The emulator alone needs aiohttp, PyJWT and what these two require, and no other package."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from localdev.stack import ROOT

NEEDED = ("aiohttp", "PyJWT")
EMULATOR = ("-m", "webpubsub_emulator")
DEV_EMULATOR = ("-m", "localdev", "emulator")


def required_distributions(*names: str) -> set[str]:
    """Return these distributions and all that they require here, without extras."""
    found: set[str] = set()
    open_names = [*names]
    while open_names:
        name = open_names.pop()
        if name in found:
            continue
        found.add(name)
        requirements = map(Requirement, distribution(name).requires or ())
        wanted = (each for each in requirements if not each.marker or each.marker.evaluate())
        open_names += [each.name for each in wanted]
    return found


def copy_distribution(name: str, folder: Path) -> None:
    """Copy the installed files of a distribution, its packages and its metadata."""
    installed = distribution(name)
    for top in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
        source = Path(str(installed.locate_file(top)))
        if source.is_dir():
            shutil.copytree(source, folder / top, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment with these packages only, made without a network."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    variables = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", variables))
    for name in required_distributions(*NEEDED):
        copy_distribution(name, packages)
    (packages / "emulator.pth").write_text(str(ROOT / "emulator" / "src"))
    scripts = Path(sysconfig.get_path("scripts", "venv", variables))
    return scripts / ("python.exe" if os.name == "nt" else "python")


def call(python: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_environment_has_no_other_package(bare_python: Path) -> None:
    """Otherwise the next test could not fail."""
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    names = set(call(bare_python, "-c", code).stdout.split())
    assert {name.lower() for name in names} == {
        name.lower() for name in required_distributions(*NEEDED)
    }
    assert call(bare_python, "-c", "import azure_functions_runtime").returncode == 1


@pytest.mark.parametrize("command", [EMULATOR, DEV_EMULATOR])
def test_the_emulator_starts(bare_python: Path, command: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [str(bare_python), *command, "--json", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = process.stdout.readline()
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert line, errors
    assert "Endpoint=http://127.0.0.1:" in json.loads(line)["connectionString"]


def test_dev_emulator_does_not_import_the_functions_runtime() -> None:
    """Not even where it is installed, because the import takes time and memory."""
    done = call(sys.executable, "-X", "importtime", *DEV_EMULATOR, "--help")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "webpubsub_emulator.command" in imported
    assert not {"azure_functions_runtime", "packaging", "azure", "aiohttp", "jwt"} & imported
