"""What a provision request asks for, read from its JSON body."""

from dataclasses import dataclass
from typing import Any

from usher.errors import BadRequestError
from usher.fields import (
    check_hub,
    read_body,
    read_group,
    read_minutes,
    read_optional_text,
    read_text,
)
from usher.groups.announcements import LONGEST_TEXT, make_printable
from usher.settings import Settings, is_user_id

REQUIRED = ("group", "connectionId", "announcement")
FIELDS = (*REQUIRED, "hub", "userId", "minutesToExpire")
USUAL_MINUTES = 60  # the workflow's own


@dataclass(frozen=True)
class ProvisionRequest:
    """The workflow's inputs, each within its limits. The announcement is one printable line."""

    group: str
    connection_id: str
    announcement: str
    user_id: str | None
    minutes: int


def read_provision(body: bytes, settings: Settings) -> ProvisionRequest:
    """Raises BadRequestError, which names the field; TooLargeError."""
    fields = read_body(body, FIELDS)
    for field in REQUIRED:
        if field not in fields:
            raise BadRequestError(f"{field} is required.", field=field)
    check_hub(fields.get("hub"), settings)
    usual = min(USUAL_MINUTES, settings.token_minutes)
    return ProvisionRequest(
        group=read_group(fields["group"]),
        # In a path as a group's name is, and as opaque.
        connection_id=read_group(fields["connectionId"], "connectionId"),
        announcement=_read_announcement(fields["announcement"]),
        user_id=_read_user_id(fields.get("userId")),
        minutes=read_minutes(fields.get("minutesToExpire", usual), settings.token_minutes),
    )


def _read_announcement(value: Any) -> str:
    text = make_printable(read_text(value, "announcement"))
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise BadRequestError(
            f"announcement must have 1 to {LONGEST_TEXT} printable characters and not be blank.",
            field="announcement",
        )
    return text


def _read_user_id(value: Any) -> str | None:
    user_id = read_optional_text(value, "userId")
    if user_id is not None and not is_user_id(user_id):
        raise BadRequestError(
            "userId must not be blank and must have printable characters only.", field="userId"
        )
    return user_id
