"""The host against what the real Functions host was recorded to answer, through real sockets."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localdev.host.conftest import ROOT
from tests.localdev.host.recordings.replay import CASES, replay

PROBE_APP = Path(__file__).parent / "apps" / "probe"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of a host with the probe app for each configuration, all in one process."""
    app_dir = tmp_path_factory.mktemp("probe") / "app"
    shutil.copytree(PROBE_APP, app_dir, ignore=shutil.ignore_patterns("__*"))
    log = app_dir.parent / "stderr.txt"
    module = "tests.localdev.host.recordings.serve_probe"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(app_dir)],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield json.loads(line)
        finally:
            process.terminate()
            process.communicate(timeout=10)


async def test_recordings(addresses: dict[str, str]) -> None:
    differences = await replay(addresses)
    for name, texts in differences.items():
        print(name, texts)
    print(len(CASES) - len(differences), "agree")
    assert not differences
