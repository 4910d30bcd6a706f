"""The logger of a local server's HTTP part."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def server_logger(name: str) -> logging.Logger:
    """For aiohttp's server: errors of a handler are logged, malformed requests are not.

    aiohttp quotes the line that it cannot read, and that may be a token's.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_is_no_malformed_request)
    return logger


def _is_no_malformed_request(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
