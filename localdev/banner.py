"""What `dev.py up` prints when it is ready: the demo, who may do what, and the next command."""

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from localdev.arguments import HOST_PORT
from localdev.log_lines import paint, show

MOST_RULES = 6
FAINT, BRIGHT, WARNING = "2", "36", "33"  # numbers of a terminal's colours
PYTHON = "py" if os.name == "nt" else "python3"  # Windows has a launcher of Python
DEMO_IS_OFF = "off; USHER_DEMO=true in local.settings.json switches it on"

type Line = tuple[str, str, str]  # label, text, colour of the text


def write_banner(
    facts: Mapping[str, str],
    keys: Mapping[str, str],
    report: Mapping[str, Any],
    options: argparse.Namespace,
    *,
    has_colors: bool,
) -> str:
    """Return the banner. `facts` are the addresses, `report` is the app's about its settings."""
    lines = [
        ("demo", facts.get("demo", DEMO_IS_OFF), BRIGHT if "demo" in facts else WARNING),
        ("callers", f"{report['auth'] or 'closed'}: {report['callers']}", ""),
        *_describe_rules(report["rules"]),
        *(("fault", str(fault), WARNING) for fault in options.fault),
        *_describe_addresses(facts),
        *((f"{name} key", key, "") for name, key in keys.items()),
    ]
    width = max(len(label) for label, _, _ in lines) + 2
    shown = [
        paint(f"{label + ':' if label else '':<{width}}", FAINT if has_colors else "")
        + paint(text, color if has_colors else "")
        for label, text, color in lines
    ]
    following = paint(f"next: {next_command(facts['host'])}", BRIGHT if has_colors else "")
    return "\n".join([*shown, "Ctrl-C stops.", following])


def next_command(app: str) -> str:
    """Return the command that examines the stack at the app's address."""
    command = f"{PYTHON} dev.py doctor"
    is_usual = app.endswith(f":{HOST_PORT}")
    return command if is_usual else f"{command} --app {shlex.quote(app)}"


def _describe_rules(rules: list[dict[str, Any]]) -> Iterator[Line]:
    """Yield a line for each of the first rules: who may do what in which groups."""
    if not rules:
        yield "groups", "none: the policy has no rules", WARNING
    first = rules[:MOST_RULES]
    table = [[_name_caller(rule["caller"]), show(rule["group"])] for rule in first]
    callers, groups = (
        (max(map(len, column)) for column in zip(*table, strict=True)) if first else (0, 0)
    )
    for index, (rule, (caller, group)) in enumerate(zip(first, table, strict=True)):
        rights = ", ".join(rule["allow"]) or "nothing"
        text = f"{group:<{groups}}  {caller:<{callers}}  {rights}"
        yield "" if index else "groups", text, ""
    if len(rules) > MOST_RULES:
        yield "", f"and {len(rules) - MOST_RULES} more rules in the policy file", ""


def _name_caller(caller: str) -> str:
    return "any caller" if caller == "any" else show(caller)


def _describe_addresses(facts: Mapping[str, str]) -> Iterator[Line]:
    labels = {
        "host": "app",
        "emulator": "emulator",
        "control": "control",
        "hub": "hub",
        "connectionString": "connection string",
    }
    for name, label in labels.items():
        if name in facts:
            yield label, facts[name], ""
