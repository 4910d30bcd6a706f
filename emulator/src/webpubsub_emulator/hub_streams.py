"""Streams: one long message of a client to a group, in ordered and acknowledged fragments.

The rules are in client-spec, section 3.6 ("Streaming"). `Inferred` marks what it leaves open.
"""

from dataclasses import dataclass

from webpubsub_emulator.client_requests import (
    EndStream,
    KeepStreamAlive,
    StartStream,
    StreamData,
)
from webpubsub_emulator.client_responses import (
    ClientResponse,
    StreamAck,
    StreamClosed,
    StreamNack,
)
from webpubsub_emulator.connection import Connection
from webpubsub_emulator.effects import Effect, ForgetStream, Send, WatchStream
from webpubsub_emulator.hub_requests import RequestTable
from webpubsub_emulator.hub_sending import Sending
from webpubsub_emulator.messages import ErrorDetail, Payload, StreamPart
from webpubsub_emulator.permissions import forbidden_text
from webpubsub_emulator.registry import Registry

FIRST = 1  # the sequence id of a stream's first fragment
NOTHING = Payload("text", b"")  # the data of the message that ends a stream

CANCELLED = ErrorDetail("Cancelled", "The connection of the stream's sender ended.")
IDLE = ErrorDetail("IdleTimeout", "The stream was idle for too long.")
NOT_FOUND = ErrorDetail("StreamNotFound", "The connection has no open stream with this id.")
IN_USE = "The connection has an open stream with this id."
GAP = "The fragments before this one are missing."


@dataclass(slots=True)
class Stream:
    """An open stream of a connection."""

    group: str
    idle_ms: int
    no_echo: bool
    expected: int = FIRST  # the next fragment's sequence id


class Streams:
    """The open streams of one hub. They survive a recovery, and end with their connection."""

    def __init__(self, connections: Registry, sending: Sending) -> None:
        self._connections = connections
        self._sending = sending
        self._streams: dict[str, dict[str, Stream]] = {}  # connection id to stream id

    @property
    def requests(self) -> RequestTable:
        """The requests that this class carries out."""
        return {
            StreamData: self.data,
            StartStream: self.start,
            KeepStreamAlive: self.keep_alive,
            EndStream: self.end,
        }

    def are_used_by(self, connection: Connection) -> bool:
        """Return whether the connection has opened a stream, which may have ended."""
        return connection.id in self._streams

    def start(self, connection: Connection, request: StartStream) -> list[Effect]:
        """Open a stream, or close it at once with a reason."""
        stream_id = request.stream_id
        refusal = self._refusal(connection, request)
        if refusal is not None:
            # Inferred: a stream that is open under the same id stays open.
            return _respond(connection, StreamClosed(stream_id, refusal))
        stream = Stream(request.group, request.idle_ms, request.no_echo)
        self._streams.setdefault(connection.id, {})[stream_id] = stream
        ack = _respond(connection, StreamAck(stream_id, stream.expected))
        return [_watch(connection, stream_id, stream), *ack]

    def data(self, connection: Connection, request: StreamData) -> list[Effect]:
        """Publish a fragment if it is the next one. An earlier one is acknowledged again."""
        stream_id = request.stream_id
        stream = self._find(connection, stream_id)
        if stream is None:
            return _respond(connection, StreamClosed(stream_id, NOT_FOUND))
        if request.sequence_id > stream.expected:
            nack = StreamNack(stream_id, stream.expected, "InvalidSequenceId", GAP)
            return _respond(connection, nack)
        if request.sequence_id < stream.expected:
            return _respond(connection, StreamAck(stream_id, stream.expected))
        forbidden = _forbidden(connection, stream.group)
        if forbidden is not None:
            # Inferred: a permission counts for each fragment, as for each message.
            return self._close(connection, stream_id, forbidden)
        # Before the publication, which may end the sender and with it the stream.
        stream.expected += 1
        watch = _watch(connection, stream_id, stream)
        part = StreamPart(stream_id, request.sequence_id)
        sent = self._publish(connection, stream, request.payload, part)
        return [watch, *sent, *_respond(connection, StreamAck(stream_id, stream.expected))]

    def keep_alive(self, connection: Connection, request: KeepStreamAlive) -> list[Effect]:
        """Restart the idle timeout. The group gets nothing, and the client no answer."""
        stream = self._find(connection, request.stream_id)
        if stream is None:
            return _respond(connection, StreamClosed(request.stream_id, NOT_FOUND))
        return [_watch(connection, request.stream_id, stream)]

    def end(self, connection: Connection, request: EndStream) -> list[Effect]:
        """Close a stream for its client. Only the receivers get the client's error."""
        stream_id = request.stream_id
        if self._find(connection, stream_id) is None:
            return _respond(connection, StreamClosed(stream_id, NOT_FOUND))
        ended = self._end(connection, stream_id, request.error)
        return [*ended, *_respond(connection, StreamClosed(stream_id))]

    def idle(self, connection_id: str, stream_id: str) -> list[Effect]:
        """Close a stream whose idle timeout has passed."""
        connection = self._connections.get(connection_id)
        if connection is None or self._find(connection, stream_id) is None:
            return []
        return self._close(connection, stream_id, IDLE)

    def abandon(self, connection: Connection) -> list[Effect]:
        """End the streams of a connection that ends. Inferred: receivers get Cancelled."""
        ids = tuple(self._streams.get(connection.id, ()))
        ended = [effect for each in ids for effect in self._end(connection, each, CANCELLED)]
        self._streams.pop(connection.id, None)
        return ended

    def clear(self) -> None:
        """Forget every stream."""
        self._streams.clear()

    def _find(self, connection: Connection, stream_id: str) -> Stream | None:
        return self._streams.get(connection.id, {}).get(stream_id)

    def _refusal(self, connection: Connection, request: StartStream) -> ErrorDetail | None:
        if request.invalid:
            return ErrorDetail("BadRequest", request.invalid)
        if self._find(connection, request.stream_id) is not None:
            return ErrorDetail("BadRequest", IN_USE)
        return _forbidden(connection, request.group)

    def _close(self, connection: Connection, stream_id: str, error: ErrorDetail) -> list[Effect]:
        ended = self._end(connection, stream_id, error)
        return [*ended, *_respond(connection, StreamClosed(stream_id, error))]

    def _end(
        self, connection: Connection, stream_id: str, error: ErrorDetail | None
    ) -> list[Effect]:
        stream = self._streams[connection.id].pop(stream_id)
        part = StreamPart(stream_id, stream.expected, is_end=True, error=error)
        last = self._publish(connection, stream, NOTHING, part)
        return [ForgetStream(connection.id, stream_id), *last]

    def _publish(
        self, connection: Connection, stream: Stream, payload: Payload, part: StreamPart
    ) -> list[Effect]:
        return self._sending.publish(connection, stream.group, payload, stream.no_echo, part)


def _forbidden(connection: Connection, group: str) -> ErrorDetail | None:
    if connection.permissions.allow("sendToGroup", group):
        return None
    return ErrorDetail("Forbidden", forbidden_text("send to", group))


def _watch(connection: Connection, stream_id: str, stream: Stream) -> WatchStream:
    return WatchStream(connection.hub, connection.id, stream_id, stream.idle_ms)


def _respond(connection: Connection, response: ClientResponse) -> list[Effect]:
    frame = connection.protocol.respond(response)
    return [] if frame is None else [Send(connection.id, frame)]
