import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from localdev import dependencies
from localdev.dependencies import (
    BELOW,
    FILE,
    audit_dependencies,
    pin_dependencies,
    report_audit,
)
from localdev.stack import ROOT, StackError


def pins(text: str) -> dict[str, str]:
    """Return the pinned versions by normalized name."""
    lines = re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def needs(requirement: Requirement) -> Iterator[Requirement]:
    """Return the requirement and all that it needs on this machine, extras included."""
    yield requirement
    for line in requires(requirement.name) or []:
        needed = Requirement(line)
        extras = requirement.extras or {""}
        if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
            yield from needs(needed)


def test_all_that_production_needs_is_pinned() -> None:
    """The named packages and what they need, at the versions that the tests run with."""
    text = FILE.read_text("utf-8")
    named = text.partition(BELOW)[0]
    found = {
        canonicalize_name(requirement.name): distribution(requirement.name).version
        for pin in re.findall(r"^\S+==\S+", named, re.MULTILINE)
        for requirement in needs(Requirement(pin))
    }
    assert pins(text) == found


def test_no_package_needs_another_one_on_another_system() -> None:
    """With hashes, pip refuses to install what is not pinned here."""
    text = FILE.read_text("utf-8")
    needed = [Requirement(line) for name in pins(text) for line in requires(name) or []]
    systems: list[dict[str, str]] = [
        {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "extra": ""},
        {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "extra": ""},
    ]
    found = {
        canonicalize_name(requirement.name)
        for requirement in needed
        for system in systems
        if not requirement.marker or requirement.marker.evaluate(system)
    }
    assert found <= pins(text).keys()


def test_every_named_package_has_its_reason() -> None:
    """In the line above it."""
    lines = FILE.read_text("utf-8").partition(BELOW)[0].splitlines()
    assert all(lines[at - 1].startswith("# ") for at, line in enumerate(lines) if "==" in line)


def test_every_package_has_hashes_and_nothing_else() -> None:
    """A package index of one machine must not get into the file."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    entries = "\n".join(lines).replace(" \\\n    ", " ").split("\n")
    form = r"[\w.-]+(\[\w+\])?==[\w.]+( --hash=sha256:[0-9a-f]{64})+"
    assert all(re.fullmatch(form, entry) for entry in entries if entry)


def make_wheel(folder: Path, name: str, version: str, *needed: str) -> None:
    """Write an empty package."""
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needed)]
    with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        head = ["Metadata-Version: 2.1", "Provides-Extra: more"]
        wheel.writestr(f"{info}/METADATA", "\n".join([*head, *metadata, ""]))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def with_hashes(text: str, wheels: Path) -> str:
    """Add to each pin the hash of its wheel."""

    def add_hash(pin: re.Match[str]) -> str:
        name = canonicalize_name(pin[1]).replace("-", "_")
        content = (wheels / f"{name}-{pin[2]}-py3-none-any.whl").read_bytes()
        return f"{pin[0]} \\\n    --hash=sha256:{sha256(content).hexdigest()}"

    return re.sub(r"^(\w[\w-]*)(?:\[\w+\])?==(\S+)$", add_hash, text, flags=re.MULTILINE)


OLD = f"""# Why.

# a reason
Some_Thing[more]==1.0
# another
other==2.0

{BELOW}a-part==1
gone==1
"""
KEPT = """# Why.

# a reason
Some_Thing[more]==1.0
# another
other==2.0
"""
UPGRADED = """# Why.

