"""Tests of dev.py that need no new environment."""

import ast
import sys
from pathlib import Path

import pytest

import dev


@pytest.fixture
def broken_python(tmp_path: Path) -> str:
    """A shim like those that pyenv leaves on the PATH for a version that is not installed."""
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: version not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    return str(shim)


def offer(monkeypatch: pytest.MonkeyPatch, versions: dict[str, tuple[int, int] | None]) -> None:
    monkeypatch.setattr(dev, "candidates", lambda: ([name] for name in versions))
    monkeypatch.setattr(dev, "probe", lambda command: versions[command[0]])


def test_python_3_8_can_parse_it() -> None:
    ast.parse(Path(dev.__file__).read_text("utf-8"), feature_version=(3, 8))


def test_it_imports_only_the_standard_library() -> None:
    tree = ast.parse(Path(dev.__file__).read_text("utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names


def test_a_candidate_must_run(broken_python: str, tmp_path: Path) -> None:
    """A shim that fails and a missing file have no version."""
    assert dev.probe([sys.executable]) == sys.version_info[:2]
    assert dev.probe([broken_python]) is None
    assert dev.probe([str(tmp_path / "nothing")]) is None


def test_3_13_is_preferred_to_a_newer_version(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {"old": (3, 8), "new": (3, 14), "shim": None, "right": (3, 13)})
    assert dev.find_python() == ["right"]


def test_a_newer_version_is_used_without_3_13(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {"old": (3, 12), "new": (3, 14)})
    assert dev.find_python() == ["new"]


def test_without_a_python_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {"old": (3, 12), "shim": None})
    with pytest.raises(SystemExit, match=r"needs Python 3\.13.*uv python install"):
        dev.find_python()


def test_production_is_installed_by_its_hashes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pip accepts no other file; the call for development has no hashes and keeps the versions."""
    calls: list[list[str]] = []
    monkeypatch.setattr(dev, "run", calls.append)
    monkeypatch.setattr(dev, "STAMP", tmp_path / "stamp")
    dev.install()
    production, development = calls
    requirements = str(dev.ROOT / "requirements.txt")
    assert production[-3:] == ["--require-hashes", "-r", requirements]
    assert "--editable" in development
    assert "-r" not in development
    assert len(dev.pinned()) == Path(requirements).read_text("utf-8").count("==")
    assert {*dev.pinned(), "pytest==9.2.0"} <= {*development}


def test_only_changed_dependencies_change_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A change elsewhere in pyproject.toml does not."""
    (tmp_path / "emulator").mkdir()
    for name in ("requirements.txt", "pyproject.toml", "emulator/pyproject.toml"):
        (tmp_path / name).write_bytes((dev.ROOT / name).read_bytes())
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    before, project = dev.fingerprint(), tmp_path / "pyproject.toml"
    text = project.read_text("utf-8")
    project.write_text(text.replace("line-length = 100", "line-length = 99"))
    assert dev.fingerprint() == before
    project.write_text(text.replace("pytest==", "pytest>="))
    assert dev.fingerprint() != before
