"""The message classes of the protobuf subprotocols, made from a table when they are first needed.

The table has the names and numbers of fields in webpubsub.v1.proto (Azure/azure-webpubsub,
protocols/protobuf.webpubsub.azure.v1). It replaces code of protoc, which works only with the
versions of the package protobuf that are next to its own.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

# A field is "[optional | repeated | oneof | map] type name number". The members of a message's only
# `oneof` exclude each other. A map has text keys and text values. The wire does not know the names
# of messages, so they are not nested here.
_SCHEMA = {
    "UpstreamMessage": (
        "oneof SendToGroup send_to_group_message 1",
        "oneof Event event_message 5",
        "oneof ChangeGroup join_group_message 6",
        "oneof ChangeGroup leave_group_message 7",
        "oneof SequenceAck sequence_ack_message 8",
        "oneof Empty ping_message 9",
        "oneof InvokeEvent invoke_event_message 10",
        "oneof CancelInvocation cancel_invocation_message 11",
        "oneof StreamData stream_data_message 13",
        "oneof StreamEnd stream_end_message 14",
        "oneof SetGroupState set_group_state_message 15",
        "oneof ChangeGroup subscribe_group_state_message 16",
        "oneof ChangeGroup unsubscribe_group_state_message 17",
    ),
    "SendToGroup": (
        "string group 1",
        "optional uint64 ack_id 2",
        "MessageData data 3",
        "bool no_echo 4",
        "uint32 ttl_seconds 5",
        "map string metadata 6",
        "StreamStart stream 7",
    ),
    "Event": (
        "string event 1",
        "MessageData data 2",
        "optional uint64 ack_id 3",
        "map string metadata 4",
        "StreamStart stream 5",
    ),
    "ChangeGroup": ("string group 1", "optional uint64 ack_id 2"),
    "SequenceAck": ("uint64 sequence_id 1",),
    "Empty": (),
    "InvokeEvent": (
        "string event 1",
        "string invocation_id 2",
        "MessageData data 3",
        "map string metadata 4",
        "StreamStart stream 5",
    ),
    "CancelInvocation": ("string invocation_id 1",),
    "StreamStart": ("string stream_id 1", "optional uint32 idle_timeout_ms 2"),
    "StreamData": (
        "string stream_id 1",
        "optional uint64 stream_sequence_id 2",
        "MessageData data 3",
    ),
    "StreamEnd": ("string stream_id 1", "StreamEndError error 2"),
    "StreamEndError": ("optional string message 1", "optional string user_error_code 2"),
    "SetGroupState": ("string group 1", "optional uint64 ack_id 2", "GroupState state 3"),
    "DownstreamMessage": (
        "oneof Ack ack_message 1",
        "oneof Data data_message 2",
        "oneof System system_message 3",
        "oneof Empty pong_message 4",
        "oneof InvokeResponse invoke_response_message 5",
        "oneof StreamAck stream_ack_message 6",
        "oneof StreamNack stream_nack_message 7",
        "oneof StreamClosed stream_closed_message 8",
        "oneof GroupStates group_state_update_message 9",
        "oneof GroupStates group_state_snapshot_message 10",
    ),
    "Ack": ("uint64 ack_id 1", "bool success 2", "Error error 3"),
    "Error": ("string name 1", "string message 2"),
    "Data": (
        "string from 1",
        "optional string group 2",
        "MessageData data 3",
        "optional uint64 sequence_id 4",
        "map string metadata 5",
        "StreamInfo stream 6",
    ),
    "System": (
        "oneof Connected connected_message 1",
        "oneof Disconnected disconnected_message 2",
    ),
    "Connected": (
        "string connection_id 1",
        "string user_id 2",
        "optional string reconnection_token 3",
    ),
    "Disconnected": ("string reason 2",),
    "InvokeResponse": (
        "string invocation_id 1",
        "bool success 2",
        "MessageData data 3",
        "Error error 4",
        "map string metadata 5",
    ),
    "StreamAck": ("string stream_id 1", "uint64 expected_sequence_id 2"),
    "StreamNack": (
        "string stream_id 1",
        "string name 2",
        "string message 3",
        "uint64 expected_sequence_id 4",
    ),
    "StreamClosed": ("string stream_id 1", "Error error 2"),
    "GroupStates": (
        "string group 1",
        "repeated GroupStateItem items 2",
        "optional uint64 sequence_id 3",
    ),
    "GroupStateItem": (
        "string connection_id 1",
        "optional string user_id 2",
        "GroupState state 3",
        "int64 updated_at 4",
    ),
    "GroupState": ("map string entries 1",),
    "StreamInfo": (
        "string stream_id 1",
        "uint64 stream_sequence_id 2",
        "optional bool end_of_stream 3",
        "StreamError error 4",
    ),
    "StreamError": ("string name 1", "string message 2", "string user_error_code 3"),
    "MessageData": (
        "oneof string text_data 1",
        "oneof bytes binary_data 2",
        "oneof Any protobuf_data 3",
        "oneof string json_data 4",
    ),
    "Any": ("string type_url 1", "bytes value 2"),  # google/protobuf/any.proto
}
_PACKAGE = "azure.webpubsub"
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}


def _load() -> dict[str, Any]:
    """Return the class of each message."""
    file = descriptor_pb2.FileDescriptorProto(
        name="webpubsub_emulator/client.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _SCHEMA.items():
        _fill(file.message_type.add(name=name), fields)
    pool = descriptor_pool.DescriptorPool()  # not the default one, which the user's program shares
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _SCHEMA
    }


def _fill(message: descriptor_pb2.DescriptorProto, fields: Iterable[str]) -> None:
    presence = []  # the fields of which it is known whether they are set
    for line in fields:
        *rule, kind, name, number = line.split()
        field = _add_field(message, name, int(number), kind)
        if rule == ["map"]:
            _make_map(message, field)
        elif rule == ["oneof"]:
            field.oneof_index = _index_of_oneof(message)
        elif rule == ["repeated"]:
            field.label = FieldDescriptorProto.LABEL_REPEATED
        elif rule == ["optional"]:
            presence.append(field)
    # One hidden oneof for each such field; they come after the real one (descriptor.proto).
    for field in presence:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str
) -> FieldDescriptorProto:
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    return field


def _make_map(message: descriptor_pb2.DescriptorProto, field: FieldDescriptorProto) -> None:
    """Make the field repeat an entry of key and value, which is what a map is."""
    entry = message.nested_type.add(name=f"{field.name.title()}Entry")
    entry.options.map_entry = True
    _add_field(entry, "key", 1, "string")
    _add_field(entry, "value", 2, "string")
    field.label = FieldDescriptorProto.LABEL_REPEATED
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{_PACKAGE}.{message.name}.{entry.name}"


def _index_of_oneof(message: descriptor_pb2.DescriptorProto) -> int:
    if not message.oneof_decl:
        message.oneof_decl.add(name="kind")
    return 0


_CLASSES = _load()
# Messages of clients, and messages of the service. Each has exactly one member of `kind`.
Upstream: Any = _CLASSES["UpstreamMessage"]
Downstream: Any = _CLASSES["DownstreamMessage"]
