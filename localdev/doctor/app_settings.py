"""The app settings that doctor can see, and which of them are wrong. No value is ever shown."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localdev.doctor.az import OTHER_FORM, AzError, ask_az
from localdev.doctor.child import ChildError, Result, run_child
from localdev.doctor.fixes import Fixes
from localdev.host.access import DEFAULT_CONNECTION, read_accesses
from localdev.host.errors import HostError
from localdev.host.settings import find_setting
from localdev.policy_lines import find_line
from localdev.stack import ROOT

type Problems = dict[str, str]  # what is wrong with a setting, by its name

SELF_CHECK = "usher.self_check"
HUB = "WebPubSubHub"
POLICY_FILE = "USHER_POLICY_FILE"
SERVICE_URI = f"{DEFAULT_CONNECTION}__serviceUri"
# Settings of the app. Other names in a report are places in the policy file of this folder.
PREFIXES = ("USHER_", "WebPubSub")
QUOTES = ('"', "'")
REFERENCE = "@Microsoft."  # begins a reference to a key vault or to App Configuration
AZURE = {"WEBSITE_INSTANCE_ID": "doctor"}  # by such a variable the app knows that it is in Azure


class UnseenError(Exception):
    """The settings cannot be seen or checked; the text says why."""


async def run_self_check(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the app's report about these settings, with lines, and what stops the Functions host.

    Raises UnseenError.
    """
    report = await ask_app(environ)
    file = policy_file(environ)
    problems = {
        place: _add_line(problem, place, file) for place, problem in report["problems"].items()
    }
    return report | {"problems": problems}


async def ask_app(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the app's report about these settings, with what stops the Functions host.

    Raises UnseenError.
    """
    # In a process of its own, because localdev must not import the app.
    try:
        command = (sys.executable, "-m", SELF_CHECK)
        done = await run_child(*command, environ=environ, folder=ROOT)
    except ChildError as error:
        raise UnseenError(f"`python -m {SELF_CHECK}` {error}") from None
    report = _read_report(done)
    return report | {"problems": report["problems"] | find_fatal(environ)}


def policy_file(environ: Mapping[str, str]) -> Path:
    """Return the policy file of an app in this folder."""
    return ROOT / (environ.get(POLICY_FILE) or "policy.json")


def _add_line(problem: str, place: str, file: Path) -> str:
    """Add the line to the problem of a place in the policy file."""
    line = find_line(file, place) if place.startswith(file.name) else None
    return problem if line is None else f"{problem} (line {line})"


def _read_report(done: Result) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(done.output)
        if isinstance(report["problems"], dict):
            return report
    except (ValueError, KeyError, TypeError):
        pass
    # Only the error's name: its text could contain the value of a setting.
    names = re.findall(r"^([\w.]+(?:Error|Exception))\b", done.errors, re.MULTILINE)
    reason = f", {names[-1]}" if names else ""
    raise UnseenError(f"`python -m {SELF_CHECK}` failed (status {done.status}{reason})")


def find_fatal(settings: Mapping[str, str]) -> Problems:
    """Return the settings with which the Functions host does not start at all.

    Tried with the real host and the Web PubSub extension on 26 November 2026, except the service
    URI: the extension reads its host in the same way.
    """
    problems = {HUB: "is empty"} if find_setting(settings, HUB) == "" else {}
    connection = find_setting(settings, DEFAULT_CONNECTION) or ""
    if connection.strip().startswith(QUOTES):
        return problems | {DEFAULT_CONNECTION: "is in quotes"}
    try:
        read_accesses([], settings)
    except HostError as error:
        name = DEFAULT_CONNECTION if connection else SERVICE_URI
        problems[name] = str(error).removeprefix(f"the connection '{DEFAULT_CONNECTION}' ")
    return problems


async def find_wrong_in_azure(fixes: Fixes) -> Problems:
    """Return the wrong settings of a deployment, read with `az`. Raises UnseenError."""
    settings = await _read_azure(fixes)
    report = await run_self_check({**_own_environment(), **settings, **AZURE})
    # `az` shows a reference as it is; the platform gives the app what it refers to.
    return {
        name: problem
        for name, problem in report["problems"].items()
        if name.startswith(PREFIXES) and not settings.get(name, "").startswith(REFERENCE)
    }


async def _read_azure(fixes: Fixes) -> dict[str, str]:
    # Only the settings of the app: others, such as PYTHONPATH, would change the child process.
    group = fixes.target.resource_group
    if group is None:
        raise UnseenError("pass --resource-group to check the settings with `az`")
    words = ("functionapp", "config", "appsettings", "list")
    try:
        listed = await ask_az(*words, resource_group=group, name=fixes.app_name)
        settings = {str(each["name"]): str(each["value"] or "") for each in listed}
    except AzError as error:
        raise UnseenError(str(error)) from None
    except (KeyError, TypeError):
        settings = {}
    if not settings:  # there are always some, such as the host's storage
        raise UnseenError(OTHER_FORM)
    return {name: text for name, text in settings.items() if name.startswith(PREFIXES)}


def _own_environment() -> dict[str, str]:
    # Without settings of this machine, which would count where the deployment has none.
    return {name: text for name, text in os.environ.items() if not name.startswith(PREFIXES)}


def find_in_environment(environ: Mapping[str, str], values: Mapping[str, str]) -> frozenset[str]:
    """Return the app's settings that do not come from local.settings.json, which has `values`."""
    names = (name for name in environ if name.startswith(PREFIXES))
    return frozenset(name for name in names if environ[name] != values.get(name))


def describe_problems(problems: Mapping[str, str]) -> str:
    """Return one text for all problems."""
    return "; ".join(f"{name} {problem}" for name, problem in problems.items())
