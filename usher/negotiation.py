"""What a negotiate request asks for, read from its URL and its JSON body."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from usher.errors import BadRequestError, MethodError, TooLargeError, TooLongError
from usher.settings import Settings

FIELDS = ("userId", "group", "minutesToExpire", "hub")
# A request that says more than a token can hold is no honest one.
LARGEST_BODY = 4096  # bytes
LONGEST_URL = 4096  # characters


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
    if len(url) > LONGEST_URL:
        raise TooLongError(f"The URL may have {LONGEST_URL} characters.")
    # From the URL: the Functions host joins the values of a repeated key with commas, and a
    # group's name may contain one (azure-functions-host, HttpRequest to RpcHttp conversion).
    values: dict[str, list[Any]] = defaultdict(list)
    for key, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        values[key].append(value)
    for key, value in _read_body(body).items():
        values[key] += value if key == "group" and isinstance(value, list) else [value]
    user_id = _read_single(values, "userId")
    _check_hub(_read_single(values, "hub"), settings)
    return Negotiation(
        user_id=None if user_id is None else _read_text(user_id, "userId"),
        groups=tuple(_read_text(group, "group") for group in values["group"]),
        minutes=_read_minutes(_read_single(values, "minutesToExpire"), settings.token_minutes),
    )


def _read_body(body: bytes) -> Mapping[str, Any]:
    if not body:
        return {}
    if len(body) > LARGEST_BODY:
        raise TooLargeError(f"The body may have {LARGEST_BODY} bytes.", field="body")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequestError("The body is not valid JSON.", field="body") from None
    if not isinstance(fields, dict):
        raise BadRequestError("The body must be a JSON object.", field="body")
    if unknown := set(fields) - set(FIELDS):
        raise BadRequestError(f"The fields are {', '.join(FIELDS)}.", field=min(unknown))
    return {field: value for field, value in fields.items() if value is not None}


def _read_single(values: Mapping[str, list[Any]], field: str) -> Any:
    given = values.get(field, [])
    if len(given) > 1:
        raise BadRequestError(f"{field} may be given once only.", field=field)
    return given[0] if given else None


def _read_text(value: Any, field: str) -> str:
    # JSON can spell half a surrogate pair, which no URL and no token can carry.
    if not isinstance(value, str) or value.encode(errors="ignore").decode() != value:
        raise BadRequestError(f"{field} must be text.", field=field)
    return value


def _read_minutes(value: Any, longest: int) -> int:
    if value is None:
        return longest
    text = str(value) if type(value) in (int, str) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= longest):
        raise BadRequestError(
            f"minutesToExpire must be a whole number from 1 to {longest}.", field="minutesToExpire"
        )
    return int(text)


def _check_hub(hub: Any, settings: Settings) -> None:
    # Hub names are compared without case, as the service does.
    if hub is not None and str(hub).lower() != settings.hub.lower():
        raise BadRequestError("This app serves another hub.", field="hub")
