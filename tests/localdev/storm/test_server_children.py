"""Real processes that obey."""

import pytest

from localdev.stack import StackError
from localdev.storm.children import run_child


async def test_commands_and_answers() -> None:
    """In order; and the process is gone when the block ends."""
    async with run_child("localdev.storm.emulator") as child:
        assert "AccessKey" in await child.call("find")
        assert await child.call("switch", faults=["event-lost"], seed=0) == []
        assert await child.call("switch", faults=[], seed=0) == [0]
    assert child.process.returncode == 0


async def test_a_process_that_breaks() -> None:
    """It is told, and nobody waits for ever."""
    async with run_child("localdev.storm.clients") as child:
        with pytest.raises(StackError, match="ended by itself, at 'fly'"):
            await child.call("fly")
