"""Schemathesis hooks: skip requests that fit the schema but that the app must refuse.

`st` loads this module from SCHEMATHESIS_HOOKS.
"""

from typing import Any

import requests
import schemathesis

LONGEST_URL = 4096
BASE = "http://127.0.0.1:65535"  # the longest base URL of a local host


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Skip URLs that get 414, and texts that only the generator takes for printable.

    The generator knows only some of the Unicode categories (schemathesis,
    core/jsonschema/patterns.py).
    """
    sent = case.as_transport_kwargs(base_url=BASE)
    url = requests.Request("GET", sent["url"], params=sent.get("params")).prepare().url
    if len(url or "") > LONGEST_URL:
        return False
    is_positive = case.meta and case.meta.generation.mode == schemathesis.GenerationMode.POSITIVE
    parts = [part for part in (case.query, case.body) if isinstance(part, dict)]
    return not is_positive or all(map(_is_printable, parts))


def _is_printable(fields: dict[str, Any]) -> bool:
    texts = (fields.get("userId"), fields.get("announcement"))
    return all(text.isprintable() for text in texts if isinstance(text, str))
