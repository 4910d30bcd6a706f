"""Tests of hub_streams.py."""

import json
from typing import Any

import pytest

from unit.samples import JSON, RELIABLE, enter, handshake, sent_to
from webpubsub_emulator.effects import Close, Effect, ForgetStream, WatchStream
from webpubsub_emulator.frame_queue import FRAME_LIMIT
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame, Payload

SEND = ("webpubsub.sendToGroup.g",)


def frame(**fields: object) -> Frame:
    """Return a JSON client's frame."""
    return Frame(json.dumps(fields).encode())


def opened(subprotocol: str = JSON, *, groups: tuple[str, ...] = ()) -> Hub:
    """Return a hub with the sender c1 and the receiver c2."""
    hub = Hub("chat")
    enter(hub, handshake("c1", roles=SEND, groups=groups, subprotocols=(subprotocol,)))
    enter(hub, handshake("c2", groups=("g",)))
    return hub


def start(hub: Hub, stream_id: str = "s", *, group: str = "g", **stream: Any) -> list[Effect]:
    """Open a stream of c1."""
    stream = {"streamId": stream_id, **stream}
    return hub.client_sent("c1", frame(type="sendToGroup", group=group, stream=stream))


def send(hub: Hub, number: int, stream_id: str = "s") -> list[Effect]:
    """Send a fragment of c1 whose text is its number."""
    fragment = {"streamSequenceId": number, "dataType": "text", "data": str(number)}
    return hub.client_sent("c1", frame(type="streamData", streamId=stream_id, **fragment))


def end(hub: Hub, **fields: object) -> list[Effect]:
    return hub.client_sent("c1", frame(type="streamEnd", streamId="s", **fields))


def frames(effects: list[Effect], client: str = "c1") -> list[dict[str, Any]]:
    return [json.loads(text) for text in sent_to(client, effects)]


def parts(effects: list[Effect], client: str = "c2") -> list[tuple[str, dict[str, Any]]]:
    """Return data and place of the fragments that a receiver gets."""
    return [(one["data"], one["stream"]) for one in frames(effects, client)]


def ack(expected: int) -> dict[str, Any]:
    return {"type": "streamAck", "streamId": "s", "expectedSequenceId": expected}


def closed(name: str) -> tuple[str, str]:
    return ("streamClosed", name)


def closing(effects: list[Effect]) -> list[tuple[str, str]]:
    """Return kind and error of each frame for c1."""
    return [(one["type"], one.get("error", {}).get("name", "")) for one in frames(effects)]


def watched(effects: list[Effect]) -> list[Effect]:
    return [each for each in effects if isinstance(each, (WatchStream, ForgetStream))]


def test_a_stream_from_start_to_end() -> None:
    """Receivers get the fragments as messages of the group, then an empty one."""
    hub = opened()
    assert frames(start(hub)) == [ack(1)]
    for number in (1, 2):
        effects = send(hub, number)
        assert frames(effects) == [ack(number + 1)]
        (message,) = frames(effects, "c2")
        assert message == {
            "type": "message",
            "from": "group",
            "fromUserId": "ann",
            "group": "g",
            "stream": {"streamId": "s", "streamSequenceId": number},
            "dataType": "text",
            "data": str(number),
        }
    effects = end(hub)
    assert parts(effects) == [("", {"streamId": "s", "streamSequenceId": 3, "endOfStream": True})]
    assert frames(effects) == [{"type": "streamClosed", "streamId": "s"}]
    assert closing(end(hub)) == [closed("StreamNotFound")]


def test_fragments_out_of_order() -> None:
    """Earlier ones are acknowledged and not published again; later ones are refused."""
    hub = opened()
    start(hub)
    send(hub, 1)
    again = send(hub, 1)
    assert (frames(again), parts(again)) == ([ack(2)], [])
    late = send(hub, 3)
    (nack,) = frames(late)
    assert (nack["type"], nack["name"]) == ("streamNack", "InvalidSequenceId")
    assert (nack["expectedSequenceId"], parts(late)) == (2, [])
    assert frames(send(hub, 2)) == [ack(3)]


