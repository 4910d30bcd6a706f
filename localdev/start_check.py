"""The check of settings and policy before `dev.py up` starts, and at each save of the policy."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localdev.doctor.app_settings import (
    POLICY_FILE,
    PREFIXES,
    UnseenError,
    ask_app,
    find_in_environment,
)
from localdev.host.settings import LOCAL_SETTINGS, read_local_settings
from localdev.policy_lines import find_line
from localdev.saved_policy import SavedPolicy
from localdev.stack import ROOT, StackError


async def check_start(environ: Mapping[str, str], policy: SavedPolicy) -> dict[str, Any]:
    """Return what the app says about its settings and this policy.

    Raises StackError, whose text has the place of each problem and what to do.
    """
    try:
        report = await ask_app({**environ, POLICY_FILE: str(policy.copy)})
    except UnseenError as error:
        raise StackError(f"The app cannot be loaded: {error}.") from None
    if problems := report["problems"]:
        values = read_local_settings(ROOT).values
        theirs = find_in_environment(environ, values)
        texts = [
            _describe_setting(name, problem, name in theirs)
            if name.startswith(PREFIXES)
            else _describe_rule(name, problem, policy)
            for name, problem in problems.items()
        ]
        raise StackError("\n".join(texts))
    return report


def _describe_setting(name: str, problem: str, is_in_environment: bool) -> str:
    if is_in_environment:
        return _describe(f"the environment variable {name} {problem}", "Correct or unset it.")
    line = _find_setting(ROOT / LOCAL_SETTINGS, name)
    place = LOCAL_SETTINGS if line is None else f"{LOCAL_SETTINGS}:{line}"
    fix = f"{'Add' if line is None else 'Correct'} {name} in {LOCAL_SETTINGS}."
    return _describe(f"{place}: {name} {problem}", fix)


def _find_setting(file: Path, name: str) -> int | None:
    """Return the line of a setting; None without it."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError):
        return None
    pattern = re.compile(rf'.*"{re.escape(name)}"\s*:')
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), None)


def _describe_rule(place: str, problem: str, policy: SavedPolicy) -> str:
    line, name = find_line(policy.copy, place), policy.file.name
    file = _short(policy.file)
    if line is None:
        fix = f"Correct {file}, or name another file in {POLICY_FILE}."
    else:
        fix = f"Correct line {line} of {file}; docs/policy.md describes rules."
    rule = place.removeprefix(name).strip()
    text = f"{rule} {problem}" if rule else f"the policy {problem}"
    return _describe(f"{file if line is None else f'{file}:{line}'}: {text}", fix)


def _short(file: Path) -> str:
    """Return the path as one would type it in this folder."""
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)


def _describe(problem: str, fix: str) -> str:
    return f"{problem}\n    fix: {fix}"
