"""Members of a client's JSON frame. Each function raises ValueError or KeyError for a bad value."""

import base64
from typing import Any

from webpubsub_emulator.json_text import Members, parse_pairs
from webpubsub_emulator.messages import GroupState, Payload
from webpubsub_emulator.metadata import Metadata, check_metadata
from webpubsub_emulator.names import is_group_name

UINT64_MAX = 2**64 - 1


def read_value(members: Members, key: str, default: Any) -> Any:
    """Return any value, or the default without this member."""
    return members[key].value if key in members else default


def read_text(members: Members, key: str) -> str:
    """Return a string, which may be empty."""
    value = members[key].value
    if not isinstance(value, str):
        raise ValueError(key)
    return value


def read_flag(members: Members, key: str) -> bool:
    """Return a boolean, which is false without this member."""
    value = read_value(members, key, False)
    if not isinstance(value, bool):
        raise ValueError(key)
    return value


def read_id(members: Members, key: str) -> str:
    """Return a string that is not empty."""
    value = read_text(members, key)
    if not value:
        raise ValueError(key)
    return value


def read_group(members: Members) -> str:
    group = read_text(members, "group")
    if not is_group_name(group):
        raise ValueError("group")
    return group


def read_ack_id(members: Members) -> int | None:
    return read_number(members, "ackId", UINT64_MAX)


def read_number(members: Members, key: str, largest: int) -> int | None:
    """Return a whole number from 0 on, or None without one."""
    value = read_value(members, key, None)
    return None if value is None else whole_number(value, largest)


def whole_number(value: Any, largest: int) -> int:
    """Return the value if it is a whole number from 0 on."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise ValueError("number")
    return value


def read_entries(value: Any) -> GroupState:
    """Return the entries of an object whose values are strings."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("state")
    return tuple(value.items())


def read_payload(members: Members) -> Payload:
    """Return `data` in its `dataType`, which is json without one, and `metadata`."""
    metadata = _read_metadata(members)
    if metadata is not None and "data" not in members:
        return Payload("text", b"", metadata)
    data_type = read_text(members, "dataType").lower() if "dataType" in members else "json"
    if data_type == "text":
        return Payload("text", read_text(members, "data").encode(), metadata or ())
    if data_type in ("binary", "protobuf"):
        # Protobuf data is a google.protobuf.Any, which the service does not decode.
        content = base64.b64decode(read_text(members, "data"), validate=True)
        return Payload("binary" if data_type == "binary" else "protobuf", content, metadata or ())
    if data_type == "json" and members["data"].value is not None:
        return Payload("json", members["data"].raw.encode(), metadata or ())
    raise ValueError("data")


def _read_metadata(members: Members) -> Metadata | None:
    value = read_value(members, "metadata", None)
    if value is None:
        return None
    # Parsed again, because a dictionary has lost the keys that came twice.
    pairs = parse_pairs(members["metadata"].raw)
    if not isinstance(value, dict) or not all(isinstance(text, str) for _, text in pairs):
        raise ValueError("metadata")
    return check_metadata(pairs)
