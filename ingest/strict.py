"""What the columnar decoder leaves as bytes, read by the official classes: values inside values may be damaged or nest without end."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import ArrayValue

_TAGS = {"array_value": b"\x2a", "kvlist_value": b"\x32"}
"""Of members of AnyValue."""
_ABOVE = 3
"""Lists around a value here, two messages each: as deep as an attribute of a span stands in its request."""
_LEVELS = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
}


def require_readable(values: pa.StructArray) -> None:
    """Raises ValueError when one of these rows of AnyValue holds a structure that the official classes refuse."""
    for name, tag in _TAGS.items():
        for value in pc.unique(values.field(name).drop_null()).to_pylist():
            try:
                ArrayValue.FromString(_placed(value, tag))
            except DecodeError as error:
                raise ValueError(f"a value within an attribute: {error}") from None


def _placed(value: bytes, tag: bytes) -> bytes:
    for _ in range(_ABOVE):
        inner = tag + _length(value) + value
        value, tag = b"\x0a" + _length(inner) + inner, _TAGS["array_value"]
    return value


def _length(value: bytes) -> bytes:
    size, digits = len(value), bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*digits, size))


def other_signal(request: Message, signal: str) -> str | None:
    """Why this request is one of another signal; None when it is not. Messages of different signals have the same numbers for other things,
    and what has another type is left out in silence."""
    for record in _records(request, signal):
        known = record.DESCRIPTOR.fields_by_number
        if wrong := [field.field_number for field in UnknownFieldSet(record) if field.field_number in known]:
            return f"not a request for {signal}: {known[wrong[0]].name} of a {record.DESCRIPTOR.name} is of another type"
    return None


def _records(request: Message, signal: str) -> Iterator[Message]:
    outer, inner, leaf = _LEVELS[signal]
    for resource in getattr(request, outer):
        for scope in getattr(resource, inner):
            yield from getattr(scope, leaf)
