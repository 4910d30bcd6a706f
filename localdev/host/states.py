"""Encodes and decodes the ``ce-connectionState`` header.

The header is base64 of a JSON object whose values are base64 of the JSON of each state
(Microsoft.Azure.WebPubSub.Common ConnectionStatesConverter.cs). The service does not decode it.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any


def decode_states(header: str) -> dict[str, Any]:
    """Return the states; ValueError when any layer of the header cannot be decoded."""
    encoded = json.loads(base64.b64decode(header, validate=True))
    if not isinstance(encoded, dict):
        raise ValueError("the states are not an object")
    return {name: _decode_value(value) for name, value in encoded.items()}


def encode_states(states: Mapping[str, Any]) -> str:
    """Return the header's value for these states."""
    return _base64_of(
        json.dumps(
            {name: _encode_value(value) for name, value in states.items()}, separators=(",", ":")
        )
    )


def _decode_value(value: object) -> Any:
    if not isinstance(value, str):
        raise ValueError("a state is not base64 text")
    # Differs from Azure: a state that is not JSON is rejected here; the extension would pass the
    # function a request that is not valid JSON.
    return json.loads(base64.b64decode(value, validate=True))


def _encode_value(value: object) -> str:
    return _base64_of(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
