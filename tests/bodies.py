"""OTLP requests, made and taken apart."""

import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from collectors import MODEL
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SAMPLES = Path(__file__).parents[1] / "sample_traces"
REQUESTS = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest, "metrics": ExportMetricsServiceRequest}
LEVELS = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
}
PROTOBUF, JSON = "application/x-protobuf", "application/json"


def any_value(value: Any) -> AnyValue:
    """A Python value as OTLP holds it; None is an empty one."""
    if value is None:
        return AnyValue()
    if isinstance(value, Mapping):
        return AnyValue(kvlist_value=KeyValueList(values=attributes(value)))
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
    member = {bool: "bool_value", str: "string_value", int: "int_value", float: "double_value", bytes: "bytes_value"}[type(value)]
    return AnyValue(**{member: value})


def attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    """A mapping as OTLP attributes."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def chat(input_tokens: int = 100, output_tokens: int = 0, *, ended_at: float | None = None, **fields: Any) -> Span:
    """A span of one call of MODEL that ended now, or so many seconds after 1970; `more` adds attributes, other fields replace."""
    usage = {"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": output_tokens}
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL, **usage, **fields.pop("more", {})}
    end = int((ended_at or time.time()) * 1e9)
    own = {"trace_id": secrets.token_bytes(16), "span_id": secrets.token_bytes(8), "name": "chat", "attributes": attributes(said)}
    return Span(**{**own, "start_time_unix_nano": end - 10**9, "end_time_unix_nano": end, **fields})


def traces(*spans: Span, run: str | None = None, loop: str | None = None, more: Mapping[str, Any] | None = None) -> bytes:
    """A request with these spans, under the identity contract."""
    identity = {"loopledger.run.id": run, "loopledger.loop": loop}
    said = {"service.name": "tests", **{key: value for key, value in identity.items() if value}, **(more or {})}
    resource = {"resource": {"attributes": attributes(said)}, "scope_spans": [{"scope": {"name": "tests"}, "spans": spans}]}
    return ExportTraceServiceRequest(resource_spans=[resource]).SerializeToString()


def split(body: bytes, signal: str) -> Iterator[bytes]:
    """One request for each span, log record or point of a request, in order."""
    request, (outer, inner, leaf) = REQUESTS[signal].FromString(body), LEVELS[signal]
    for resource in getattr(request, outer):
        for scope in getattr(resource, inner):
            for record in getattr(scope, leaf):
                for single in _points(record) if signal == "metrics" else (record,):
                    yield _request(signal, resource, scope, single).SerializeToString()


def _request(signal: str, resource: Message, scope: Message, record: Message) -> Message:
    outer, inner, leaf = LEVELS[signal]
    request = REQUESTS[signal]()
    new_resource = getattr(request, outer).add(resource=resource.resource, schema_url=resource.schema_url)
    new_scope = getattr(new_resource, inner).add(scope=scope.scope, schema_url=scope.schema_url)
    getattr(new_scope, leaf).add().CopyFrom(record)
    return request


def _points(metric: Message) -> Iterator[Message]:
    """The metric once for each of its points."""
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        single = type(metric)()
        single.CopyFrom(metric)
        del getattr(single, kind).data_points[:]
        getattr(single, kind).data_points.add().CopyFrom(point)
        yield single
