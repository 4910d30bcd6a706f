"""The logger for aiohttp's server."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def server_logger(name: str) -> logging.Logger:
    """Return a logger that drops records about malformed requests.

    aiohttp quotes the line that it cannot read, which may contain a token.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_is_no_malformed_request)
    return logger


def _is_no_malformed_request(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
