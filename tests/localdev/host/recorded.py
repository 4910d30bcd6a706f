"""The recorded events of the real Web PubSub extension, and how an answer is compared with one."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localdev.host.bindings import Answer, Outcome
from localdev.host.states import decode_states
from localdev.host.webhook import Listener, read_listener

type Case = Mapping[str, Any]

RECORDINGS = Path(__file__).parent / "recordings" / "web-pubsub-trigger.jsonl"
IDENTITY_PREFIX = "uri:"


def read_cases() -> list[Case]:
    """Return all recorded requests, in their order."""
    return [json.loads(line) for line in RECORDINGS.read_text("utf-8").splitlines()]


def read_bytes(value: str | Mapping[str, str]) -> bytes:
    """Return a recorded body: text, or base64 of what is not text."""
    if isinstance(value, str):
        return value.encode()
    return base64.b64decode(value["base64"])


def connection_settings(connections: Sequence[str]) -> dict[str, str]:
    """Return one app setting per recorded connection: a connection string or an identity."""
    settings = {}
    for number, text in enumerate(connections):
        identity = text.startswith(IDENTITY_PREFIX)
        name = f"Connection{number}" + ("__serviceUri" if identity else "")
        settings[name] = text.removeprefix(IDENTITY_PREFIX)
    return settings


def trigger_options(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declaration of a recorded listener's trigger."""
    return {
        "hub": recorded["hub"],
        "eventType": recorded["type"],
        "eventName": recorded["event"],
        "clientProtocols": recorded["protocol"],
        "connections": [f"Connection{number}" for number in range(len(recorded["connections"]))],
    }


def make_listeners(case: Case, parameter: str) -> list[Listener]:
    """Return the case's listeners, their functions named by number, bound to one parameter."""
    return [
        read_listener(
            str(number),
            {**trigger_options(recorded), "name": parameter},
            connection_settings(recorded["connections"]),
        )
        for number, recorded in enumerate(case["listeners"])
    ]


def read_outcome(case: Case) -> Outcome:
    """Return how the recorded function ended."""
    [(kind, value)] = case["returns"].items()
    if kind == "raises":
        return Outcome(failed=True)
    return Outcome(failed=False, value=base64.b64decode(value) if kind == "base64" else value)


def read_argument(text: str | bytes | None, expected: Mapping[str, Any]) -> Any:
    """Return a received argument in the form of the recorded one: JSON or text."""
    return json.loads(text) if text is not None and "json" in expected else text


def comparable_answer(answer: Answer | None, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer in the form of the recorded one, with a body only where it is fixed."""
    if answer is None:
        return {"never": True}
    headers = {name.lower(): value for name, value in answer.headers}
    states = headers.get("ce-connectionstate")
    found: dict[str, Any] = {
        "status": answer.status,
        "contentType": headers.get("content-type"),
        "allowedOrigin": headers.get("webhook-allowed-origin"),
        "states": None if states is None else decode_states(states),
    }
    if "body" in expected:
        found["body"] = answer.body
    return {name: value for name, value in found.items() if value is not None}


def expected_answer(case: Case) -> dict[str, Any]:
    """Return the recorded answer with its body as bytes."""
    answer = dict(case["answer"])
    if "body" in answer:
        answer["body"] = read_bytes(answer["body"])
    return answer
