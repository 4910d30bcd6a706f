"""The check of all messages that Usher sends finds those that are not described."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.stack import ROOT
from tests.messages.sent import SentMessages

# Calls of Usher's own client in a new process. They fail, because nothing listens.
PROGRAM = """
import asyncio
from usher.errors import ServiceError
from usher.service.pubsub import AzurePubSub
from usher.settings import Connection, Settings

async def send(*messages):
    connection = Connection("http://127.0.0.1:9", access_key="a-made-up-access-key-of-32-bytes!")
    pubsub = AzurePubSub(Settings(connection, "chat"))
    for body, kind in messages:
        try:
            await pubsub.send_to_group("a/b", body, kind)
        except ServiceError:
            pass
    try:
        await pubsub.add_connection("lobby", "c")
    except ServiceError:
        pass
    await pubsub.close()
"""
TEXT = "('añ joined'.encode(), 'text/plain')"
WRONG = "({'type': 'joined', 'group': 'lobby'}, 'application/json')"


def send(sent: SentMessages, *messages: str) -> None:
    """Send messages, given as Python, in a process that records them."""
    program = f"{PROGRAM}\nasyncio.run(send({', '.join(messages)}))"
    environment = {**os.environ, **sent.environment()}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)


def test_the_body_of_each_message_is_recorded(tmp_path: Path) -> None:
    """And no other call."""
    sent = SentMessages(tmp_path / "sent")
    send(sent, TEXT, WRONG)
    text, wrong = list(sent.read())
    assert text == {
        "path": "http://127.0.0.1:9/api/hubs/chat/groups/a%2Fb/:send",
        "contentType": "text/plain",
        "body": "añ joined",
    }
    assert wrong["contentType"] == "application/json"
    assert json.loads(wrong["body"]) == {"type": "joined", "group": "lobby"}
    assert list(sent.read()) == []


def test_an_undescribed_message_is_an_error_once(tmp_path: Path) -> None:
    sent = SentMessages(tmp_path / "sent")
    send(sent, TEXT)
    sent.check()
    send(sent, TEXT, WRONG)
    with pytest.raises(AssertionError) as caught:
        sent.check()
    assert "what api/asyncapi.yaml does not describe: application/json" in str(caught.value)
    assert 'joined: [] "id" is a required property' in str(caught.value)
    sent.check()


def test_a_line_that_is_being_written_is_read_later(tmp_path: Path) -> None:
    sent = SentMessages(tmp_path / "sent")
    sent.file.write_bytes(b'{"path": "1"}\n{"path"')
    assert [one["path"] for one in sent.read()] == ["1"]
    with sent.file.open("ab") as file:
        file.write(b': "2"}\n')
    assert [one["path"] for one in sent.read()] == ["2"]


def test_a_test_that_sends_an_undescribed_message_fails(tmp_path: Path) -> None:
    """In a run of its own, with the plugin alone: the tests before and after it pass."""
    lines = [
        "import subprocess, sys",
        f"PROGRAM = {PROGRAM!r}",
        "def send(text):",
        "    subprocess.run([sys.executable, '-c', PROGRAM + f'asyncio.run(send({text}))'],"
        " check=True)",
        f'def test_before(): send("{TEXT}")',
        f'def test_wrong(): send("{WRONG}")',
        f'def test_after(): send("{TEXT}")',
    ]
    file = tmp_path / "test_it.py"
    file.write_text("\n".join(lines), "utf-8")
    options = ["-p", "tests.messages.plugin", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed, 1 error" in done.stdout, done.stdout
    assert "ERROR at teardown of test_wrong" in done.stdout
    assert "Usher sent what api/asyncapi.yaml does not describe" in done.stdout
