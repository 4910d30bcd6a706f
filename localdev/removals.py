"""`dev.py remove` and `dev.py removals`: call the app's endpoint and print its response."""

import argparse
import json
from typing import Any

from localdev.provision import call_app

PATH = "/api/removals"


async def remove_user(options: argparse.Namespace) -> int:
    """Print the removal. Raises StackError, whose text is the problem in one line."""
    print(await call_app(options, "POST", PATH, read_removal(options)))
    return 0


def read_removal(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of the request, without the fields that were not given."""
    fields = {
        "userId": options.user,
        "group": options.group,
        "minutes": options.minutes,
        "reason": options.reason,
    }
    return {name: value for name, value in fields.items() if value is not None}


async def list_removals(options: argparse.Namespace) -> int:
    """Print each removal in force as a line of JSON. Raises StackError as `remove_user`."""
    path: str | None = PATH
    while path:
        page = json.loads(await call_app(options, "GET", path))
        for removal in page["removals"]:
            print(json.dumps(removal))
        path = page["nextLink"]
    return 0
