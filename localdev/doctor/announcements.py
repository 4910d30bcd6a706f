"""Why an announcement did not arrive: because of the event handler, or because of the app.

The doctor sends the event itself. If the app then announces, Web PubSub had not sent the event.
"""

from dataclasses import dataclass
from enum import Enum, auto

from localdev.doctor.client import FOREIGN_ORIGIN, Client, RefusedError, open_client
from localdev.doctor.context import Context, Token
from localdev.doctor.events import can_send_events, send_connected, send_disconnected
from localdev.doctor.findings import Finding, failure, warning
from webpubsub_emulator import tokens

CONNECTED = "connected"
DISCONNECTED = "disconnected"
NAMES = {CONNECTED: "join", DISCONNECTED: "leave"}
TEXT_SETTINGS = {CONNECTED: "USHER_JOIN_TEXT", DISCONNECTED: "USHER_LEAVE_TEXT"}
STALE_PRESENCE = "Clients still show members who left."
NO_CONNECT = "does not send connect, the only event that contains the groups"


@dataclass(frozen=True, slots=True)
class Announcements:
    """The announcements that a client received, and which of them the app's settings turn on.

    Times are in milliseconds, None if nothing arrived. `others` counts announcements of other
    users that arrived meanwhile. `has_presence` is True if they have the presence format.
    """

    join_ms: float | None
    leave_ms: float | None
    expects_join: bool = True
    expects_leave: bool = True
    others: int = 0
    has_presence: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """The events whose expected announcement did not arrive."""
        join = (CONNECTED,) if self.expects_join and self.join_ms is None else ()
        leave = (DISCONNECTED,) if self.expects_leave and self.leave_ms is None else ()
        return (*join, *leave)

    @property
    def is_partial(self) -> bool:
        """Whether one of the two announcements arrived."""
        return self.join_ms is not None or self.leave_ms is not None


class Reaction(Enum):
    """What the app did with an event that the doctor sent itself."""

    ANNOUNCED = auto()
    SILENT = auto()
    NO_FUNCTION = auto()
    UNKNOWN = auto()  # the event could not be sent, or was rejected


async def explain_missing(
    context: Context, token: Token, client: Client, received: Announcements
) -> Finding:
    """Return the one fault behind the missing announcements."""
    if received.others:
        return _judge_busy_group(received)
    reactions = {each: await _send(context, token, client, each) for each in received.missing}
    if without := [each for each, what in reactions.items() if what is Reaction.NO_FUNCTION]:
        saw = f"the app has no function for {' and '.join(without)}"
        means = "The function did not load, or is disabled."
        return failure(saw, means, context.fixes.load_functions())
    # If the app stays silent for an event, the app is at fault; otherwise Web PubSub sent no event.
    unsent = [each for each, what in reactions.items() if what is not Reaction.SILENT]
    if not unsent:
        return _judge_silent_app(context, received)
    is_certain = all(reactions[each] is Reaction.ANNOUNCED for each in unsent)
    if len(unsent) == 1 and received.is_partial:
        return _judge_unsent_event(context, unsent[0], is_certain, received.has_presence)
    has_connect = await _does_connect_arrive(context, token)
    return _judge_unsent_events(context, unsent, is_certain, has_connect)


async def _send(context: Context, token: Token, client: Client, event: str) -> Reaction:
    if context.connection_state is None or not can_send_events(context):
        return Reaction.UNKNOWN
    if event == CONNECTED:
        answer = await send_connected(context, client.connection_id, token.user_id)
    else:
        answer = await send_disconnected(context, token.user_id)
    if answer.status != 200:
        return Reaction.NO_FUNCTION if answer.status == 404 else Reaction.UNKNOWN
    announced = await client.wait_for(token.user_id, context.target.wait_seconds)
    return Reaction.SILENT if announced is None else Reaction.ANNOUNCED


def _judge_busy_group(received: Announcements) -> Finding:
    missing = " and ".join(NAMES[each] for each in received.missing)
    return warning(
        f"no announcement of the client's {missing} arrived, but {received.others} of other users",
        "The group is busy: a summary of many joins or leaves names only two users.",
        "Use a quiet group (--group).",
    )


def _judge_silent_app(context: Context, received: Announcements) -> Finding:
    saw = f"the app accepts {' and '.join(received.missing)}, but announces nothing"
    settings = " and ".join(TEXT_SETTINGS[each] for each in received.missing)
    verb = "is" if len(received.missing) == 1 else "are"
    if context.self_check:
        means = f"{settings} {verb} not empty, so Web PubSub rejects the message or the app fails."
        return failure(saw, means, context.fixes.read_log())
    means = f"{settings} {verb} empty, which may be intended, or the app fails."
    return warning(saw, means, context.fixes.read_log())


def _judge_unsent_event(
    context: Context, event: str, is_certain: bool, has_presence: bool
) -> Finding:
    # The other announcement needs the groups, which `connect` returned: so `connect` is sent.
    other = DISCONNECTED if event == CONNECTED else CONNECTED
    saw = f"the app announced the {NAMES[other]}, but not the {NAMES[event]}"
    means = f"The event handler does not send {event}"
    fix = context.fixes.set_event_handler()
    if has_presence and event == DISCONNECTED:
        return failure(saw, f"{means}. {STALE_PRESENCE}", fix)
    if is_certain or has_presence:  # no text turns presence off
        return failure(saw, f"{means}.", fix)
    return warning(saw, f"{means}, or {TEXT_SETTINGS[event]} is empty.", fix)


def _judge_unsent_events(
    context: Context, events: list[str], is_certain: bool, has_connect: bool | None
) -> Finding:
    names = " and no ".join(NAMES[each] for each in events)
    saw = f"the client connected, but the app announced no {names}"
    fix = context.fixes.set_event_handler()
    if has_connect:
        means = f"The event handler does not send {' and '.join(events)}"
        if is_certain:
            return failure(saw, f"{means}.", fix)
        settings = " and ".join(TEXT_SETTINGS.values())
        return warning(saw, f"{means}, or {settings} are empty.", fix)
    if context.sends_connect is False:
        return failure(saw, f"The event handler {NO_CONNECT}.", fix)
    if has_connect is False:
        means = f"The hub {context.hub} has no event handler, or its event handler {NO_CONNECT}."
        return failure(saw, means, fix)
    means = f"The hub {context.hub} has no event handler, or its event handler misses events."
    return failure(saw, means, fix)


async def _does_connect_arrive(context: Context, token: Token) -> bool | None:
    """Connect a client that the app would reject; None if the app rejects no client we can make."""
    if context.access_key is not None:
        url, origin = _url_without_groups(token, context.access_key), None
    elif context.mode != "local":
        url, origin = token.url, FOREIGN_ORIGIN
    else:
        return None
    try:
        async with open_client(context.session, url, origin):
            return False
    except RefusedError:
        return True


def _url_without_groups(token: Token, access_key: str) -> str:
    # The app rejects a client whose token names no group.
    audience = token.base_url.replace("ws", "http", 1)
    client = tokens.Client(token.user_id, roles=(), groups=(), claims={})
    signed = tokens.sign_client_token(access_key, audience, client, minutes=5)
    return f"{token.base_url}?access_token={signed}"
