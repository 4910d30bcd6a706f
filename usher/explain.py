"""`python -m usher.explain`: what the policy decides for a user and a group, and why.

It uses the code and the settings of `negotiate`, and needs no service.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from usher.door.callers import Caller
from usher.door.policy import Policy
from usher.door.rules import RIGHTS
from usher.errors import ForbiddenError, UsherError
from usher.parts import Parts
from usher.service.signing import Signer
from usher.service.tokens import LONGEST_CLIENT_URL, TokenRequest, generate_token

VISIT_ID = "0" * 32  # every visit is as long
ROOT = Path(__file__).resolve().parent.parent
DESCRIPTION = "Explain what the policy decides for a user and a group."


def main() -> int:
    """Return 0 if the user may join the group, 1 if not, 2 for wrong settings or arguments."""
    options = _parse_arguments()
    claims: dict[str, frozenset[str]] = {}
    for name, value in options.claim:
        claims[name] = claims.get(name, frozenset()) | {value}
    caller = Caller(options.user, claims)
    try:
        policy = Parts(os.environ, ROOT).policy
        _print_rules(policy, caller, options.group)
        return _print_outcome(policy, caller, options.group)
    except UsherError as error:
        print(f"{type(error).title}: {error}", file=sys.stderr)
        return 2


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py policy", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="explain")
    explain = commands.add_parser("explain", help=DESCRIPTION, description=DESCRIPTION)
    explain.add_argument("--user", required=True, help="the user id")
    explain.add_argument("--group", required=True, help="the group's name")
    text = "a claim of the caller; repeatable, also for several values of one claim"
    explain.add_argument(
        "--claim", action="append", default=[], type=_read_claim, metavar="NAME=VALUE", help=text
    )
    return parser.parse_args()


def _read_claim(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError("must have the form NAME=VALUE")
    return name, value


def _print_rules(policy: Policy, caller: Caller, group: str) -> None:
    rules = policy.rules.rules
    match = policy.rules.first_match(caller, group)
    table = [(f"rules[{index}]", rule.caller, rule.group.text) for index, rule in enumerate(rules)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)] if table else []
    for rule, row in zip(rules, table, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        rights = ", ".join(right for right in RIGHTS if right in rule.rights) or "nothing"
        print(f"{cells}  {f'matches: {rights}' if rule is match else 'does not match'}")
        if rule is match:
            return
    print("No rule matches, so nothing is allowed.")


def _print_outcome(policy: Policy, caller: Caller, group: str) -> int:
    try:
        groups, roles = policy.grant(caller, [group])
    except ForbiddenError as error:
        print(f"negotiate   403 {error.detail}")
        return 1
    length = _measure_url(policy, TokenRequest(caller.user_id, groups, roles, 60, VISIT_ID))
    print(f"roles       {', '.join(roles) or 'none'}")
    print(f"client URL  {length} of {LONGEST_CLIENT_URL} characters, with the token")
    return 0


def _measure_url(policy: Policy, request: TokenRequest) -> int:
    """Return the length of the client URL; it does not depend on the key."""
    connection = replace(policy.settings.connection, access_key="-" * 32)
    signer = Signer(replace(policy.settings, connection=connection))
    return len(asyncio.run(generate_token(signer, request)).url)


if __name__ == "__main__":
    sys.exit(main())
