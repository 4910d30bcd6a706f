"""What `st` must not send, because no schema can say it. Loaded by SCHEMATHESIS_HOOKS."""

from typing import Any

import requests
import schemathesis

LONGEST_URL = 4096
BASE = "http://127.0.0.1:65535"  # as long as any


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """No URL that is answered with 414, and no text that is only printable to the generator.

    The generator knows a part of Unicode's categories (schemathesis, core/jsonschema/patterns.py).
    """
    sent = case.as_transport_kwargs(base_url=BASE)
    url = requests.Request("GET", sent["url"], params=sent.get("params")).prepare().url
    if len(url or "") > LONGEST_URL:
        return False
    is_meant_well = case.meta and case.meta.generation.mode == schemathesis.GenerationMode.POSITIVE
    parts = [part for part in (case.query, case.body) if isinstance(part, dict)]
    return not is_meant_well or all(map(_is_printable, parts))


def _is_printable(fields: dict[str, Any]) -> bool:
    texts = (fields.get("userId"), fields.get("announcement"))
    return all(text.isprintable() for text in texts if isinstance(text, str))
