"""A fixed choice of the recorded events, over HTTP to a host that runs an app."""

import http.client
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from localdev.host.bindings import Answer
from tests.localdev.host.conftest import run_app
from tests.localdev.host.recorded import (
    Case,
    comparable_answer,
    connection_settings,
    expected_answer,
    read_bytes,
    read_cases,
    trigger_options,
)

APP = Path(__file__).parent / "apps" / "recorded"
# Names of recorded requests, by what they cover.
CHOICE = {
    "checks": [
        "validate/GET one origin, key",
        "validate/OPTIONS unknown origin",
        "signature/empty",
        "lookup/unknown event",
        "method/PUT",
    ],
    "parameters": [
        "connect/all five keys",
        "connect/missing headers",
        "connect/query null in array",
        "connect/null in subprotocols",
        "disconnected/unicode reason",
        "user/truncated sequences",
        "headers/Content-Foo and Allow-Foo and Expires-Foo",
        "headers/X-Forwarded-For twice",
        "headers/utf-8 event name",
    ],
    "content types": [
        "user/content type 'text/'",
        "user/content type 'text/plain;'",
        "user/content type 'text/plain, application/json'",
        "user/content type 'application/xml'",
        "user/content type 'Application/JSON; charset=UTF-8'",
    ],
    "states": [
        "states/docs sample",
        "states/plain JSON values",
        "states/array",
        "states/base64 with spaces",
        "states/null",
        "states/two headers",
        "states/connect keeps states",
        "states/connect docs sample, returns states",
    ],
    "returned names": [
        "return-connect/userId then USERID",
        "return-connect/Groups ROLES SubProtocol",
        "return-connect/ErrorMessage capital",
        "return-connect/States capital",
        "return-user/data and DATA",
        "return-user/Code capital error",
    ],
    "returned values": [
        "return-connect/code spaces, no message",
        "return-connect/None with states before",
        "return-connect/lone surrogate userId",
        "return-user/data lone surrogate",
        "return-user/data Buffer list",
        "return-user/dataType two",
        "return-user/dataType text 1",
    ],
}
NAMES = [name for names in CHOICE.values() for name in names]
CASES = [case for case in read_cases() if case["name"] in NAMES]


@dataclass(frozen=True, slots=True)
class RecordedApp:
    """A running app with the listeners of some recorded requests."""

    address: str
    folder: Path

    def send(self, case: Case) -> tuple[Answer, dict[str, Any] | None]:
        """Send a recorded request; return the answer and what the function received, if called."""
        (self.folder / "returns.json").write_text(json.dumps(case["returns"]))
        received = self.folder / "received.json"
        received.unlink(missing_ok=True)
        answer = send_request(self.address, case)
        return answer, json.loads(received.read_text()) if received.exists() else None


def send_request(address: str, case: Case) -> Answer:
    """Send a recorded request with no headers but its own, Host and Content-Length."""
    body = read_bytes(case["body"])
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    target = "/runtime/webhooks/webpubsub"
    connection.putrequest(case["method"], target, skip_accept_encoding=True)
    for name, value in [*case["headers"], ("Content-Length", str(len(body)))]:
        connection.putheader(name, value.encode())
    connection.endheaders(body)
    response = connection.getresponse()
    answer = Answer(response.status, response.getheaders(), response.read())
    connection.close()
    return answer


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Case], RecordedApp]]:
    """Return a running app for a recorded request; requests with equal listeners share it."""
    running: dict[str, RecordedApp] = {}
    with ExitStack() as stack:

        def serve_case(case: Case) -> RecordedApp:
            key = json.dumps(case["listeners"])
            if key not in running:
                folder = write_app(tmp_path_factory.mktemp("recorded") / "app", case["listeners"])
                running[key] = RecordedApp(stack.enter_context(run_app(folder)).address, folder)
            return running[key]

        yield serve_case


def write_app(folder: Path, listeners: list[Mapping[str, Any]]) -> Path:
    """Copy the app to a folder, with the declarations and settings of these listeners."""
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__*"))
    declared = json.dumps([trigger_options(recorded) for recorded in listeners])
    (folder / "listeners.json").write_text(declared)
    [values] = [connection_settings(recorded["connections"]) for recorded in listeners]
    (folder / "local.settings.json").write_text(json.dumps({"Values": values}))
    return folder


def test_choice() -> None:
    """The choice is 40 recorded requests."""
    assert len(CASES) == len(NAMES) == len(set(NAMES)) == 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_recorded_event(case: Case, serve: Callable[[Case], RecordedApp]) -> None:
    """The answer is the recorded one, and the function received the recorded request."""
    answer, received = serve(case).send(case)
    assert comparable_answer(answer, case["answer"]) == expected_answer(case)
    assert comparable_received(received) == recorded_received(case)


def comparable_received(received: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what a function received in the form of the recordings, which have no Host."""
    if received is None:
        return None
    request = json.loads(received["request"])
    del request["connectionContext"]["headers"]["Host"]
    return {"called": received["called"], "request": request}


def recorded_received(case: Case) -> dict[str, Any] | None:
    """Return the function that a recorded request called, and what it received."""
    if "called" not in case:
        return None
    return {"called": case["called"], "request": case["receives"]["request"]["json"]}
