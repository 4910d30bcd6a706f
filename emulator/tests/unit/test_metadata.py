"""Tests of metadata.py."""

import pytest

from webpubsub_emulator.metadata import (
    KEY_LIMIT,
    TOTAL_LIMIT,
    VALUE_LIMIT,
    Metadata,
    MetadataError,
    check_metadata,
    metadata_from_headers,
)

FULL = tuple((f"{number:024}", "v" * 1000) for number in range(8))


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("a", "1"), ("A", "")),
        (("!#$%&'*+-.^_`|~09azAZ", "\x7f"),),
        (("k" * KEY_LIMIT, "v" * VALUE_LIMIT),),
        FULL,
    ],
)
def test_metadata_within_limits(metadata: Metadata) -> None:
    """Keys are tokens, values are ASCII, all together have at most 8 KiB."""
    assert check_metadata(metadata) == metadata
    assert sum(len(key) + len(value) for key, value in FULL) == TOTAL_LIMIT


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("", "1")], "invalid characters"),
        ([("a b", "1")], "invalid characters"),
        ([("é", "1")], "invalid characters"),
        ([("a\n", "1")], "invalid characters"),
        ([("k" * (KEY_LIMIT + 1), "")], "exceeds 256 bytes"),
        ([("a", "é")], "must be ASCII"),
        ([("a", "\udcff")], "must be ASCII"),
        ([("a", "1\r\nb: 2")], "must be ASCII"),
        ([("a", "\0")], "must be ASCII"),
        ([("a", "v" * (VALUE_LIMIT + 1))], "exceeds 1024 bytes"),
        ([("a", "1"), ("a", "1")], "twice"),
        ([*FULL, ("a", "")], "exceeds 8192 bytes"),
    ],
)
def test_metadata_beyond_limits(pairs: list[tuple[str, str]], message: str) -> None:
    """Values that are too long, repeated keys and other characters are refused."""
    with pytest.raises(MetadataError, match=message):
        check_metadata(pairs)


def test_metadata_in_headers() -> None:
    """Keys are in lower case; the last header counts, and in it the text after the last comma."""
    headers = [
        ("X-WebPubSub-Metadata-Trace", "1"),
        ("Content-Type", "text/plain"),
        ("x-webpubsub-metadata-b", " 1, 2 ,\t3 "),
        ("X-WEBPUBSUB-METADATA-TRACE", "2"),
        ("x-webpubsub-metadata", "no key"),
    ]
    assert metadata_from_headers(headers) == (("trace", "2"), ("b", "3"))
    with pytest.raises(MetadataError, match="invalid characters"):
        metadata_from_headers([("X-WebPubSub-Metadata-", "1")])
