"""runtime.py: indexing an app and calling its functions, without sockets."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localdev.host import runtime
from localdev.host.bindings import HttpRequest, Outcome
from localdev.host.errors import HostError
from localdev.host.logs import InvocationHandler, collect_records
from localdev.host.runtime import Function

DIRECT_APP = Path(__file__).parent / "apps" / "direct"
REQUEST = HttpRequest(
    method="GET",
    url="http://127.0.0.1/api/page",
    headers={"x-sample": "one"},
    route_parameters={},
    query={},
    body=b"\xff",
)


@pytest.fixture(scope="module")
def functions() -> Iterator[dict[str, Function]]:
    """The functions of the app, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_SCRIPT_FILE_NAME", "direct_app.py")
        patch.setattr(sys, "path", list(sys.path))
        found = runtime.load_functions(DIRECT_APP)
        try:
            yield {function.name: function for function in found}
        finally:
            runtime.stop_threads()


def load_text(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load an app from its source."""
    (folder / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", f"{name}.py")
    monkeypatch.setattr(sys, "path", list(sys.path))
    runtime.load_functions(folder)


def test_functions(functions: dict[str, Function]) -> None:
    """Indexing returns each function's trigger as the host reads it."""
    assert list(functions) == ["page", "wrong", "echo", "slow"]
    assert functions["page"].trigger_type == "httptrigger"
    assert functions["page"].trigger["route"] == "page"
    assert functions["echo"].trigger["eventName"] == "message"


async def test_http_call(functions: dict[str, Function]) -> None:
    """An HTTP function gets headers and bytes, and returns status, headers, cookies and body."""
    answer = await runtime.call_http(functions["page"], REQUEST)
    assert (answer.status, answer.body) == (202, b"\xff")
    headers = dict(answer.headers)
    assert headers["X-Sample"] == "one"
    assert headers["Set-Cookie"] == "a=1; domain=; path=/"
    assert headers["content-type"] == "text/plain; charset=utf-8"


async def test_unusable_answer(functions: dict[str, Function]) -> None:
    """A response that the host cannot send becomes 500 with an empty body."""
    answer = await runtime.call_http(functions["wrong"], REQUEST)
    assert (answer.status, answer.body) == (500, b"")


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        ("{'a': {1: None}}", Outcome(False, {"a": {"1": None}})),
        ("[1]", Outcome(False, [1])),
        ("'text'", Outcome(False, "text")),
        ("b'raw'", Outcome(False, b"raw")),
        ("7", Outcome(False, 7)),
        ("None", Outcome(False, None)),
        ("{1, 2}", Outcome(True)),
        ("{'a': {1, 2}}", Outcome(True)),
        ("1 / 0", Outcome(True)),
    ],
)
async def test_event_call(
    functions: dict[str, Function], expression: str, outcome: Outcome
) -> None:
    """A function's return value is JSON; another value counts as an exception."""
    assert await runtime.call_event(functions["echo"], expression) == outcome


async def test_event_call_without_data(functions: dict[str, Function]) -> None:
    """A parameter that is not bound gets None."""
    assert await runtime.call_event(functions["echo"], None) == Outcome(False, {"got": None})


async def test_coroutine_function(functions: dict[str, Function]) -> None:
    """A coroutine function is awaited."""
    outcome = await runtime.call_event(functions["slow"], "text")
    assert outcome == Outcome(False, {"request": "text"})


async def test_records_of_threads(functions: dict[str, Function]) -> None:
    """A record that a synchronous function logs in its thread belongs to its invocation."""
    sample, handler = logging.getLogger("sample"), InvocationHandler()
    sample.addHandler(handler)
    sample.setLevel(logging.INFO)
    try:
        with collect_records() as records:
            await runtime.call_event(functions["echo"], "None")
    finally:
        sample.removeHandler(handler)
        sample.setLevel(logging.NOTSET)
    assert records.take() == ["echo"]


def test_import_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that cannot be imported is a HostError with the app's own error as its cause."""
    fault = "ModuleNotFoundError: No module named 'no_such_module'"
    with pytest.raises(HostError) as caught:
        load_text(tmp_path, "importing_app", "import no_such_module", monkeypatch)
    assert str(caught.value).endswith(fault)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_load_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without an app is a HostError that says so."""
    with pytest.raises(HostError, match="Could not find top level function app"):
        load_text(tmp_path, "appless_app", "", monkeypatch)


def test_no_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app without functions is a HostError, and so is a folder without an app."""
    text = "import azure.functions\napp = azure.functions.FunctionApp()"
    with pytest.raises(HostError, match="no functions found"):
        load_text(tmp_path, "empty_app", text, monkeypatch)
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", "missing_app.py")
    with pytest.raises(HostError, match="no functions found"):
        runtime.load_functions(tmp_path)
