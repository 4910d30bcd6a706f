"""What a `provision` request asks for, read from its JSON body."""

from dataclasses import dataclass
from typing import Any

from usher import fields
from usher.errors import BadRequestError
from usher.groups.announcements import LONGEST_TEXT, make_printable
from usher.names import NAME_RULE, is_printable_id
from usher.settings import Settings

REQUIRED = ("group", "connectionId", "announcement")
FIELDS = (*REQUIRED, "hub", "userId", "minutesToExpire")
DEFAULT_MINUTES = 60  # of the workflow


@dataclass(frozen=True, slots=True)
class ProvisionRequest:
    """The workflow's inputs, checked. The announcement is one printable line."""

    group: str
    connection_id: str
    announcement: str
    user_id: str | None
    minutes: int


def read_provision(body: bytes, settings: Settings) -> ProvisionRequest:
    """Read the JSON body. Raises BadRequestError, which names the field, or TooLargeError."""
    given = fields.read_body(body, FIELDS)
    for field in REQUIRED:
        if field not in given:
            raise BadRequestError(f"{field} is required.", field=field)
    fields.check_hub(given.get("hub"), settings)
    default = min(DEFAULT_MINUTES, settings.token_minutes)
    return ProvisionRequest(
        group=fields.read_name(given["group"], "group"),
        # A connection id is opaque, and a segment of the same path as the group.
        connection_id=fields.read_name(given["connectionId"], "connectionId"),
        announcement=_read_announcement(given["announcement"]),
        user_id=_read_user_id(given.get("userId")),
        minutes=fields.read_minutes(given.get("minutesToExpire", default), settings.token_minutes),
    )


def _read_announcement(value: Any) -> str:
    text = make_printable(fields.read_text(value, "announcement"))
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise BadRequestError(
            f"announcement must have 1 to {LONGEST_TEXT} printable characters and not be blank.",
            field="announcement",
        )
    return text


def _read_user_id(value: Any) -> str | None:
    user_id = fields.read_optional_text(value, "userId")
    if user_id is not None and not is_printable_id(user_id):
        raise BadRequestError(f"userId must {NAME_RULE}.", field="userId")
    return user_id
