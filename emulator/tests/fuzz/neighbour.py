"""Clients for the fuzz tests, on a plain synchronous WebSocket library."""

import json
from types import TracebackType
from typing import Any, Self

import websocket

from contract.target import JSON, Target

SECONDS = 10
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
    """A well-behaved client that the fuzz input of other clients must not affect."""

    def __init__(self, target: Target) -> None:
        self._socket = open_socket(target)

    def __enter__(self) -> Self:
        assert json.loads(self._socket.recv())["event"] == "connected"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.shutdown()  # type: ignore[no-untyped-call]  # the library has no types there

    def assert_well(self) -> None:
        """Check that a ping is answered. Broadcast messages may come before the pong."""
        self._socket.send('{"type": "ping"}')
        while json.loads(self._socket.recv())["type"] != "pong":
            pass
