"""Message metadata: its form and its limits, in frames, REST calls and event answers."""

import re
from collections.abc import Iterable
from typing import TypeAlias

HEADER_PREFIX = "x-webpubsub-metadata-"
# Limits in bytes. The total is for all keys and values of a message.
KEY_LIMIT = 256
VALUE_LIMIT = 1024
TOTAL_LIMIT = 8 * 1024

# Keys and values in their order. No key comes twice.
Metadata: TypeAlias = tuple[tuple[str, str], ...]

# The characters of a header's name (RFC 9110, section 5.6.2).
_KEY = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NO_HEADER = frozenset("\r\n\0")


class MetadataError(ValueError):
    """Metadata that the service refuses. The text says why and does not quote the value."""


def check_metadata(pairs: Iterable[tuple[str, str]]) -> Metadata:
    """Return the pairs. Raises MetadataError if they break a limit."""
    metadata = tuple(pairs)
    for key, value in metadata:
        _check(key, value)
    if len(dict(metadata)) < len(metadata):
        raise MetadataError("Metadata has a key twice.")
    if sum(len(key) + len(value) for key, value in metadata) > TOTAL_LIMIT:
        raise MetadataError(f"Metadata exceeds {TOTAL_LIMIT} bytes.")
    return metadata


def _check(key: str, value: str) -> None:
    if not _KEY.fullmatch(key):
        raise MetadataError("A metadata key contains invalid characters.")
    if len(key) > KEY_LIMIT:
        raise MetadataError(f"A metadata key exceeds {KEY_LIMIT} bytes.")
    # Line ends and null bytes are refused because values become headers of event requests, which
    # cannot carry them. Azure does not document what it does with them.
    if not value.isascii() or not _NO_HEADER.isdisjoint(value):
        raise MetadataError(f"The metadata value for key '{key}' must be ASCII.")
    if len(value) > VALUE_LIMIT:
        raise MetadataError(f"The metadata value for key '{key}' exceeds {VALUE_LIMIT} bytes.")


def metadata_from_headers(headers: Iterable[tuple[str, str]]) -> Metadata:
    """Return the metadata in a request's headers, with keys in lower case.

    The last of several values counts, in a header of its own or after a comma. Raises
    MetadataError.
    """
    found = {}
    for name, value in headers:
        if name.lower().startswith(HEADER_PREFIX):
            found[name.lower().removeprefix(HEADER_PREFIX)] = value.rpartition(",")[2].strip()
    return check_metadata(found.items())
