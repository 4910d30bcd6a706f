"""The commands of dev.py, called as on a command line."""

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import jwt
import psutil
import pytest
from azure.messaging.webpubsubclient.models import OpenClientError
from azure.messaging.webpubsubservice import WebPubSubServiceClient

from localdev import demo, stack
from localdev.stack import ROOT, StackError, sample_settings
from tests.e2e.conftest import UP
from tests.e2e.processes import START_SECONDS, is_masked, run
from webpubsub_emulator import ACCESS_KEY, FAULTS

DEV = [sys.executable, str(ROOT / "dev.py")]
PROBE_APP = ROOT / "tests" / "localdev" / "host" / "apps" / "probe"
COMMANDS = (
    *("demo", "up", "emulator", "host", "token", "status", "provision", "remove", "removals"),
    *("doctor", "policy"),
    *("test", "fuzz", "check", "pin", "audit", "sbom", "bench", "storm"),
)


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return call_from(Path.cwd(), *arguments, **environment)


def call_from(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEV, *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


TRANSCRIPT = [
    "Web PubSub emulator  *   hub chat",
    "Functions host       *",
    "ana enters room lobby",
    "1 generateToken  200  for ana, group lobby",
    "2 addConnection  200  *",
    "3 announceJoin   202  to lobby",
    "ana receives: ana joined lobby",
    "bo enters room lobby",
    "1 generateToken  200  for bo, group lobby",
    "2 addConnection  200  *",
    "3 announceJoin   202  to lobby",
    "ana receives: bo joined lobby",
    "bo receives: bo joined lobby",
    "cy enters room user-cy",
    "1 generateToken  200  for cy, group user-cy",
    "2 addConnection  200  *",
    "3 announceJoin   202  to user-cy",
    "cy receives: cy joined user-cy",
    "bo asks for room user-cy",
    "1 generateToken  403  There is no such group for this caller.",
    "mallory enters room lobby",
    "1 generateToken  200  for mallory, group lobby",
    "2 addConnection  200  *",
    "3 announceJoin   202  to lobby",
    "ana receives: mallory joined lobby",
    "bo receives: mallory joined lobby",
    "mallory receives: mallory joined lobby",
    "An operator removes mallory",
    "mallory receives: Application server closed the connection. Reason: removed: spam",
    "announceLeave  202  to lobby",
    "ana receives: mallory left lobby",
    "bo receives: mallory left lobby",
    "removeUser     201  for 60 minutes",
    "mallory asks for room lobby",
    "1 generateToken  403  The user was removed from this hub until *. Reason: spam",
    "connect        401  with a token from before",
    "bo leaves room lobby",
    "announceLeave  202  to lobby",
    "ana receives: bo left lobby",
    "The demo sends a last message to both rooms",
    "ana receives: the demo is over",
    "cy receives: the demo is over",
    "All steps succeeded: four joins and two leaves, each received only in its room,",
    "one request that the policy denied, and one removal that nobody can go around.",
]


def test_the_demo_shows_every_step() -> None:
    """Joins and leaves, each received only in its room, a denial, and a removal."""
    call("token")  # installs what may have changed since the environment was made
    done = call("demo")
    assert (done.returncode, done.stderr) == (0, "")
    varying = r"http://[0-9.:]+|connection [0-9a-f]+|[-0-9]+T[:0-9]+\+00:00"
    hidden = re.sub(varying, "*", done.stdout)
    assert [line.strip() for line in hidden.splitlines() if line.strip()] == TRANSCRIPT


def test_the_demo_shows_presence() -> None:
    """Tabs, a reload and a killed process, as another member sees them."""
    done = call("demo", "--presence")
    seen = [line.strip() for line in done.stdout.splitlines() if line.startswith("      ana sees")]
    assert (done.returncode, done.stderr) == (0, "")
    assert seen == [
        "ana sees: ana is here",
        "ana sees: bo is here",
        "ana sees: bo has 2 tabs",
        "ana sees: bo has 1 tab",
        "ana sees nothing",
        "ana sees: bo has left",
    ]


@pytest.mark.parametrize(
    ("setting", "value", "error"),
    [
        ("USHER_AUTH", "", "negotiate denied ana"),
        ("WebPubSubHub", "my-hub", "hub"),
        ("USHER_JOIN_TEXT", "{userId} is here", "ana received 'ana is here' instead"),
        ("USHER_LEAVE_TEXT", "{userId} is gone", "ana received 'mallory is gone' instead"),
    ],
)
async def test_the_demo_fails_if_a_step_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    value: str,
    error: str,
) -> None:
    """It names the step, shows the host's log and returns 1."""
    monkeypatch.setattr(demo, "sample_settings", lambda: sample_settings() | {setting: value})
    assert await demo.run_demo() == 1
    output = capsys.readouterr().out
    assert "FAILED: " in output
    assert error in output
    assert "GET /api/negotiate" in output or setting == "WebPubSubHub"


