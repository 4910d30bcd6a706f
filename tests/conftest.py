"""Fixtures of the whole suite: a log of everything, in which no secret may be."""

import gc
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import settings

from localdev.suite import SLOW
from tests.messages.plugin import pytest_runtest_teardown, sent_messages
from tests.usher.settings import KEY
from webpubsub_emulator import ACCESS_KEY

__all__ = ["pytest_runtest_teardown", "sent_messages"]  # pytest finds them here

# A slow machine is no failure, so examples have no time limit.
settings.register_profile("usher", deadline=None)
settings.load_profile("usher")

# Modules and tests stay until the end. The garbage collector would visit them all again and again,
# which takes a tenth of the CPU time of the unit tests.
gc.disable()

SECRETS = re.compile(f"{ACCESS_KEY}|{re.escape(KEY)}|eyJ|sha256=[0-9a-f]")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests first, in the order of SLOW, so that parallel workers end together."""
    items.sort(key=start_order)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def start_order(item: pytest.Item) -> int:
    places = (n for n, path in enumerate(SLOW) if item.nodeid.startswith(path))
    return next(places, len(SLOW))


@pytest.fixture(scope="session", autouse=True)
def suite_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Log every record of this process, at DEBUG, and search the log for secrets at the end.

    Processes that tests start have their own logs (`tests/e2e/processes.py`).
    """
    file = tmp_path_factory.mktemp("suite") / "log"
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield
    root.removeHandler(handler)
    handler.close()
    with file.open(encoding="utf-8", errors="replace") as lines:
        assert [line[:200] for line in lines if SECRETS.search(line)] == []
