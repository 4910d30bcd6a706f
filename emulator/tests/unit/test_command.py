"""Tests of command.py that need no process of their own."""

import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from webpubsub_emulator.command import HOW_TO_USE, announce_ready, main
from webpubsub_emulator.handler_settings import EventHandlerSetting
from webpubsub_emulator.handlers import EventHandlers

NAME = "webpubsub-emulator"
FILE = """{"hubs": {"chat": {"eventHandlers": [
    {"urlTemplate": "http://one/", "systemEvents": ["connect"], "userEventPattern": "a"},
    {"urlTemplate": "http://two/"}]}}}"""


@pytest.fixture
def taken_port() -> Iterator[str]:
    """Yield a port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(listening.getsockname()[1])


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the log handlers of the test run."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory."),
        ("{", "Expecting property name"),
        (FILE.replace('"a"', '"a*"'), "hub chat: eventHandlers: [0]: userEventPattern: 'a*'"),
    ],
)
def test_an_invalid_handlers_file_is_one_line(
    tmp_path: Path,
    taken_port: str,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    message: str,
) -> None:
    """The line names the file and the place in it, and the emulator does not start."""
    file = tmp_path / "handlers.json"
    if content is not None:
        file.write_text(content)
    assert main(["--port", taken_port, "--handlers", str(file)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "handlers.json" in line
    assert message in line


def test_an_invalid_handler_is_one_line(
    taken_port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the hub and the problem, and the emulator does not start."""
    assert main(["--port", taken_port, "--handler", "chat=ftp://h/"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "hub 'chat'" in line
    assert "http" in line


def test_the_order_of_event_handlers(
    tmp_path: Path, taken_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Event handlers of the file come first, then each --handler in its order."""
    file = tmp_path / "handlers.json"
    file.write_text(FILE)
    added: list[tuple[str, EventHandlerSetting]] = []
    monkeypatch.setattr(EventHandlers, "add", lambda _, hub, setting: added.append((hub, setting)))
    arguments = ["--handler", "chat=http://three/", "--handler", "chat=http://four/"]
    assert main(["--port", taken_port, *arguments, "--handlers", str(file)]) == 1
    assert added == [
        ("chat", EventHandlerSetting("http://one/", ("connect",), "a")),
        ("chat", EventHandlerSetting("http://two/", (), "")),
        ("chat", EventHandlerSetting("http://three/")),
        ("chat", EventHandlerSetting("http://four/")),
    ]


def test_a_port_in_use_is_named(taken_port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the port and the option that changes it."""
    assert main(["--port", taken_port]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"Port {taken_port}" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("as_json", "keys", "output"),
    [
        (True, None, '{"host": "http://h"}\n'),
        (True, {"master": "m"}, '{"host": "http://h", "keys": {"master": "m"}}\n'),
        (False, None, "host: http://h\nCtrl-C stops.\n"),
        (False, {"master": "m"}, "host: http://h\nmaster key: m\nCtrl-C stops.\n"),
    ],
)
def test_ready_line(
    capsys: pytest.CaptureFixture[str], as_json: bool, keys: dict[str, str] | None, output: str
) -> None:
    """Programs get one JSON object, people get one line for each fact."""
    announce_ready(as_json, {"host": "http://h"}, keys)
    assert capsys.readouterr().out == output


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the installed package's."""
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, f"{version(NAME)}\n")


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-m", "webpubsub_emulator"], [str(Path(sys.executable).with_name(NAME))]],
)
def test_the_connection_string_is_ready_to_copy(command: list[str]) -> None:
    """Both commands print it alone on the first line, then how to use it and how to stop."""
    process = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    process.terminate()
    _, log = process.communicate()
    assert process.returncode == 0, log
    assert re.fullmatch(r"Endpoint=http://127\.0\.0\.1:\d+;AccessKey=.+;Version=1\.0;\n", lines[0])
    assert lines[1:] == [f"{HOW_TO_USE}\n", "Ctrl-C stops.\n"]
