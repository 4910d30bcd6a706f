"""Converts what an HTTP function returned to the response that its caller gets.

Sources: azure-functions-host HttpBinding.cs and ScriptObjectResult.cs, aspnetcore
SetCookieHeaderValue.cs, Kestrel; recordings of the host.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http.cookies import Morsel
from urllib.parse import quote

from localdev.host.bindings import Answer, Headers

TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
HEADER_VALUE = re.compile(r"[\t -~]*")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")


def answer_text(text: str) -> Answer:
    """Return the response to a function that returned a str: JSON is read and written again.

    An object with a ``body`` is the response itself.
    """
    # Differs from Azure: Newtonsoft also reads single quotes and comments.
    try:
        value = json.loads(text)
    except ValueError:
        return Answer(200, TEXT, text.encode(errors="replace"))
    members = {name.lower(): each for name, each in value.items()} if _is_object(value) else {}
    if "body" not in members:
        return Answer(200, TEXT, _write_value(value).encode(errors="replace"))
    status = _read_status(members.get("statuscode", members.get("status")))
    return Answer(status, TEXT, _write_value(members["body"]).encode(errors="replace"))


def write_cookie(cookie: Morsel[str]) -> str:
    """Write a cookie as the host does, which gets only its parts from the worker."""
    parts = [f"{cookie.key}={quote(cookie.value, safe='-._~')}"]
    if cookie["expires"]:
        parts.append(f"expires={cookie['expires']}")
    if cookie["max-age"] != "":
        parts.append(f"max-age={cookie['max-age']}")
    parts += [f"domain={cookie['domain']}", f"path={cookie['path']}"]
    if cookie["secure"]:
        parts.append("secure")
    if cookie["samesite"]:
        parts.append(f"samesite={cookie['samesite'].lower()}")
    if cookie["httponly"]:
        parts.append("httponly")
    return "; ".join(parts)


def check_answer(answer: Answer) -> Answer:
    """Return the answer, or the 500 of Kestrel for headers that cannot be sent."""
    for name, value in answer.headers:
        if not (HEADER_VALUE.fullmatch(value) and HEADER_NAME.fullmatch(name)):
            return Answer(500, _content_type(answer.headers) if _is_latin(value) else ())
        is_length = name.lower() == "content-length" and answer.body  # without a body: for HEAD
        if is_length and value != str(len(answer.body)):
            return Answer(500)
    return answer


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _read_status(value: object) -> int:
    try:
        return int(value) if isinstance(value, int | str) else 200
    except ValueError:
        return 200


def _write_value(value: object) -> str:
    """Write a JSON value as ToString of .NET does."""
    match value:
        case None:
            return ""
        case str() if DATE.fullmatch(value):
            return _write_date(value)
        case str():
            return value
        case bool():
            return str(value)
        case float():
            return json.dumps(value).removesuffix(".0")
        case _:
            return json.dumps(value, indent=2, ensure_ascii=False)


def _write_date(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%m/%d/%Y %H:%M:%S")


def _content_type(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() == "content-type"]


def _is_latin(value: str) -> bool:
    return all(character <= "\xff" for character in value)
