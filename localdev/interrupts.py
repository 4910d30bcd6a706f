"""Ctrl-C, which a terminal sends to every process of a command at once.

Python prints a traceback if it arrives during the imports. So a process of ours starts with SIGINT
blocked, and unblocks it where it can answer. One that its parent ends leaves it blocked.
"""

# dev.py imports this before anything is installed, so it must run on Python 3.8.

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # 128 and the number of SIGINT: what a shell reports, too


def mask_interrupts(is_masked: bool) -> None:
    """Let Ctrl-C wait, or no longer; Windows cannot."""
    if hasattr(signal, "pthread_sigmask"):
        how = signal.SIG_BLOCK if is_masked else signal.SIG_UNBLOCK
        signal.pthread_sigmask(how, [signal.SIGINT])


@contextmanager
def interrupts_masked() -> Iterator[None]:
    """Let Ctrl-C wait. In a process that starts in the block, it waits until it is unmasked."""
    mask_interrupts(True)
    try:
        yield
    finally:
        mask_interrupts(False)
