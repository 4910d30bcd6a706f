"""Tests of outgoing.py."""

import json

import pytest

from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.outgoing import (
    ack_frame,
    connected_frame,
    disconnected_frame,
    group_message,
    pong_frame,
    server_message,
)


def test_control_frames() -> None:
    """Frames have the subprotocol's keys: a user id that may be null, an error on failure only."""
    frames = [
        connected_frame("c", None),
        connected_frame("c", "u", "t"),
        disconnected_frame("bye"),
        pong_frame(),
        ack_frame(3),
        ack_frame(3, "Forbidden", "no"),
    ]
    assert [json.loads(frame.data) for frame in frames] == [
        {"type": "system", "event": "connected", "userId": None, "connectionId": "c"},
        {
            "type": "system",
            "event": "connected",
            "userId": "u",
            "connectionId": "c",
            "reconnectionToken": "t",
        },
        {"type": "system", "event": "disconnected", "message": "bye"},
        {"type": "pong"},
        {"type": "ack", "ackId": 3, "success": True},
        {
            "type": "ack",
            "ackId": 3,
            "success": False,
            "error": {"name": "Forbidden", "message": "no"},
        },
    ]


@pytest.mark.parametrize(
    ("payload", "data", "simple"),
    [
        (Payload("text", 'é"'.encode()), 'é"', Frame('é"'.encode())),
        (Payload("json", b'{"a": [1]}'), {"a": [1]}, Frame(b'{"a": [1]}')),
        (Payload("binary", b"\xff"), "/w==", Frame(b"\xff", is_text=False)),
        (Payload("protobuf", b"\xff"), "/w==", Frame(b"\xff", is_text=False)),
    ],
)
def test_data_in_each_form(payload: Payload, data: object, simple: Frame) -> None:
    """Data is a string, an embedded value or base64; simple clients get it bare."""
    message = group_message("g", None, payload)
    expected = {
        "type": "message",
        "from": "group",
        "fromUserId": None,
        "group": "g",
        "dataType": payload.data_type,
        "data": data,
    }
    assert json.loads(message.json.data) == expected
    assert json.loads(message.reliable_json(9).data) == expected | {"sequenceId": 9}
    assert message.simple == simple


def test_a_form_is_encoded_once() -> None:
    """However many clients get a message, they share one encoded frame."""
    message = server_message(Payload("text", b"x"))
    assert message.json is message.json
    assert message.simple is message.simple
    assert json.loads(message.json.data)["from"] == "server"


def test_metadata_is_in_json_frames_only() -> None:
    """Metadata follows the data in JSON frames, in its order; simple clients do not get it."""
    message = server_message(Payload("text", b"x", (("b", '"'), ("a", ""))))
    assert message.json.data.endswith(b',"data":"x","metadata":{"b":"\\"","a":""}}')
    assert json.loads(message.reliable_json(1).data)["metadata"] == {"b": '"', "a": ""}
    assert message.simple == Frame(b"x")
    assert b"metadata" not in server_message(Payload("text", b"x")).json.data
