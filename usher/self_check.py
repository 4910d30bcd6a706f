"""`python -m usher.self_check`: the wrong settings and policy rules, as JSON.

It needs no service, and prints no secret.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    """Return the problem of each wrong key; without problems, what identifies a deployment."""
    parts = Parts(environ, ROOT)
    try:
        parts.check_settings()
    except SettingsError as error:
        return {"problems": error.problems}
    settings = parts.settings
    has_presence = settings.announcement_format == PRESENCE
    return {
        "problems": {},
        "hub": settings.hub,
        "service": settings.connection.endpoint,
        "auth": settings.mode.name or None,
        "announcesJoins": has_presence or bool(settings.join_text),
        "announcesLeaves": has_presence or bool(settings.leave_text),
        "leaveGrace": settings.leave_grace if has_presence else 0,
    }


if __name__ == "__main__":
    sys.exit(main())
