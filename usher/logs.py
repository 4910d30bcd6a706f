"""Structured log records, and the redaction of secrets in every record of the process."""

import json
import logging
import re

logger = logging.getLogger("usher")

# The forms of tokens, keys and signatures.
SECRETS = re.compile(
    r"""(?ix)
    eyJ[\w-]{8,}\.[\w-]+\.[\w-]*                    # a JSON Web Token
    | (?<=sha256=)[0-9a-f]{16,}                      # an event's signature
    | (?<=accesskey=)[^;\s"']+                       # in a connection string
    | (?<=access_token=)[^&\s"']+ | (?<=[?&]code=)[^&\s"']+ # in a URL
    | (?<=bearer\ )[^\s"',]+                         # in a header
    """
)


def log_record(record: str, level: int = logging.INFO, **fields: object) -> None:
    """Log `{"record": ..., field: ...}`, a line of JSON that queries can parse."""
    logger.log(level, "%s", json.dumps({"record": record, **fields}))


def redact(text: str) -> str:
    """Replace the secrets in a text."""
    lowered = text.lower()
    # Each secret contains or follows one of these, and this search takes a tenth of the time.
    if "=" in lowered or "eyj" in lowered or "bearer " in lowered:
        return SECRETS.sub("REDACTED", text)
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
