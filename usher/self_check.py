"""`python -m usher.self_check`: what is wrong with settings and policy, in JSON and by every key.

It needs no service, and nothing secret is in what it says.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usher.door.policy_file import read_policy
from usher.errors import SettingsError
from usher.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """0 where both are valid, 1 otherwise."""
    facts = check_settings(os.environ)
    print(json.dumps(facts))
    return 1 if facts["problems"] else 0


def check_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """The problems by key, and, where there are none, what tells one deployment from another."""
    try:
        settings = Settings.from_environ(environ)
        read_policy(ROOT / settings.policy_file)
    except SettingsError as error:
        return {"problems": error.problems}
    return {
        "problems": {},
        "hub": settings.hub,
        "service": settings.connection.endpoint,
        "auth": settings.auth,
        "tellsJoins": bool(settings.join_text),
        "tellsLeaves": bool(settings.leave_text),
    }


if __name__ == "__main__":
    sys.exit(main())
