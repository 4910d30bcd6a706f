import argparse
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from localdev.arguments import add_provision_options
from localdev.provision import call_provision, describe_problem, read_key
from localdev.stack import StackError
from usher.groups.idempotency import read_key as read_idempotency_key

FAILED = {"detail": "Busy.", "step": "announceJoin", "done": ["generateToken", "addConnection"]}


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        ({"type": "urn:problem-type:usher:not-found", "detail": "No."}, "429 No."),
        ({"detail": "No."}, "429 No."),
        (
            FAILED | {"mayBeDone": False},
            "429 Busy. Step announceJoin; done: generateToken, addConnection.",
        ),
        (
            FAILED | {"done": [], "mayBeDone": True},
            "429 Busy. Step announceJoin; done: nothing, and maybe this step.",
        ),
    ],
)
def test_problems_are_one_line(problem: dict[str, Any], line: str) -> None:
    """With the steps that were completed, if the problem names them."""
    assert describe_problem(429, json.dumps(problem), None) == line


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}"])
def test_responses_without_a_problem_document(text: str) -> None:
    """The line has the status; 401 comes from the host, which requires a key."""
    assert describe_problem(502, text, None) == "The host answered 502."
    assert "--key-from-env" in describe_problem(401, text, None)
    assert "the key in KEY is wrong" in describe_problem(401, text, "KEY")
    explained = json.dumps({"type": "about:blank", "detail": "No key."})  # of the local host
    assert "the key in KEY is wrong" in describe_problem(401, explained, "KEY")
    assert "no such app" in describe_problem(404, text, "KEY")


async def test_an_app_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says how to start it."""
    monkeypatch.setenv("KEY", "k")
    with pytest.raises(StackError, match=r"did not answer: .*dev\.py up. starts it"):
        await call_provision(options("http://127.0.0.1:9"))


def options(url: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_provision_options(parser)
    needed = ("--group", "g", "--connection-id", "c", "--announcement", "a")
    return parser.parse_args([*needed, "--url", url, "--key-from-env", "KEY"])


@pytest.mark.parametrize("url", ["http://usher.azurewebsites.net", "nowhere"])
async def test_the_key_is_not_sent_unencrypted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KEY", "k")
    with pytest.raises(StackError, match=f"{url}/api/provision .* https"):
        await call_provision(options(url))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_key_does_not_follow_a_redirect(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The other host may belong to an attacker."""
    keys: list[str | None] = []
    idempotency_keys: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        keys.append(request.headers.get("x-functions-key"))
        idempotency_keys.append(request.headers["Idempotency-Key"])
        return web.Response(status=status, headers={"Location": other.make_url("/").human_repr()})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    monkeypatch.setenv("KEY", "k")
    async with TestServer(application) as other, TestServer(application) as server:
        url = str(server.make_url("")).rstrip("/")
        with pytest.raises(StackError, match=f"answered {status}"):
            await call_provision(options(url))
    assert keys == ["k"]
    assert read_idempotency_key({"Idempotency-Key": idempotency_keys[0]})


def test_the_key_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is an error; without a variable there is no header."""
    monkeypatch.setenv("KEY", "k")
    assert read_key("KEY") == {"x-functions-key": "k"}
    assert read_key(None) == {}
    monkeypatch.setenv("KEY", "")
    with pytest.raises(StackError, match="KEY is not set"):
        read_key("KEY")
