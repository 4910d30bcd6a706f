"""The host against what the real Functions host was recorded to answer, through real sockets."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localdev.host.conftest import ROOT
from tests.localdev.host.recordings.replay import CASES, replay

PROBE_APP = Path(__file__).parent / "apps" / "probe"
LOCAL_HOST = ROOT / "docs" / "local-host.md"
TABLE_HEAD = "| recorded requests | the local host | reason |"


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
            process.communicate(timeout=60)


async def test_recordings(addresses: dict[str, str]) -> None:
    """At least 95 % agree, and the documentation lists exactly the others, each with a reason."""
    differences = await replay(addresses)
    listed = read_differences(LOCAL_HOST.read_text("utf-8"))
    assert sorted(differences) == sorted(listed), differences
    assert len(differences) <= 0.05 * len(CASES)


def read_differences(page: str) -> list[str]:
    """Return the names of the cases in the table of differences."""
    table = page.partition(f"\n{TABLE_HEAD}\n")[2].partition("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()[1:]]
    assert all(len(row) == 3 and row[2].strip() for row in rows)
    return [name for row in rows for name in re.findall("`([^`]+)`", row[0])]


def test_the_documentation_counts_the_recordings() -> None:
    page = LOCAL_HOST.read_text("utf-8")
    listed = len(read_differences(page))
    assert f"{len(CASES) - listed} of {len(CASES)} recorded HTTP requests" in page
