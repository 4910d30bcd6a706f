"""Tests of localdev/serving.py, as far as it takes no process of its own."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from localdev.arguments import parse_arguments
from localdev.emulator.handler_settings import EventHandlerSetting
from localdev.emulator.handlers import EventHandlers
from localdev.serving import announce_ready, serve_emulator
from localdev.stack import StackError

FILE = """{"hubs": {"chat": {"eventHandlers": [
    {"urlTemplate": "http://one/", "systemEvents": ["connect"], "userEventPattern": "a"},
    {"urlTemplate": "http://two/"}]}}}"""


@pytest.fixture
def taken_port() -> Iterator[str]:
    """A port where nothing can start any more: whoever tries gets an OSError."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory."),
        ("{", "Expecting property name"),
        (FILE.replace('"a"', '"a*"'), r"hub chat: eventHandlers: \[0\]: userEventPattern: 'a\*'"),
    ],
)
async def test_a_bad_handlers_file(
    tmp_path: Path, taken_port: str, content: str | None, told: str
) -> None:
    """One line says which file and where in it, and nothing starts."""
    file = tmp_path / "handlers.json"
    if content is not None:
        file.write_text(content)
    options, _ = parse_arguments(["emulator", "--port", taken_port, "--handlers", str(file)])
    with pytest.raises(StackError, match=rf"handlers\.json.*{told}") as caught:
        await serve_emulator(options)
    assert "\n" not in str(caught.value)


async def test_a_bad_handler(taken_port: str) -> None:
    """A hub or a URL that cannot be used is named, and nothing starts."""
    arguments = ["emulator", "--port", taken_port, "--handler", "chat=ftp://h/"]
    with pytest.raises(StackError, match=r"hub 'chat': .*http"):
        await serve_emulator(parse_arguments(arguments)[0])


async def test_the_order_of_event_handlers(
    tmp_path: Path, taken_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the file come first, then those of --handler in their order; both may repeat."""
    file = tmp_path / "handlers.json"
    file.write_text(FILE)
    added: list[tuple[str, EventHandlerSetting]] = []
    monkeypatch.setattr(EventHandlers, "add", lambda _, hub, setting: added.append((hub, setting)))
    arguments = ["--handler", "chat=http://three/", "--handler", "chat=http://four/"]
    options, _ = parse_arguments(
        ["emulator", "--port", taken_port, *arguments, "--handlers", str(file)]
    )
    with pytest.raises(OSError, match="in use"):
        await serve_emulator(options)
    assert added == [
        ("chat", EventHandlerSetting("http://one/", ("connect",), "a")),
        ("chat", EventHandlerSetting("http://two/", (), "")),
        ("chat", EventHandlerSetting("http://three/")),
        ("chat", EventHandlerSetting("http://four/")),
    ]


@pytest.mark.parametrize(
    ("as_json", "keys", "told"),
    [
        (True, None, '{"host": "http://h"}\n'),
        (True, {"master": "m"}, '{"host": "http://h", "keys": {"master": "m"}}\n'),
        (False, None, "host: http://h\nCtrl-C stops.\n"),
        (False, {"master": "m"}, "host: http://h\nmaster key: m\nCtrl-C stops.\n"),
    ],
)
def test_keys_are_told_where_there_are_any(
    capsys: pytest.CaptureFixture[str], as_json: bool, keys: dict[str, str] | None, told: str
) -> None:
    """To programs in one member, to people in one line each."""
    announce_ready(as_json, {"host": "http://h"}, keys)
    assert capsys.readouterr().out == told
