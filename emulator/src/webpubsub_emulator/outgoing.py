"""Messages from the service to clients. The modules protocol_*.py encode them."""

from collections.abc import Callable
from typing import Any, TypeVar

from webpubsub_emulator.messages import Lifetime, MemberStates, Payload, StreamPart

_T = TypeVar("_T")
_NO_DATA = Payload("text", b"")


class OutgoingMessage:
    """A message for any number of clients, which is encoded once for each protocol.

    A message without a group comes from the app and is not addressed to a group. A message with
    `states` has no other data.
    """

    __slots__ = ("_encoded", "from_user_id", "group", "lifetime", "payload", "states", "stream")

    def __init__(
        self,
        payload: Payload,
        group: str | None = None,
        from_user_id: str | None = None,
        stream: StreamPart | None = None,
        states: MemberStates | None = None,
    ) -> None:
        self.payload = payload
        self.lifetime = Lifetime(payload.ttl_seconds) if payload.ttl_seconds else None
        self.states = states
        self.stream = stream
        self.group = group
        self.from_user_id = from_user_id
        self._encoded: dict[Callable[[OutgoingMessage], Any], Any] = {}

    @property
    def ends_stream(self) -> bool:
        """Whether it is the end of a stream, which has no data."""
        return self.stream is not None and self.stream.is_end

    def encoded(self, encode: Callable[["OutgoingMessage"], _T]) -> _T:
        """Return what `encode` makes of the message. It is called for the first receiver only."""
        result: _T | None = self._encoded.get(encode)
        if result is None:
            result = self._encoded[encode] = encode(self)
        return result


def group_message(
    group: str, from_user_id: str | None, payload: Payload, stream: StreamPart | None = None
) -> OutgoingMessage:
    """Return a message for the members of a group. A REST call has no sending user."""
    return OutgoingMessage(payload, group, from_user_id, stream)


def states_message(group: str, states: MemberStates) -> OutgoingMessage:
    """Return a message about the states of a group's members."""
    return OutgoingMessage(_NO_DATA, group, states=states)


def server_message(payload: Payload) -> OutgoingMessage:
    """Return a message from the app that is not addressed to a group."""
    return OutgoingMessage(payload)
