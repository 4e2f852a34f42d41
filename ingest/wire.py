"""OTLP bytes -> frames. Shapes only, no semantics. Values that can nest without end (`ArrayValue`, `KeyValueList`) stay bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ingest.descriptors import handler_of
from ingest.strict import other_signal, require_readable

Signal = Literal["traces", "logs", "metrics"]

REQUESTS: dict[Signal, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_SLICE_BODIES, _SLICE_BYTES = 4, 2_000_000
"""The decoder holds the interpreter for a whole call: more at once would stand in the way of a kill signal."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of many owners as one long table, ascending by owner. At most one value column of a row is not null."""

    owner: np.ndarray
    """Row of the owner in its own table."""
    rows: pa.StructArray
    """Struct of key, string_value, bool_value, int_value, double_value, array_value, kvlist_value, bytes_value."""

    def __len__(self) -> int:
        return len(self.owner)


@dataclass(frozen=True, slots=True)
class Frames:
    """What some bodies of one signal hold: one row per record, and tables of attributes that refer to rows by number."""

    signal: Signal
    records: pa.Table
    """The message's own fields beside `body`, `resource` and `scope`, the rows of what the record belongs to."""
    attributes: Attributes
    resources: Attributes
    scopes: pa.Table
    """Columns name, version."""
    events: pa.Table
    """Span events: columns owner, time_unix_nano, name."""
    event_attributes: Attributes
    links: pa.Table
    """Span links: columns owner, trace_id, span_id."""
    bodies: int


def decode(bodies: Sequence[bytes], signal: Signal) -> Frames:
    """Request bodies -> frames. Raises ValueError when one of them is not such a request (see `malformed`)."""
    handler = handler_of(REQUESTS[signal].DESCRIPTOR)
    slices = [handler.list_to_record_batch(part) for part in _slices(bodies)]
    requests = pa.concat_batches(slices).to_struct_array()
    return _FLATTEN[signal](requests)


def malformed(body: bytes, signal: Signal) -> str | None:
    """Why these bytes are not a request of that signal; None when they are."""
    try:
        return other_signal(REQUESTS[signal].FromString(body), signal)
    except DecodeError as error:
        return f"not an OTLP {signal} request: {error}"


def _slices(bodies: Sequence[bytes]):
    part, size = [], 0
    for body in bodies:
        if part and (len(part) == _SLICE_BODIES or size + len(body) > _SLICE_BYTES):
            yield part
            part, size = [], 0
        part.append(body)
        size += len(body)
    yield part


# Flattening: a list column becomes its items and, for each item, the row it came from.


def _items(rows: pa.StructArray, name: str) -> tuple[np.ndarray, pa.Array]:
    column = rows.field(name)
    return pc.list_parent_indices(column).to_numpy(zero_copy_only=False), pc.list_flatten(column)


def _attributes(rows: pa.StructArray, name: str = "attributes") -> Attributes:
    owner, pairs = _items(rows, name)
    value = pairs.field("value")
    require_readable(value)
    names = [field.name for field in value.type]
    columns = [pairs.field("key"), *(pc.struct_field(value, [name]) for name in names)]
    return Attributes(owner, pa.StructArray.from_arrays(columns, names=["key", *names]))


@dataclass(frozen=True, slots=True)
class _Scoped:
    """The messages two levels below a request, with the rows they belong to."""

    body: np.ndarray
    resource: np.ndarray
    scope: np.ndarray
    messages: pa.StructArray
    resources: Attributes
    scopes: pa.Table


def _scoped(requests: pa.StructArray, outer: str, inner: str, leaf: str) -> _Scoped:
    resource_body, resources = _items(requests, outer)
    scope_resource, scopes = _items(resources, inner)
    message_scope, messages = _items(scopes, leaf)
    scope = scopes.field("scope")
    return _Scoped(
        body=resource_body[scope_resource[message_scope]],
        resource=scope_resource[message_scope],
        scope=message_scope,
        messages=messages,
        resources=_attributes(pc.struct_field(resources, ["resource"]), "attributes"),
        scopes=pa.table({"name": pc.struct_field(scope, ["name"]), "version": pc.struct_field(scope, ["version"])}),
    )


