"""`dev.py provision`: calls the app's endpoint and prints its response."""

import argparse
import json
import os
from typing import Any

import aiohttp

from localdev.addresses import is_protected
from localdev.stack import StackError

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
                headers=read_key(options.key_from_env), timeout=TIMEOUT
            ) as session,
            session.request(method, url, json=body, allow_redirects=False) as response,
        ):
            status, text = response.status, await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise StackError(f"{url} did not answer: {str(error) or 'timeout'}.") from None
    if status not in (200, 201):
        raise StackError(describe_problem(status, text))
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


def describe_problem(status: int, text: str) -> str:
    """Return the problem and the completed steps in one line.

    A response of the host itself has no problem document.
    """
    try:
        problem = json.loads(text)
        line = f"{status} {problem['detail']}"
    except (ValueError, TypeError, KeyError):
        hint = " Name the function key with --key-from-env." if status == 401 else ""
        return f"The host answered {status}.{hint}"
    if "step" in problem:
        line += f" Step {problem['step']}; done: {', '.join(problem['done']) or 'nothing'}"
        line += ", and maybe this step." if problem["mayBeDone"] else "."
    return line
