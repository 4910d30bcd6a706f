"""The descriptions in `api/` are valid and match the running app."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import pytest
import yaml

from localdev.stack import ROOT
from tests.e2e.clients import enter, new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.usher.test_responses import error_classes
from usher.door.oidc import IdentityProviderError
from usher.errors import UsherError
from webpubsub_emulator import ACCESS_KEY, sign_data_plane_token

API = ROOT / "api"
HERE = Path(__file__).resolve().parent / "descriptions"
SEED = HERE / "seed-workflow.yaml"
WORKFLOW = "provision-client-and-join-group"
FUZZING_SECONDS = 25
REMOVALS = "^/api/removals"


def read(name: str) -> Any:
    return yaml.safe_load((API / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a stack that requires function keys."""
    with run([*UP, "--keys"], tmp_path_factory.mktemp("described") / "log") as running:
        yield running


@asynccontextmanager
async def member(stack: Running) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, str]]:
    """Open a connection of ana in a new room during the block. Return its socket and its id."""
    async with aiohttp.ClientSession() as session:
        query = {"userId": "ana", "group": new_room()}
        async with session.get(f"{stack.facts['host']}/api/negotiate", params=query) as response:
            url = (await response.json())["url"]
        async with session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as ws:
            connection_id = (await ws.receive_json(timeout=60))["connectionId"]
            assert (await ws.receive_json(timeout=60))["data"].startswith("ana joined")
            yield ws, connection_id


# --- OpenAPI ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openapi.yaml", "webpubsub.yaml"])
def test_the_files_are_valid_openapi(name: str) -> None:
    from openapi_spec_validator import validate  # its import takes a second of each worker

    validate(read(name))


@pytest.mark.parametrize("name", ["openapi.yaml", "asyncapi.yaml"])
async def test_the_app_serves_its_descriptions_unchanged(stack: Running, name: str) -> None:
    url = f"{stack.facts['host']}/api/{name}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert (response.status, response.content_type) == (200, "application/yaml")
        assert await response.read() == (API / name).read_bytes()


def test_the_described_operations_are_exactly_the_http_functions(stack: Running) -> None:
    served = re.findall(r": httpTrigger ([A-Z,]+) http://[^/]+(\S+)", stack.log())
    functions = {(path, method) for methods, path in served for method in methods.split(",")}
    paths = read("openapi.yaml")["paths"].items()
    assert functions == {(path, method.upper()) for path, item in paths for method in item}


