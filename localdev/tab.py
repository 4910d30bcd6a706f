"""One tab of a page, as a process that can be killed: `python -m localdev.tab CLIENT-URL`.

It prints its connection id when it is connected, and closes cleanly when its stdin ends. It uses
the subprotocol without recovery, with which a killed client has left at once.
"""

import asyncio
import sys

import aiohttp

SUBPROTOCOL = "json.webpubsub.azure.v1"


async def main(url: str) -> None:
    """Stay connected until stdin ends."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(SUBPROTOCOL,)) as socket,
    ):
        hello = await socket.receive_json()
        print(hello["connectionId"], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
