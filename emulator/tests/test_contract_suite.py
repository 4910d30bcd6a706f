"""The contract suite itself, run against targets that agree, differ or cannot be reached."""

import ast
import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contract.table import EVIDENCE
from contract.target import Target
from webpubsub_emulator.server import Emulator

ROOT = Path(__file__).resolve().parent.parent
SUITE = sorted((ROOT / "tests" / "contract").glob("test_*.py"))
KEY = "a-key-that-would-be-recognised-anywhere"


async def run_suite(target: str, *arguments: str) -> tuple[int | None, str]:
    """Run `pytest tests/contract --target` and return its exit status and output."""
    options = ["-rN", "--tb=short", "--target", target]
    command = [sys.executable, "-m", "pytest", "tests/contract", *options, *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def connection_string(endpoint: str, key: str = KEY) -> str:
    """Return a connection string in the portal's form."""
    return f"Endpoint={endpoint};AccessKey={key};Version=1.0;"


def marks(statement: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the marks that a test has."""
    attributes = (each.attr for each in statement.decorator_list if isinstance(each, ast.Attribute))
    return [name for name in attributes if name in EVIDENCE]


@pytest.mark.parametrize("file", SUITE, ids=[file.stem for file in SUITE])
def test_each_statement_says_where_it_comes_from(file: Path) -> None:
    """Each test has one of the three marks."""
    statements = [
        node
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name[:5] == "test_"
    ]
    assert statements
    assert [each.name for each in statements if len(marks(each)) != 1] == []


async def test_a_target_that_agrees() -> None:
    """The table has each statement, what was not asked and why, and the counts."""
    async with Emulator(access_key=KEY) as emulator:
        status, output = await run_suite(
            emulator.connection_string,
            *("-k", "cookies or (acks and success) or invocations_need_no_role or has_no_response"),
        )
    table = output[output.index("= contract =") :].splitlines()[1:]
    assert status == 0
    assert table[:10] == [
        "acks",
        "  agrees     an ack reports success [joinGroup]  (specified)",
        "  agrees     an ack reports success [leaveGroup]  (specified)",
        "  agrees     an ack reports success [sendToGroup]  (specified)",
        "invocations",
        "  not asked  a cancelled invocation has no response  "
        "(specified; needs an event handler of the tests)",
        "  agrees     invocations need no role  (inferred)",
        "user events",
        "  not asked  cookies return with later events  "
        "(specified; needs an event handler of the tests)",
        "4 agree, 0 differ, 2 not asked",
    ]


async def test_a_target_that_differs() -> None:
    """A target that answers 200 to everything differs; its key and tokens are not shown."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Authorization"))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application) as server:
        target = connection_string(str(server.make_url("")).rstrip("/"))
        picked = "health or test_another_key or test_the_claims or (handshakes and first_frame)"
        status, output = await run_suite(target, "--showlocals", "-k", picked)
    assert status == 1
    for line in (
        "  agrees     the health call needs no token  (recorded)",
        "  DIFFERS    another key is refused  (specified)",
        "  DIFFERS    the first frame names user and connection  (specified)",
        "  DIFFERS    the claims include audience issuer and times  (recorded)",
    ):
        assert line in output.splitlines()
    assert ", 0 not asked" in output
    assert "<token>" in output
    assert KEY not in output
    assert "eyJ" not in output


@pytest.mark.parametrize(
    ("target", "explanation"),
    [
        (f"AccessKey={KEY};", "ERROR: The connection string has no Endpoint."),
        ("Endpoint=http://127.0.0.1:1;AccessKey=short;", "ERROR: The AccessKey has less than"),
        (connection_string("http://127.0.0.1:1"), "ERROR: http://127.0.0.1:1 does not answer: "),
    ],
    ids=["no endpoint", "short key", "unreachable"],
)
async def test_a_target_that_cannot_be_asked(target: str, explanation: str) -> None:
    """One line says why, and no test runs."""
    status, output = await run_suite(target)
    assert status == 4
    assert [line.startswith(explanation) for line in output.splitlines() if line] == [True]
    assert KEY not in output


async def test_a_key_that_is_refused() -> None:
    """One line says so, and no test runs."""
    async with Emulator() as emulator:
        status, output = await run_suite(connection_string(emulator.endpoint))
        line = f"ERROR: {emulator.endpoint} refuses the access key (401)."
    assert (status, output.split()) == (4, line.split())


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ("", "no Endpoint and no AccessKey"),
        ("Endpoint=http://h;", "no AccessKey"),
        (connection_string("ftp://h"), "must start with https:// or http://"),
        (connection_string("http://a:b"), "is not a URL"),
    ],
)
def test_connection_strings_that_cannot_be_read(text: str, explanation: str) -> None:
    """The error says what is wrong, without the key."""
    with pytest.raises(ValueError, match=explanation) as caught:
        Target.from_connection_string(text)
    assert KEY not in str(caught.value)


def test_connection_strings() -> None:
    """Keys are in any case, a port is added, and the access key is not in the repr."""
    target = Target.from_connection_string(f"endpoint=http://h/;ACCESSKEY={KEY}=;Port=8080")
    assert (target.endpoint, target.access_key) == ("http://h:8080", f"{KEY}=")
    assert KEY not in repr(target)
