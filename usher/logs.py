"""Structured log records: one JSON object a line, so that a query can parse it."""

import json
import logging

logger = logging.getLogger("usher")


def log_record(record: str, level: int = logging.INFO, **fields: object) -> None:
    """Writes `{"record": ..., field: ...}`. Callers never pass a token, a key or a signature."""
    logger.log(level, "%s", json.dumps({"record": record, **fields}))


def quiet_sdk_logs() -> None:
    """Turns off the SDK's records for each request: they cost a quarter of a call's CPU time.

    Not the whole `azure` tree: the Functions worker logs below `azure.functions`.
    """
    for name in ("azure.core", "azure.identity"):
        logging.getLogger(name).setLevel(logging.WARNING)
