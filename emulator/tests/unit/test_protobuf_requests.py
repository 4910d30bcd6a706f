"""Tests of protobuf_requests.py."""

from typing import Any

import pytest

from unit.protobuf_frames import ANY, upstream
from webpubsub_emulator.client_requests import (
    CancelInvocation,
    ClientRequest,
    EndStream,
    FrameError,
    Invoke,
    JoinGroup,
    KeepStreamAlive,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    StartStream,
    StreamData,
    SubscribeGroupState,
    UnsubscribeGroupState,
)
from webpubsub_emulator.messages import ErrorDetail, Payload
from webpubsub_emulator.protobuf_requests import MALFORMED, parse_request

TEXT = {"text_data": "é"}
DATA = Payload("text", "é".encode())
BIGGEST = 2**64 - 1


def sending(**fields: Any) -> bytes:
    return upstream("send_to_group", **{"group": "g", "data": TEXT} | fields)


@pytest.mark.parametrize(
    ("frame", "request_"),
    [
        (upstream("join_group", group="g"), JoinGroup("g", None)),
        (upstream("join_group", group="g", ack_id=0), JoinGroup("g", 0)),
        (upstream("leave_group", group="g", ack_id=BIGGEST), LeaveGroup("g", BIGGEST)),
        (upstream("ping"), Ping()),
        (upstream("sequence_ack", sequence_id=7), SequenceAck(7)),
        (upstream("event", event="e", data=TEXT, ack_id=2), SendEvent("e", DATA, 2)),
        (sending(), SendToGroup("g", DATA, False, None)),
        (
            sending(no_echo=True, ack_id=1, ttl_seconds=300),
            SendToGroup("g", Payload("text", "é".encode(), ttl_seconds=300), True, 1),
        ),
        (
            upstream("invoke_event", event="e", invocation_id="i"),
            Invoke("i", "e", Payload("text", b"")),
        ),
        (upstream("invoke_event", event="e", invocation_id="i", data=TEXT), Invoke("i", "e", DATA)),
        (upstream("cancel_invocation", invocation_id="i"), CancelInvocation("i")),
        (
            upstream("send_to_group", group="g", stream={"stream_id": "s"}, no_echo=True),
            StartStream("g", "s", 300_000, True),
        ),
        (
            upstream("send_to_group", group="g", stream={"stream_id": "s", "idle_timeout_ms": 0}),
            StartStream("g", "s", 0, False, "The idle timeout must be greater than 0."),
        ),
        (
            sending(stream={"stream_id": "s", "idle_timeout_ms": 5}),
            StartStream("g", "s", 5, False, "The start of a stream must not have data."),
        ),
        (upstream("stream_data", stream_id="s"), KeepStreamAlive("s")),
        (
            upstream("stream_data", stream_id="s", stream_sequence_id=1, data=TEXT),
            StreamData("s", 1, DATA),
        ),
        (upstream("stream_end", stream_id="s"), EndStream("s", None)),
        (upstream("set_group_state", group="g", ack_id=1), SetGroupState("g", None, 1)),
        (upstream("set_group_state", group="g", state={}), SetGroupState("g", (), None)),
        (
            upstream("set_group_state", group="g", state={"entries": {"k": "v"}}),
            SetGroupState("g", (("k", "v"),), None),
        ),
        (upstream("subscribe_group_state", group="g"), SubscribeGroupState("g", None)),
        (upstream("unsubscribe_group_state", group="g", ack_id=1), UnsubscribeGroupState("g", 1)),
        (
            upstream("stream_end", stream_id="s", error={"message": "no"}),
            EndStream("s", ErrorDetail("UserError", "no")),
        ),
    ],
)
def test_requests(frame: bytes, request_: ClientRequest) -> None:
    assert parse_request(frame) == request_


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        ({"text_data": ""}, Payload("text", b"")),
        ({"binary_data": b"\xff"}, Payload("binary", b"\xff")),
        ({"json_data": '{"a": 1}'}, Payload("json", b'{"a": 1}')),
        (
            {"protobuf_data": {"type_url": "type.googleapis.com/azure.webpubsub.TestMessage",
                               "value": b"\x08\x01"}},
            Payload("protobuf", ANY),
        ),
    ],
)  # fmt: skip
def test_data(data: dict[str, Any], payload: Payload) -> None:
    """Protobuf data is the whole google.protobuf.Any, as in the documentation's example."""
    assert parse_request(sending(data=data)) == SendToGroup("g", payload, False, None)


def test_metadata() -> None:
    """With metadata there may be no data."""
    with_data = parse_request(upstream("event", event="e", data=TEXT, metadata={"k": "v"}))
    alone = parse_request(upstream("event", event="e", metadata={"k": "v"}))
    assert with_data == SendEvent("e", Payload("text", "é".encode(), (("k", "v"),)), None)
    assert alone == SendEvent("e", Payload("text", b"", (("k", "v"),)), None)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff",
        b'{"type":"ping"}',
        b"\x0a\x05",  # shorter than it says
        upstream("send_to_group", group="g"),
        upstream("send_to_group", group="g", data={}),
        sending(group=""),
        sending(group=" "),
        sending(ttl_seconds=301),
        sending(metadata={"k": "é"}),
        sending(data={"json_data": "{"}),
        sending(stream={}),
        sending(data=TEXT).replace("é".encode(), b"\xff\xff"),
        upstream("join_group"),
        upstream("event", event="1", data=TEXT),
        upstream("event", event="e", data=TEXT, stream={"stream_id": "s"}),
        upstream("invoke_event", event="e"),
        upstream("cancel_invocation"),
        upstream("stream_data", stream_id="s", data=TEXT),
        upstream("stream_data", stream_id="s", stream_sequence_id=0, data=TEXT),
        upstream("stream_data", stream_id="s", stream_sequence_id=1),
        upstream("stream_data"),
        upstream("stream_end"),
    ],
)
def test_malformed_requests(frame: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        parse_request(frame)
    assert (caught.value.code, str(caught.value)) == (1007, MALFORMED)
