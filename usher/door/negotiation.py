"""What a negotiate request asks for, read from its URL and its JSON body."""

from dataclasses import dataclass

from usher.errors import MethodError
from usher.fields import (
    check_hub,
    read_body,
    read_minutes,
    read_optional_text,
    read_query,
    read_single,
    read_text,
)
from usher.settings import Settings

FIELDS = ("userId", "group", "minutesToExpire", "hub")


@dataclass(frozen=True)
class Negotiation:
    """The wishes of a caller; nothing of it is granted yet. `minutes` is within the limit."""

    user_id: str | None
    groups: tuple[str, ...]
    minutes: int


def check_method(method: str, settings: Settings) -> None:
    """GET is for trying things out: a page elsewhere can make a browser send it. MethodError."""
    if method != "POST" and settings.auth not in ("local", None):
        raise MethodError("Ask for a token with POST.")


def read_negotiation(url: str, body: bytes, settings: Settings) -> Negotiation:
    """Raises BadRequestError, which names the field; TooLargeError, TooLongError."""
    values = read_query(url)
    for key, value in read_body(body, FIELDS).items():
        values[key] += value if key == "group" and isinstance(value, list) else [value]
    user_id = read_optional_text(read_single(values, "userId"), "userId")
    check_hub(read_single(values, "hub"), settings)
    return Negotiation(
        user_id=user_id,
        groups=tuple(read_text(group, "group") for group in values["group"]),
        minutes=read_minutes(read_single(values, "minutesToExpire"), settings.token_minutes),
    )
