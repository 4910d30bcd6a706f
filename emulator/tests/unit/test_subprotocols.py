"""Tests of subprotocols.py."""

import sys

import pytest

from unit.samples import enter, handshake, sent_to
from webpubsub_emulator import subprotocols
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.protocol_simple import SimpleProtocol
from webpubsub_emulator.subprotocols import SUBPROTOCOLS, choose_subprotocol, lacks_protobuf


@pytest.mark.parametrize(
    ("offered", "picked", "chosen"),
    [
        ((), None, None),
        (("mine",), None, None),
        (("mine", "JSON.webpubsub.azure.v1"), None, "JSON.webpubsub.azure.v1"),
        (("json.webpubsub.azure.v1", "mine"), "mine", "mine"),
        (("Protobuf.webpubsub.azure.v1",), None, "Protobuf.webpubsub.azure.v1"),
        (("mqtt",), None, None),
    ],
)
def test_subprotocol_choice(offered: tuple[str, ...], picked: str | None, chosen: str) -> None:
    """The app's choice wins, then the first known one, as the client spelled it."""
    assert choose_subprotocol(offered, picked) == chosen


def test_whether_the_package_protobuf_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not lacks_protobuf("protobuf.webpubsub.azure.v1")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "google", raising=False)
    monkeypatch.delitem(sys.modules, "google.protobuf", raising=False)
    assert lacks_protobuf("PROTOBUF.reliable.webpubsub.azure.v1")
    assert not lacks_protobuf("json.webpubsub.azure.v1")
    assert not lacks_protobuf(None)


class LoudProtocol(SimpleProtocol):
    """As simple clients, with messages in upper case."""

    encode = staticmethod(lambda message: Frame(message.payload.content.upper()))


def test_a_new_protocol_is_one_class_and_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprotocols, "SUBPROTOCOLS", {**SUBPROTOCOLS, "loud": LoudProtocol()})
    hub = Hub("chat")
    enter(hub, handshake("c1", subprotocols=("loud",)))
    enter(hub, handshake("c2", subprotocols=()))
    effects = hub.sending.to_all(Payload("text", b"hi"), ())
    assert (sent_to("c1", effects), sent_to("c2", effects)) == (["HI"], ["hi"])
