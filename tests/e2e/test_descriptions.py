"""The descriptions in api/ are valid, and true of the running app."""

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
from openapi_spec_validator import validate

from localdev.stack import ROOT
from tests.e2e.clients import enter, new_room
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.usher.test_responses import family
from usher.door.oidc import IdentityProviderError
from usher.errors import UsherError
from webpubsub_emulator.tokens import ACCESS_KEY, sign_data_plane_token

API = ROOT / "api"
HERE = Path(__file__).resolve().parent / "descriptions"
SEED = HERE / "seed-workflow.yaml"
WORKFLOW = "provision-client-and-join-group"
# Seconds in which the tool tries what it can.
TRYING = 25


def read(name: str) -> Any:
    return yaml.safe_load((API / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack that asks for function keys."""
    with run([*UP, "--keys"], tmp_path_factory.mktemp("described") / "log") as running:
        yield running


@asynccontextmanager
async def member(stack: Running) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, str]]:
    """Ana's open connection, in a room of its own, and its id."""
    async with aiohttp.ClientSession() as session:
        query = {"userId": "ana", "group": new_room()}
        async with session.get(f"{stack.facts['host']}/api/negotiate", params=query) as response:
            url = (await response.json())["url"]
        async with session.ws_connect(url, protocols=["json.webpubsub.azure.v1"]) as ws:
            connection_id = (await ws.receive_json(timeout=10))["connectionId"]
            assert (await ws.receive_json(timeout=10))["data"].startswith("ana joined")
            yield ws, connection_id


# --- OpenAPI ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openapi.yaml", "webpubsub.yaml"])
def test_they_are_openapi(name: str) -> None:
    """By the specification's own schema."""
    validate(read(name))


async def test_the_app_describes_itself(stack: Running) -> None:
    """With the file that is shipped, byte for byte."""
    url = f"{stack.facts['host']}/api/openapi.yaml"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert (response.status, response.content_type) == (200, "application/yaml")
        assert await response.read() == (API / "openapi.yaml").read_bytes()


def test_every_http_function_is_described(stack: Running) -> None:
    """With its methods, and nothing else is."""
    served = re.findall(r": httpTrigger ([A-Z,]+) http://[^/]+(\S+)", stack.log())
    functions = {(path, method) for methods, path in served for method in methods.split(",")}
    paths = read("openapi.yaml")["paths"].items()
    assert functions == {(path, method.upper()) for path, item in paths for method in item}


def problems(part: Any) -> Iterator[dict[str, Any]]:
    """Every example of a problem."""
    if isinstance(part, dict):
        if str(part.get("type")).startswith("urn:problem-type:"):
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from problems(one)


def test_problems_are_as_the_app_makes_them() -> None:
    """The type, the title and the status of each example belong together."""
    examples = list(problems(read("openapi.yaml")))
    # The last one is known where its module is loaded.
    errors: set[type[UsherError]] = {*family(), IdentityProviderError}
    known = {f"urn:problem-type:usher:{error.kind}": error for error in errors}
    for example in examples:
        error = known[example["type"]]
        assert (example["title"], example["status"]) == (error.title, error.status)
    # An event is answered to the service, not to a caller.
    assert known.keys() - {example["type"] for example in examples} == {
        "urn:problem-type:usher:bad-event"
    }


def describe(connection_id: str) -> dict[str, Any]:
    """The description, with what is known of this stack, and only in words to others."""
    description: dict[str, Any] = read("openapi.yaml")
    schemas = description["components"]["schemas"]
    schemas["hub"]["pattern"] = "^[cC][hH][aA][tT]$"
    schemas["connectionId"] = {"const": connection_id}
    schemas["userId"]["pattern"] = r"^ *[^\p{C}\p{Z}](?:[^\p{C}\p{Z}]| )*$"
    schemas["announcement"]["pattern"] = r"[^\p{C}\p{Z}]"
    asked = description["paths"]["/api/provision"]["post"]["requestBody"]
    del asked["content"]["application/json"]["examples"]  # of another connection
    return description


async def test_the_app_is_as_described(stack: Running, tmp_path: Path) -> None:
    """Good and bad requests, alone and in chains: no status, header or body that is not described.

    And no 5xx, and no key that is not asked for.
    """
    async with member(stack) as (ws, connection_id):
        file = tmp_path / "openapi.yaml"
        file.write_text(yaml.safe_dump(describe(connection_id), allow_unicode=True), "utf-8")
        command = [
            *("st", "--config-file", HERE / "schemathesis.toml", "run", file),
            *("--url", stack.facts["host"], "--no-color", "--generation-database", "none"),
            *("--header", f"x-functions-key: {stack.facts['keys']['function']}"),
            *("--max-time", str(TRYING), "--seed", "1"),
        ]
        reading = asyncio.create_task(read_all(ws))
        done = await asyncio.to_thread(call, command, tmp_path)
        reading.cancel()
    assert done.returncode == 0, done.stdout
    assert stack.records(record="provision", sendStatus=202)
    assert "7 selected / 7 total" in done.stdout
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in done.stdout


async def read_all(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Or the service would take the connection for a slow one."""
    async for _ in ws:
        pass


def call(command: list[Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a tool of this environment in a folder in which it may leave files."""
    hooks = {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.e2e.descriptions.hooks"}
    tool = Path(sys.executable).with_name(command[0])
    return subprocess.run(
        [tool, *command[1:]],
        cwd=folder,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=4 * TRYING,
        check=False,
    )


# --- Arazzo ----------------------------------------------------------------------------


def execute(file: Path, workflow: str, address: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """The runner's status and the workflow's outputs."""
    module = "tests.e2e.descriptions.execute"
    done = subprocess.run(
        [sys.executable, "-m", module, str(file), workflow, urlsplit(address).netloc],
        cwd=ROOT,
        input=json.dumps(inputs),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


CASES = pytest.mark.parametrize(
    ("file", "workflow", "over"),
    [
        (SEED, WORKFLOW, "emulator"),
        (API / "arazzo.yaml", WORKFLOW, "emulator"),
        (API / "arazzo.yaml", f"{WORKFLOW}-with-usher", "host"),
    ],
    ids=["seed", "data plane", "usher"],
)


def inputs_of(stack: Running, group: str, connection_id: str) -> dict[str, Any]:
    """Of any of the workflows."""
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
async def test_workflows(stack: Running, file: Path, workflow: str, over: str) -> None:
    """200, 200, 202 for a live connection, which hears of it; the token opens another one."""
    group = new_room()
    async with member(stack) as (ws, connection_id):
        inputs = inputs_of(stack, group, connection_id)
        result = await asyncio.to_thread(execute, file, workflow, stack.facts[over], inputs)
        heard = await ws.receive_json(timeout=10)
    assert (heard["group"], heard["data"]) == (group, "ana joins")
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
        assert (await ws.receive_json(timeout=10))["userId"] == "ana"
        assert (await ws.receive_json(timeout=10))["data"] == f"ana joined {group}"


@CASES
async def test_workflows_that_fail(stack: Running, file: Path, workflow: str, over: str) -> None:
    """The step that fails is the last one. Of the two, only Usher then keeps the token back."""
    group = new_room()
    async with enter(stack.facts["host"], userId="bo", group=group) as bo:
        assert await bo.hear() == f"bo joined {group}"
        inputs = inputs_of(stack, group, "no-such-connection")
        result = await asyncio.to_thread(execute, file, workflow, stack.facts[over], inputs)
    assert bo.inbox.empty()
    assert (result["status"], result["outputs"]["sendStatus"]) == ("error", None)
    token_is_out = result["outputs"]["token"] is not None
    add_status = result["outputs"]["addStatus"]
    assert (token_is_out, add_status) == ((False, None) if over == "host" else (True, 404))