async def test_a_cancelled_demo_does_not_fail() -> None:
    """Ctrl-C cancels it, and the official client replaces the cancellation with its own error."""

    async def journey(_stack: stack.Stack, _log: demo.HostLog) -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        raise OpenClientError("Failed to open client.")

    running = asyncio.create_task(demo.run_on_stack(journey, "done"))
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    """Every command has a help and is in the list of dev.py."""
    done = call(command, "--help")
    assert (done.returncode, done.stdout[:6]) == (0, "usage:")
    assert f"\n  {command} " in call("--help").stdout


def test_help_lists_no_other_command() -> None:
    assert re.findall(r"^  (\w+) ", call().stdout, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--host-port", "0", "--emulator-port"],
        ["up", "--emulator-port", "0", "--host-port"],
        ["emulator", "--port"],
        ["host", "--port"],
    ],
)
def test_a_busy_port_is_one_line_without_traceback(arguments: list[str]) -> None:
    """The line names the port, and the option that gives another one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = call(*arguments, port)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("dev.py")]
    assert f"Port {port} is in use" in line
    assert arguments[-1] in line
    assert "Traceback" not in done.stderr


def test_an_option_of_another_command_has_another_name_here() -> None:
    done = call("up", "--port", "1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("Here it is --emulator-port or --host-port")


def test_settings_that_are_a_folder_are_one_line(tmp_path: Path) -> None:
    shutil.copytree(PROBE_APP, tmp_path / "app", ignore=shutil.ignore_patterns("__*"))
    (tmp_path / "app" / "local.settings.json").mkdir()
    done = call("host", "--app", str(tmp_path / "app"), "--port", "0")
    expected = "dev.py: local.settings.json cannot be read: Is a directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_settings_that_cannot_be_written_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A read-only checkout; here, the folder is a file, which root cannot write to either."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(stack, "LOCAL_SETTINGS", tmp_path / "file" / "local.settings.json")
    with pytest.raises(StackError, match="cannot be written: Not a directory"):
        stack.ensure_local_settings()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["token"], ["demo"]])
def test_a_reader_may_stop_reading(arguments: list[str]) -> None:
    """As `head` does: no traceback, and the status of a shell."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*DEV, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("arguments", "ready"),
    [
        (["up", "--emulator-port", "0", "--host-port", "0"], "Ctrl-C stops."),
        (["emulator", "--port", "0"], "Ctrl-C stops."),
        (["host", "--port", "0"], "Ctrl-C stops."),
        (["demo"], "Functions host"),
        (["test", "-n0", "--no-cov", "-s", "FILE"], "WAITS"),
        (["bench", "start"], "warm-up"),
    ],
    ids=["up", "emulator", "host", "demo", "test", "bench"],
)
def test_ctrl_c_ends_with_130(tmp_path: Path, arguments: list[str], ready: str) -> None:
    """As of a shell, so that `dev.py test && deploy` does not go on; and without traceback."""
    file = tmp_path / "test_waits.py"
    text = "import time\ndef test_waits():\n    print('WAITS', flush=True)\n    time.sleep(600)"
    file.write_text(text)
    process = start_group([str(file) if word == "FILE" else word for word in arguments])
    assert process.stdout
    while ready not in (line := process.stdout.readline()):
        assert line, "the command ended"
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=START_SECONDS * 3)
    assert process.returncode == 130, output
    assert "Traceback" not in output