def _frames(
    signal: Signal, scoped: _Scoped, bodies: int, columns: dict[str, pa.Array], rows: pa.StructArray, events=None, links=None
) -> Frames:
    belongs = {"body": scoped.body, "resource": scoped.resource, "scope": scoped.scope}
    nothing = pa.table({"owner": pa.array([], pa.int64())})
    return Frames(
        signal=signal,
        records=pa.table({**{name: pa.array(rows_of, pa.int64()) for name, rows_of in belongs.items()}, **columns}),
        attributes=_attributes(rows),
        resources=scoped.resources,
        scopes=scoped.scopes,
        events=events[0] if events else nothing,
        event_attributes=events[1] if events else _none(rows),
        links=links if links is not None else nothing,
        bodies=bodies,
    )


def _none(rows: pa.StructArray) -> Attributes:
    return _attributes(rows.slice(0, 0))


def _spans(requests: pa.StructArray) -> Frames:
    scoped = _scoped(requests, "resource_spans", "scope_spans", "spans")
    spans = scoped.messages
    plain = ("trace_id", "span_id", "parent_span_id", "name", "start_time_unix_nano", "end_time_unix_nano")
    columns = {name: spans.field(name) for name in plain}
    columns["status_code"] = pc.struct_field(spans.field("status"), ["code"])
    columns["status_message"] = pc.struct_field(spans.field("status"), ["message"])
    event_owner, events = _items(spans, "events")
    event_table = pa.table({"owner": event_owner, "time_unix_nano": events.field("time_unix_nano"), "name": events.field("name")})
    link_owner, links = _items(spans, "links")
    link_table = pa.table({"owner": link_owner, "trace_id": links.field("trace_id"), "span_id": links.field("span_id")})
    return _frames("traces", scoped, len(requests), columns, spans, (event_table, _attributes(events)), link_table)


def _logs(requests: pa.StructArray) -> Frames:
    scoped = _scoped(requests, "resource_logs", "scope_logs", "log_records")
    logs = scoped.messages
    plain = ("trace_id", "span_id", "time_unix_nano", "observed_time_unix_nano", "severity_number", "event_name")
    columns = {name: logs.field(name) for name in plain}
    require_readable(logs.field("body"))
    text, *structures = (pc.struct_field(logs.field("body"), [name]) for name in ("string_value", "kvlist_value", "array_value"))
    columns |= {"text": text, "structure": pc.coalesce(*structures)}
    return _frames("logs", scoped, len(requests), columns, logs)


_POINT_KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
_POINT_VALUES = {"as_double": pa.float64(), "as_int": pa.int64(), "count": pa.uint64(), "sum": pa.float64()}


def _points(requests: pa.StructArray) -> Frames:
    scoped = _scoped(requests, "resource_metrics", "scope_metrics", "metrics")
    parts = [_points_of(scoped.messages, kind) for kind in _POINT_KINDS]
    columns = pa.concat_tables([columns for columns, _ in parts]).combine_chunks()
    metric = columns["metric"].to_numpy()
    by_point = _Scoped(scoped.body[metric], scoped.resource[metric], scoped.scope[metric], scoped.messages, scoped.resources, scoped.scopes)
    rows = pa.concat_arrays([rows for _, rows in parts])
    fields = {name: columns[name].combine_chunks() for name in columns.column_names if name != "metric"}
    return _frames("metrics", by_point, len(requests), fields, rows)


def _points_of(metrics: pa.StructArray, kind: str) -> tuple[pa.Table, pa.StructArray]:
    data = metrics.field(kind)
    owner, points = _items(data, "data_points")
    metric = pa.array(owner, pa.int64())
    columns = {
        "metric": metric,
        "name": metrics.field("name").take(metric),
        "unit": metrics.field("unit").take(metric),
        "kind": pa.repeat(kind, len(points)),
        "temporality": _field_or_null(data, "aggregation_temporality", pa.int32()).take(metric),
        "is_monotonic": _field_or_null(data, "is_monotonic", pa.bool_()).take(metric),
        "start_time_unix_nano": points.field("start_time_unix_nano"),
        "time_unix_nano": points.field("time_unix_nano"),
        **{name: _field_or_null(points, name, type_) for name, type_ in _POINT_VALUES.items()},
    }
    return pa.table(columns), pa.StructArray.from_arrays([points.field("attributes")], names=["attributes"])


def _field_or_null(rows: pa.StructArray, name: str, type_: pa.DataType) -> pa.Array:
    return pc.struct_field(rows, [name]).cast(type_) if rows.type.get_field_index(name) >= 0 else pa.nulls(len(rows), type_)


_FLATTEN = {"traces": _spans, "logs": _logs, "metrics": _points}
