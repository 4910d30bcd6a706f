"""Tests of json_requests.py."""

import pytest

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
from webpubsub_emulator.json_requests import MALFORMED, parse_request
from webpubsub_emulator.messages import ErrorDetail, Payload


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ('{"type":"joinGroup","group":"g"}', JoinGroup("g", None)),
        ('{"type":"JOINGROUP","group":"g","ackId":1}', JoinGroup("g", 1)),
        ('{"type":"leaveGroup","group":"g","ackId":null}', LeaveGroup("g", None)),
        ('{"type":"ping","unknown":[1,{"a":2}]}', Ping()),
        (' { "type" : "ping" } ', Ping()),
        ('{"type":"sequenceAck","sequenceId":7}', SequenceAck(7)),
        (
            '{"type":"event","event":"e","data":"x"}',
            SendEvent("e", Payload("json", b'"x"'), None),
        ),
        (
            '{"type":"event","event":"e","dataType":"text","data":"\\u00e9"}',
            SendEvent("e", Payload("text", "é".encode()), None),
        ),
        (
            '{"type":"sendToGroup","group":"g","dataType":"binary","data":"AAE=","noEcho":true}',
            SendToGroup("g", Payload("binary", b"\x00\x01"), True, None),
        ),
        (
            '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":null}',
            SendToGroup("g", Payload("json", b"1"), False, None),
        ),
        (
            '{"type":"sendToGroup","group":"g","data":{},"ttlSeconds":300,"ackId":0}',
            SendToGroup("g", Payload("json", b"{}", ttl_seconds=300), False, 0),
        ),
        (
            '{"type":"invoke","invocationId":"i","target":"event","event":"e","data":1}',
            Invoke("i", "e", Payload("json", b"1")),
        ),
        (
            '{"type":"INVOKE","invocationId":"i","event":"e"}',
            Invoke("i", "e", Payload("text", b"")),
        ),
        ('{"type":"cancelInvocation","invocationId":"i"}', CancelInvocation("i")),
        (
            '{"type":"sendToGroup","group":"g","stream":{"streamId":"s"}}',
            StartStream("g", "s", 300_000, False),
        ),
        (
            '{"type":"sendToGroup","group":"g","noEcho":true,"ackId":1,'
            '"stream":{"streamId":"s","idleTimeoutMs":1,"unknown":1}}',
            StartStream("g", "s", 1, True),
        ),
        (
            '{"type":"sendToGroup","group":"g","stream":null,"data":1}',
            SendToGroup("g", Payload("json", b"1"), False, None),
        ),
        (
            '{"type":"streamData","streamId":"s","streamSequenceId":18446744073709551615,'
            '"dataType":"json","data":{ }}',
            StreamData("s", 2**64 - 1, Payload("json", b"{ }")),
        ),
        ('{"type":"streamData","streamId":"s"}', KeepStreamAlive("s")),
        (
            '{"type":"setGroupState","group":"g","state":{"b":"2","a":""},"ackId":1}',
            SetGroupState("g", (("b", "2"), ("a", "")), 1),
        ),
        ('{"type":"setGroupState","group":"g"}', SetGroupState("g", None, None)),
        ('{"type":"setGroupState","group":"g","state":null}', SetGroupState("g", None, None)),
        ('{"type":"subscribeGroupState","group":"g"}', SubscribeGroupState("g", None)),
        ('{"type":"unsubscribeGroupState","group":"g","ackId":1}', UnsubscribeGroupState("g", 1)),
        ('{"type":"streamEnd","streamId":"s"}', EndStream("s", None)),
        ('{"type":"streamEnd","streamId":"s","error":null}', EndStream("s", None)),
        (
            '{"type":"streamEnd","streamId":"s","error":{}}',
            EndStream("s", ErrorDetail("UserError")),
        ),
        (
            '{"type":"streamEnd","streamId":"s","error":{"message":"m","userErrorCode":"c"}}',
            EndStream("s", ErrorDetail("UserError", "m", "c")),
        ),
    ],
)
def test_requests_are_read(text: str, request_: ClientRequest) -> None:
    assert parse_request(text) == request_


