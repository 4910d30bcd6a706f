"""Fixtures and options of the whole suite: a log of everything, and the test that reads it last."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.messages.plugin import pytest_runtest_teardown, sent_messages

__all__ = ["pytest_runtest_teardown", "sent_messages"]  # pytest finds them here

# A slow machine is no failure, so examples have no time limit.
settings.register_profile("usher", deadline=None)
settings.load_profile("usher")

LAST_TEST = "test_secrets_in_logs.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the test that reads the log behind all tests that write it."""
    items.sort(key=lambda item: item.path.name == LAST_TEST)


@pytest.fixture(scope="session", autouse=True)
def suite_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Log every record of this process, at DEBUG. Processes that it starts have their own logs."""
    file = tmp_path_factory.mktemp("suite") / "log"
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield file
    root.removeHandler(handler)
    handler.close()
