"""Fuzz frames of protobuf clients, and what JSON clients send to them."""

from typing import Any

import websocket
from hypothesis import given
from hypothesis import strategies as st

from contract.target import JSON, PROTOBUF, RELIABLE_PROTOBUF, Target
from contract.wire import encode, find
from fuzz.corpus import texts_like
from fuzz.neighbour import open_socket
from fuzz.test_frames import CLAIMS, CLOSE_CODES, FRAMES, outcome_of, text

BINARY = websocket.ABNF.OPCODE_BINARY
NUMBERS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2, 300, 301])
NAMES = st.sampled_from(["a", "b", "e", "", " ", "g" * 1025, '{"a": 1}', "{"]) | st.text(max_size=9)
# A message is a dictionary from the numbers of its fields to values, which may be messages.
MESSAGES: Any = st.recursive(
    st.dictionaries(st.integers(1, 8), NUMBERS | NAMES | st.binary(max_size=9), max_size=4),
    lambda inner: st.dictionaries(st.integers(1, 8), NUMBERS | NAMES | inner, max_size=4),
    max_leaves=6,
)
# The numbers of requests go up to 17 (webpubsub.v1.proto).
REQUESTS = st.builds(
    lambda kind, fields: encode({kind: {1: "a"} | fields}), st.integers(1, 20), MESSAGES
)


@st.composite
def broken_requests(draw: st.DrawFn) -> bytes:
    """Return a request with a part that is cut out or replaced."""
    data = draw(REQUESTS)
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, len(data)))
    return data[:start] + draw(st.binary(max_size=4)) + data[end:]


@given(
    st.sampled_from([PROTOBUF, RELIABLE_PROTOBUF]),
    st.lists(REQUESTS | broken_requests(), max_size=4),
)
def test_almost_valid_frames(target: Target, subprotocol: str, frames: list[bytes]) -> None:
    """Also several frames in a row."""
    sent = [(BINARY, frame) for frame in frames]
    assert outcome_of(target, subprotocol, sent) in {None, *CLOSE_CODES}


@given(
    st.sampled_from([PROTOBUF, RELIABLE_PROTOBUF]),
    st.lists(FRAMES | texts_like("frames"), max_size=4),
)
def test_messages_of_json_clients(target: Target, subprotocol: str, frames: list[str]) -> None:
    """A protobuf client in the group reads whatever they send, up to the last message."""
    receiver = open_socket(target, subprotocol, sub="\ud800", **CLAIMS)
    outcome_of(target, JSON, text(*frames))
    last = '{"type":"sendToGroup","group":"a","dataType":"text","data":"the last one"}'
    assert outcome_of(target, JSON, text(last)) is None
    try:
        while find(receiver.recv_data()[1], 2, 3, 1) != b"the last one":
            pass
    finally:
        receiver.shutdown()  # type: ignore[no-untyped-call]  # untyped in the library
