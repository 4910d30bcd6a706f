"""The check `journey`: a client receives the announcements of its own join and another's leave."""

from dataclasses import replace

from localdev.doctor.announcements import Announcements, explain_missing
from localdev.doctor.calls import UnreachableError
from localdev.doctor.client import Client, RefusedError, open_client
from localdev.doctor.context import Context, Token, new_user_id
from localdev.doctor.findings import Finding, failure, fine, skipped
from localdev.doctor.fixes import ADD_UNITS
from localdev.doctor.negotiation import call_negotiate, known_caller, read_token


async def check_journey(context: Context) -> Finding:
    """Connect two clients as a browser does, with tokens from negotiate."""
    token = context.token
    if token is None:
        return skipped("needs a token from negotiate")
    finding = await _make_journey(context, token)
    visit = f"; visit {token.visit}" if token.visit else ""
    return replace(finding, saw=f"{finding.saw}{visit}")


async def _make_journey(context: Context, token: Token) -> Finding:
    try:
        async with open_client(context.session, token.url) as first:
            received = await _receive(context, first, token)
            if not received.missing:
                return fine(_describe(received, token))
            return await explain_missing(context, token, first, received)
    except RefusedError as error:
        return _judge_refusal(context, error.status)
    except UnreachableError as error:
        means = "Web PubSub does not accept clients of this network."
        fix = context.fixes.let_clients_reach_service()
        return failure(f"no client can connect: {error}", means, fix)


async def _receive(context: Context, first: Client, token: Token) -> Announcements:
    # Without the app's self check, the settings are unknown and both announcements expected.
    expects_join = context.self_check.get("announcesJoins", True)
    expects_leave = context.self_check.get("announcesLeaves", True)
    join = leave = None
    if expects_join:
        join = await first.wait_for(token.user_id, context.target.wait_seconds)
    if expects_leave:
        leave = await _receive_leave(context, first, token, has_joins=join is not None)
    seen = (first.others, first.sees_presence)
    return Announcements(join, leave, expects_join, expects_leave, *seen)


async def _receive_leave(
    context: Context, first: Client, own: Token, *, has_joins: bool
) -> float | None:
    """Connect and disconnect a second client; return the milliseconds until its announced leave."""
    answer = await call_negotiate(context, known_caller(context), new_user_id())
    second = read_token(answer.body) or own
    async with open_client(context.session, second.url):
        # Otherwise the announcement of its join would be taken for the leave.
        if has_joins:
            await first.wait_for(second.user_id, context.target.wait_seconds)
    grace = context.self_check.get("leaveGrace", 0)
    return await first.wait_for_leave(second.user_id, context.target.wait_seconds + grace)


def _describe(received: Announcements, token: Token) -> str:
    parts = [
        f"the {what} after {milliseconds:.0f} ms"
        for what, milliseconds in (("join", received.join_ms), ("leave", received.leave_ms))
        if milliseconds is not None
    ]
    if not parts:
        return f"{token.user_id} connected; the settings turn announcements off"
    return f"{token.user_id} connected; the app announced {' and '.join(parts)}"


def _judge_refusal(context: Context, status: int) -> Finding:
    saw = f"Web PubSub answered the client's handshake with {status}"
    fixes = context.fixes
    if context.handler_remarks:
        means = f"The event handler is probably wrong: {'; '.join(context.handler_remarks)}."
        return failure(saw, means, fixes.set_event_handler())
    match status:
        case 401 if context.connection_state is None:
            means = "Web PubSub rejects the token, or the app rejects the client."
            return failure(saw, means, fixes.read_log())
        case 401:
            means = (
                "The app accepts the client, so Web PubSub rejects the token: the app signs with a "
                "key of another service."
            )
            return failure(saw, means, fixes.set_connection())
        case 403:
            means = "The network rules of the Web PubSub resource block clients of this network."
            return failure(saw, means, fixes.let_clients_reach_service())
        case 429:
            means = "The Web PubSub resource has as many clients as its units allow."
            return failure(saw, means, ADD_UNITS)
    return _judge_undelivered_connect(context, saw)


def _judge_undelivered_connect(context: Context, saw: str) -> Finding:
    means = "Web PubSub cannot deliver connect: the event handler's URL has a wrong key or address."
    if context.connection_state is not None:
        means += " The app itself accepts the client."
    return failure(saw, means, context.fixes.set_event_handler())
