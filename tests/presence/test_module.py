"""The browser module as a file: its size, its imports and its types."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.npm import npm_packages
from tests.presence.node import MODULE, SCRIPTS, find_node, run_script

# After `gzip -9`, of the file as the app serves it. The promise is 4,096; another zlib may need
# some bytes more.
MOST_BYTES = 4096 - 40
SOURCE = MODULE.read_text("utf-8")


def test_the_module_is_small() -> None:
    assert len(gzip.compress(MODULE.read_bytes(), 9)) <= MOST_BYTES


def test_the_module_needs_no_other_file() -> None:
    """It also never turns text into HTML or code."""
    assert not re.search(r"\bimport\b|\brequire\(|innerHTML|\beval\(|new Function", SOURCE)


def test_the_types_declare_what_the_module_exports() -> None:
    types = MODULE.with_suffix(".d.ts").read_text("utf-8")
    exported = set(re.findall(r"^export (?:async )?(?:const|function) (\w+)", SOURCE, re.M))
    assert exported == set(re.findall(r"^export function (\w+)", types, re.M))
    assert exported == {"applyPresence", "enterRoom", "presentUsers"}


def compile_types(folder: Path, name: str) -> list[str]:
    """Return what `tsc --strict` prints about a file that imports the module."""
    modules = npm_packages(SCRIPTS, "the browser module")
    shutil.copyfile(MODULE.with_suffix(".d.ts"), folder / "usher.d.ts")
    shutil.copyfile(SCRIPTS / name, folder / name)
    tsc = modules / "typescript" / "bin" / "tsc"
    options = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext"]
    libraries = ["--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable"]
    command = [find_node(), str(tsc), *options, *libraries, "--pretty", "false", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_typescript_accepts_every_use_of_the_types(tmp_path: Path) -> None:
    assert compile_types(tmp_path, "types.ts") == []


def test_typescript_rejects_wrong_uses(tmp_path: Path) -> None:
    """Exactly the lines that name an error have it."""
    lines = (SCRIPTS / "errors.ts").read_text("utf-8").splitlines()
    expected = [
        (number, found[1])
        for number, line in enumerate(lines, start=1)
        if (found := re.search(r"// (\d+)$", line))
    ]
    output = "\n".join(compile_types(tmp_path, "errors.ts"))
    errors = re.findall(r"^errors\.ts\((\d+),\d+\): error TS(\d+)", output, re.M)
    assert [(int(number), code) for number, code in errors] == expected, output
    assert len(expected) > 8


@pytest.mark.parametrize("hanging", ["fetch", "headers"])
def test_every_attempt_has_a_time_limit(tmp_path: Path, hanging: str) -> None:
    """Also if the token of the headers never comes. The waits between the attempts grow."""
    result = json.loads(run_script(tmp_path, "limits.mjs", hanging))
    assert result["waits"] == [20_000, 500, 20_000, 1_000, 20_000, 2_000, 20_000]
    assert result["message"] == "You left."


@pytest.mark.parametrize("name", ["usher.js", "usher.d.ts"])
def test_the_files_are_in_the_package(name: str) -> None:
    """The folder web/ is shipped as it is (tests/infra/test_package.py)."""
    assert (MODULE.parent / name).exists()
