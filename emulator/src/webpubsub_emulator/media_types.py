"""Message data in HTTP bodies with a Content-Type, for REST calls and event requests."""

from email.message import Message

from webpubsub_emulator.json_text import parse_json
from webpubsub_emulator.messages import DataType, Payload

# The only types of the REST specification 2024-12-01.
_DATA_TYPES: dict[str, DataType] = {
    "text/plain": "text",
    "application/json": "json",
    "application/octet-stream": "binary",
}
_CONTENT_TYPES: dict[DataType, str] = {
    "text": "text/plain",
    "json": "application/json",
    "binary": "application/octet-stream",
    "protobuf": "application/x-protobuf",
}


class MediaTypeError(Exception):
    """A Content-Type that messages cannot have, or one with an unknown charset."""


def content_type_of(payload: Payload) -> str:
    """Return the Content-Type of an event request with this payload, which is always in UTF-8."""
    return _CONTENT_TYPES[payload.data_type]


def payload_from_body(content_type: str | None, body: bytes) -> Payload:
    """Return the body as message data, with text in UTF-8. Without a Content-Type it is binary.

    Raises MediaTypeError for the type, or ValueError for a body that does not have its type.
    """
    if content_type is None:
        return Payload("binary", body)
    data_type = _DATA_TYPES.get(_media_type(content_type))
    if data_type is None:
        raise MediaTypeError
    if data_type == "binary":
        return Payload("binary", body)
    text = _decode(body, _charset(content_type))
    if data_type == "json":
        parse_json(text)
    return Payload(data_type, text.encode())


def _media_type(content_type: str) -> str:
    # Not with email.message, which reads a malformed type as text/plain.
    return content_type.partition(";")[0].strip().lower()


def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset("utf-8")


def _decode(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset)
    except LookupError:
        raise MediaTypeError from None
