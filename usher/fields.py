"""Fields of a request: read from the query or the JSON body, and checked."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from usher.errors import BadRequestError, LengthRequiredError, TooLargeError, TooLongError
from usher.names import GROUP_RULE, is_group_name
from usher.settings import Settings

# A token has no room for more.
LARGEST_BODY = 4096  # bytes
LONGEST_REQUEST_URL = 4096  # characters


def read_query(url: str) -> dict[str, list[Any]]:
    """Return the values of each key of the query. Raises BadRequestError, TooLongError."""
    if len(url) > LONGEST_REQUEST_URL:
        raise TooLongError(f"The URL is longer than {LONGEST_REQUEST_URL} characters.")
    # Not from the parsed query: the Functions host joins the values of a repeated key with commas,
    # and a group name may have a comma (azure-functions-host, HttpRequest to RpcHttp conversion).
    values: dict[str, list[Any]] = defaultdict(list)
    if query := _find_query(url):
        for key, value in parse_qsl(query, keep_blank_values=True):
            values[key].append(value)
    return values


def _find_query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:  # for example `Host: [`
        raise BadRequestError("The Host header has no valid host name.") from None


def check_length(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the body. Raises LengthRequiredError for a body in chunks that did not arrive."""
    # The Functions host passes a body on only if its length is known, but the platform's front end
    # may gather the chunks first (azure-functions-host, issues 4926 and 7930).
    if not body and "transfer-encoding" in headers:
        raise LengthRequiredError("Send the body with Content-Length, not in chunks.")
    return body


def read_body(body: bytes, known: Sequence[str]) -> Mapping[str, Any]:
    """Return the fields of a JSON object without those that are null.

    Raises BadRequestError for invalid JSON and unknown fields, TooLargeError.
    """
    if not body:
        return {}
    if len(body) > LARGEST_BODY:
        raise TooLargeError(f"The body is larger than {LARGEST_BODY} bytes.", field="body")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequestError("The body is not valid JSON.", field="body") from None
    if not isinstance(fields, dict):
        raise BadRequestError("The body must be a JSON object.", field="body")
    if unknown := fields.keys() - known:
        raise BadRequestError(f"The fields are {', '.join(known)}.", field=min(unknown))
    return {field: value for field, value in fields.items() if value is not None}


def read_single(values: Mapping[str, list[Any]], field: str) -> Any:
    """Return the value of a field, None without one. Raises BadRequestError for several values."""
    given = values.get(field, [])
    if len(given) > 1:
        raise BadRequestError(f"{field} may be given only once.", field=field)
    return given[0] if given else None


def read_text(value: Any, field: str) -> str:
    """Return a value that must be text. Raises BadRequestError."""
    # JSON can have half a surrogate pair, which no URL and no token can carry.
    if not isinstance(value, str) or value.encode(errors="ignore").decode() != value:
        raise BadRequestError(f"{field} must be text.", field=field)
    return value


def read_optional_text(value: Any, field: str) -> str | None:
    """Return a value that must be text or None. Raises BadRequestError."""
    return None if value is None else read_text(value, field)


def read_single_text(values: Mapping[str, list[Any]], field: str) -> str | None:
    """Return the only value of a field, which must be text or None. Raises BadRequestError."""
    return read_optional_text(read_single(values, field), field)


def read_name(value: Any, field: str) -> str:
    """Return a name that can be a segment of a path, as a group has. Raises BadRequestError."""
    name = read_text(value, field)
    if not is_group_name(name):
        raise BadRequestError(f"{field} must {GROUP_RULE}.", field=field)
    return name


def read_minutes(value: Any, longest: int) -> int:
    """Return the lifetime of a token, the longest by default. Raises BadRequestError."""
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
    """Raise BadRequestError if a request names a hub, and not the hub of this app."""
    # The service ignores the case of hub names.
    if hub is not None and str(hub).lower() != settings.hub.lower():
        raise BadRequestError("This app serves another hub.", field="hub")
