"""Messages of the app and of clients, to all connections, a group, a user or one connection."""

from collections.abc import Collection, Iterable

from webpubsub_emulator.connection import Connection, State
from webpubsub_emulator.effects import Effect, Expire, Send
from webpubsub_emulator.filters import Filter
from webpubsub_emulator.hub_endings import Endings
from webpubsub_emulator.messages import MemberState, MemberStates, Payload, StreamPart
from webpubsub_emulator.outgoing import (
    OutgoingMessage,
    group_message,
    server_message,
    states_message,
)
from webpubsub_emulator.recording import SentMessage, sent_message
from webpubsub_emulator.registry import Registry, matching

BUFFER_FULL = "The reliable message buffer is full."
POLICY_VIOLATION = 1008  # the close code (RFC 6455, section 7.4.1)


class Sending:
    """Sends messages to connections of one hub.

    `excluded` are connection ids. Raises FilterError before anything is sent.
    """

    def __init__(self, connections: Registry, endings: Endings) -> None:
        self._connections = connections
        self._endings = endings
        self.record: list[SentMessage] | None = None  # of all messages; None keeps none

    def to_all(
        self, payload: Payload, excluded: Collection[str], where: Filter | None = None
    ) -> list[Effect]:
        """Send from the app to every connection."""
        receivers = matching(self._connections.everyone(), where)
        return self._send(server_message(payload), receivers, excluded)

    def to_group(
        self, group: str, payload: Payload, excluded: Collection[str], where: Filter | None = None
    ) -> list[Effect]:
        """Send from the app to a group."""
        receivers = matching(self._connections.members(group), where)
        return self._send(group_message(group, None, payload), receivers, excluded)

    def to_user(self, user_id: str, payload: Payload, where: Filter | None = None) -> list[Effect]:
        """Send from the app to every connection of a user."""
        receivers = matching(self._connections.of_user(user_id), where)
        return self._send(server_message(payload), receivers)

    def to_connection(self, connection_id: str, payload: Payload) -> list[Effect]:
        """Send from the app to one connection, if it exists."""
        connection = self._connections.find(connection_id)
        return [] if connection is None else self.reply(connection, payload)

    def reply(self, connection: Connection, payload: Payload) -> list[Effect]:
        """Send from the app to this connection."""
        return self._send(server_message(payload), [connection])

    def publish(
        self,
        sender: Connection,
        group: str,
        payload: Payload,
        no_echo: bool,
        stream: StreamPart | None = None,
    ) -> list[Effect]:
        """Send from a client to a group; with `no_echo` to the other members only."""
        message = group_message(group, sender.user_id, payload, stream)
        excluded = {sender.id} if no_echo else ()
        return self._send(message, self._connections.members(group), excluded)

    def _send(
        self,
        message: OutgoingMessage,
        receivers: Collection[Connection],
        excluded: Collection[str] = (),
    ) -> list[Effect]:
        if self.record is not None and not message.ends_stream:
            wanted = (receiver for receiver in receivers if receiver.id not in excluded)
            self.record.append(sent_message(message, wanted))
        return self._deliver(message, receivers, excluded)

    def states(
        self,
        group: str,
        items: tuple[MemberState, ...],
        receivers: Iterable[Connection],
        *,
        is_snapshot: bool,
    ) -> list[Effect]:
        """Send states of a group's members."""
        # Not recorded, because it is no message of an app or a client.
        message = states_message(group, MemberStates(items, is_snapshot))
        return self._deliver(message, receivers)

    def _deliver(
        self,
        message: OutgoingMessage,
        receivers: Iterable[Connection],
        excluded: Collection[str] = (),
    ) -> list[Effect]:
        effects: list[Effect] = [] if message.lifetime is None else [Expire(message.lifetime)]
        # A copy, because a receiver may end here and leave the registry.
        for receiver in tuple(receivers):
            if receiver.id in excluded:
                continue
            frame = receiver.frame_for(message)
            if frame is not None:
                effects.append(Send(receiver.id, frame))
            elif receiver.state is not State.CLOSED:  # by the end of an earlier receiver
                effects += self._endings.fail(receiver, POLICY_VIOLATION, BUFFER_FULL)
        return effects
