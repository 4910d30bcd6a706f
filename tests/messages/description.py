"""api/asyncapi.yaml, and whether it describes a message."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from jsonschema_rs import Draft7Validator

from localdev.stack import ROOT

FILE = ROOT / "api" / "asyncapi.yaml"
# Objects that Usher itself makes. Clients ignore further fields, but the tests allow none.
CLOSED = ("single", "summary", "members", "removed")


@cache
def read_description() -> dict[str, Any]:
    """Return the document."""
    description: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return description


def follow(reference: str) -> Any:
    """Return the part of the document that a reference names."""
    part: Any = read_description()
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


@cache
def validator(message: str, part: str = "payload") -> Draft7Validator:
    """Return the validator of a message's payload, or of its headers."""
    description = copy.deepcopy(read_description())
    for name in CLOSED:
        description["components"]["schemas"][name]["additionalProperties"] = False
    reference = {"$ref": f"#/components/messages/{message}/{part}"}
    return Draft7Validator({**description, **reference}, validate_formats=True)


def messages_of(channel: str) -> list[str]:
    """Return the names of the channel's messages."""
    return list(read_description()["channels"][channel]["messages"])


def why_not(message: str, value: Any, part: str = "payload") -> str | None:
    """Return why the value is not this message; None if it is."""
    error = next(validator(message, part).iter_errors(value), None)
    return None if error is None else f"{message}: {error.instance_path} {error.message}"


def find_problem(channel: str, content_type: str, body: str) -> str | None:
    """Return why the body is no message of the channel; None if it is one."""
    kind = content_type.partition(";")[0].strip()
    try:
        value = json.loads(body) if kind == "application/json" else body
    except ValueError:
        return "not JSON"
    reasons = list(_mismatches(channel, kind, value))
    return None if None in reasons else "; ".join(filter(None, reasons)) or "unknown content type"


def _mismatches(channel: str, kind: str, value: Any) -> Iterator[str | None]:
    for name in messages_of(channel):
        message = follow(f"#/components/messages/{name}")
        if message["contentType"] == kind:
            yield why_not(name, value)
