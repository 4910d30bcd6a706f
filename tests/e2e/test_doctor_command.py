"""`dev.py doctor` as a command: output, exit status, errors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from localdev.stack import ROOT, sample_settings
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from webpubsub_emulator import ACCESS_KEY

CHECKS = (
    *("app", "settings", "package", "clock", "health", "cors", "negotiate", "token"),
    *("webhook", "connect", "handler", "journey", "pages"),
)


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "localdev", "doctor", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def examine(stack: Running, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Examine the stack, with the settings that it was started with."""
    connection = {"WebPubSubConnectionString": stack.facts["connectionString"]}
    address = ("--app", stack.facts["host"], *arguments)
    return doctor(*address, **(sample_settings() | connection | more))


def test_a_report_without_faults(tmp_path: Path) -> None:
    """One line for each check, and no secret."""
    with run([*UP, "--keys", "--control"], tmp_path / "log") as stack:
        keys = stack.facts["keys"]
        options = ("--key-from-env", "SYSTEM_KEY")
        done = examine(stack, *options, SYSTEM_KEY=keys["webpubsub_extension"])
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines, verdict, last = done.stdout.splitlines()
    assert (first, verdict) == (f"Usher at {stack.facts['host']}", "Nothing is wrong.")
    assert last == (
        "12 of 13 examined, not examined: pages, because in local mode, pages of every origin can "
        "connect."
    )
    assert [tuple(line.split()[:2]) for line in lines[:-1]] == [
        (name, "ok") for name in CHECKS[:-1]
    ]
    secrets = (*keys.values(), ACCESS_KEY, "eyJ", "sha256=")
    assert not [secret for secret in secrets if secret in done.stdout]


def test_a_failure_in_json(tmp_path: Path) -> None:
    """Exit status 1; the document on stdout, the text for people on stderr."""
    with run([*UP, "--keys"], tmp_path / "log") as stack:
        wrong = examine(stack, "--json", "--key-from-env", "SYSTEM_KEY", SYSTEM_KEY="not-the-key")
    document = json.loads(wrong.stdout)
    assert [finding["check"] for finding in document["findings"]] == list(CHECKS)
    (finding,) = [f for f in document["findings"] if f["level"] == document["level"]]
    assert (wrong.returncode, finding["check"]) == (1, "webhook")
    assert "FAILURE  OPTIONS from 127.0.0.1 returned 401" in wrong.stderr
    assert re.search(r"means: .*\n +fix: +Use the key .* `python3 dev.py up --keys`", wrong.stderr)
    verdict, last = wrong.stderr.splitlines()[-2:]
    assert (verdict, last.startswith("9 of 13 examined, not examined:")) == ("1 failure.", True)
    assert "not-the-key" not in wrong.stderr + wrong.stdout


def test_a_group_that_cannot_be_entered(tmp_path: Path) -> None:
    """Exit status 1: a script must not go on as if clients could join it."""
    with run(UP, tmp_path / "log", {"USHER_POLICY_FILE": "policy.json"}) as stack:
        done = examine(stack, "--group", "vault")
    assert done.returncode == 1
    assert "negotiate  FAILURE" in done.stdout
    assert "Nothing is wrong" not in done.stdout


def test_a_wrong_setting_of_the_environment(tmp_path: Path) -> None:
    """The fix names the place: the file would be the wrong one."""
    with run(UP, tmp_path / "log") as stack:
        done = examine(stack, USHER_TOKEN_MINUTES="soon")
    assert "fix:   Correct USHER_TOKEN_MINUTES in the environment, and restart" in done.stdout


def test_no_app_at_the_address() -> None:
    """Exit status 2, and one line that says how to start the stack."""
    app = f"http://127.0.0.1:{unused_port()}"
    done = doctor("--app", app, **sample_settings())
    assert done.returncode == 2
    assert done.stderr == (
        f"dev.py: Nothing answers at {app} (Connection refused). "
        "`python3 dev.py up` starts the stack.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--app", "http://usher.azurewebsites.net"], "would send keys unencrypted"),
        (["--key-from-env", "NOT_SET_ANYWHERE"], "The variable NOT_SET_ANYWHERE is not set."),
        (["--app", "https://usher.invalid"], "Nothing answers at https://usher.invalid"),
        (["--keys", "secret"], "unknown"),
        (["--patience", "0"], "--patience must be a number of seconds above 0"),
        (["--origin", "foo"], "--origin foo must have the form https://www.example.com"),
    ],
)
def test_an_examination_that_cannot_start(arguments: list[str], message: str) -> None:
    """Exit status 2, one line that says why, and no traceback."""
    done = doctor(*arguments, **sample_settings())
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert message in done.stderr.splitlines()[-1]
