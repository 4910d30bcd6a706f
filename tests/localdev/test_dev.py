"""Tests of dev.py and of its installation that need no new environment."""

import ast
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import dev
from localdev import installation, interrupts
from localdev.installation import DEV, ROOT, RUN, InstallationError

EARLY = [
    dev.__file__,
    installation.__file__,
    interrupts.__file__,
]  # they run before anything is installed


@pytest.fixture
def broken_python(tmp_path: Path) -> str:
    """A shim like those that pyenv leaves on the PATH for a version that is not installed."""
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: version not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    return str(shim)


def offer(monkeypatch: pytest.MonkeyPatch, versions: dict[str, tuple[int, int] | None]) -> None:
    monkeypatch.setattr(installation, "candidates", lambda: ([name] for name in versions))
    monkeypatch.setattr(installation, "probe", lambda command: versions[command[0]])


@pytest.mark.parametrize("file", EARLY)
def test_python_3_8_can_parse_it(file: str) -> None:
    ast.parse(Path(file).read_text("utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("file", EARLY)
def test_it_imports_only_the_standard_library(file: str) -> None:
    tree = ast.parse(Path(file).read_text("utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    others = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}
    assert others <= {"localdev.installation", "localdev.interrupts"}


def test_a_candidate_must_run(broken_python: str, tmp_path: Path) -> None:
    """A shim that fails and a missing file have no version."""
    assert installation.probe([sys.executable]) == sys.version_info[:2]
    assert installation.probe([broken_python]) is None
    assert installation.probe([str(tmp_path / "nothing")]) is None


def test_3_13_is_preferred_to_a_newer_version(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {"old": (3, 8), "new": (3, 14), "shim": None, "right": (3, 13)})
    assert installation.find_python() == ["right"]


def test_a_newer_version_is_used_without_3_13(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {"old": (3, 12), "new": (3, 14)})
    assert installation.find_python() == ["new"]


def test_without_a_python_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {"old": (3, 12), "shim": None})
    with pytest.raises(InstallationError, match=r"needs Python 3\.13.*uv python install"):
        installation.find_python()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Record the commands of the installation, which are not run."""
    found: list[list[str]] = []
    monkeypatch.setattr(installation, "run", lambda command, _start: found.append(command))
    monkeypatch.setattr(installation, "stamp", lambda group: tmp_path / group)
    monkeypatch.setattr(installation, "packages_folder", lambda: tmp_path)
    return found


def test_production_is_installed_by_its_hashes(commands: list[list[str]], tmp_path: Path) -> None:
    """pip accepts no other file; the call for development has no hashes and keeps the versions."""
    installation.install(DEV)
    production, development = commands
    requirements = str(ROOT / "requirements.txt")
    assert production[-3:] == ["--require-hashes", "-r", requirements]
    assert "--editable" in development
    assert "-r" not in development
    pinned = installation.pinned()
    assert len(pinned) == Path(requirements).read_text("utf-8").count("==")
    assert {*pinned, "pytest==9.2.0", *installation.requirements(RUN)} <= {*development}
    assert {file.name for file in tmp_path.iterdir()} == {RUN, DEV, "usher-emulator.pth"}


def test_what_runs_the_app_is_installed_first(commands: list[list[str]], tmp_path: Path) -> None:
    """No tool of the tests, no build of the emulator, and the mark of this group alone."""
    installation.install(RUN)
    _, second = commands
    (client,) = installation.requirements(RUN)
    assert client in second
    assert not [word for word in second if word.startswith(("pytest", "mypy", "--editable"))]
    assert {file.name for file in tmp_path.iterdir()} == {RUN, "usher-emulator.pth"}


def test_uv_installs_where_it_is_installed(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    installation.install(RUN)
    start = ["/bin/uv", "pip", "install", "--python", str(installation.VENV_PYTHON)]
    assert [command[:5] for command in commands] == [start, start]


def test_every_group_is_read_as_pip_reads_it() -> None:
    """dev.py has no parser of TOML."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    assert installation.requirements(RUN) == groups["run"]
    assert groups["dev"][0] == {"include-group": "run"}
    assert installation.requirements(DEV) == groups["run"] + groups["dev"][1:]


def test_only_changed_dependencies_change_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A change elsewhere in pyproject.toml does not; what only tests need changes one group."""
    (tmp_path / "emulator").mkdir()
    for name in ("requirements.txt", "pyproject.toml", "emulator/pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(installation, "ROOT", tmp_path)

    def fingerprints() -> list[str]:
        return [installation.fingerprint(group) for group in (RUN, DEV)]

    before, project = fingerprints(), tmp_path / "pyproject.toml"
    text = project.read_text("utf-8")
    project.write_text(text.replace("line-length = 100", "line-length = 99"))
    assert fingerprints() == before
    project.write_text(text.replace("pytest==", "pytest>="))
    assert [one == other for one, other in zip(fingerprints(), before, strict=True)] == [
        True,
        False,
    ]
    project.write_text(text.replace("webpubsubclient==", "webpubsubclient>="))
    assert not {*fingerprints()} & {*before}


@pytest.fixture
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(installation, "VENV", tmp_path)
    return tmp_path


def test_progress_moves(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Packages and seconds, while the installer runs."""
    monkeypatch.setattr(installation, "LINE_SECONDS", 0)
    script = "import time; print('Collecting a\\nCollecting b'); time.sleep(1)"
    installation.run([sys.executable, "-c", script], time.monotonic() - 7)
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"dev\.py: 2 packages fetched, 0 installed, \d+ s", lines[-1])


def test_an_installer_is_heard_only_if_it_fails(
    empty_environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warn = "import sys; print('WARNING: old', file=sys.stderr); sys.exit(int(sys.argv[1]))"
    installation.run([sys.executable, "-c", warn, "0"], time.monotonic())
    assert "WARNING" not in capsys.readouterr().err
    with pytest.raises(InstallationError, match="failed with status 3"):
        installation.run([sys.executable, "-c", warn, "3"], time.monotonic())
    assert "WARNING: old" in capsys.readouterr().err


@pytest.fixture(scope="module")
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the help needs, and no .venv."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("dev.py", "pyproject.toml", "requirements.txt", "local.settings.sample.json"):
        shutil.copy(ROOT / name, clone)
    ignored = shutil.ignore_patterns("__pycache__", "tests")
    for name in ("localdev", "usher", "emulator"):
        shutil.copytree(ROOT / name, clone / name, ignore=ignored)
    return clone


def call_dev(clone: Path, *arguments: str) -> tuple[int, str, str]:
    """Return status, stdout and stderr. The Python below .venv runs it, which has no package."""
    done = subprocess.run(
        [str(sys._base_executable), "dev.py", *arguments],  # type: ignore[attr-defined]
        cwd=clone,
        env=os.environ | {"PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not (clone / ".venv").exists()
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", dev.commands())
def test_help_needs_no_installation(fresh_clone: Path, command: str) -> None:
    status, output, errors = call_dev(fresh_clone, command, "--help")
    assert (status, errors) == (0, "")
    assert command in output


def test_a_typo_is_answered_at_once(fresh_clone: Path) -> None:
    """With the command that is meant, or else the list."""
    meant = "dev.py: there is no command 'dmeo'. Did you mean demo?\n"
    assert call_dev(fresh_clone, "dmeo", "--help") == (2, "", meant)
    unknown = "dev.py: there is no command 'xyzzy'. See --help for the commands.\n"
    assert call_dev(fresh_clone, "xyzzy") == (2, "", unknown)


def test_the_version_is_that_of_the_project(fresh_clone: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert call_dev(fresh_clone, "--version") == (0, f"Usher {version}\n", "")


def test_windows_has_another_name_for_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "python3 dev.py COMMAND" in dev.describe()
    monkeypatch.setattr(os, "name", "nt")
    assert ": py dev.py COMMAND" in dev.describe()
    assert "python3" not in dev.describe()


def test_the_same_bytes_are_checked_out_on_every_system() -> None:
    """A script with CRLF does not start, and a hash of a file changes."""
    assert "* text=auto eol=lf\n" in (ROOT / ".gitattributes").read_text("utf-8")


def test_a_checkout_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line, with what helps; here, the folder is a file, which root cannot write to either."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(installation, "VENV", tmp_path / "file" / ".venv")
    with pytest.raises(InstallationError, match=r"\.venv cannot be written \(Not a directory\)"):
        installation.make_environment()


def test_versions_of_pyenv_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "glob", refuse)
    assert installation.pyenv_versions() == []


def test_ctrl_c_during_the_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It ends the installer, and the status is a shell's; the next call starts again."""
    started = list[subprocess.Popen[bytes]]()

    def interrupt(process: subprocess.Popen[bytes], *_: object) -> None:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(installation, "VENV", tmp_path)
    monkeypatch.setattr(installation, "show_progress", interrupt)
    slow = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(dev, "is_installed", lambda _: False)
    monkeypatch.setattr(dev, "install", lambda _: installation.run(slow, 0))
    assert dev.main(["demo"]) == 130
    assert capsys.readouterr().err == "dev.py: stopped\n"
    assert started[0].returncode is not None
