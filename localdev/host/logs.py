"""The host's log output: one line per request, with the invocation's records indented below it.

server.py and the app decide what is logged.
"""

import logging
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from localdev.host.errors import HostError

HOST_LOGGER = "localdev.host"
BELOW = "below"


class Records:
    """The formatted records of one invocation, kept until the host prints them."""

    def __init__(self) -> None:
        self.is_open = True
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        self._texts.append(text)

    def take(self) -> list[str]:
        """Return the kept texts and forget them."""
        taken, self._texts = self._texts, []
        return taken


_records: ContextVar[Records | None] = ContextVar("records", default=None)


@contextmanager
def collect_records() -> Iterator[Records]:
    """Keep the records of this context, so that records of concurrent invocations do not mix.

    Records of a task that outlives the context are printed at once.
    """
    records = Records()
    token = _records.set(records)
    try:
        yield records
    finally:
        records.is_open = False
        _records.reset(token)


def log_line(line: str, below: Sequence[str] = (), *, level: int = logging.INFO) -> None:
    """Print a line of the host itself together with the records below it."""
    logging.getLogger(HOST_LOGGER).log(level, "%s", line, extra={BELOW: below})


def configure_logging(stream: TextIO | None = None, level: str = "INFO") -> None:
    """Print records of this level and above on ``stream`` (stderr); the real worker uses INFO."""
    if level not in logging.getLevelNamesMapping():
        raise HostError(f"LOG_LEVEL is not one of {', '.join(logging.getLevelNamesMapping())}")
    handler = InvocationHandler(stream or sys.stderr)
    handler.setFormatter(IndentedFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class InvocationHandler(logging.StreamHandler[TextIO]):
    """Prints the host's own lines, and keeps the records of a running invocation."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record or keep its text."""
        records = _records.get()
        if records is None or not records.is_open or hasattr(record, BELOW):
            super().emit(record)
        else:
            records.add(self.format(record))


class IndentedFormatter(logging.Formatter):
    """``    LEVEL logger: message``; the host's own lines are not indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text with its message unchanged and its traceback indented."""
        below = getattr(record, BELOW, None)
        if below is not None:
            return "\n".join([record.getMessage(), *below])
        text = f"    {record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + textwrap.indent(self.formatException(record.exc_info), " " * 8)
        return text
