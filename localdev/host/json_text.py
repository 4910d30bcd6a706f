"""Writes JSON and UTF-8 as the extension does on .NET, with Newtonsoft.Json."""

import json
import re
from typing import Any

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Newtonsoft.Json JavaScriptUtils.cs escapes these line ends, which json.dumps writes as they are.
LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_json(value: Any, *, indented: bool = False) -> str:
    """Return the JSON of a value on one line, or indented by two spaces."""
    # Differs from Azure: Newtonsoft.Json writes some floats in another form.
    writer = _INDENTED if indented else _COMPACT
    text = writer.encode(value)
    for line_end, escaped in LINE_ENDS.items():
        text = text.replace(line_end, escaped)
    return text


def encode_text(text: str) -> bytes:
    """Return the UTF-8 of a text, with U+FFFD for each lone surrogate, which UTF-8 cannot hold."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return LONE_SURROGATE.sub("\ufffd", text).encode()


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_INDENTED = json.JSONEncoder(ensure_ascii=False, indent=2)
