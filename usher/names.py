"""Rules for the names of hubs, groups, users and connections."""

import re

# The rule of the data plane's `hub` parameter (azure-rest-api-specs, WebPubSub 2024-12-01).
HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
LONGEST_GROUP_NAME = 1024  # characters; same source
GROUP_RULE = f"have 1 to {LONGEST_GROUP_NAME} characters, no slash, and not be blank, . or .."


def is_group_name(name: str) -> bool:
    """Return whether a REST call can reach a group of this name.

    The service allows 1 to 1,024 characters, not all blank (azure-rest-api-specs, WebPubSub:
    `group`). Usher also refuses a slash, because no REST call reaches such a group (Web PubSub data
    plane REST reference), and `.` and `..`, which would lead a call to another path.
    """
    is_reachable = "/" not in name and name not in (".", "..")
    return 0 < len(name) <= LONGEST_GROUP_NAME and not name.isspace() and is_reachable


def is_printable_id(text: str) -> bool:
    """Return whether an id is printable and not blank, so that it cannot forge lines of text."""
    return bool(text.strip()) and text.isprintable()
