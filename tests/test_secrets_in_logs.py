"""The last test of the suite. It looks through all that was logged in this process, at DEBUG.

The logs of the processes that the suite starts, at DEBUG too, are looked through by their starters.
"""

import re
from pathlib import Path

from tests.usher.settings import KEY
from webpubsub_emulator.tokens import ACCESS_KEY


def test_no_log_shows_what_opens_anything(suite_log: Path) -> None:
    """The keys, a token of any kind, an event's signature."""
    secrets = re.compile(f"{ACCESS_KEY}|{re.escape(KEY)}|eyJ|sha256=[0-9a-f]")
    with suite_log.open(encoding="utf-8", errors="replace") as lines:
        assert [line[:200] for line in lines if secrets.search(line)] == []
