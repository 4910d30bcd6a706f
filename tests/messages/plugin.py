"""Fails each test during which Usher sent a message that api/asyncapi.yaml does not describe.

A message of a process that outlives the test, such as a late leave, fails the next one.
"""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.messages.sent import SentMessages

_SENT = pytest.StashKey[SentMessages]()


@pytest.fixture(scope="session", autouse=True)
def sent_messages(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SentMessages]:
    """Let every process that a test starts record what it sends."""
    sent = SentMessages(tmp_path_factory.mktemp("sent") / "messages")
    pytestconfig.stash[_SENT] = sent
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sent.environment().items():
            patch.setitem(os.environ, name, value)
        yield sent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Check after the teardown, in which clients leave and stacks end."""
    yield
    if _SENT in item.config.stash:
        item.config.stash[_SENT].check()
