import re
from collections.abc import Iterator
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from localdev import dependencies
from localdev.dependencies import FILE, PIN, normalize, pin_dependencies, tell_audit


def pins(text: str) -> dict[str, str]:
    return {normalize(pin["name"]): pin["version"] for pin in PIN.finditer(text)}


def needs(requirement: Requirement) -> Iterator[Requirement]:
    """It, and all that it needs on this machine, extras included."""
    yield requirement
    for line in requires(requirement.name) or []:
        needed = Requirement(line)
        extras = requirement.extras or {""}
        if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
            yield from needs(needed)


def test_all_that_production_needs_is_pinned() -> None:
    """The named packages and what they need in turn, at the versions that the tests run with."""
    text = FILE.read_text("utf-8")
    named = text.partition(dependencies.BELOW)[0]
    found = {
        normalize(requirement.name): distribution(requirement.name).version
        for pin in PIN.finditer(named)
        for requirement in needs(Requirement(pin.group()))
    }
    assert pins(text) == found


def test_every_named_package_has_its_reason() -> None:
    """Beside it."""
    named = FILE.read_text("utf-8").partition(dependencies.BELOW)[0]
    assert all(re.search(r" # \w+", line) for line in named.splitlines() if "==" in line)


OLD = """# Why.
Some_Thing[more]==1.0  # a reason
other==2.0             # another
"""


@pytest.mark.parametrize(
    ("upgrade", "asked", "other"),
    [
        (False, ["Some_Thing[more]==1.0", "other==2.0"], "2.0"),
        (True, ["Some_Thing[more]", "other"], "2.5"),
    ],
)
def test_pinning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upgrade: bool, asked: list[str], other: str
) -> None:
    """Names, extras, reasons and comments stay; what was pinned below is written anew."""
    file = tmp_path / "requirements.txt"
    file.write_text(f"{OLD}\n{dependencies.BELOW}gone==1\n")
    monkeypatch.setattr(dependencies, "FILE", file)

    def resolve(requirements: str) -> dict[str, str]:
        lines = [line.partition("#")[0].strip() for line in requirements.splitlines()]
        assert list(filter(None, lines)) == asked
        return {"some-thing": "1.0", "other": other, "z": "1", "below": "3"}

    monkeypatch.setattr(dependencies, "resolve", resolve)
    assert pin_dependencies(upgrade) == 0
    named = OLD.replace("==2.0", f"=={other}")
    assert file.read_text() == f"{named}\n{dependencies.BELOW}below==3\nz==1\n"


SAFE = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found"}
WEAK = {"name": "c", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "told"),
    [
        ([SAFE, SKIPPED], 0, "1 of 2 packages audited, 0 known weaknesses"),
        ([SKIPPED], 0, "cannot reach its data"),
        ([SAFE, WEAK], 1, "c 1: CVE-1, mended in 2"),
    ],
)
def test_an_audit_is_told(
    capsys: pytest.CaptureFixture[str], packages: list[dict[str, Any]], status: int, told: str
) -> None:
    """A weakness is a failure; not knowing is none, and is said."""
    assert tell_audit(packages) == status
    assert told in capsys.readouterr().out
