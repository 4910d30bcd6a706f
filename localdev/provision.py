"""`dev.py provision`: calls the app's endpoint and prints its response."""

import argparse
import json
import os
import uuid
from typing import Any

import aiohttp

from localdev.addresses import is_protected
from localdev.stack import StackError

START = " Is the app running? `dev.py up` starts it here; --url names another one."
TIMEOUT = aiohttp.ClientTimeout(total=30)  # seconds; the app itself gives up after 10


async def call_provision(options: argparse.Namespace) -> int:
    """Print the outputs. Raises StackError, whose text is the problem in one line."""
    print(await call_app(options, "POST", "/api/provision", read_inputs(options)))
    return 0


async def call_app(options: argparse.Namespace, method: str, path: str, body: Any = None) -> str:
    """Call a function of the app with the function key, and return the text of its answer.

    The function key goes to this address alone: no redirect is followed. Raises StackError, whose
    text is the problem in one line.
    """
    url = f"{options.url.rstrip('/')}{path}"
    if not is_protected(url):
        raise StackError(f"{url} must start with https (http only on this machine).")
    try:
        async with (
            aiohttp.ClientSession(
                headers=read_key(options.key_from_env) | make_key(), timeout=TIMEOUT
            ) as session,
            session.request(method, url, json=body, allow_redirects=False) as response,
        ):
            status, text = response.status, await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise StackError(f"{url} did not answer: {str(error) or 'timeout'}.{START}") from None
    if status not in (200, 201):
        raise StackError(describe_problem(status, text, options.key_from_env))
    return text


def read_inputs(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of the request, without the fields that were not given."""
    inputs = {
        "group": options.group,
        "connectionId": options.connection_id,
        "announcement": options.announcement,
        "userId": options.user_id,
        "minutesToExpire": options.minutes_to_expire,
    }
    return {name: value for name, value in inputs.items() if value is not None}


def read_key(variable: str | None) -> dict[str, str]:
    """Return the header with the function key, or nothing without a variable.

    The key is in the environment because other users can see arguments.
    """
    if variable is None:
        return {}
    if not os.environ.get(variable):
        raise StackError(f"{variable} is not set in the environment, or empty.")
    return {"x-functions-key": os.environ[variable]}


def make_key() -> dict[str, str]:
    """Return the header with a new idempotency key, so that a proxy may repeat the request."""
    return {"Idempotency-Key": f'"{uuid.uuid4()}"'}


def describe_problem(status: int, text: str, key_variable: str | None) -> str:
    """Return the problem and the completed steps in one line."""
    try:
        problem = json.loads(text)
        line = f"{status} {problem['detail']}"
    except (ValueError, TypeError, KeyError):
        problem = {}
    if not problem or problem.get("type") == "about:blank":  # of the host, and not of the app
        return f"The host answered {status}{explain_status(status, key_variable)}"
    if "step" in problem:
        line += f" Step {problem['step']}; done: {', '.join(problem['done']) or 'nothing'}"
        line += ", and maybe this step." if problem["mayBeDone"] else "."
    return line


def explain_status(status: int, key_variable: str | None) -> str:
    """Return what a status of the host means; `key_variable` is the one that holds the key."""
    if status == 401 and key_variable:
        return f": the key in {key_variable} is wrong. It must be a function key of this app."
    if status == 401:
        return ". Name the function key with --key-from-env."
    return f": no such app, or an app without provision.{START}" if status == 404 else "."
