"""The trimmed OTLP message types: what the decoder reads of a request.

They are derived from opentelemetry-proto, so every field number comes from the official package; fields loopledger has no use for are
left out, and values that can nest without end stay bytes.
"""

from functools import cache

import ptars
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

_OPAQUE = {
    "opentelemetry.proto.common.v1.ArrayValue",
    "opentelemetry.proto.common.v1.KeyValueList",
    "opentelemetry.proto.metrics.v1.Exemplar",
}
_UNUSED = {
    "string_value_strindex",
    "key_strindex",
    "entity_refs",
    "schema_url",
    "trace_state",
    "flags",
    "exemplars",
    "dropped_attributes_count",
}


@cache
def handler_of(request: Descriptor):
    """The decoder for a request type."""
    root = trimmed(request)
    return ptars.HandlerPool([root.file]).get_for_message(root)


def trimmed(root: Descriptor) -> Descriptor:
    """The request's message types, flattened into one private file without the unused fields."""
    package = f"loopledger.{root.name}"
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message in _reachable(root):
        _copy_message(file, message, package)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName(f"{package}.{_flat(root)}")


def _reachable(root: Descriptor) -> list[Descriptor]:
    found, queue = {}, [root]
    while queue:
        message = queue.pop(0)
        found[message.full_name] = message
        queue += [f.message_type for f in _kept(message) if _is_transparent(f) and f.message_type.full_name not in found]
    return list(found.values())


def _copy_message(file: FileDescriptorProto, message: Descriptor, package: str) -> None:
    out, source, oneofs = file.message_type.add(name=_flat(message)), DescriptorProto(), {}
    message.CopyToProto(source)
    official = {field.name: field for field in source.field}
    for field in _kept(message):
        copy = out.field.add()
        _copy_field(copy, official[field.name], field, package)
        oneof = field.containing_oneof
        if oneof is None:
            continue
        if oneof.name not in oneofs:
            oneofs[oneof.name] = len(out.oneof_decl)
            out.oneof_decl.add(name=oneof.name)
        copy.oneof_index = oneofs[oneof.name]
        copy.proto3_optional = official[field.name].proto3_optional


def _copy_field(copy: FieldDescriptorProto, official: FieldDescriptorProto, field: FieldDescriptor, package: str) -> None:
    copy.CopyFrom(official)
    for stale in ("json_name", "options", "oneof_index", "proto3_optional"):
        copy.ClearField(stale)
    if field.message_type and not _is_transparent(field):
        copy.type = FieldDescriptorProto.TYPE_BYTES
        copy.ClearField("type_name")
    elif field.message_type:
        copy.type_name = f".{package}.{_flat(field.message_type)}"
    elif field.enum_type:
        copy.type = FieldDescriptorProto.TYPE_INT32
        copy.ClearField("type_name")


def _kept(message: Descriptor) -> list[FieldDescriptor]:
    return [field for field in message.fields if field.name not in _UNUSED]


def _is_transparent(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name not in _OPAQUE


def _flat(message: Descriptor) -> str:
    return message.full_name.replace(".", "_")
