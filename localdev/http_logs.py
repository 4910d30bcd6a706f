"""Logging for aiohttp's HTTP server."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def server_logger(name: str) -> logging.Logger:
    """Return a logger that drops malformed requests and keeps errors of handlers.

    aiohttp quotes the line that it cannot parse, which may contain a token.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_is_not_malformed_request)
    return logger


def _is_not_malformed_request(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
