"""Frames of the light clients and of the bare server of the benchmarks."""

import pytest

from localdev.websocket import TEXT, accept_key, client_frame, server_frame, take_frames

SIZES = [0, 125, 126, 65_535, 65_536]


def test_accept_key() -> None:
    """The example of RFC 6455, section 1.3."""
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", SIZES)
def test_frames_can_arrive_in_pieces(size: int) -> None:
    """A frame is returned once it is complete; the bytes after it stay."""
    payload = b"x" * size
    frame = server_frame(payload)
    received = bytearray(frame)
    for cut in {1, 2, 3, 5, 9, len(frame) - 1}:
        part = bytearray(frame[:cut])
        assert take_frames(part) == ([] if cut < len(frame) else [(TEXT, payload)])
    received += frame + frame[:1]
    assert take_frames(received) == [(TEXT, payload), (TEXT, payload)]
    assert received == frame[:1]


def test_a_client_masks() -> None:
    """With zeros (RFC 6455, section 5.3: a server must reject frames without a mask)."""
    assert client_frame(TEXT, b"ab") == b"\x81\x82\0\0\0\0ab"
