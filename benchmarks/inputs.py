"""Inputs of an app: negotiate requests, and the events of a connection.

The emulator builds the event's HTTP request; the local host makes the function's argument of it.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime

from localdev.host.answers import answer_event
from localdev.host.bindings import HttpRequest, Outcome
from localdev.host.event_context import read_context
from localdev.host.events import argument_value, event_values
from webpubsub_emulator import ACCESS_KEY
from webpubsub_emulator.events import Event, Handshake, connect_payload, connected_payload
from webpubsub_emulator.upstream import Sender, UpstreamRequest, build_request

GROUP = "lobby"
SERVICE = Sender("127.0.0.1", ACCESS_KEY)
WEBHOOK = "http://127.0.0.1:7071/runtime/webhooks/webpubsub"


def negotiate_request(number: int) -> HttpRequest:
    """Return a request for a token with a group. Each number is another user."""
    body = json.dumps({"userId": f"user-{number}", "group": GROUP}).encode()
    return HttpRequest(
        method="POST",
        url="http://127.0.0.1:7071/api/negotiate",
        headers={
            "host": "127.0.0.1:7071",
            "content-type": "application/json",
            "content-length": str(len(body)),
        },
        route_parameters={},
        query={},
        body=body,
    )


def own_group(number: int) -> str:
    """Return the group that the sample policy reserves for the user with this number."""
    return f"user-user-{number}"


class Connection:
    """A connection, and the arguments that functions get for its events."""

    def __init__(self, number: int, hub: str, group: str = GROUP) -> None:
        claims = {"sub": [f"user-{number}"], "webpubsub.group": [group]}
        handshake = Handshake(
            connection_id=f"{number:032x}",
            user_id=f"user-{number}",
            roles=(f"webpubsub.sendToGroup.{group}",),
            groups=(group,),
            subprotocols=("json.webpubsub.azure.v1",),
            claims=claims,
            query={},
            headers={},
        )
        self._connect = Event(
            hub=hub,
            connection_id=handshake.connection_id,
            kind="sys",
            name="connect",
            number=0,
            payload=connect_payload(handshake),
            user_id=handshake.user_id,
            subprotocol=handshake.subprotocols[0],
        )
        self._state: str | None = None

    def connect_argument(self) -> str:
        """Return the argument of `connect`; the group is in the client's token."""
        return _argument(_request(self._connect))

    def take_answer(self, outcome: Outcome) -> None:
        """Keep the connection state that the app set in its answer to `connect`."""
        answer = answer_event(read_context(_headers(_request(self._connect))), outcome)
        if answer is None or answer.status != 200:
            raise RuntimeError(f"connect was answered {answer}")
        self._state = dict(answer.headers).get("ce-connectionState")

    def connected_argument(self) -> str:
        """Return the argument of `connected`."""
        payload, state = connected_payload(), self._state
        event = replace(
            self._connect, name="connected", number=1, payload=payload, connection_state=state
        )
        return _argument(_request(event))


def _request(event: Event) -> UpstreamRequest:
    return build_request(event, SERVICE, WEBHOOK, datetime.now(UTC), "a-request")


def _headers(request: UpstreamRequest) -> tuple[tuple[str, str], ...]:
    return tuple(request.headers.items())


def _argument(request: UpstreamRequest) -> str:
    """Return the argument for a function whose parameter is called `request`."""
    values = event_values(read_context(_headers(request)), request.body)
    return str(argument_value(values, "request", binary=False))
