"""Fields of a request, from its query or its JSON body, read and checked one by one."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from usher.errors import BadRequestError, TooLargeError, TooLongError
from usher.settings import GROUP_RULE, Settings, is_group_name

# A request that says more than a token can hold is no honest one.
LARGEST_BODY = 4096  # bytes
LONGEST_URL = 4096  # characters


def read_query(url: str) -> dict[str, list[Any]]:
    """The values of each key. Raises TooLongError."""
    if len(url) > LONGEST_URL:
        raise TooLongError(f"The URL may have {LONGEST_URL} characters.")
    # From the URL: the Functions host joins the values of a repeated key with commas, and a
    # group's name may contain one (azure-functions-host, HttpRequest to RpcHttp conversion).
    values: dict[str, list[Any]] = defaultdict(list)
    if "?" in url:
        for key, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
            values[key].append(value)
    return values


def read_body(body: bytes, known: Sequence[str]) -> Mapping[str, Any]:
    """The fields of a JSON object; null is as good as absent. BadRequestError, TooLargeError."""
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
    if unknown := set(fields) - set(known):
        raise BadRequestError(f"The fields are {', '.join(known)}.", field=min(unknown))
    return {field: value for field, value in fields.items() if value is not None}


def read_single(values: Mapping[str, list[Any]], field: str) -> Any:
    """The one value of a field, or None. Raises BadRequestError where there are more."""
    given = values.get(field, [])
    if len(given) > 1:
        raise BadRequestError(f"{field} may be given once only.", field=field)
    return given[0] if given else None


def read_text(value: Any, field: str) -> str:
    """Raises BadRequestError for what is no text."""
    # JSON can spell half a surrogate pair, which no URL and no token can carry.
    if not isinstance(value, str) or value.encode(errors="ignore").decode() != value:
        raise BadRequestError(f"{field} must be text.", field=field)
    return value


def read_optional_text(value: Any, field: str) -> str | None:
    """None stays None. Raises BadRequestError for what is no text."""
    return None if value is None else read_text(value, field)


def read_group(value: Any, field: str = "group") -> str:
    """The name of one group. Raises BadRequestError."""
    name = read_text(value, field)
    if not is_group_name(name):
        raise BadRequestError(f"{field} must {GROUP_RULE}.", field=field)
    return name


def read_minutes(value: Any, longest: int) -> int:
    """The lifetime of a token, the longest if none is given. Raises BadRequestError."""
    if value is None:
        return longest
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number (RFC 8259, section 6)
    text = str(value) if type(value) in (int, str) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= longest):
        raise BadRequestError(
            f"minutesToExpire must be a whole number from 1 to {longest}.", field="minutesToExpire"
        )
    return int(text)


def check_hub(hub: Any, settings: Settings) -> None:
    """Whether a request means this hub, if it names one. Raises BadRequestError."""
    # Hub names are compared without case, as the service does.
    if hub is not None and str(hub).lower() != settings.hub.lower():
        raise BadRequestError("This app serves another hub.", field="hub")
