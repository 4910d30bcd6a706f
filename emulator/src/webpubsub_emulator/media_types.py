"""Message data to and from an HTTP body with its Content-Type: REST calls, event handlers."""

from email.message import Message

from webpubsub_emulator.json_text import parse_json
from webpubsub_emulator.messages import DataType, Payload

# REST specification 2024-12-01: a closed set.
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
    """A Content-Type that messages cannot have, or an unknown charset in it."""


def content_type_of(payload: Payload) -> str:
    """The Content-Type for sending this payload to an event handler, always in UTF-8."""
    return _CONTENT_TYPES[payload.data_type]


def is_protobuf(content_type: str | None) -> bool:
    """Whether this is the type of protobuf data, which is read from JSON frames only."""
    return content_type is not None and _media_type(content_type) == _CONTENT_TYPES["protobuf"]


def payload_from_body(content_type: str | None, body: bytes) -> Payload:
    """The body as message data; no Content-Type means binary.

    Text is transcoded to UTF-8. Raises MediaTypeError, or ValueError for a body that is not
    what its type says.
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
    # Not the parser's own idea of the type: it reads a malformed one as text/plain.
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
