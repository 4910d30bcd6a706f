"""Tests of localdev/doctor/app_settings.py: the settings that doctor can see."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from localdev.doctor import app_settings, child
from localdev.doctor.app_settings import UnseenError, find_fatal, run_self_check
from localdev.doctor.examination import examine
from localdev.doctor.findings import Report
from localdev.doctor.target import Target
from localdev.stack import sample_settings
from tests.e2e.doctor_stacks import only_fault, respond_to, run_proxy

KEY = "k3y" * 15
ENDPOINT = "Endpoint=https://demo.webpubsub.azure.com"
CONNECTION = f"{ENDPOINT};AccessKey={KEY};Version=1.0;"
STRING, URI = "WebPubSubConnectionString", "WebPubSubConnectionString__serviceUri"
# Setting, its wrong value, and how it is described.
FATAL = [
    ("WebPubSubHub", "", "is empty"),
    (STRING, f'"{CONNECTION}"', "is in quotes"),
    (STRING, f"'{CONNECTION}'", "is in quotes"),
    (STRING, f"AccessKey={KEY};Version=1.0;", "has no Endpoint"),
    (STRING, f"{CONNECTION}AccessKey={KEY}", "names a property twice"),
    (STRING, f"{CONNECTION}Port=eighty", "has an invalid Port"),
    (STRING, f"{CONNECTION}Port=0", "has an invalid Port"),
    (STRING, f"Endpoint=https://[;AccessKey={KEY}", "has an endpoint that is not a URL"),
]


def environ(**settings: str) -> dict[str, str]:
    """Return the settings of an app on this machine, in the environment that its Python needs."""
    own = {name: text for name, text in os.environ.items() if name != "CONTAINER_NAME"}
    return own | sample_settings() | settings


@pytest.mark.parametrize(("name", "value", "problem"), FATAL)
async def test_settings_that_stop_the_host(name: str, value: str, problem: str) -> None:
    """Each is named by its key, without its value."""
    assert find_fatal(sample_settings() | {name: value}) == {name: problem}
    report = await run_self_check(environ(**{name: value}))
    # Without a service on this machine, the mode of the sample is another problem.
    assert report["problems"][name] == problem
    assert KEY not in json.dumps(report)


def test_a_service_uri_that_stops_the_host() -> None:
    assert find_fatal({URI: "https://["}) == {URI: "has an endpoint that is not a URL"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {STRING: ""},
        {STRING: CONNECTION},
        {STRING: ENDPOINT},
        {STRING: f"Endpoint=demo.webpubsub.azure.com/path;AccessKey={KEY}"},
        {URI: "https://demo.webpubsub.azure.com"},
    ],
)
def test_settings_that_do_not_stop_the_host(settings: dict[str, str]) -> None:
    """The extension reads them, although the app may refuse them."""
    assert find_fatal(settings) == {}


# --- a self check that fails -------------------------------------------------------------

FAILURES = [
    ("raise ValueError('s3cret')", "failed (status 1, ValueError)"),
    ("import a_module_that_is_missing", "failed (status 1, ModuleNotFoundError)"),
    ("print('s3cret')", "failed (status 0)"),
    ("print('[]')", "failed (status 0)"),
    ("print('{}')", "failed (status 0)"),
    ("print('{\"problems\": null}')", "failed (status 0)"),
    ("import os; os._exit(7)", "failed (status 7)"),
    ("import sys; sys.exit('s3cret')", "failed (status 1)"),
]


@pytest.fixture
def broken_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that gives the self check another program."""

    def install(program: str) -> None:
        (tmp_path / "broken_check.py").write_text(program)
        monkeypatch.setattr(app_settings, "SELF_CHECK", "broken_check")
        monkeypatch.setattr(app_settings, "ROOT", tmp_path)

    return install


@pytest.mark.parametrize(("program", "text"), FAILURES)
async def test_a_self_check_that_fails(broken_check: Any, program: str, text: str) -> None:
    broken_check(program)
    with pytest.raises(UnseenError) as caught:
        await run_self_check(environ())
    assert str(caught.value) == f"`python -m broken_check` {text}"


async def test_a_self_check_that_does_not_end(
    broken_check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_check("import time; time.sleep(3600)")
    monkeypatch.setattr(child, "CHILD_SECONDS", 1)
    with pytest.raises(UnseenError, match="did not end within 1 s"):
        await run_self_check(environ())


async def test_a_self_check_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(UnseenError, match=r"cannot be started \(No such file or directory\)"):
        await run_self_check(environ())


async def test_a_self_check_that_fails_is_one_finding(
    broken_check: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """The examination goes on with what does not need it, and shows no traceback."""
    broken_check("raise ValueError('s3cret')")
    async with run_proxy("http://unused", respond_to("/api/health", 200, "{}")) as app:
        target = Target(app, 0.1, origins=("*",))
        findings = await examine(target, environ(), Report(as_json=True))
    finding = findings["settings"]
    assert finding.saw == "`python -m broken_check` failed (status 1, ValueError)"
    assert "cannot be loaded" in finding.means
    output = "".join(capfd.readouterr())
    assert "Traceback" not in output
    assert "s3cret" not in output


# --- a host that is dead -----------------------------------------------------------------


async def examine_dead_host(text: str = "Function host is not running.", **settings: str) -> Any:
    """Return the only fault of an app on this machine that answers 503 with this text."""
    async with run_proxy("http://unused", respond_to_all(503, text)) as app:
        found = await examine(Target(app, 0.1), environ(**settings), Report(as_json=True))
    check, finding = only_fault(found)
    assert check == "app"
    return finding


def respond_to_all(status: int, text: str) -> Any:
    async def respond(request: Any, _forward: Any) -> Any:
        return await respond_to(request.path, status, text)(request, _forward)

    return respond


@pytest.mark.parametrize(("name", "value", "problem"), FATAL)
async def test_a_dead_host_with_a_wrong_setting(name: str, value: str, problem: str) -> None:
    finding = await examine_dead_host(**{name: value})
    assert finding.saw == (
        f"GET /api/health returned 503 (Function host is not running.); {name} {problem}"
    )
    assert "can keep the Functions host from starting" in finding.means
    assert finding.fix.startswith(f"Correct {name} in the environment")
    assert KEY not in finding.saw + finding.means + finding.fix


async def test_a_dead_host_with_valid_settings() -> None:
    """Settings that only concern the app do not count. The causes are named."""
    finding = await examine_dead_host(USHER_TOKEN_MINUTES="soon")
    assert finding.saw.endswith("; the hub and connection settings show no fault")
    assert "if WebPubSubHub is empty, or if WebPubSubConnectionString is in quotes" in finding.means
    assert "what the Functions host printed" in finding.fix


async def test_a_dead_host_whose_settings_cannot_be_checked(broken_check: Any) -> None:
    broken_check("raise SystemExit(3)")
    finding = await examine_dead_host()
    assert "no setting was checked: `python -m broken_check` failed (status 3)" in finding.saw
    assert "if WebPubSubHub is empty" in finding.means


async def test_another_503_is_no_dead_host() -> None:
    finding = await examine_dead_host("<html>Service Unavailable</html>")
    assert finding.means == "The Functions host does not run, or is still starting."
