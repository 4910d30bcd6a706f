"""`dev.py provision`: calls the app's endpoint and shows what it answers."""

import argparse
import json
import os
from typing import Any

import aiohttp

from localdev.stack import StackError

ANSWER = aiohttp.ClientTimeout(total=30)  # seconds; the app itself gives up after 10


async def call_provision(options: argparse.Namespace) -> int:
    """Prints the outputs. Raises StackError, whose text is the problem in a line."""
    url = f"{options.url.rstrip('/')}/api/provision"
    try:
        async with (
            aiohttp.ClientSession(
                headers=read_key(options.key_from_env), timeout=ANSWER
            ) as session,
            session.post(url, json=read_inputs(options)) as response,
        ):
            status, text = response.status, await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise StackError(f"{url} did not answer: {str(error) or 'not in time'}.") from None
    if status != 200:
        raise StackError(describe_problem(status, text))
    print(text)
    return 0


def read_inputs(options: argparse.Namespace) -> dict[str, Any]:
    """The request's fields; those that were not given are left to the app."""
    inputs = {
        "group": options.group,
        "connectionId": options.connection_id,
        "announcement": options.announcement,
        "userId": options.user_id,
        "minutesToExpire": options.minutes_to_expire,
    }
    return {name: value for name, value in inputs.items() if value is not None}


def read_key(variable: str | None) -> dict[str, str]:
    """The header with the function key; from the environment, because others can see arguments."""
    if variable is None:
        return {}
    if not os.environ.get(variable):
        raise StackError(f"{variable} is not set in the environment, or empty.")
    return {"x-functions-key": os.environ[variable]}


def describe_problem(status: int, text: str) -> str:
    """What went wrong and what had been done, in a line; a host's own refusal has no text."""
    try:
        problem = json.loads(text)
        told = f"{status} {problem['detail']}"
    except (ValueError, TypeError, KeyError):
        hint = " Name the function key with --key-from-env." if status == 401 else ""
        return f"The host answered {status}.{hint}"
    if "step" in problem:
        told += f" Step {problem['step']}; done: {', '.join(problem['done']) or 'nothing'}"
        told += ", and maybe this step." if problem["mayBeDone"] else "."
    return told