@pytest.mark.parametrize(("no_echo", "echoes"), [(False, 2), (True, 0)])
def test_no_echo_counts_for_the_whole_stream(no_echo: bool, echoes: int) -> None:
    """For fragments and for the end."""
    hub = opened(groups=("g",))
    stream = {"streamId": "s"}
    hub.client_sent("c1", frame(type="sendToGroup", group="g", stream=stream, noEcho=no_echo))
    messages = [one for one in frames([*send(hub, 1), *end(hub)]) if one["type"] == "message"]
    assert len(messages) == echoes


def test_an_error_of_the_client_reaches_the_receivers_only() -> None:
    hub = opened()
    start(hub)
    effects = end(hub, error={"message": "oops", "userErrorCode": "E1", "name": "ignored"})
    ((_, stream),) = parts(effects)
    assert stream["error"] == {"name": "UserError", "message": "oops", "userErrorCode": "E1"}
    assert frames(effects) == [{"type": "streamClosed", "streamId": "s"}]


@pytest.mark.parametrize(
    ("group", "stream", "name"),
    [
        ("other", {}, "Forbidden"),
        ("g", {"idleTimeoutMs": 0}, "BadRequest"),
    ],
)
def test_starts_that_are_refused(group: str, stream: dict[str, Any], name: str) -> None:
    hub = opened()
    assert closing(start(hub, group=group, **stream)) == [closed(name)]
    assert closing(send(hub, 1)) == [closed("StreamNotFound")]


def test_a_start_with_data_is_refused() -> None:
    request = frame(type="sendToGroup", group="g", stream={"streamId": "s"}, data=1)
    assert closing(opened().client_sent("c1", request)) == [closed("BadRequest")]


def test_an_open_stream_keeps_its_id() -> None:
    """A second start is refused, and the stream goes on. A closed one frees its id."""
    hub = opened()
    start(hub)
    send(hub, 1)
    assert closing(start(hub)) == [closed("BadRequest")]
    assert frames(send(hub, 2)) == [ack(3)]
    end(hub)
    assert frames(start(hub)) == [ack(1)]


def test_streams_are_independent() -> None:
    """Of each other, and of streams of other connections with the same id."""
    hub = opened()
    enter(hub, handshake("c3", roles=SEND))
    start(hub, "s")
    start(hub, "t")
    send(hub, 1, "s")
    assert frames(send(hub, 1, "t"))[0]["expectedSequenceId"] == 2
    request = frame(type="streamEnd", streamId="s")
    (answer,) = frames(hub.client_sent("c3", request), "c3")
    assert answer["error"]["name"] == "StreamNotFound"


def test_idle_timeouts() -> None:
    """Accepted fragments and keepalives restart it, others do not."""
    hub = opened()
    watch = WatchStream("chat", "c1", "s", 300_000)
    assert watched(start(hub)) == [watch]
    assert watched(send(hub, 1)) == [watch]
    assert watched(send(hub, 1)) == []
    assert watched(send(hub, 9)) == []
    keepalive = frame(type="streamData", streamId="s")
    assert hub.client_sent("c1", keepalive) == [watch]
    effects = hub.stream_idle("c1", "s")
    assert watched(effects) == [ForgetStream("c1", "s")]
    assert closing(effects) == [closed("IdleTimeout")]
    ((_, stream),) = parts(effects)
    assert (stream["endOfStream"], stream["error"]["name"]) == (True, "IdleTimeout")
    assert hub.stream_idle("c1", "s") == []
    assert closing(hub.client_sent("c1", keepalive)) == [closed("StreamNotFound")]


def test_the_idle_timeout_of_the_client() -> None:
    assert watched(start(opened(), idleTimeoutMs=5)) == [WatchStream("chat", "c1", "s", 5)]


def test_a_revoked_permission_ends_the_stream() -> None:
    """At its next fragment."""
    hub = opened()
    start(hub)
    permissions = hub.groups.permissions("c1")
    assert permissions is not None
    permissions.revoke("sendToGroup", "g")
    effects = send(hub, 1)
    assert closing(effects) == [closed("Forbidden")]
    assert [stream["error"]["name"] for _, stream in parts(effects)] == ["Forbidden"]


