"""Tests of localdev/banner.py: what people read when the stack is ready."""

import os
from argparse import Namespace
from typing import Any

import pytest

from localdev.banner import write_banner

FACTS = {
    "connectionString": "Endpoint=http://127.0.0.1:8080;AccessKey=known;Version=1.0;",
    "hub": "chat",
    "emulator": "http://127.0.0.1:8080",
    "host": "http://127.0.0.1:7071",
    "demo": "http://127.0.0.1:7071/api/demo",
}
RULES = [
    {"caller": "any", "group": "lobby", "allow": ["join", "send"]},
    {"caller": "user bo", "group": "*", "allow": []},
]
REPORT: dict[str, Any] = {"auth": "local", "callers": "callers name themselves", "rules": RULES}


def write(
    facts: dict[str, str] = FACTS,
    keys: dict[str, str] | None = None,
    faults: tuple[str, ...] = (),
    has_colors: bool = False,
    **report: Any,
) -> str:
    options = Namespace(fault=faults)
    return write_banner(facts, keys or {}, REPORT | report, options, has_colors=has_colors)


@pytest.mark.skipif(os.name == "nt", reason="another name of Python there")
def test_the_banner() -> None:
    """The demo first, then who may do what, the addresses, and the next command last."""
    text = write(keys={"function": "k"}, faults=("rest-slow:ms=500",))
    assert text.splitlines() == [
        "demo:              http://127.0.0.1:7071/api/demo",
        "callers:           local: callers name themselves",
        "groups:            lobby  any caller  join, send",
        "                   *      user bo     nothing",
        "fault:             rest-slow:ms=500",
        "app:               http://127.0.0.1:7071",
        "emulator:          http://127.0.0.1:8080",
        "hub:               chat",
        f"connection string: {FACTS['connectionString']}",
        "function key:      k",
        "Ctrl-C stops.",
        "next: python3 dev.py doctor",
    ]


def test_a_demo_page_that_is_off() -> None:
    """The banner says how to switch it on."""
    facts = {name: fact for name, fact in FACTS.items() if name != "demo"}
    assert "USHER_DEMO=true" in write(facts).splitlines()[0]


def test_many_rules() -> None:
    """The first six, and how many others there are."""
    rules = [{"caller": "any", "group": f"room-{n}", "allow": ["join"]} for n in range(8)]
    text = write(rules=rules)
    assert "room-5" in text
    assert "room-6" not in text
    assert "and 2 more rules in the policy file" in text


def test_no_rules_and_no_mode() -> None:
    text = write(rules=[], auth=None, callers="nobody is admitted")
    assert "none: the policy has no rules" in text
    assert "closed: nobody is admitted" in text


def test_doctor_gets_an_address_that_is_not_the_usual_one() -> None:
    text = write(FACTS | {"host": "http://127.0.0.1:7072"})
    assert text.endswith(" dev.py doctor --app http://127.0.0.1:7072")


def test_colors_change_no_word() -> None:
    plain, colored = write(), write(has_colors=True)
    assert "\x1b[36mhttp://127.0.0.1:7071/api/demo\x1b[0m" in colored
    for code in ("2", "36", "0"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored == plain


def test_no_rule_controls_the_terminal() -> None:
    text = write(rules=[{"caller": "team=\x1b[2J", "group": "lobby", "allow": ["join"]}])
    assert "\x1b" not in text
