"""Group states: what each member of a group publishes about itself, for subscribers.

The frames are in npm's web-pubsub-client (models/messages.ts) and webpubsub.v1.proto, and the roles
in the chat SDKs. `Inferred` marks how the service behaves beyond them.
"""

from collections.abc import Callable
from itertools import count

from webpubsub_emulator.connection import Connection
from webpubsub_emulator.effects import Effect
from webpubsub_emulator.hub_sending import Sending
from webpubsub_emulator.messages import GroupState, MemberState


class GroupStates:
    """The states of one hub. `clock` returns the time in milliseconds."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._states: dict[str, dict[str, MemberState]] = {}  # group to connection id
        self._subscribers: dict[str, dict[str, Connection]] = {}  # group to connection id
        self._subscribed: dict[str, set[str]] = {}  # connection id to groups
        self.clock: Callable[[], int] = count(1).__next__
        self._last = 0

    def set(self, connection: Connection, group: str, state: GroupState | None) -> list[Effect]:
        """Set or clear the state of a member. Every subscriber gets it, its own client too."""
        states = self._states.setdefault(group, {})
        if state is not None:
            states[connection.id] = self._stamp(connection, state)
            return self._update(group, states[connection.id])
        return self.left(connection, group)

    def left(self, connection: Connection, group: str) -> list[Effect]:
        """Clear the state of a connection that is no member any more (inferred)."""
        states = self._states.get(group, {})
        had_state = states.pop(connection.id, None) is not None
        if not states:
            self._states.pop(group, None)
        return self._update(group, self._stamp(connection, None)) if had_state else []

    def subscribe(self, connection: Connection, group: str) -> list[Effect]:
        """Send the states of a group to a client, now and when they change.

        Inferred: a subscriber need not be a member.
        """
        self._subscribers.setdefault(group, {})[connection.id] = connection
        self._subscribed.setdefault(connection.id, set()).add(group)
        states = self._states.get(group, {})
        items = tuple(states[connection_id] for connection_id in sorted(states))
        return self._sending.states(group, items, [connection], is_snapshot=True)

    def unsubscribe(self, connection: Connection, group: str) -> list[Effect]:
        """Send the states of a group to a client no more."""
        self._subscribed.get(connection.id, set()).discard(group)
        subscribers = self._subscribers.get(group, {})
        subscribers.pop(connection.id, None)
        if not subscribers:
            self._subscribers.pop(group, None)
        return []

    def end(self, connection: Connection) -> list[Effect]:
        """Forget the subscriptions of a connection that ends."""
        for group in self._subscribed.pop(connection.id, set()):
            self.unsubscribe(connection, group)
        return []

    def clear(self) -> None:
        """Forget every state and subscription."""
        self._states.clear()
        self._subscribers.clear()
        self._subscribed.clear()

    def _stamp(self, connection: Connection, state: GroupState | None) -> MemberState:
        # Later than any state before, because clients ignore a state that is not newer.
        self._last = max(self.clock(), self._last + 1)
        return MemberState(connection.id, connection.user_id, state, self._last)

    def _update(self, group: str, item: MemberState) -> list[Effect]:
        subscribers = self._subscribers.get(group, {}).values()
        return self._sending.states(group, (item,), subscribers, is_snapshot=False)
