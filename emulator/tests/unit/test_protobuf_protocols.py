"""Tests of protocol_protobuf.py, protocol_reliable_protobuf.py and protobuf_responses.py."""

import json

import pytest

from unit.protobuf_frames import ANY, PROTOBUF, RELIABLE_PROTOBUF, read, upstream
from unit.samples import JSON
from webpubsub_emulator.client_requests import FrameError, Ping
from webpubsub_emulator.client_responses import (
    InvocationError,
    InvocationResult,
    StreamAck,
    StreamClosed,
    StreamNack,
)
from webpubsub_emulator.messages import (
    ErrorDetail,
    Frame,
    MemberState,
    MemberStates,
    Payload,
    StreamPart,
)
from webpubsub_emulator.outgoing import group_message, server_message, states_message
from webpubsub_emulator.protobuf_schema import Downstream
from webpubsub_emulator.protocol_reliable_protobuf import numbered_frame
from webpubsub_emulator.subprotocols import SIMPLE, protocol_of

plain, reliable = protocol_of(PROTOBUF), protocol_of(RELIABLE_PROTOBUF)


@pytest.mark.parametrize("subprotocol", [PROTOBUF, RELIABLE_PROTOBUF])
def test_control_frames(subprotocol: str) -> None:
    protocol = protocol_of(subprotocol)
    connected = read(protocol.connected("c", None, "t")).connected_message
    assert (connected.connection_id, connected.user_id) == ("c", "")
    assert connected.HasField("reconnection_token") is (subprotocol == RELIABLE_PROTOBUF)
    assert read(protocol.connected("c", "u", "t")).connected_message.user_id == "u"
    assert read(protocol.disconnected("bye")).disconnected_message.reason == "bye"
    assert protocol.pong() == Frame(b"\x22\x00", is_text=False)
    done, failed = read(protocol.ack(0)), read(protocol.failure(2**64 - 1, "Forbidden", "no"))
    assert (done.ack_id, done.success, done.HasField("error")) == (0, True, False)
    assert (failed.ack_id, failed.success) == (2**64 - 1, False)
    assert (failed.error.name, failed.error.message) == ("Forbidden", "no")
    assert protocol.ack(None) is protocol.failure(None, "Forbidden", "no") is None


def test_frames_must_be_binary() -> None:
    assert plain.read(Frame(upstream("ping"), is_text=False), None) == Ping()
    with pytest.raises(FrameError, match="requires binary messages") as caught:
        plain.read(Frame(upstream("ping")), None)
    assert caught.value.code == 1003


@pytest.mark.parametrize(
    ("payload", "kind", "value"),
    [
        (Payload("text", "é".encode()), "text_data", "é"),
        (Payload("json", b'{"a": 1}'), "json_data", '{"a": 1}'),
        (Payload("binary", b"\xff"), "binary_data", b"\xff"),
        (Payload("protobuf", b"no Any"), "binary_data", b"no Any"),
    ],
)
def test_data(payload: Payload, kind: str, value: object) -> None:
    """What a JSON client calls protobuf data, and is not, arrives as binary data."""
    message = read(plain.encode(group_message("g", "ann", payload)))
    assert (getattr(message, "from"), message.group) == ("group", "g")
    assert (message.data.WhichOneof("kind"), getattr(message.data, kind)) == (kind, value)


def test_protobuf_data_in_each_protocol() -> None:
    """The example of the documentation: an Any for protobuf clients, its bytes for others."""
    message = server_message(Payload("protobuf", ANY, (("k", "v"),)))
    frame = read(plain.encode(message))
    assert (getattr(frame, "from"), frame.HasField("group")) == ("server", False)
    assert frame.data.protobuf_data.SerializeToString() == ANY
    assert dict(frame.metadata) == {"k": "v"}
    text = json.loads(protocol_of(JSON).encode(message).data)["data"]
    assert text == "Ci90eXBlLmdvb2dsZWFwaXMuY29tL2F6dXJlLndlYnB1YnN1Yi5UZXN0TWVzc2FnZRICCAE="
    assert SIMPLE.encode(message) == Frame(ANY, is_text=False)


def test_each_reliable_client_has_its_own_sequence_id() -> None:
    message = server_message(Payload("text", b"x"))
    frames = [numbered_frame(message, number) for number in (1, 7)]
    assert [read(frame).sequence_id for frame in frames] == [1, 7]
    assert not read(plain.encode(message)).HasField("sequence_id")
    assert plain.new_unacknowledged() is None
    assert reliable.new_unacknowledged() is not None


def test_the_place_in_a_stream() -> None:
    part = StreamPart("s", 3, is_end=True, error=ErrorDetail("UserError", None, "7"))
    stream = read(plain.encode(group_message("g", None, Payload("text", b""), part))).stream
    assert (stream.stream_id, stream.stream_sequence_id, stream.end_of_stream) == ("s", 3, True)
    assert (stream.error.name, stream.error.message, stream.error.user_error_code) == (
        "UserError",
        "",
        "7",
    )


@pytest.mark.parametrize("is_snapshot", [True, False])
def test_states_of_members(is_snapshot: bool) -> None:
    members = (
        MemberState("a", "ann", (("k", "v"),), 5),
        MemberState("b", None, (), 6),
        MemberState("c", None, None, 7),
    )
    message = states_message("g", MemberStates(members, is_snapshot))
    states = Downstream.FromString(numbered_frame(message, 4).data)
    kind = "group_state_snapshot_message" if is_snapshot else "group_state_update_message"
    assert states.WhichOneof("kind") == kind
    states = getattr(states, kind)
    assert (states.group, states.sequence_id) == ("g", 4)
    assert [(item.connection_id, item.user_id, item.updated_at) for item in states.items] == [
        ("a", "ann", 5),
        ("b", "", 6),
        ("c", "", 7),
    ]
    assert [item.HasField("user_id") for item in states.items] == [True, False, False]
    assert [item.HasField("state") for item in states.items] == [True, True, False]
    assert dict(states.items[0].state.entries) == {"k": "v"}
    assert not read(plain.encode(message)).HasField("sequence_id")


def test_answers_without_an_ack_id() -> None:
    ack = read(plain.respond(StreamAck("s", 4)))
    assert (ack.stream_id, ack.expected_sequence_id) == ("s", 4)
    nack = read(plain.respond(StreamNack("s", 2, "OutOfOrder", "no")))
    assert (nack.expected_sequence_id, nack.name, nack.message) == (2, "OutOfOrder", "no")
    closed = read(plain.respond(StreamClosed("s", ErrorDetail("Timeout"))))
    assert (closed.error.name, closed.error.message) == ("Timeout", "")
    assert not read(plain.respond(StreamClosed("s"))).HasField("error")
    done = read(plain.respond(InvocationResult("i", Payload("json", b"1", (("k", "v"),)))))
    assert (done.success, done.data.json_data, dict(done.metadata)) == (True, "1", {"k": "v"})
    assert not read(plain.respond(InvocationResult("i", None))).HasField("data")
    failed = read(plain.respond(InvocationError("i", ErrorDetail("NotFound", "no"))))
    assert (failed.invocation_id, failed.success, failed.error.name) == ("i", False, "NotFound")


def test_text_that_no_protobuf_string_can_hold() -> None:
    """A token or a JSON frame may have half of a surrogate pair."""
    assert read(plain.connected("c", "\ud800", "t")).connected_message.user_id == "?"
    message = group_message("\ud800", None, Payload("text", b"x"))
    assert read(plain.encode(message)).group == "?"
