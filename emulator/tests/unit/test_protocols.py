"""Tests of protocol_simple.py, protocol_json.py and protocol_reliable_json.py."""

import json

import pytest

from unit.samples import JSON, RELIABLE
from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.client_requests import (
    ClientRequest,
    FrameError,
    Ping,
    SendEvent,
    SendToGroup,
)
from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.outgoing import OutgoingMessage, group_message, server_message
from webpubsub_emulator.protocol_reliable_json import numbered_frame
from webpubsub_emulator.subprotocols import SIMPLE, SUBPROTOCOLS

PUBLISH = PublishMode("g", no_echo=True)


def json_of(frame: Frame | None) -> object:
    assert frame is not None
    return json.loads(frame.data)


def json_frame(message: OutgoingMessage) -> Frame:
    return message.encoded(SUBPROTOCOLS[JSON].encode)


def simple_frame(message: OutgoingMessage) -> Frame:
    return message.encoded(SIMPLE.encode)


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
def test_control_frames(subprotocol: str) -> None:
    """Frames have the subprotocol's keys: a user id that may be null, an error on failure only."""
    protocol = SUBPROTOCOLS[subprotocol]
    token = {"reconnectionToken": "t"} if subprotocol == RELIABLE else {}
    connected = {"type": "system", "event": "connected", "connectionId": "c", **token}
    assert json_of(protocol.connected("c", None, "t")) == {**connected, "userId": None}
    assert json_of(protocol.connected("c", "u", "t")) == {**connected, "userId": "u"}
    assert json_of(protocol.disconnected("bye")) == {
        "type": "system",
        "event": "disconnected",
        "message": "bye",
    }
    assert json_of(protocol.pong()) == {"type": "pong"}
    assert json_of(protocol.ack(3)) == {"type": "ack", "ackId": 3, "success": True}
    assert json_of(protocol.failure(3, "Forbidden", "no")) == {
        "type": "ack",
        "ackId": 3,
        "success": False,
        "error": {"name": "Forbidden", "message": "no"},
    }


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
def test_without_an_ack_id_there_is_no_ack(subprotocol: str) -> None:
    protocol = SUBPROTOCOLS[subprotocol]
    assert protocol.ack(None) is None
    assert protocol.failure(None, "Forbidden", "no") is None


def test_simple_clients_get_no_control_frames() -> None:
    frames = [
        SIMPLE.connected("c", "u", "t"),
        SIMPLE.disconnected("bye"),
        SIMPLE.pong(),
        SIMPLE.ack(3),
        SIMPLE.failure(3, "Forbidden", "no"),
    ]
    assert frames == [None] * 5


@pytest.mark.parametrize(
    ("frame", "mode", "request_"),
    [
        (Frame(b"x"), None, SendEvent("message", Payload("text", b"x"), None)),
        (Frame(b"x", is_text=False), None, SendEvent("message", Payload("binary", b"x"), None)),
        (Frame(b"x"), PUBLISH, SendToGroup("g", Payload("text", b"x"), True, None)),
    ],
)
def test_frames_of_simple_clients(
    frame: Frame, mode: PublishMode | None, request_: ClientRequest
) -> None:
    assert SIMPLE.read(frame, mode) == request_


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
def test_frames_of_json_clients(subprotocol: str) -> None:
    """The mode in the URL is for simple clients only, and JSON is text."""
    protocol = SUBPROTOCOLS[subprotocol]
    assert protocol.read(Frame(b'{"type":"ping"}'), PUBLISH) == Ping()
    with pytest.raises(FrameError, match="requires text messages") as caught:
        protocol.read(Frame(b'{"type":"ping"}', is_text=False), None)
    assert caught.value.code == 1003


def test_only_reliable_clients_keep_messages() -> None:
    assert SIMPLE.new_unacknowledged() is None
    assert SUBPROTOCOLS[JSON].new_unacknowledged() is None
    assert SUBPROTOCOLS[RELIABLE].new_unacknowledged() is not None


@pytest.mark.parametrize(
    ("payload", "data", "simple"),
    [
        (Payload("text", 'é"'.encode()), 'é"', Frame('é"'.encode())),
        (Payload("json", b'{"a": [1]}'), {"a": [1]}, Frame(b'{"a": [1]}')),
        (Payload("binary", b"\xff"), "/w==", Frame(b"\xff", is_text=False)),
        (Payload("protobuf", b"\xff"), "/w==", Frame(b"\xff", is_text=False)),
    ],
)
def test_data_in_each_protocol(payload: Payload, data: object, simple: Frame) -> None:
    """Data is a string, an embedded value or base64; simple clients get the bare data."""
    message = group_message("g", None, payload)
    expected = {
        "type": "message",
        "from": "group",
        "fromUserId": None,
        "group": "g",
        "dataType": payload.data_type,
        "data": data,
    }
    assert json_of(json_frame(message)) == expected
    assert json_of(numbered_frame(message, 9)) == expected | {"sequenceId": 9}
    assert simple_frame(message) == simple


def test_a_frame_is_shared_by_all_receivers() -> None:
    message = server_message(Payload("text", b"x"))
    assert json_frame(message) is json_frame(message)
    assert simple_frame(message) is simple_frame(message)
    assert json.loads(json_frame(message).data)["from"] == "server"


def test_metadata_is_in_json_frames_only() -> None:
    """Metadata follows the data in JSON frames, in its order; simple clients do not get it."""
    message = server_message(Payload("text", b"x", (("b", '"'), ("a", ""))))
    assert json_frame(message).data.endswith(b',"data":"x","metadata":{"b":"\\"","a":""}}')
    assert json.loads(numbered_frame(message, 1).data)["metadata"] == {"b": '"', "a": ""}
    assert simple_frame(message) == Frame(b"x")
    assert b"metadata" not in json_frame(server_message(Payload("text", b"x"))).data
