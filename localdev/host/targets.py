"""The target of a request: its path and query, as Kestrel and ASP.NET Core read and write them.

Sources: aspnetcore UrlDecoder.cs, PathNormalizer.cs, PathString.cs (ToUriComponent) and
QueryFeature.cs; azure-functions-host GrpcMessageConversionExtensions.cs; recordings of the host.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote

ESCAPED = re.compile("(?:%[0-9A-Fa-f]{2})+")
ESCAPED_SLASH = re.compile("(%2[Ff])")
# What a URL must escape in its path. An escape that is there already stays.
NOT_PLAIN = re.compile(r"(?!%[0-9A-Fa-f]{2})[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")


class TargetError(ValueError):
    """Kestrel rejects the target with 400."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target: its decoded ``path``, its ``query`` as sent, and both as functions see them."""

    path: str
    query: str = field(repr=False)
    in_url: str = field(repr=False)


def read_target(sent: str) -> Target:
    """Decode the path of a target; raises TargetError."""
    if not sent.startswith("/") or not sent.isascii():
        raise TargetError("the target is not a path in ASCII")
    raw_path, mark, query = sent.partition("?")
    path = _decode_path(raw_path)
    return Target(path, query, f"{_encode_path(path)}{mark}{query}")


def parse_query(query: str) -> dict[str, str]:
    """Return one value per name: repeated ones joined with a comma, empty ones dropped.

    Names that differ only in case are one name; the second spelling stays.
    """
    names: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.replace("+", " ").partition("=")
        name = unescape(name)
        found = values.setdefault(name.upper(), [])
        if len(found) < 2:
            names[name.upper()] = name
        found.append(unescape(value))
    return {
        names[key]: ",".join(filter(None, found)) for key, found in values.items() if any(found)
    }


def unescape(text: str) -> str:
    """Decode what is escaped UTF-8; all other characters stay, such as ``%ff`` and ``%zz``."""
    return ESCAPED.sub(_decode_run, text) if "%" in text else text


def _decode_path(raw_path: str) -> str:
    if "%" in raw_path:
        if "%00" in raw_path:
            raise TargetError("the path has a null character")
        # An escaped slash is no separator, so it stays.
        parts = ESCAPED_SLASH.split(raw_path)
        parts[::2] = map(unescape, parts[::2])
        raw_path = "".join(parts)
    return _remove_dot_segments(raw_path) if "/." in raw_path else raw_path


def _decode_run(match: re.Match[str]) -> str:
    text, decoded = match[0], ""
    while True:
        try:
            return decoded + bytes.fromhex(text.replace("%", "")).decode()
        except UnicodeDecodeError as error:
            # Three characters of the text are one byte.
            decoded += error.object[: error.start].decode() + text[3 * error.start : 3 * error.end]
            text = text[3 * error.end :]


def _remove_dot_segments(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    end = "/" if path.endswith(("/.", "/..")) and kept else ""
    return f"/{'/'.join(kept)}{end}"


def _encode_path(path: str) -> str:
    return NOT_PLAIN.sub(lambda match: quote(match[0], safe=""), path)