# a reason
Some_Thing[more]==1.0
# another
other==2.5
"""


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the pins above, and an index that has newer versions of two packages."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "some_thing", "1.0", "a-part", 'extra-part; extra == "more"')
    for name, version in (("other", "2.0"), ("other", "2.5"), ("a_part", "1"), ("a_part", "2")):
        make_wheel(wheels, name, version)
    make_wheel(wheels, "extra_part", "7")
    make_wheel(wheels, "gone", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    file = tmp_path / "requirements.txt"
    file.write_text(OLD)
    monkeypatch.setattr(dependencies, "FILE", file)
    return file


@pytest.mark.parametrize("has_hashes", [True, False])
@pytest.mark.parametrize(
    ("upgrade", "named", "part"), [(False, KEPT, "1"), (True, UPGRADED, "2")], ids=["keep", "move"]
)
def test_pinning(
    requirements: Path,
    capsys: pytest.CaptureFixture[str],
    upgrade: bool,
    named: str,
    part: str,
    has_hashes: bool,
) -> None:
    """Pins move only with `upgrade`; names, extras, reasons and comments stay.

    What is no longer needed goes, what is missing comes, and no option of pip is in the file but
    the hash of each file of each package.
    """
    wheels = requirements.parent / "wheels"
    requirements.write_text(with_hashes(OLD, wheels) if has_hashes else OLD)
    assert pin_dependencies(upgrade) == 0
    moved = ["a-part: 1 -> 2", "other: 2.0 -> 2.5"] if upgrade else []
    others = ["extra-part: new -> 7", "gone: 1 -> gone"]
    assert sorted(capsys.readouterr().out.splitlines()[1:]) == sorted(moved + others)
    expected = f"{named}\n{BELOW}a-part=={part}\nextra-part==7\n"
    assert requirements.read_text() == with_hashes(expected, wheels)


def test_a_version_that_does_not_exist_changes_nothing(requirements: Path) -> None:
    text = OLD.replace("other==2.0", "other==9.9")
    requirements.write_text(text)
    with pytest.raises(StackError, match=r"other==9\.9"):
        pin_dependencies(upgrade=False)
    assert requirements.read_text() == text


SAFE = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found"}
WEAK = {"name": "c", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "offline_status", "line"),
    [
        ([SAFE], 0, 0, "1 of 1 packages audited, 0 known vulnerabilities"),
        ([SAFE, SKIPPED], 1, 0, "1 of 2 packages audited, 0 known vulnerabilities"),
        ([SAFE, SKIPPED], 1, 0, "Not audited: b"),
        ([SKIPPED], 1, 0, "No database was asked, so nothing is known about any package."),
        ([SAFE, WEAK], 1, 1, "c 1: CVE-1, fixed in 2"),
    ],
)
def test_audit_report(
    capsys: pytest.CaptureFixture[str],
    packages: list[dict[str, Any]],
    status: int,
    offline_status: int,
    line: str,
) -> None:
    """A package that was not audited is a failure, unless the audit may be offline."""
    assert report_audit(packages, offline_ok=False) == status
    assert report_audit(packages, offline_ok=True) == offline_status
    output = capsys.readouterr().out
    assert output.count(line) == 2
    assert packages != [SKIPPED] or "vulnerabilities" not in output


@pytest.mark.parametrize("offline_ok", [True, False])
def test_an_audit_without_a_connection(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], offline_ok: bool
) -> None:
    """pip-audit then prints no report."""
    error = "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed"
    done = subprocess.CompletedProcess([], 1, "", error)
    monkeypatch.setattr(dependencies, "run_module", lambda *_: done)
    assert audit_dependencies(offline_ok) == (0 if offline_ok else 1)
    assert "No database was asked" in capsys.readouterr().out


def test_an_audit_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """No option hides an error of pip-audit itself."""
    done = subprocess.CompletedProcess([], 2, "", "unrecognized arguments")
    monkeypatch.setattr(dependencies, "run_module", lambda *_: done)
    with pytest.raises(StackError, match="unrecognized arguments"):
        audit_dependencies(offline_ok=True)


def test_only_a_run_without_network_may_audit_nothing() -> None:
    """GitHub's runners have a network."""
    assert "dev.py audit --offline-ok\n" in (ROOT / ".ci/run").read_text("utf-8")
    check = (ROOT / ".github/workflows/check.yaml").read_text("utf-8")
    assert "dev.py audit\n" in check


def test_the_bill_of_materials_lists_every_pin() -> None:
    """CycloneDX in JSON, with the hashes of requirements.txt."""
    command = [sys.executable, "-m", "localdev", "sbom"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "usher",
    )
    found = {canonicalize_name(each["name"]): each["version"] for each in document["components"]}
    assert found == pins(FILE.read_text("utf-8"))
    assert all("hashes" in json.dumps(each) for each in document["components"])


def test_each_release_has_a_bill_of_materials() -> None:
    workflow = (ROOT / ".github/workflows/release.yaml").read_text("utf-8")
    assert "types: [published]" in workflow
    assert "dev.py sbom > usher.cdx.json" in workflow
    assert 'gh release upload "$TAG" usher.cdx.json' in workflow


def test_the_emulator_is_tested_with_the_same_versions() -> None:
    """For older Pythons, check.yaml installs a group of the emulator's own."""

    def group(file: str, name: str) -> set[str]:
        content = tomllib.loads((ROOT / file).read_text("utf-8"))
        return {each for each in content["dependency-groups"][name] if isinstance(each, str)}

    tools = group("pyproject.toml", "dev") | group("pyproject.toml", "run")
    known = {f"{name}=={version}" for name, version in pins(FILE.read_text("utf-8")).items()}
    assert group("emulator/pyproject.toml", "test") <= known | tools
    check = (ROOT / ".github/workflows/check.yaml").read_text("utf-8")
    assert "--group emulator/pyproject.toml:test" in check
