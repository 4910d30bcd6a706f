"""Run one function app on the runtime in this process: `python -m benchmarks.worker FOLDER`.

It takes commands from callers.py.
"""

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.inputs import GROUP, Connection, negotiate_request, own_group
from benchmarks.loads import run_load
from localdev.child_commands import obey
from localdev.host import runtime
from localdev.host.logs import configure_logging
from localdev.host.runtime import Function


class Worker:
    """The app. Its public methods are the commands, which raise if an answer is wrong."""

    def __init__(self, functions: list[Function]) -> None:
        self._by_route = {each.trigger.get("route"): each for each in functions}
        self._by_event = {each.trigger.get("eventName"): each for each in functions}
        self._number = 0

    async def negotiate(self, count: int, in_flight: int) -> dict[str, float]:
        """Request `count` tokens, each for another user."""
        function = self._by_route["negotiate"]
        requests = [negotiate_request(number) for number in self._take_numbers(count)]

        async def request_token(number: int) -> None:
            answer = await runtime.call_http(function, requests[number])
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {answer.body.decode()}")

        return asdict(await run_load(request_token, count, in_flight))

    async def connected(self, count: int, in_flight: int, is_alone: bool) -> dict[str, float]:
        """Handle `count` `connected` events, each of another connection.

        If `is_alone`, each connection has a group of its own.
        """
        function = self._by_event["connected"]
        numbers = self._take_numbers(count)
        arguments = [
            await self._connect(number, own_group(number) if is_alone else GROUP)
            for number in numbers
        ]

        async def handle_connected(number: int) -> None:
            outcome = await runtime.call_event(function, arguments[number])
            if outcome.failed:
                raise RuntimeError("a connected event failed")

        return asdict(await run_load(handle_connected, count, in_flight))

    async def _connect(self, number: int, group: str) -> str:
        """Return the argument of `connected`, after `connect` if the app handles that."""
        connection = Connection(number, os.environ["WebPubSubHub"], group)
        if connect := self._by_event.get("connect"):
            argument = connection.connect_argument()
            connection.take_answer(await runtime.call_event(connect, argument))
        return connection.connected_argument()

    def _take_numbers(self, count: int) -> range:
        self._number += count
        return range(self._number - count, self._number)


async def main(folder: Path) -> None:
    """Take commands until stdin ends."""
    await obey(Worker(runtime.load_functions(folder)))


if __name__ == "__main__":
    # Format the log records, as the real worker does, and then discard them.
    with Path(os.devnull).open("w") as nowhere:
        configure_logging(nowhere)
        asyncio.run(main(Path(sys.argv[1])))
