"""logs.py: one line per request, with the invocation's records below it."""

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from localdev.host.errors import HostError
from localdev.host.logs import collect_records, configure_logging, log_line

logger = logging.getLogger("sample")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The configured output; the root logger is restored afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    # Removed first, because basicConfig(force=True) would close pytest's own handlers.
    for handler in handlers:
        root.removeHandler(handler)
    text = io.StringIO()
    configure_logging(text)
    yield text
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_format(stream: io.StringIO) -> None:
    """A record is printed at once, indented, with its message verbatim; DEBUG is not printed."""
    logger.warning('{"a": "%s\n"}', "b")
    logger.debug("hidden")
    assert stream.getvalue() == '    WARNING sample: {"a": "b\n"}\n'


def test_an_unknown_level_is_an_error(stream: io.StringIO) -> None:
    configure_logging(stream, "DEBUG")
    logger.debug("shown")
    assert "DEBUG sample: shown" in stream.getvalue()
    with pytest.raises(HostError, match="LOG_LEVEL"):
        configure_logging(stream, "LOUD")


def test_traceback(stream: io.StringIO) -> None:
    """A traceback is indented below its record."""
    try:
        raise ValueError("fault")
    except ValueError:
        logger.exception("failed")
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["    ERROR sample: failed", "        Traceback (most recent call last):"]
    assert lines[-1] == "        ValueError: fault"


def test_records_of_an_invocation(stream: io.StringIO) -> None:
    """Records of an invocation wait for the line of their request; the host's lines do not."""
    with collect_records() as records:
        logger.info("kept")
        log_line("at once")
    assert stream.getvalue() == "at once\n"
    log_line("GET / 200", records.take())
    assert stream.getvalue() == "at once\nGET / 200\n    INFO sample: kept\n"
    assert records.take() == []


async def test_concurrent_invocations(stream: io.StringIO) -> None:
    """Records of concurrent invocations do not mix."""

    async def invoke(name: str) -> list[str]:
        with collect_records() as records:
            logger.info("%s begins", name)
            await asyncio.sleep(0)
            logger.info("%s ends", name)
        return records.take()

    kept = list(await asyncio.gather(invoke("a"), invoke("b")))
    assert kept == [
        [f"    INFO sample: {name} begins", f"    INFO sample: {name} ends"] for name in "ab"
    ]


async def test_record_after_the_invocation(stream: io.StringIO) -> None:
    """A task that outlives its invocation prints at once."""

    async def late() -> None:
        await asyncio.sleep(0)
        logger.info("late")

    with collect_records() as records:
        task = asyncio.create_task(late())
    await task
    assert records.take() == []
    assert stream.getvalue() == "    INFO sample: late\n"
