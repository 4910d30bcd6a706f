"""The last test of the suite. It searches everything that this process logged, at DEBUG.

Tests that start a process search the log of that process themselves (`tests/e2e/processes.py`).
"""

import re
from pathlib import Path

from tests.usher.settings import KEY
from webpubsub_emulator import ACCESS_KEY


def test_the_log_has_no_key_token_or_signature(suite_log: Path) -> None:
    secrets = re.compile(f"{ACCESS_KEY}|{re.escape(KEY)}|eyJ|sha256=[0-9a-f]")
    with suite_log.open(encoding="utf-8", errors="replace") as lines:
        assert [line[:200] for line in lines if secrets.search(line)] == []
