"""Tests of connection.py."""

import pytest

from unit.samples import RELIABLE, handshake
from webpubsub_emulator.client_protocol import ClientProtocol
from webpubsub_emulator.connection import (
    ACK_MEMORY,
    Connection,
    IllegalMoveError,
    Input,
    State,
)
from webpubsub_emulator.events import ConnectAnswer
from webpubsub_emulator.subprotocols import SIMPLE, SUBPROTOCOLS

RELIABLE_JSON = SUBPROTOCOLS[RELIABLE]


def connection() -> Connection:
    """Return a connection whose connect event is running."""
    return Connection("chat", "c1")


@pytest.mark.parametrize(
    ("inputs", "states"),
    [
        ([Input.REFUSED], [State.CLOSED]),
        (
            [Input.OPENED, Input.ASKED, Input.ANSWERED, Input.ENDED],
            [State.OPEN, State.WAITING, State.OPEN, State.CLOSED],
        ),
        ([Input.OPENED, Input.ASKED, Input.ENDED], [State.OPEN, State.WAITING, State.CLOSED]),
    ],
)
def test_a_life(inputs: list[Input], states: list[State]) -> None:
    """Legal moves lead from connecting to closed."""
    subject, seen = connection(), []
    for happened in inputs:
        subject.move(happened)
        seen.append(subject.state)
    assert seen == states


def test_an_illegal_move_names_state_and_input() -> None:
    with pytest.raises(IllegalMoveError, match=r"connecting cannot be asked the app"):
        connection().move(Input.ASKED)


@pytest.mark.parametrize(
    ("answer", "user_id", "may_send", "protocol"),
    [
        (ConnectAnswer(), "ann", True, RELIABLE_JSON),
        (ConnectAnswer(user_id="bob", roles=()), "bob", False, RELIABLE_JSON),
        (ConnectAnswer(user_id="", subprotocol="mine"), None, True, SIMPLE),
    ],
)
def test_the_apps_answer_replaces_the_token(
    answer: ConnectAnswer, user_id: str | None, may_send: bool, protocol: ClientProtocol
) -> None:
    """An empty user id in the answer removes the user id."""
    subject = connection()
    subject.accept(
        handshake(roles=("webpubsub.sendToGroup",), subprotocols=("mine", RELIABLE)), answer
    )
    assert (subject.user_id, subject.protocol) == (user_id, protocol)
    assert subject.permissions.allow("sendToGroup", "g") is may_send


def test_the_oldest_ack_id_is_forgotten() -> None:
    """The last 1,000 acknowledged ids are remembered."""
    subject = connection()
    for ack_id in range(ACK_MEMORY + 1):
        subject.remember_ack(ack_id)
    subject.remember_ack(None)
    known = [subject.has_acknowledged(ack_id) for ack_id in (0, 1, ACK_MEMORY, None)]
    assert known == [False, True, True, False]