@pytest.mark.parametrize("command", ["host", "emulator"])
def test_signals_during_the_end_print_no_traceback(command: str, tmp_path: Path) -> None:
    """As if somebody pressed Ctrl-C again and again."""
    with (tmp_path / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "localdev", command, "--json", "--port", "0"],
            cwd=ROOT,
            env=os.environ | sample_settings(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            assert process.stdout
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            while process.poll() is None:
                process.send_signal(signal.SIGTERM)
                time.sleep(0.0003)
        errors.seek(0)
        assert "Traceback" not in errors.read()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux shows masks")
def test_ctrl_c_in_the_first_second_has_no_traceback() -> None:
    """Also before dev.py and the command have imported what they need."""
    process = start_masked("demo")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=START_SECONDS * 3)
    assert process.returncode == 130
    assert "Traceback" not in output


def start_masked(command: str) -> subprocess.Popen[str]:
    """Start a command and return while Ctrl-C waits for its imports.

    A busy machine may run the whole command before this process can look, so it may take more than
    one start.
    """
    for _ in range(20):
        process = start_group([command])
        while process.poll() is None:
            if is_masked(process.pid, signal.SIGINT):
                return process
        process.communicate()
    pytest.fail(f"{command} does not let Ctrl-C wait")


def start_group(arguments: list[str]) -> subprocess.Popen[str]:
    """Start a command as a terminal does: Ctrl-C reaches all its processes.

    A shell lets its background commands, such as the tests themselves, ignore Ctrl-C.
    """
    return subprocess.Popen(
        [*DEV, *arguments],
        env=os.environ | sample_settings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["emulator", "--handler", "chat"],
        ["emulator", "--handler", "my-hub=http://127.0.0.1"],
        ["emulator", "--handler", "chat=ftp://127.0.0.1"],
        ["demo", "--fast"],
        ["up", "--host-port", "many"],
        ["up", "--host-port", "65536"],
        ["host", "--port", "-1"],
        ["emulator", "--port", "65536"],
        ["up", "--fault", "rest-eror"],
        ["emulator", "--fault", "rest-error:status=404"],
        ["emulator", "--seed", "many"],
        ["host", "--control"],
        ["fuzz", "--minutes", "0"],
        ["fuzz", "--minutes", "nan"],
        ["host", "--app", "no/such/folder"],
        ["storm", "--users", "0"],
        ["storm", "--rate", "fast"],
        ["storm", "--digest", "maybe"],
        ["storm", "--fault", "rest-eror"],
    ],
)
def test_wrong_arguments(arguments: list[str]) -> None:
    """Status 2 or 1, one line that says what is wrong, and no traceback."""
    done = call(*arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "dev.py" in done.stderr.splitlines()[-1]


def test_a_relative_file_of_handlers_is_where_one_stands(tmp_path: Path) -> None:
    """The file is found there, and what is wrong in it is reported."""
    (tmp_path / "handlers.json").write_text("{")
    done = call_from(tmp_path, "emulator", "--port", "0", "--handlers", "handlers.json")
    assert done.returncode == 1
    assert "dev.py emulator: handlers.json: Expecting property name" in done.stderr


def test_git_ignores_the_coverage_of_processes() -> None:
    command = ["git", "check-ignore", "--no-index", ".coverage", ".coverage.host.pid1.x"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == command[3:]


@pytest.mark.parametrize("command", ["up", "emulator"])
def test_a_wrong_fault_is_named(command: str) -> None:
    done = call(command, "--fault", "rest-slow", "--fault", "rest-error:rate=2")
    error = "fault 'rest-error:rate=2': rate must be a number from 0 to 1."
    assert done.stderr.splitlines()[-1].endswith(error)


@pytest.mark.parametrize("command", ["up", "emulator"])
def test_help_describes_faults_and_control(command: str) -> None:
    """All names, and that the control endpoint has no authentication."""
    text = call(command, "--help").stdout.replace("\n", "")
    text = re.sub(" +", " ", text).replace("- ", "-")
    assert "this machine" in text
    assert "without authentication" in text.lower()
    for name in FAULTS:
        assert name in text


def test_token() -> None:
    """One line: a data plane token, signed with the emulator's key."""
    (token,) = call("token").stdout.splitlines()
    audience = "https://webpubsub.azure.com"
    assert jwt.decode(token, ACCESS_KEY, ["HS256"], audience=audience)["exp"]


RECIPES = {
    "rules": [
        {"caller": {"user": "bo"}, "group": "*", "allow": []},
        {"caller": {"claim": "team", "value": "red"}, "group": "lobby", "allow": ["roster"]},
        {"caller": "any", "group": "team-{claim:team}", "allow": ["join", "send"]},
    ]
}


def explain(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `policy explain` with RECIPES and the sample settings."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(RECIPES))
    settings = sample_settings() | {"USHER_POLICY_FILE": str(policy)}
    return call("policy", "explain", *arguments, **settings)


def length_with_visit(url: str) -> int:
    """Return the length of a client URL whose token has the claim `visit`, too."""
    payload = url.split(".")[-2]
    claims = base64.urlsafe_b64decode(payload + "==")
    visit = b',"visit":"0af7651916cd43dd8448eb211c80319c"'
    return len(url) - len(payload) + len(base64.b64encode(claims + visit).rstrip(b"="))


def test_policy_explain_allows(tmp_path: Path) -> None:
    """The rule that decides, the roles, and the length of the URL that negotiate would return."""
    done = explain(tmp_path, "--user", "ana", "--claim", "team=red", "--group", "team-red")
    sample = sample_settings()
    service = WebPubSubServiceClient.from_connection_string(
        sample["WebPubSubConnectionString"], sample["WebPubSubHub"]
    )
    roles = ["webpubsub.sendToGroup.team-red"]
    token = service.get_client_access_token(user_id="ana", roles=roles, groups=["team-red"])
    length = length_with_visit(token["url"])
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["rules[0]", "user", "bo", "*", "does", "not", "match"],
        ["rules[1]", "team=red", "lobby", "does", "not", "match"],
        ["rules[2]", "any", "team-{claim:team}", "matches:", "join,", "send"],
        ["roles", *roles],
        ["client", "URL", str(length), "of", "4096", "characters,", "with", "the", "token"],
    ]


@pytest.mark.parametrize(
    ("arguments", "last_rule"),
    [
        (["--user", "bo", "--claim", "team=red", "--group", "team-red"], "rules[0]"),
        (["--user", "ana", "--claim", "team=red", "--group", "lobby"], "rules[1]"),
        (["--user", "ana", "--claim", "team=red", "--group", "team-blue"], "No rule matches"),
    ],
)
def test_policy_explain_denies(tmp_path: Path, arguments: list[str], last_rule: str) -> None:
    """A rule that grants nothing, one that does not grant to join, and no matching rule."""
    done = explain(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (1, "")
    *_, decided, negotiate = done.stdout.splitlines()
    assert decided.startswith(last_rule)
    assert negotiate == "negotiate   403 There is no such group for this caller."


@pytest.mark.parametrize(
    ("arguments", "settings", "error"),
    [
        (["--user", "ana", "--group", ".."], {}, "group must"),
        (["--user", "ana", "--group", "a"], {"USHER_POLICY_FILE": "none.json"}, "none.json"),
        (["--user", "ana", "--group", "a"], {"USHER_TOKEN_MINUTES": "x"}, "USHER_TOKEN_MINUTES"),
        (["--user", "ana", "--group", "a", "--claim", "red"], {}, "NAME=VALUE"),
        (["--user", "ana"], {}, "--group"),
    ],
)
def test_policy_explain_with_errors(
    arguments: list[str], settings: dict[str, str], error: str
) -> None:
    """Status 2, a line that says why, and no traceback."""
    done = call("policy", "explain", *arguments, **(sample_settings() | settings))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert error in done.stderr


def test_the_sample_names_the_emulator_on_its_default_port() -> None:
    expected = f"Endpoint=http://127.0.0.1:8080;AccessKey={ACCESS_KEY};Version=1.0;"
    assert sample_settings()["WebPubSubConnectionString"] == expected


def test_up_prints_its_addresses(tmp_path: Path) -> None:
    """Without --json: a banner for people, the demo page first. Ctrl-C stops it."""
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*DEV, "up", "--emulator-port", "0", "--host-port", "0", "--control"],
            env=os.environ | sample_settings(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout
    lines = [process.stdout.readline().partition(":")[::2] for _ in range(11)]
    process.send_signal(signal.SIGINT)
    assert process.wait(START_SECONDS) == 130
    process.stdout.close()
    facts = ["app", "emulator", "control", "hub", "connection string"]
    labels = [name for name, _ in lines if not name.startswith(" ")]
    assert labels == ["demo", "callers", "groups", *facts, "Ctrl-C stops.\n", "next"]
    values = {name: text.strip() for name, text in lines}
    assert values["demo"] == values["app"] + "/api/demo"
    assert values["next"] == f"python3 dev.py doctor --app {values['app']}"


def test_a_signal_ends_the_demo_with_its_processes(tmp_path: Path) -> None:
    with subprocess.Popen([*DEV, "demo"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        address = process.stdout.readline().split()[-1]
        process.terminate()
    host, _, port = address.removeprefix("http://").partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_up_fails_when_the_host_ends(tmp_path: Path) -> None:
    """With a line that says so."""
    with run(UP, tmp_path / "log", status=1) as running:
        for child in psutil.Process(running.process.pid).children():
            child.kill()
        running.process.wait(START_SECONDS)
        assert "The Functions host ended by itself" in running.log()


def test_emulator_and_host_alone(tmp_path: Path) -> None:
    """Each prints one line with what the other one needs."""
    settings = ["localdev", "emulator", "--json", "--port", "0"]
    with run(
        [*settings, "--handler", "chat=http://127.0.0.1:9/{hub}/{event}"], tmp_path / "e"
    ) as e:
        assert list(e.facts) == ["connectionString"]
        with run(["localdev", "host", "--json", "--port", "0"], tmp_path / "h", e.facts) as h:
            assert list(h.facts) == ["host"]


OWN_PAGE = """

@app.route("own", methods=["GET"])
def own(req: func.HttpRequest) -> func.HttpResponse:
    with open("host.json") as file:
        return func.HttpResponse(f"{os.environ['ProbeText']}, {json.load(file)['version']}")
"""


async def test_host_with_another_app(tmp_path: Path) -> None:
    """It has its own settings, CORS and keys; relative files are in its folder."""
    app = tmp_path / "app"
    shutil.copytree(PROBE_APP, app, ignore=shutil.ignore_patterns("__*"))
    with (app / "function_app.py").open("a") as file:
        file.write(OWN_PAGE)
    settings = {"Values": {"ProbeText": "from the file"}, "Host": {"CORS": "http://page.example"}}
    (app / "local.settings.json").write_text(json.dumps(settings))
    command = ["localdev", "host", "--app", str(app), "--json", "--port", "0", "--keys"]
    with run(command, tmp_path / "log") as running:
        host, key = running.facts["host"], running.facts["keys"]["function"]
        headers = {"Origin": "http://page.example"}
        async with aiohttp.ClientSession(host, headers=headers) as session:
            async with session.get("/api/own") as response:
                assert await response.text() == "from the file, 2.0"
                assert response.headers["Access-Control-Allow-Origin"] == headers["Origin"]
            for query, status in (("", 401), (f"?code={key}", 200)):
                async with session.get(f"/api/lvl/func{query}") as response:
                    assert response.status == status
        assert "items_special: httpTrigger GET " in running.log()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("app = 1", "Could not find top level function app"),
        (None, "no functions found"),
    ],
)
def test_host_with_an_app_that_does_not_load(
    tmp_path: Path, source: str | None, message: str
) -> None:
    """One message with the folder and the error; the folder may be relative to the caller's."""
    (tmp_path / "broken").mkdir()
    if source:
        (tmp_path / "broken" / "function_app.py").write_text(source)
    done = call_from(tmp_path, "host", "--app", "broken", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("dev.py: ")
    assert str(tmp_path / "broken") in line
    assert message in line


@pytest.mark.parametrize(
    "command", [["localdev", "emulator", "--json", "--port", "0"], UP], ids=["emulator", "up"]
)
async def test_faults_and_control(tmp_path: Path, command: list[str]) -> None:
    """Faults and seed of the command line apply, and the line of JSON has the control URL."""
    options = ["--fault", "rest-slow", "--fault", "event-lost:rate=0.5", "--seed", "3", "--control"]
    with run([*command, *options], tmp_path / "log") as running:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{running.facts['control']}/faults") as response,
        ):
            answer = await response.json()
    faults = ["rest-slow:ms=500,rate=1.0", "event-lost:rate=0.5"]
    assert answer == {"seed": 3, "faults": [{"fault": fault, "happened": 0} for fault in faults]}


LOAD_APP = """
import json, sys
from pathlib import Path
from localdev.host.runtime import load_functions
app = Path(sys.argv[1])
sys.path.remove(sys.argv[2])
print(json.dumps(sorted(function.name for function in load_functions(app))))
assert sys.modules["usher"].__file__.startswith(str(app))
"""


def test_the_deployed_files_are_an_app(tmp_path: Path) -> None:
    """Without localdev and tests the app still indexes on the runtime."""
    for name in ("function_app.py", "host.json", "requirements.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for folder in ("usher", "web"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_APP, str(tmp_path), str(ROOT)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "WebPubSubHub": "chat"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "asyncapi",
        "browser_module",
        "connect",
        "connected",
        "demo",
        "disconnected",
        "health",
        "lift",
        "negotiate",
        "openapi",
        "provision",
        "removal",
        "removals",
        "remove",
        "roster",
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudoterminals")
@pytest.mark.parametrize("as_json", [False, True])
async def test_up_shows_records_for_people_in_a_terminal(as_json: bool) -> None:
    """With --json they stay JSON; what is no terminal gets JSON, too, as all other tests show."""
    terminal, its_end = os.openpty()
    options = ("--json",) if as_json else ()
    command = [sys.executable, "-m", "localdev", "up", *options, *UP[-4:]]
    environment = os.environ | sample_settings() | {"USHER_BANS": "off"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=its_end, text=True
    ) as process:
        os.close(its_end)
        try:
            visit = await negotiate(read_host(process, as_json))
            shown = await asyncio.to_thread(read_until, terminal, visit[:8])
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
            os.close(terminal)
    if as_json:
        assert f'    INFO usher: {{"record": "negotiate", "visit": "{visit}"' in shown
        assert "\x1b[" not in shown
    else:
        line = f"    negotiate     {visit[:8]}  ana               lobby             minutes=60"
        assert f"\x1b[32m{line}\x1b[0m" in shown


async def negotiate(host: str) -> str:
    """Return the visit of ana's token."""
    url = f"{host}/api/negotiate?userId=ana"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return str((await response.json())["visit"])


def read_host(process: subprocess.Popen[str], as_json: bool) -> str:
    """Return the host's address from what `up` prints when it is ready."""
    assert process.stdout
    if as_json:
        return str(json.loads(process.stdout.readline())["host"])
    for line in process.stdout:
        if line.startswith("app: "):
            return line.removeprefix("app: ").strip()
    raise AssertionError("the stack did not start")


def read_until(terminal: int, text: str) -> str:
    """Return what was written to the terminal up to the end of the line with the text."""
    shown = ""
    while text not in shown or not shown.endswith("\n"):
        shown += os.read(terminal, 4096).decode()
    return shown