def test_json_data_keeps_its_text() -> None:
    """JSON data is passed on as written: blanks, digits, escapes and repeated keys."""
    data = '{ "b": 1.50, "a": 1e400, "a": "\\u00e9", "n": 123456789012345678901234567890 }'
    frame = parse_request(f'{{"data": {data} , "type":"event","event":"e"}}')
    assert frame == SendEvent("e", Payload("json", data.encode()), None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"type":"ping"} more',
        '{"type":"ping",}',
        '{"type":"ping"',
        '{"type":1}',
        '{"type":"invoke"}',
        '{"type":"invoke","event":"e","data":1}',
        '{"type":"invoke","invocationId":"","event":"e"}',
        '{"type":"invoke","invocationId":1,"event":"e"}',
        '{"type":"invoke","invocationId":"i"}',
        '{"type":"invoke","invocationId":"i","event":"9"}',
        '{"type":"invoke","invocationId":"i","event":"e","target":"group"}',
        '{"type":"invoke","invocationId":"i","event":"e","dataType":"text"}',
        '{"type":"invoke","invocationId":"i","event":"e","data":null}',
        '{"type":"cancelInvocation"}',
        '{"type":"sendToGroup","group":"g","stream":1}',
        '{"type":"sendToGroup","group":"g","stream":{}}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":""}}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":1}}',
        '{"type":"sendToGroup","group":" ","stream":{"streamId":"s"}}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":"s"},"noEcho":1}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":"s","idleTimeoutMs":-1}}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":"s","idleTimeoutMs":4294967296}}',
        '{"type":"setGroupState","state":{}}',
        '{"type":"setGroupState","group":"g","state":[]}',
        '{"type":"setGroupState","group":"g","state":{"a":1}}',
        '{"type":"setGroupState","group":"g","state":{"a":null}}',
        '{"type":"subscribeGroupState"}',
        '{"type":"unsubscribeGroupState","group":"g","ackId":"1"}',
        '{"type":"streamData"}',
        '{"type":"streamData","streamId":""}',
        '{"type":"streamData","streamId":"s","data":1}',
        '{"type":"streamData","streamId":"s","streamSequenceId":1,"data":1}',
        '{"type":"streamData","streamId":"s","streamSequenceId":1,"dataType":"json"}',
        '{"type":"streamData","streamId":"s","streamSequenceId":0,"dataType":"json","data":1}',
        '{"type":"streamData","streamId":"s","streamSequenceId":"1","dataType":"json","data":1}',
        '{"type":"streamData","streamId":"s","streamSequenceId":1,"dataType":"xml","data":1}',
        '{"type":"streamEnd"}',
        '{"type":"streamEnd","streamId":"s","error":"x"}',
        '{"type":"streamEnd","streamId":"s","error":{"message":1}}',
        '{"type":"streamEnd","streamId":"s","error":{"userErrorCode":1}}',
        '{"type":"cancelInvocation","invocationId":""}',
        '{"type":"joinGroup"}',
        '{"type":"joinGroup","group":" "}',
        '{"type":"joinGroup","group":"g","ackId":-1}',
        '{"type":"joinGroup","group":"g","ackId":true}',
        '{"type":"joinGroup","group":"g","ackId":18446744073709551616}',
        '{"type":"sequenceAck","sequenceId":"1"}',
        '{"type":"event","event":"9","data":1}',
        '{"type":"event","event":"e"}',
        '{"type":"event","event":"e","data":null}',
        '{"type":"event","event":"e","data":NaN}',
        '{"type":"event","event":"e","dataType":"text","data":1}',
        '{"type":"event","event":"e","dataType":"text","data":"\\ud800"}',
        '{"type":"event","event":"e","dataType":"binary","data":"*"}',
        '{"type":"event","event":"e","dataType":"xml","data":"x"}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":"true"}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":301}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":false}',
        '{"type":"event","event":"e","dataType":"protobuf","data":"*"}',
        '{"type":"event","event":"e","dataType":null,"data":1}',
        '{"type":"event","event":"e","metadata":null}',
        '{"type":"event","event":"e","data":1,"metadata":[]}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":1}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":null}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":"1","a":"1"}}',
        '{"type":"event","event":"e","data":1,"metadata":{"":"1"}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a b":"1"}}',
        '{"type":"event","event":"e","data":1,"metadata":{"a":"\u00e9"}}',
        '{"type":"event","event":"e","metadata":{"a":"1"},"data":null}',
        '{"type":"event","event":"e","data":' + "[" * 100_000,
        '{"type":"event","event":"e","data":1,"metadata":{"a":' + "[" * 100_000,
    ],
)
def test_malformed_requests_are_refused(text: str) -> None:
    """Every error has the same text and the close code 1007."""
    with pytest.raises(FrameError, match=MALFORMED) as caught:
        parse_request(text)
    assert caught.value.code == 1007


@pytest.mark.parametrize(
    ("members", "payload"),
    [
        ('"data":1,"metadata":{"b":"2","a":"1"}', Payload("json", b"1", (("b", "2"), ("a", "1")))),
        ('"data":1,"metadata":{"A":"1","a":"1"}', Payload("json", b"1", (("A", "1"), ("a", "1")))),
        ('"data":1,"metadata":null', Payload("json", b"1")),
        ('"metadata":{"a":"1"}', Payload("text", b"", (("a", "1"),))),
        ('"metadata":{}', Payload("text", b"")),
        ('"metadata":{"a":"1"},"dataType":"json"', Payload("text", b"", (("a", "1"),))),
        ('"data":"CgE=","dataType":"protobuf"', Payload("protobuf", b"\n\x01")),
        ('"data":"x","dataType":"TEXT"', Payload("text", b"x")),
    ],
)
def test_metadata_and_protobuf_data(members: str, payload: Payload) -> None:
    """Metadata keeps order and case and may come without data; protobuf data is base64."""
    frame = parse_request(f'{{"type":"event","event":"e",{members}}}')
    assert frame == SendEvent("e", payload, None)
