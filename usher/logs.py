"""Structured log records, and the redaction of secrets in every record of the process."""

import hashlib
import json
import logging
import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from usher.visits import VISIT

logger = logging.getLogger("usher")

# No record contains itself, and to look for that takes a third of the time.
ENCODER = json.JSONEncoder(check_circular=False)
LONGEST_TEXT = 32_768  # characters; Application Insights keeps no more of a message

# A secret, after its name and separator, which are group 1 or 3. The notations are headers, URLs,
# connection strings, JSON, Python's repr, and each of them URL-encoded or inside of JSON. The time
# is linear: no part matches a text in two ways, and nothing that may fail follows a long repeat.
SECRETS = re.compile(
    r"""(?isx)
    (
      (?:x-functions-key | x-zumo-auth | authorization | password | sig
        | (?:access|account|shared)[_-]?key | shared[_-]?access[_-]?key
        | (?:access|refresh|id)[_-]?token | client[_-]?(?:secret|assertion))
      (?:\\{0,31}["'] | %(?:25){0,3}2[27])?                          # the end of a quoted name
      (?:\s | \+ | %(?:25){0,3}20){0,4}
      (?:[=:] | (?<=["']), | %(?:25){0,3}3[ad])
      (?:\s | \+ | %(?:25){0,3}20){0,4}
    | (?:[?&] | %(?:25){0,3}(?:3f|26)) code (?:= | %(?:25){0,3}3d)  # elsewhere, an error's code
    | bearer (?:\s | \+ | %(?:25){0,3}20){1,4}
    )
    (?:b?(\\{0,31}["']) (?:(?!\2)(?:\\.|[^\\]))+                    # until the same quote
      | (?:(?:bearer | basic)(?:\s | \+ | %(?:25){0,3}20){1,4})? [^\s"'&;]+)
    | (sha256 (?:= | %(?:25){0,3}3d)) [0-9a-f]{16,}                 # an event's signature
    | eyJ[\w-]{8,} (?:\.[\w-]*){0,4}                                # a JSON Web Token
    """
)
# Each secret contains or follows one of these, and to look for them takes a tenth of the time.
HINTS = ("eyj", "key", "token", "bearer", "sig", "client", "code", "auth", "sha256", "password")


# What is known about the request at work: its visit for every record, the rest for its refusal.
_notes: ContextVar[dict[str, Any]] = ContextVar("notes")
NO_NOTES: Mapping[str, Any] = MappingProxyType({})
# An unsalted hash would show an address to anybody who hashes all addresses.
_SALT = secrets.token_bytes(16)


def start_notes(**known: object) -> None:
    """Forget the notes; these and the ones that follow are about a new request."""
    _notes.set(known)


def note(field: str, value: object) -> None:
    """Add a field to the record of this request's refusal, if it is refused.

    The value may be a function that returns it, so that only a refusal computes it.
    """
    _notes.get({})[field] = value


def notes() -> Mapping[str, object]:
    """Return the fields that were noted about this request."""
    return {name: value() if callable(value) else value for name, value in _notes.get({}).items()}


def noted_visit() -> str | None:
    """Return the visit that this request belongs to, if that is known."""
    visit: str | None = _notes.get(NO_NOTES).get(VISIT)
    return visit


def pseudonym(text: str) -> str:
    """Return 16 hexadecimal digits in place of personal data, the same until the process ends."""
    return hashlib.blake2b(text.encode(errors="replace"), key=_SALT, digest_size=8).hexdigest()


def log_record(record: str, level: int = logging.INFO, **fields: object) -> None:
    """Log `{"record": ..., "visit": ..., field: ...}`, a line of JSON that queries can parse."""
    visit = noted_visit()
    known = {"record": record, VISIT: visit, **fields} if visit else {"record": record, **fields}
    logger.log(level, ENCODER.encode(known))  # without arguments, % means nothing in it


def redact(text: str) -> str:
    """Replace the secrets in a text, and cut a text that is too long to be stored."""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + " (cut)"
    lowered = text.lower()
    for hint in HINTS:  # `any` with a generator takes half as long again, for every record
        if hint in lowered:
            return SECRETS.sub(r"\1\3REDACTED", text)
    return text


def redact_all_records() -> None:
    """Redact every record of this process from now on, of every logger."""
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "redacts", False):
        return

    def make_redacted(*args: object, **kwargs: object) -> logging.LogRecord:
        return _redact_record(make_record(*args, **kwargs))

    make_redacted.redacts = True  # type: ignore[attr-defined]  # so that a second call does nothing
    logging.setLogRecordFactory(make_redacted)


def _redact_record(record: logging.LogRecord) -> logging.LogRecord:
    try:
        text = record.getMessage()
    except (TypeError, ValueError, KeyError):
        return record  # the handler reports a malformed record
    if (shown := redact(text)) != text:
        record.msg, record.args = shown, None
    if record.exc_info and record.exc_info[0]:
        record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
    return record


def quiet_sdk_logs() -> None:
    """Turn off the SDK's records of each request, a quarter of the CPU time of a call.

    Not for all of `azure`, because the Functions worker logs below `azure.functions`.
    """
    for name in ("azure.core", "azure.identity"):
        logging.getLogger(name).setLevel(logging.WARNING)
