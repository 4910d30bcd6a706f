"""The pytest plugin: the fixtures `webpubsub` and `webpubsub_server`.

pytest loads this module in every run, so it imports the emulator only when a test needs it.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from webpubsub_emulator.fixture import EmulatorFixture
    from webpubsub_emulator.loop_thread import LoopThread

_RUNNING = pytest.StashKey[list["EmulatorFixture"]]()


@pytest.fixture(scope="session")
def _webpubsub_thread() -> Iterator["LoopThread"]:
    from webpubsub_emulator.loop_thread import LoopThread

    with LoopThread() as thread:
        yield thread


@pytest.fixture
def webpubsub(
    _webpubsub_thread: "LoopThread", pytestconfig: pytest.Config
) -> Iterator["EmulatorFixture"]:
    """A new Azure Web PubSub emulator on a free port, for this test alone.

    The test fails if the delivery of an event fails, unless `expect_failed_events` expects it.
    """
    with _run(_webpubsub_thread, pytestconfig) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def webpubsub_server(
    _webpubsub_thread: "LoopThread", pytestconfig: pytest.Config
) -> Iterator["EmulatorFixture"]:
    """One Azure Web PubSub emulator on a free port, for all tests of the run."""
    with _run(_webpubsub_thread, pytestconfig) as emulator:
        yield emulator


@contextmanager
def _run(thread: "LoopThread", config: pytest.Config) -> Iterator["EmulatorFixture"]:
    from webpubsub_emulator.fixture import EmulatorFixture

    emulator = EmulatorFixture(thread)
    running = config.stash.setdefault(_RUNNING, [])
    running.append(emulator)
    try:
        yield emulator
    finally:
        running.remove(emulator)
        emulator.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test if event deliveries failed. Its fixtures are torn down first."""
    running = [*item.config.stash.get(_RUNNING, [])]
    failures = [text for emulator in running for text in emulator.take_failures()]
    result = yield
    failures += [text for emulator in running for text in emulator.take_failures(answered=True)]
    if failures:
        pytest.fail("Event deliveries failed:\n  " + "\n  ".join(failures), pytrace=False)
    return result
