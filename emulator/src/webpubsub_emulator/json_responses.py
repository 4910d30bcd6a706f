"""Answers of client_responses.py as the fields of JSON objects, with data as ready JSON text."""

from typing import Any

from webpubsub_emulator.client_responses import (
    ClientResponse,
    InvocationError,
    InvocationResult,
)


def response_fields(response: ClientResponse) -> dict[str, Any]:
    """Return an answer's JSON object without its data (npm's web-pubsub-client, messages.ts)."""
    match response:
        case InvocationResult(invocation_id):
            return _invoke_response(invocation_id, success=True)
        case InvocationError(invocation_id, name, message):
            error = {"name": name, "message": message}
            return _invoke_response(invocation_id, success=False) | {"error": error}


def _invoke_response(invocation_id: str, *, success: bool) -> dict[str, Any]:
    return {"type": "invokeResponse", "invocationId": invocation_id, "success": success}
