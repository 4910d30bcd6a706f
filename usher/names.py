"""Rules for the names of hubs, groups, users and connections."""

import re
import unicodedata

# The rule of the data plane's `hub` parameter (azure-rest-api-specs, WebPubSub 2024-12-01).
HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
LONGEST_GROUP_NAME = 1024  # characters; same source
NAME_RULE = "be printable, in Unicode form NFC, without spaces at its ends and not empty"
GROUP_RULE = f"{NAME_RULE}, have 1 to {LONGEST_GROUP_NAME} characters, no slash, not be . or .."
# Characters that show nothing: Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt),
# and BRAILLE PATTERN BLANK. Python calls some of them printable, such as U+3164, a letter.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\u2800]"
)


def is_group_name(name: str) -> bool:
    """Return whether a REST call can reach a group of this name, and a reader can tell it apart.

    The service allows 1 to 1,024 characters, not all blank (azure-rest-api-specs, WebPubSub:
    `group`). Usher also refuses a slash, because no REST call reaches such a group (Web PubSub data
    plane REST reference), and `.` and `..`, which would lead a call to another path.
    """
    is_reachable = "/" not in name and name not in (".", "..")
    return len(name) <= LONGEST_GROUP_NAME and is_reachable and is_printable_id(name)


def is_printable_id(text: str) -> bool:
    """Return whether an id has visible characters only, in one form.

    Otherwise two ids could look the same, or an id could forge lines of text. Private use
    characters, controls and separators other than the space are not printable (`str.isprintable`).
    Letters of different scripts that look the same are accepted.
    """
    if not text or text != text.strip() or not text.isprintable():
        return False
    # ASCII has one form only, and no invisible characters: most ids need no slower check.
    return text.isascii() or (not INVISIBLE.search(text) and unicodedata.is_normalized("NFC", text))
