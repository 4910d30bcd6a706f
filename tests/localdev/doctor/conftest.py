"""A fake `az` for the doctor's tests."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

type Az = Callable[..., None]


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Az:
    """Return a function that puts a fake `az` on the PATH; it stores its arguments in a file."""
    if sys.platform == "win32":
        pytest.skip("a script cannot be a command on Windows")

    def install(status: int, output: object, errors: str = "") -> None:
        script = tmp_path / "az"
        script.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"open({str(tmp_path / 'arguments')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
            f"sys.stdout.write({json.dumps(output)!r})\nsys.stderr.write({errors!r})\n"
            f"sys.exit({status})\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install
