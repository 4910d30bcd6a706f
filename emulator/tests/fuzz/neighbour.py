"""Clients for the fuzz tests, on a plain synchronous WebSocket library."""

import json
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import websocket

from contract.target import JSON, Target

SECONDS = 60
HUB = "fuzz"


def open_socket(
    target: Target, subprotocol: str | None = JSON, hub: str = HUB, **claims: Any
) -> websocket.WebSocket:
    """Open a client. Raises websocket.WebSocketBadStatusException if it is refused."""
    url = f"{target.client_endpoint}/client/hubs/{hub}"
    return websocket.create_connection(
        f"{url}?access_token={target.client_token(hub, **claims)}",
        subprotocols=[subprotocol] if subprotocol else None,
        timeout=SECONDS,
        suppress_origin=True,
    )


class Neighbour:
    """A well-behaved client that the fuzz input of other clients must not affect.

    It reads in a thread, because the library answers the service's pings only while it reads.
    """

    def __init__(self, target: Target) -> None:
        self._socket = open_socket(target)
        self._pongs = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        assert json.loads(self._socket.recv())["event"] == "connected"
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._socket.send_close()
        self._reader.join()
        self._socket.shutdown()  # type: ignore[no-untyped-call]

    def assert_well(self) -> None:
        """Check that a ping is answered. Broadcast messages may come before the pong."""
        self._socket.send('{"type": "ping"}')
        assert self._pongs.acquire(timeout=SECONDS), "the ping is not answered"

    def _read(self) -> None:
        """Read until the connection ends."""
        while True:
            try:
                text = self._socket.recv()
            except websocket.WebSocketTimeoutException:
                continue
            except (websocket.WebSocketException, OSError):
                return
            if not text:
                return  # the close frame
            if json.loads(text)["type"] == "pong":
                self._pongs.release()