def problems(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every example of a problem."""
    if isinstance(part, dict):
        if str(part.get("type")).startswith("urn:problem-type:"):
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from problems(one)


def test_examples_of_problems_have_the_type_title_and_status_of_an_error() -> None:
    """Every error that a caller can receive has an example."""
    examples = list(problems(read("openapi.yaml")))
    # `error_classes` has IdentityProviderError only after its module was imported.
    errors: set[type[UsherError]] = {*error_classes(), IdentityProviderError}
    known = {f"urn:problem-type:usher:{error.kind}": error for error in errors}
    for example in examples:
        error = known[example["type"]]
        assert (example["title"], example["status"]) == (error.title, error.status)
    # Only the service receives the response to an event.
    without_example = known.keys() - {example["type"] for example in examples}
    assert without_example == {"urn:problem-type:usher:bad-event"}


def describe(connection_id: str) -> dict[str, Any]:
    """Return the description with the rules of this stack that the original has only in prose."""
    description: dict[str, Any] = read("openapi.yaml")
    schemas = description["components"]["schemas"]
    schemas["hub"]["pattern"] = "^[cC][hH][aA][tT]$"
    schemas["connectionId"] = {"const": connection_id}
    visible = r"[^\p{C}\p{Z}]"
    schemas["userId"]["pattern"] = rf"^{visible}(?:(?:{visible}| )*{visible})?$"
    schemas["group"]["pattern"] = r"^(?!\.\.?$)[^/\p{C}\p{Z}](?:[^/\p{C}\p{Z}]*[^/\p{C}\p{Z}])?$"
    schemas["announcement"]["pattern"] = r"[^\p{C}\p{Z}]"
    # Not ana, whom the other operations need.
    anybody_else = schemas["group"]["pattern"].replace("^(?!", "^(?!ana$|", 1)
    schemas["removedUserId"]["pattern"] = anybody_else
    schemas["reason"]["pattern"] = rf"^(?:{visible}| )*$"
    # Schemathesis breaks the pattern of the header, and sends bytes that a server refuses before
    # the app gets them. Malformed keys are in test_provision.py.
    del description["paths"]["/api/provision"]["post"]["parameters"]
    body = description["paths"]["/api/provision"]["post"]["requestBody"]
    del body["content"]["application/json"]["examples"]  # they have another connection
    return description


async def test_all_responses_match_the_description(stack: Running, tmp_path: Path) -> None:
    """Schemathesis sends valid and invalid requests, alone and in sequences.

    It fails for a status, header or body that is not described, for a 5xx, and for an operation
    that works without its key.
    """
    async with member(stack) as (ws, connection_id):
        file = tmp_path / "openapi.yaml"
        file.write_text(yaml.safe_dump(describe(connection_id), allow_unicode=True), "utf-8")
        reading = asyncio.create_task(read_all(ws))
        # On its own, because each removal takes 2 s.
        others, removals = await asyncio.gather(
            asyncio.to_thread(fuzz, stack, file, f"--exclude-path-regex={REMOVALS}"),
            asyncio.to_thread(fuzz, stack, file, f"--include-path-regex={REMOVALS}"),
        )
        reading.cancel()
    for done, count in ((others, 9), (removals, 4)):
        assert done.returncode == 0, done.stdout
        assert f"{count} selected / 13 total" in done.stdout
    assert stack.records(record="provision", sendStatus=202)
    assert stack.records(record="removal")
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in others.stdout
    assert "✅ Examples" in removals.stdout


def fuzz(stack: Running, file: Path, paths: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis for these paths."""
    command = [
        *("st", "--config-file", HERE / "schemathesis.toml", "run", file, paths),
        *("--url", stack.facts["host"], "--no-color", "--generation-database", "none"),
        *("--header", f"x-functions-key: {stack.facts['keys']['function']}"),
        *("--max-time", str(FUZZING_SECONDS), "--seed", "1"),
    ]
    return call(command, file.parent)


async def read_all(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Read all messages. Otherwise the service would close the connection as too slow."""
    async for _ in ws:
        pass


def call(command: list[Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment in a folder where it may leave files."""
    hooks = {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.e2e.descriptions.hooks"}
    tool = Path(sys.executable).with_name(command[0])
    return subprocess.run(
        [tool, *command[1:]],
        cwd=folder,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=4 * FUZZING_SECONDS,
        check=False,
    )


# --- Arazzo ----------------------------------------------------------------------------


def execute(file: Path, workflow: str, address: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Run a workflow; return the status of the runner and the outputs of the workflow."""
    module = "tests.e2e.descriptions.execute"
    done = subprocess.run(
        [sys.executable, "-m", module, str(file), workflow, urlsplit(address).netloc],
        cwd=ROOT,
        input=json.dumps(inputs),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


CASES = pytest.mark.parametrize(
    ("file", "workflow", "server"),
    [
        (SEED, WORKFLOW, "emulator"),
        (API / "arazzo.yaml", WORKFLOW, "emulator"),
        (API / "arazzo.yaml", f"{WORKFLOW}-with-usher", "host"),
    ],
    ids=["seed", "data plane", "usher"],
)


def inputs_of(stack: Running, group: str, connection_id: str) -> dict[str, Any]:
    """Return the inputs that any of the workflows needs."""
    return {
        "accessToken": sign_data_plane_token(ACCESS_KEY),
        "functionKey": stack.facts["keys"]["function"],
        "hub": "chat",
        "group": group,
        "connectionId": connection_id,
        "userId": "ana",
        "announcement": "ana joins",
    }


@CASES
async def test_a_workflow_succeeds_for_an_open_connection(
    stack: Running, file: Path, workflow: str, server: str
) -> None:
    """The connection receives the announcement, and the token opens another connection."""
    group = new_room()
    async with member(stack) as (ws, connection_id):
        inputs = inputs_of(stack, group, connection_id)
        result = await asyncio.to_thread(execute, file, workflow, stack.facts[server], inputs)
        message = await ws.receive_json(timeout=60)
    assert (message["group"], message["data"]) == (group, "ana joins")
    token = result["outputs"].pop("token")
    outputs = {"addStatus": 200, "sendStatus": 202}
    assert result == {"status": "workflow_complete", "outputs": outputs}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("ana", 3600)
    url = f"{stack.facts['emulator']}/client/hubs/chat"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            url, params={"access_token": token}, protocols=["json.webpubsub.azure.v1"]
        ) as ws,
    ):
        assert (await ws.receive_json(timeout=60))["userId"] == "ana"
        assert (await ws.receive_json(timeout=60))["data"] == f"ana joined {group}"


@CASES
async def test_a_workflow_ends_at_the_step_that_fails(
    stack: Running, file: Path, workflow: str, server: str
) -> None:
    """With Usher the token is not returned. With the data plane it already was."""
    group = new_room()
    async with enter(stack.facts["host"], userId="bo", group=group) as bo:
        assert await bo.hear() == f"bo joined {group}"
        inputs = inputs_of(stack, group, "no-such-connection")
        result = await asyncio.to_thread(execute, file, workflow, stack.facts[server], inputs)
    assert bo.inbox.empty()
    assert (result["status"], result["outputs"]["sendStatus"]) == ("error", None)
    has_token = result["outputs"]["token"] is not None
    add_status = result["outputs"]["addStatus"]
    assert (has_token, add_status) == ((False, None) if server == "host" else (True, 404))
