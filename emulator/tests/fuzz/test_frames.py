"""Fuzz frames of all protocols: only the sender's own connection may be closed."""

import json
import struct
from typing import Any

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st

from contract.target import JSON, PROTOBUF, RELIABLE_JSON, RELIABLE_PROTOBUF, Target
from fuzz.corpus import read_corpus, texts_like
from fuzz.neighbour import open_socket

# Close codes of the service (JSON subprotocol reference; RFC 6455, section 7.4.1).
CLOSE_CODES = {1000, 1002, 1003, 1007, 1008, 1009, 1011}
TYPES = [
    *("joinGroup", "leaveGroup", "sendToGroup", "event", "ping", "sequenceAck", "ack", "x", ""),
    *("invoke", "cancelInvocation", "streamData", "streamEnd"),
    *("setGroupState", "subscribeGroupState", "unsubscribeGroupState"),
]
KEYS = [
    *("type", "group", "event", "dataType", "data", "noEcho", "ackId", "sequenceId", "ttlSeconds"),
    *("metadata", "TYPE", "", "invocationId", "target", "stream", "streamId", "streamSequenceId"),
    *("error", "state"),
]
VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["text", "json", "binary", "protobuf", "a", "aGVsbG8=", "*", "g" * 1025])
    | st.sampled_from([{"streamId": "a"}, {"streamId": "a", "idleTimeoutMs": 1}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FRAMES = st.builds(
    lambda kind, rest: json.dumps({"type": kind} | rest),
    st.sampled_from(TYPES) | VALUES,
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6),
)
# Ping and pong of a subprotocol.
JSON_PING = ((websocket.ABNF.OPCODE_TEXT, b'{"type": "ping"}'), b'{"type":"pong"}')
PROTOBUF_PING = ((websocket.ABNF.OPCODE_BINARY, b"\x4a\x00"), b"\x22\x00")
PINGS = {PROTOBUF: PROTOBUF_PING, RELIABLE_PROTOBUF: PROTOBUF_PING}
CLAIMS: dict[str, Any] = {
    "role": [
        *("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup.a"),
        *("webpubsub.setGroupState", "webpubsub.getGroupState"),
    ],
    "webpubsub.group": ["a"],
}


def outcome_of(
    target: Target, subprotocol: str | None, send: list[tuple[int, bytes]]
) -> int | None:
    """Return the close code, or None if a client with pings gets an answer after all frames."""
    socket = open_socket(target, subprotocol, sub="fuzzer", **CLAIMS)
    ping, pong = PINGS.get(subprotocol, JSON_PING) if subprotocol else (None, None)
    try:
        for opcode, data in [*send, *([ping] if ping else [])]:
            socket.send(data, opcode)
        while True:
            opcode, data = socket.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int(struct.unpack("!H", data[:2])[0]) if data else 1005
            if data == pong:
                return None
    except (BrokenPipeError, ConnectionResetError):
        return 1000  # closed while the client was still sending
    finally:
        # close() does not close the socket of a connection that was already closed.
        socket.shutdown()  # type: ignore[no-untyped-call]  # untyped in the library


def text(*frames: str) -> list[tuple[int, bytes]]:
    return [(websocket.ABNF.OPCODE_TEXT, frame.encode(errors="replace")) for frame in frames]


@pytest.mark.parametrize("frame", read_corpus("frames"))
@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE_JSON])
def test_frames_of_the_corpus_are_accepted_or_close(
    target: Target, subprotocol: str, frame: str
) -> None:
    assert outcome_of(target, subprotocol, text(frame)) in {None, *CLOSE_CODES}


@given(st.sampled_from([JSON, RELIABLE_JSON]), st.lists(FRAMES | texts_like("frames"), max_size=4))
def test_almost_valid_frames(target: Target, subprotocol: str, frames: list[str]) -> None:
    """Also several frames in a row."""
    assert outcome_of(target, subprotocol, text(*frames)) in {None, *CLOSE_CODES}


@given(
    st.sampled_from([JSON, RELIABLE_JSON, PROTOBUF, RELIABLE_PROTOBUF, None]),
    st.binary(max_size=60),
    st.booleans(),
)
def test_binary_frames_and_invalid_utf8(
    target: Target, subprotocol: str | None, data: bytes, as_text: bool
) -> None:
    opcode = websocket.ABNF.OPCODE_TEXT if as_text else websocket.ABNF.OPCODE_BINARY
    assert outcome_of(target, subprotocol, [(opcode, data)]) in {None, *CLOSE_CODES}


@given(st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_simple_clients_without_a_handler(target: Target, frames: list[str]) -> None:
    """Every frame is an event without a handler, which closes the connection."""
    assert outcome_of(target, None, text(*frames)) in CLOSE_CODES
