"""`python -m usher.explain`: what the policy decides for a user and a group, and why.

It asks the code that negotiate asks, with the same settings, and needs no service.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from usher.door import policy
from usher.door.callers import Caller
from usher.door.policy_file import read_policy
from usher.door.rules import RIGHTS, Rule, Rules
from usher.errors import ForbiddenError, UsherError
from usher.groups.workflow import LONGEST_URL, generate_token
from usher.service.pubsub import AzurePubSub
from usher.service.tokens import TokenRequest
from usher.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """0 where the user may join the group, 1 where not, 2 where nothing can be told."""
    options = _parse_arguments()
    claims: dict[str, frozenset[str]] = {}
    for name, value in options.claim:
        claims[name] = claims.get(name, frozenset()) | {value}
    caller = Caller(options.user, claims)
    try:
        settings = Settings.from_environ(os.environ)
        rules = read_policy(ROOT / settings.policy_file)
        _tell_rules(rules, caller, options.group)
        return _tell_outcome(settings, rules, caller, options.group)
    except UsherError as error:
        print(f"{type(error).title}: {error}", file=sys.stderr)
        return 2


def _parse_arguments() -> argparse.Namespace:
    text = "Tells what the policy decides for a user and a group, and why."
    parser = argparse.ArgumentParser(prog="dev.py policy", description=text)
    explain = parser.add_subparsers(required=True, metavar="explain").add_parser(
        "explain", help=text, description=text
    )
    explain.add_argument("--user", required=True, help="the user id")
    explain.add_argument("--group", required=True, help="the group's name")
    explain.add_argument(
        "--claim",
        action="append",
        default=[],
        type=_read_claim,
        metavar="NAME=VALUE",
        help="a claim of the identity provider; repeatable, also for one that has several values",
    )
    return parser.parse_args()


def _read_claim(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError("must be of the form NAME=VALUE")
    return name, value


def _tell_rules(rules: Rules, caller: Caller, group: str) -> None:
    decides = rules.deciding(caller, group)
    table = [
        (f"rules[{index}]", _tell_caller(rule), rule.group.text)
        for index, rule in enumerate(rules.rules)
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)] if table else []
    for rule, row in zip(rules.rules, table, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"{cells}  {_tell_rule(rule, decides)}")
        if rule is decides:
            return
    print("No rule fits, so nothing is allowed.")


def _tell_caller(rule: Rule) -> str:
    return f"user {rule.user}" if rule.user else "=".join(rule.claim) if rule.claim else "any"


def _tell_rule(rule: Rule, decides: Rule | None) -> str:
    rights = ", ".join(right for right in RIGHTS if right in rule.rights) or "nothing"
    return f"decides: {rights}" if rule is decides else "does not fit"


def _tell_outcome(settings: Settings, rules: Rules, caller: Caller, group: str) -> int:
    try:
        groups = policy.grant_groups(settings, rules, caller, [group])
    except ForbiddenError as error:
        print(f"negotiate   403 {error.detail}")
        return 1
    roles = policy.grant_roles(rules, caller, groups)
    length = asyncio.run(_measure_url(settings, TokenRequest(caller.user_id, groups, roles, 60)))
    print(f"roles       {', '.join(roles) or 'none'}")
    print(f"client URL  {length} of {LONGEST_URL} characters, the token included")
    return 0


async def _measure_url(settings: Settings, request: TokenRequest) -> int:
    """The length of what negotiate would answer; signed with a key that is none."""
    connection = replace(settings.connection, access_key="-" * 32)
    pubsub = AzurePubSub(replace(settings, connection=connection))
    try:
        return len((await generate_token(pubsub, request)).url)
    finally:
        await pubsub.close()


if __name__ == "__main__":
    sys.exit(main())
