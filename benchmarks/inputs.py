"""What the runtime hands an app: requests to negotiate, and the events of a connection.

Both are made by the local host's own rules, as from requests over HTTP.
"""

import json

from localdev.emulator.tokens import ACCESS_KEY
from localdev.emulator.upstream import sign
from localdev.host.answers import answer_event
from localdev.host.bindings import Headers, HttpRequest, Outcome
from localdev.host.events import EventContext, argument_value, event_values, read_context

GROUP = "lobby"
_JSON = "application/json"


def negotiate_request(number: int) -> HttpRequest:
    """A caller who is not the same as the one of another number, and wants a token for a group."""
    body = json.dumps({"userId": f"user-{number}", "group": GROUP}).encode()
    return HttpRequest(
        method="POST",
        url="http://127.0.0.1:7071/api/negotiate",
        headers={"content-type": _JSON, "host": "127.0.0.1:7071", "content-length": str(len(body))},
        route_parameters={},
        query={},
        body=body,
    )


class Connection:
    """One connection and the arguments of its events, for functions with `request` as argument."""

    def __init__(self, number: int, hub: str) -> None:
        self._id = f"connection-{number}"
        self._states: Headers = ()
        self._user_id = f"user-{number}"
        self._common = [
            ("ce-hub", hub),
            ("ce-connectionId", self._id),
            ("ce-userId", self._user_id),
            ("ce-signature", sign(self._id, ACCESS_KEY)),
            ("WebHook-Request-Origin", "127.0.0.1"),
            ("Content-Type", _JSON),
        ]

    def connect_argument(self) -> str:
        """The client's token says its group."""
        claims = {"sub": [self._user_id], "webpubsub.group": [GROUP]}
        body = {"claims": claims, "query": {}, "headers": {}, "subprotocols": []}
        return self._argument("connect", {**body, "clientCertificates": []})

    def take_answer(self, outcome: Outcome) -> None:
        """The state that the app's answer to `connect` gives the connection."""
        answer = answer_event(self._context("connect"), outcome)
        if answer is None or answer.status != 200:
            raise RuntimeError(f"connect was answered {answer}")
        self._states = [pair for pair in answer.headers if pair[0] == "ce-connectionState"]

    def connected_argument(self) -> str:
        """The connection is open; its state tells what `connect` left in it."""
        return self._argument("connected", {})

    def _headers(self, name: str) -> list[tuple[str, str]]:
        named = [("ce-type", f"azure.webpubsub.sys.{name}"), ("ce-eventName", name)]
        return [*named, *self._common, *self._states]

    def _context(self, name: str) -> EventContext:
        return read_context(self._headers(name))

    def _argument(self, name: str, body: object) -> str:
        content = json.dumps(body).encode()
        values = event_values(self._context(name), self._headers(name), content)
        argument = argument_value(values, "request", binary=False)
        assert isinstance(argument, str)  # noqa: S101
        return argument
