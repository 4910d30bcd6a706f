"""What a request about removals asks for."""

import re
from dataclasses import dataclass
from typing import Any

from usher import fields
from usher.errors import BadRequestError
from usher.settings import Settings

FIELDS = ("userId", "group", "minutes", "reason", "hub")
DEFAULT_MINUTES = 60
MOST_MINUTES = 365 * 24 * 60
LONGEST_REASON = 100  # characters
AFTER = re.compile(r"[0-9a-f]{0,32}")


@dataclass(frozen=True, slots=True)
class RemovalRequest:
    """A removal, checked. `group` is None for the whole hub. With 0 minutes there is no ban."""

    user_id: str
    group: str | None
    minutes: int
    reason: str

    def describe(self) -> dict[str, Any]:
        """Return a removal without a ban as the API shows it."""
        return {
            "id": None,
            "userId": self.user_id,
            "group": self.group,
            "minutes": self.minutes,
            "reason": self.reason,
            "until": None,
        }


def read_removal(body: bytes, settings: Settings) -> RemovalRequest:
    """Read the JSON body. Raises BadRequestError, which names the field, or TooLargeError."""
    given = fields.read_body(body, FIELDS)
    if "userId" not in given:
        raise BadRequestError("userId is required.", field="userId")
    fields.check_hub(given.get("hub"), settings)
    group = given.get("group")
    return RemovalRequest(
        # The user id is a segment of a path, like a group.
        user_id=fields.read_name(given["userId"], "userId"),
        group=None if group is None else fields.read_name(group, "group"),
        minutes=_read_minutes(given.get("minutes", DEFAULT_MINUTES)),
        reason=_read_reason(given.get("reason", "")),
    )


def read_after(url: str) -> str:
    """Return the query's `after`, empty without one. Raises BadRequestError, TooLongError."""
    after = fields.read_single_text(fields.read_query(url), "after") or ""
    if not AFTER.fullmatch(after):
        raise BadRequestError("Take after from the nextLink of a page.", field="after")
    return after


def _read_minutes(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number (RFC 8259, section 6)
    if type(value) is not int or not 0 <= value <= MOST_MINUTES:
        raise BadRequestError(
            f"minutes must be a whole number from 0 to {MOST_MINUTES}.", field="minutes"
        )
    return value


def _read_reason(value: Any) -> str:
    reason = fields.read_text(value, "reason")
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise BadRequestError(
            f"reason must have at most {LONGEST_REASON} characters, all printable.", field="reason"
        )
    return reason
