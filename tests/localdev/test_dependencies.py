import re
from collections.abc import Iterator
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from localdev import dependencies
from localdev.dependencies import BELOW, FILE, pin_dependencies, report_audit
from localdev.stack import StackError


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


def test_every_named_package_has_its_reason() -> None:
    named = FILE.read_text("utf-8").partition(BELOW)[0]
    assert all(re.search(r" # \w+", line) for line in named.splitlines() if "==" in line)


def test_the_file_has_no_options_and_no_urls() -> None:
    """A package index of one machine must not get into it."""
    lines = [line.partition("#")[0].strip() for line in FILE.read_text("utf-8").splitlines()]
    assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", line) for line in lines if line)


def make_wheel(folder: Path, name: str, version: str, *needed: str) -> None:
    """Write an empty package."""
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needed)]
    with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        head = ["Metadata-Version: 2.1", "Provides-Extra: more"]
        wheel.writestr(f"{info}/METADATA", "\n".join([*head, *metadata, ""]))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


OLD = f"""# Why.
Some_Thing[more]==1.0  # a reason
other==2.0             # another

{BELOW}a-part==1
gone==1
"""
KEPT = """# Why.
Some_Thing[more]==1.0  # a reason
other==2.0             # another
"""
UPGRADED = """# Why.
Some_Thing[more]==1.0  # a reason
other==2.5             # another
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
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    file = tmp_path / "requirements.txt"
    file.write_text(OLD)
    monkeypatch.setattr(dependencies, "FILE", file)
    return file


@pytest.mark.parametrize(
    ("upgrade", "named", "part"), [(False, KEPT, "1"), (True, UPGRADED, "2")], ids=["keep", "move"]
)
def test_pinning(requirements: Path, upgrade: bool, named: str, part: str) -> None:
    """Pins move only with `upgrade`; names, extras, reasons and comments stay.

    What is no longer needed goes, what is missing comes, and no option of pip is in the file.
    """
    assert pin_dependencies(upgrade) == 0
    assert requirements.read_text() == f"{named}\n{BELOW}a-part=={part}\nextra-part==7\n"


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
    ("packages", "status", "line"),
    [
        ([SAFE, SKIPPED], 0, "1 of 2 packages audited, 0 known vulnerabilities"),
        ([SKIPPED], 0, "cannot reach its data"),
        ([SAFE, WEAK], 1, "c 1: CVE-1, fixed in 2"),
    ],
)
def test_audit_report(
    capsys: pytest.CaptureFixture[str], packages: list[dict[str, Any]], status: int, line: str
) -> None:
    """A vulnerability is a failure; unreachable data is not, and is reported."""
    assert report_audit(packages) == status
    assert line in capsys.readouterr().out
