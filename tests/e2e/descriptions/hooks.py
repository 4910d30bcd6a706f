"""Schemathesis hooks: skip requests that fit the schema but that the app must refuse.

`st` loads this module from SCHEMATHESIS_HOOKS.
"""

from typing import Any
from urllib.parse import unquote

import requests
import schemathesis

from usher.names import is_printable_id

LONGEST_URL = 4096
BASE = "http://127.0.0.1:65535"  # the longest base URL of a local host


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Skip URLs that get 414, and names that only the generator takes for valid.

    The generator knows only some of the Unicode categories (schemathesis,
    core/jsonschema/patterns.py), and no normal forms.
    """
    sent = case.as_transport_kwargs(base_url=BASE)
    url = requests.Request("GET", sent["url"], params=sent.get("params")).prepare().url
    if len(url or "") > LONGEST_URL:
        return False
    is_positive = case.meta and case.meta.generation.mode == schemathesis.GenerationMode.POSITIVE
    path = {name: unquote(str(text)) for name, text in (case.path_parameters or {}).items()}
    parts = [case.query, case.body, path]
    return not is_positive or all(_is_valid(part) for part in parts if isinstance(part, dict))


def _is_valid(fields: dict[str, Any]) -> bool:
    given = fields.get("group")
    names = [fields.get("userId"), *(given if isinstance(given, list) else [given])]
    is_printable = str(fields.get("announcement", "")).isprintable()
    return is_printable and all(is_printable_id(name) for name in names if isinstance(name, str))
