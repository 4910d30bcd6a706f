"""The table "What it supports" of the README, from the tables that the emulator works by.

Run this file to write the table into the README.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from webpubsub_emulator.json_requests import _READERS
from webpubsub_emulator.operations import OPERATIONS
from webpubsub_emulator.subprotocols import PROTOBUF_SUBPROTOCOLS, SUBPROTOCOLS

README = Path(__file__).resolve().parent.parent / "README.md"
HEAD = "| feature | here | Microsoft's emulator | the service | contract |\n|---|---|---|---|---|\n"
YES, NO, NOT_LISTED = "yes", "no", "not listed"

# Operations that differ in Microsoft's emulator.
THEIR_OPERATIONS = {
    "GenerateClientToken": "not with an access key",
    "GrantPermission": NO,
    "RevokePermission": NO,
    "CheckPermission": NO,
}
CONTRACTS = {"GenerateClientToken": "test_generated_tokens"}
# Subprotocol -> Microsoft's emulator, the service's document, the contract.
SUBPROTOCOL_ROWS = {
    "json.webpubsub.azure.v1": (YES, "json", "test_frames"),
    "json.reliable.webpubsub.azure.v1": (YES, "reliable", "test_recovery"),
    "protobuf.webpubsub.azure.v1": (YES, "protobuf", "test_protobuf_clients"),
    "protobuf.reliable.webpubsub.azure.v1": (YES, "protobuf", "test_protobuf_clients"),
    "mqtt": (NOT_LISTED, "mqtt", ""),
}
# Frame of the JSON subprotocols -> the same.
FRAME_ROWS = {
    "joinGroup": (YES, "json", "test_groups"),
    "leaveGroup": (YES, "json", "test_groups"),
    "sendToGroup": (YES, "json", "test_groups"),
    "event": (YES, "json", "test_user_events"),
    "ping": (YES, "json", "test_frames"),
    "sequenceAck": (YES, "reliable", "test_recovery"),
    "invoke": (NOT_LISTED, "invocations", "test_invocations"),
    "cancelInvocation": (NOT_LISTED, "invocations", "test_invocations"),
    "streamData": (NO, "reliable", "test_streams"),
    "streamEnd": (NO, "reliable", "test_streams"),
    "setGroupState": (NOT_LISTED, "group state", "test_group_states"),
    "subscribeGroupState": (NOT_LISTED, "group state", "test_group_states"),
    "unsubscribeGroupState": (NOT_LISTED, "group state", "test_group_states"),
}


class Row(NamedTuple):
    """A feature, here and in Microsoft's emulator, its document, and the file that states it."""

    feature: str
    here: str
    theirs: str
    document: str
    contract: str = ""


OTHER_ROWS = (
    Row("simple WebSocket clients", YES, YES, "clients", "test_simple_clients"),
    Row("roles, also with wildcards", YES, YES, "json", "test_permissions"),
    Row("OData filters", YES, YES, "filters", "test_filters"),
    Row("messages expire (time to live)", YES, NO, "operations", "test_resource_settings"),
    Row("events to HTTP event handlers", YES, YES, "events", "test_system_events"),
    Row("abuse protection", YES, YES, "events", "test_abuse_protection"),
    Row("retries of events", YES, YES, "events"),
    Row("events with the token of a managed identity", NO, NO, "events"),
    Row("events to Event Hubs", NO, YES, "listeners"),
    Row(
        "`joined` and `left` events of groups", YES, NOT_LISTED, "group events", "test_group_events"
    ),
    Row("clients without a token", YES, NOT_LISTED, "anonymous", "test_resource_settings"),
    Row("WebSocket pings of the service", YES, NOT_LISTED, "anonymous", "test_resource_settings"),
    Row("a limit on connections, by units", YES, NOT_LISTED, "limits", "test_resource_settings"),
    Row("faults on demand", YES, NOT_LISTED, ""),
    Row("pytest plugin", YES, NOT_LISTED, ""),
    Row("needs", "Python 3.11", "[.NET 10, or Docker][their README]", ""),
)


def rows() -> Iterator[Row]:
    """Yield the whole table, top to bottom."""
    for one in OPERATIONS:
        feature = f"{one.name}: `{one.method} /api/{one.path}` since {one.introduced}"
        theirs = THEIR_OPERATIONS.get(one.name, YES)
        contract = CONTRACTS.get(one.name, "test_operations")
        yield Row(feature, YES, theirs, "operations", contract)
    for name, row in SUBPROTOCOL_ROWS.items():
        yield Row(f"clients of `{name}`", _supports(name), *row)
    for name, row in FRAME_ROWS.items():
        theirs, document, contract = row
        is_known = name.lower() in _READERS
        yield Row(
            f"frame `{name}`",
            YES if is_known else NO,
            theirs,
            document,
            contract if is_known else "",
        )
    yield from OTHER_ROWS


def _supports(subprotocol: str) -> str:
    if subprotocol in PROTOBUF_SUBPROTOCOLS:
        return "with the extra `protobuf`"
    return YES if subprotocol in SUBPROTOCOLS else NO


def support_table() -> str:
    """Return the table in Markdown."""
    return HEAD + "".join(map(_line, rows()))


def _line(row: Row) -> str:
    document = f"[{row.document}]" if row.document else ""
    contract = f"[{row.contract}](tests/contract/{row.contract}.py)" if row.contract else ""
    cells = (row.feature, row.here, row.theirs, document, contract)
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


def main() -> None:
    """Replace the table in the README."""
    text = README.read_text("utf-8")
    table = re.escape(HEAD) + r"(\|.*\n)*"
    README.write_text(re.sub(table, lambda _: support_table(), text), "utf-8")


if __name__ == "__main__":
    main()
