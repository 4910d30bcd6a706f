"""`python -m usher.self_check`: the wrong settings and policy rules, or what they say, as JSON.

It needs no service, and prints no secret.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usher.door.policy_file import read_rules
from usher.door.rules import RIGHTS, Rule
from usher.errors import SettingsError
from usher.parts import Parts
from usher.settings import PRESENCE

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Return 0 if settings and policy are valid, 1 otherwise."""
    facts = check_settings(os.environ)
    print(json.dumps(facts))
    return 1 if facts["problems"] else 0


def check_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the problem of each wrong key and place in the policy.

    Without problems, return what identifies a deployment, and who may do what.
    """
    parts = Parts(environ, ROOT)
    try:
        parts.check_settings()
    except SettingsError as error:
        return {"problems": {**error.problems, **_find_wrong_rules(environ)}}
    settings = parts.settings
    has_presence = settings.announcement_format == PRESENCE
    return {
        "problems": {},
        "hub": settings.hub,
        "service": settings.connection.endpoint,
        "auth": settings.mode.name or None,
        "callers": settings.mode.about,
        "rules": [_describe(rule) for rule in parts.policy.rules.rules],
        "announcesJoins": has_presence or bool(settings.join_text),
        "announcesLeaves": has_presence or bool(settings.leave_text),
        "leaveGrace": settings.leave_grace if has_presence else 0,
    }


def _find_wrong_rules(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the problems of the policy, which wrong settings would hide."""
    try:
        read_rules(ROOT / (environ.get("USHER_POLICY_FILE") or "policy.json"))
    except SettingsError as error:
        return error.problems
    return {}


def _describe(rule: Rule) -> dict[str, Any]:
    allowed = [right for right in RIGHTS if right in rule.rights]
    return {"caller": rule.caller, "group": rule.group.text, "allow": allowed}


if __name__ == "__main__":
    sys.exit(main())
