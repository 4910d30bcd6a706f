"""The functions that the app registers, as the Functions host indexes them."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = """
import json
from function_app import app
functions = {each.get_function_name(): each.get_trigger() for each in app.get_functions()}
triggers = {name: trigger.get_dict_repr() for name, trigger in functions.items()}
print(json.dumps(triggers, default=lambda enum: enum.value))
"""
HTTP = {
    *("asyncapi", "browser_module", "demo", "health", "lift", "negotiate", "openapi", "provision"),
    *("removal", "removals", "remove", "roster"),
}
EVENTS = {"connect", "connected", "disconnected"}
# The routes that are to come, each for any method.
PLANNED = ["removals", "removals/{id}", "usher.js", "asyncapi.yaml"]

type Route = tuple[str, frozenset[str]]  # template, methods


def index(environ: dict[str, str]) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the trigger of each function by the function's name, and the log."""
    command = [sys.executable, "-c", INDEX]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout), done.stderr


# --- event functions -----------------------------------------------------------------------


@pytest.mark.parametrize("hub", ["", " ", "my-hub", "%Other%", None])
def test_without_a_valid_hub_the_event_functions_are_not_registered(hub: str | None) -> None:
    """With an empty hub, the extension would stop the host, and no function would answer."""
    functions, log = index({} if hub is None else {"WebPubSubHub": hub})
    assert functions.keys() == HTTP
    (record,) = (json.loads(line) for line in log.splitlines())
    assert (record["record"], list(record["problems"])) == ("events-off", ["WebPubSubHub"])


@pytest.mark.parametrize("connection", ["", "no connection string"])
def test_with_a_valid_hub_all_functions_are_registered(connection: str) -> None:
    """Whatever the other settings are. The HTTP functions report these."""
    functions, log = index({"WebPubSubHub": "chat", "WebPubSubConnectionString": connection})
    assert functions.keys() == HTTP | EVENTS
    assert log == ""


# --- routes --------------------------------------------------------------------------------


def overlap(one: Route, other: Route) -> bool:
    """Return whether a request can match both routes."""
    segments = [template.lower().split("/") for template, _ in (one, other)]
    same_length = len(segments[0]) == len(segments[1])
    return (
        bool(one[1] & other[1])
        and same_length
        and all(
            first == second or "{" in first + second
            for first, second in zip(*segments, strict=True)
        )
    )


ANY = frozenset({"GET", "POST", "PUT", "DELETE"})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("items/{id}", ANY), ("items/special", ANY), True),
        (("Items", ANY), ("items", ANY), True),
        (("items/{id}", ANY), ("{kind}/new", ANY), True),
        (("items", frozenset({"GET"})), ("items", frozenset({"POST"})), False),
        (("items", ANY), ("items/{id}", ANY), False),
        (("items/{id}", ANY), ("things/{id}", ANY), False),
    ],
)
def test_overlap(one: Route, other: Route, expected: bool) -> None:
    assert overlap(one, other) is expected


def test_no_two_routes_match_one_request() -> None:
    """The Functions host takes the first match in the order of the functions' names.

    A literal has no precedence over a parameter (recorded from the host).
    """
    triggers = index({"WebPubSubHub": "chat"})[0].values()
    routes = [(each["route"], frozenset(each["methods"])) for each in triggers if "route" in each]
    assert len(routes) == len(HTTP)
    taken = {template for template, _ in routes}
    routes += [(template, ANY) for template in PLANNED if template not in taken]
    assert not [pair for pair in combinations(routes, 2) if overlap(*pair)]
    # What `overlap` can judge, and what the host does not keep for itself.
    plain = re.compile(r"(?!admin|runtime)(([\w.-]+|\{\w+\})/)*([\w.-]+|\{\w+\})")
    assert all(plain.fullmatch(template) for template, _ in routes)