def test_the_end_of_the_sender_ends_its_streams() -> None:
    """Receivers are informed, and the timers are stopped."""
    hub = opened()
    start(hub, "s")
    start(hub, "t")
    effects = hub.client_lost("c1")
    assert watched(effects) == [ForgetStream("c1", "s"), ForgetStream("c1", "t")]
    ends = [(stream["streamId"], stream["error"]["name"]) for _, stream in parts(effects)]
    assert ends == [("s", "Cancelled"), ("t", "Cancelled")]
    assert hub.stream_idle("c1", "s") == []


def test_a_recovery_continues_streams() -> None:
    """After the frame `connected`, and with the sequence id that is expected."""
    hub = opened(RELIABLE, groups=("g",))
    start(hub)
    send(hub, 1)
    hub.client_lost("c1")
    connected, message = frames(hub.client_recovered("c1", "token"))
    assert (connected["event"], connected["reconnectionToken"]) == ("connected", "token")
    assert (message["sequenceId"], message["stream"]["streamSequenceId"]) == (1, 1)
    assert ack(2) in frames(send(hub, 1))
    assert ack(3) in frames(send(hub, 2))


def test_without_streams_a_recovery_has_no_second_frame_connected() -> None:
    hub = opened(RELIABLE)
    hub.client_lost("c1")
    assert hub.client_recovered("c1", "token") == []


def test_streams_that_ended_without_a_socket_also_count_for_the_recovery() -> None:
    """Otherwise the client would never learn of the end."""
    hub = opened(RELIABLE)
    start(hub)
    hub.client_lost("c1")
    hub.stream_idle("c1", "s")
    assert [one["event"] for one in frames(hub.client_recovered("c1", "token"))] == ["connected"]
    assert closing(send(hub, 1)) == [closed("StreamNotFound")]


def test_a_sender_that_does_not_acknowledge_its_own_echo() -> None:
    """Its connection ends with the stream, whose last fragment is not counted twice."""
    hub = opened(RELIABLE, groups=("g",))
    start(hub)
    for _ in range(FRAME_LIMIT):
        hub.sending.to_connection("c1", Payload("text", b"x"))
    effects = send(hub, 1)
    assert [each.code for each in effects if isinstance(each, Close)] == [1008]
    numbers = [stream["streamSequenceId"] for _, stream in parts(effects)]
    assert sorted(numbers) == [1, 2]
    assert watched(effects)[-1] == ForgetStream("c1", "s")


def test_simple_clients_get_the_bare_fragments() -> None:
    """And an empty text at the end."""
    hub = opened()
    enter(hub, handshake("raw", subprotocols=(), groups=("g",)))
    start(hub)
    assert sent_to("raw", [*send(hub, 1), *end(hub)]) == ["1", ""]


def overfull_pair() -> Hub:
    """Return a hub with two clients that stream to each other and can take no more message."""
    hub = Hub("chat")
    for name in ("c1", "c2"):
        enter(hub, handshake(name, roles=SEND, groups=("g",), subprotocols=(RELIABLE,)))
        hub.client_sent(name, frame(type="sendToGroup", group="g", stream={"streamId": "s"}))
        for _ in range(FRAME_LIMIT):
            hub.sending.to_connection(name, Payload("text", b"x"))
    return hub


def closed_with(effects: list[Effect]) -> list[tuple[str, int]]:
    return [(each.connection_id, each.code) for each in effects if isinstance(each, Close)]


def test_an_end_that_causes_another_end() -> None:
    """The message at the end of the first stream is too much for the other client."""
    effects = overfull_pair().endings.close_all("", ())
    assert closed_with(effects) == [("c1", 1000), ("c2", 1008)]


def test_a_message_that_ends_all_its_receivers() -> None:
    """Each of them once, although the end of the first one already ends the second one."""
    effects = overfull_pair().sending.to_all(Payload("text", b"x"), ())
    assert closed_with(effects) == [("c1", 1008), ("c2", 1008)]


def test_fragments_are_recorded_and_the_end_is_not() -> None:
    """The end has no data, so a test that asks for messages does not find it."""
    hub = opened()
    hub.sending.record = []
    start(hub)
    send(hub, 1)
    send(hub, 2)
    end(hub)
    assert [message.data for message in hub.sending.record] == ["1", "2"]
