"""Tests of subprotocols.py."""

import pytest

from webpubsub_emulator.subprotocols import choose_subprotocol


@pytest.mark.parametrize(
    ("offered", "picked", "chosen"),
    [
        ((), None, None),
        (("mine",), None, None),
        (("mine", "JSON.webpubsub.azure.v1"), None, "JSON.webpubsub.azure.v1"),
        (("json.webpubsub.azure.v1", "mine"), "mine", "mine"),
        (("protobuf.webpubsub.azure.v1",), None, None),
    ],
)
def test_subprotocol_choice(offered: tuple[str, ...], picked: str | None, chosen: str) -> None:
    """The app's choice wins, then the first known one, as the client spelled it."""
    assert choose_subprotocol(offered, picked) == chosen
