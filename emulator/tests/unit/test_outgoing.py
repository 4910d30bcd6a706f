"""Tests of outgoing.py."""

from webpubsub_emulator.messages import Frame, Payload
from webpubsub_emulator.outgoing import OutgoingMessage, server_message


def test_a_message_is_encoded_once_for_each_encoding() -> None:
    calls = []

    def first(message: OutgoingMessage) -> Frame:
        calls.append("first")
        return Frame(message.payload.content)

    def second(message: OutgoingMessage) -> bytes:
        calls.append("second")
        return message.payload.content

    message = server_message(Payload("text", b"x"))
    assert message.encoded(first) is message.encoded(first)
    assert message.encoded(second) == message.encoded(second) == b"x"
    assert calls == ["first", "second"]
