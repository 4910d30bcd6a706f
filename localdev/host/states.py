"""Encodes and decodes the ``ce-connectionState`` header.

The header is base64 of a JSON object whose values are base64 of the JSON of each state
(Microsoft.Azure.WebPubSub.Common ConnectionStatesConverter.cs). The service does not decode it.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from localdev.host.json_text import encode_text, write_json


def decode_states(header: str) -> dict[str, Any]:
    """Return the states of a header, or no states where the extension did not write the header.

    Raises ValueError where the extension rejects the request: the header is not base64, not JSON,
    or ``null``.
    """
    if not header:
        return {}
    encoded = json.loads(_decode_base64(header).decode(), parse_constant=_reject_constant)
    if encoded is None:
        raise ValueError("the states are null")
    # Differs from Azure: a state that is not JSON is rejected here; the extension would pass the
    # function a request that is not valid JSON.
    decoded = _decode_values(encoded)
    return {name: json.loads(value.decode("utf-8", "replace")) for name, value in decoded.items()}


def encode_states(states: Mapping[str, Any]) -> str:
    """Return the header's value for these states."""
    return _encode_base64(
        write_json({name: _encode_base64(write_json(value)) for name, value in states.items()})
    )


def _decode_values(encoded: object) -> dict[str, bytes]:
    # If one value is not base64, the extension takes no value.
    if not isinstance(encoded, dict) or not all(isinstance(each, str) for each in encoded.values()):
        return {}
    try:
        return {name: _decode_base64(value) for name, value in encoded.items()}
    except ValueError:
        return {}


def _decode_base64(text: str) -> bytes:
    # Convert.FromBase64String of .NET ignores white space.
    return base64.b64decode("".join(text.split()), validate=True)


def _encode_base64(text: str) -> str:
    return base64.b64encode(encode_text(text)).decode("ascii")


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
