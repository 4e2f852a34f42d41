from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bodies import SAMPLES, attributes, chat, split, traces
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from analytics.config import Config
from analytics.errors import Permanent
from ingest import wire
from ingest.clock import Replay
from ingest.descriptors import trimmed
from ingest.pipeline import Request
from ingest.service import opened
from ingest.wire import REQUESTS, Signal

FOLDERS = sorted(folder for folder in SAMPLES.iterdir() if any(folder.glob("*.pb")))
GROUPS = {"traces": "resource_spans", "logs": "resource_logs", "metrics": "resource_metrics"}
SCOPES = {"traces": "scope_spans", "logs": "scope_logs", "metrics": "scope_metrics"}
OPAQUE = {"array_value": ArrayValue, "kvlist_value": KeyValueList}
VALUES = ("string_value", "bool_value", "int_value", "double_value", "array_value", "kvlist_value", "bytes_value")
POINTS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


# The official reading: one loop over messages, one row after the other.


@dataclass
class Reading:
    """What the official classes find in some bodies, in the shape of wire.Frames."""

    records: list[tuple] = field(default_factory=list)
    attributes: list[tuple] = field(default_factory=list)
    resources: list[tuple] = field(default_factory=list)
    scopes: list[tuple] = field(default_factory=list)
    events: list[tuple] = field(default_factory=list)
    event_attributes: list[tuple] = field(default_factory=list)
    links: list[tuple] = field(default_factory=list)


def official(bodies: list[bytes], signal: Signal) -> Reading:
    found, rows, resource_no = Reading(), [], -1
    for body_no, body in enumerate(bodies):
        for resource in getattr(REQUESTS[signal].FromString(body), GROUPS[signal]):
            resource_no += 1
            found.resources += pairs(resource_no, resource.resource.attributes)
            for scope in getattr(resource, SCOPES[signal]):
                named = scope.HasField("scope")
                found.scopes.append((scope.scope.name if named else None, scope.scope.version if named else None))
                rows += [((body_no, resource_no, len(found.scopes) - 1), record) for record in leaves(scope, signal)]
    if signal == "metrics":
        rows.sort(key=lambda row: POINTS.index(row[1][1]))
    for number, (place, record) in enumerate(rows):
        found.records.append((*place, *READERS[signal](record)))
        found.attributes += pairs(number, record[2].attributes if signal == "metrics" else record.attributes)
        for event in getattr(record, "events", ()):
            found.event_attributes += pairs(len(found.events), event.attributes)
            found.events.append((number, event.time_unix_nano, event.name))
        found.links += [(number, link.trace_id, link.span_id) for link in getattr(record, "links", ())]
    return found


def leaves(scope: Message, signal: Signal) -> Iterator[Any]:
    """Spans, logs, or (metric, kind, point)."""
    if signal != "metrics":
        yield from scope.spans if signal == "traces" else scope.log_records
        return
    for metric in scope.metrics:
        if kind := metric.WhichOneof("data"):
            yield from ((metric, kind, point) for point in getattr(metric, kind).data_points)


def pairs(owner: int, said: list[KeyValue]) -> list[tuple]:
    return [(owner, pair.key, *(value_of(pair.value, name) for name in VALUES)) for pair in said]


def value_of(value: AnyValue, name: str) -> Any:
    return getattr(value, name) if value.WhichOneof("value") == name else None


def span(said: Span) -> tuple:
    own = (said.trace_id, said.span_id, said.parent_span_id, said.name, said.start_time_unix_nano, said.end_time_unix_nano)
    return (*own, *((said.status.code, said.status.message) if said.HasField("status") else (None, None)))


def log(said) -> tuple:
    kind = said.body.WhichOneof("value")
    text = said.body.string_value if kind == "string_value" else None
    structure = getattr(said.body, kind).SerializeToString() if kind in OPAQUE else None
    times = (said.time_unix_nano, said.observed_time_unix_nano)
    return (said.trace_id, said.span_id, *times, said.severity_number, said.event_name, text, structure)


def point(said: tuple) -> tuple:
    metric, kind, number = said
    data, own = getattr(metric, kind), (number.start_time_unix_nano, number.time_unix_nano)
    temporality = data.aggregation_temporality if hasattr(data, "aggregation_temporality") else None
    monotonic = data.is_monotonic if kind == "sum" else None
    values = [getattr(number, name) if has(number, name) else None for name in ("as_double", "as_int", "count", "sum")]
    return (metric.name, metric.unit, kind, temporality, monotonic, *own, *values)


def has(number: Message, name: str) -> bool:
    known = number.DESCRIPTOR.fields_by_name.get(name)
    return known is not None and (not known.has_presence or number.HasField(name))


READERS = {"traces": span, "logs": log, "metrics": point}


# Ours, in the same shape.


def decoded(bodies: list[bytes], signal: Signal) -> Reading:
    frames = wire.decode(bodies, signal)
    tables = (frames.records, frames.scopes, frames.events, frames.links)
    records, scopes, events, links = ([tuple(row.values()) for row in table.to_pylist()] for table in tables)
    shown = [_shown(part) for part in (frames.attributes, frames.resources, frames.event_attributes)]
    return Reading(records, shown[0], shown[1], scopes, events, shown[2], links)


def _shown(said: wire.Attributes) -> list[tuple]:
    rows = [{name: OPAQUE[name].FromString(value) if name in OPAQUE and value is not None else value for name, value in row.items()}
            for row in said.rows.to_pylist()]  # fmt: skip
    return [(owner, row["key"], *(row[name] for name in VALUES)) for owner, row in zip(said.owner.tolist(), rows, strict=True)]


def recorded(folder: Path, signal: Signal) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(f"*-{signal}.pb"))]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_recorded_body_is_read_as_the_official_classes_read_it(folder):
    for signal in REQUESTS:
        bodies = recorded(folder, signal)
        ours, theirs = decoded(bodies, signal), official(bodies, signal)
        for part in vars(theirs):
            assert getattr(ours, part) == getattr(theirs, part), (signal, part)


@pytest.mark.parametrize("signal", REQUESTS)
def test_many_bodies_decode_as_each_does_alone(signal):
    """One body for each record, far more of them than one slice takes."""
    bodies = [single for folder in FOLDERS[:12] for body in recorded(folder, signal) for single in split(body, signal)][:300]
    frames = wire.decode(bodies, signal)
    assert frames.bodies == len(bodies) > 100
    assert sorted(frames.records["body"].to_pylist()) == list(range(len(bodies)))
    assert decoded(bodies, signal) == official(bodies, signal)


# Odd bodies


def test_bodies_that_hold_nothing_are_no_error():
    empty = traces()
    hollow = REQUESTS["traces"](resource_spans=[ResourceSpans(), ResourceSpans(scope_spans=[ScopeSpans()])]).SerializeToString()
    frames = wire.decode([b"", empty, hollow, traces(chat()), b""], "traces")
    assert (frames.bodies, frames.records["body"].to_pylist()) == (5, [3])
    assert wire.decode([], "traces").records.num_rows == 0


EVERY_VALUE = {
    "text": "grün\0", "empty": "", "no": False, "yes": True, "zero": 0, "least": -(2**63), "most": 2**63 - 1, "none": None,
    "minus": -0.0, "infinite": float("inf"), "bytes": b"\xff\0", "": "no key", "list": ["a", 1, [2.5, {"deep": [None]}]],
    "map": {"a": {"b": ["c"]}}, "no list": [], "no map": {},
}  # fmt: skip


def test_every_value_is_kept_exactly():
    said = [*attributes(EVERY_VALUE), *attributes({"text": "again"}), KeyValue(key="bare")]
    body = traces(chat(attributes=said), more=EVERY_VALUE)
    assert decoded([body], "traces") == official([body], "traces")


def test_arrays_are_kept_as_bytes_that_the_official_class_reads():
    frames = wire.decode([traces(chat(attributes=attributes({"list": ["a", ["b"]]})))], "traces")
    (cell,) = frames.attributes.rows.field("array_value").to_pylist()
    assert frames.attributes.rows.field("array_value").type == pa.binary()
    assert ArrayValue.FromString(cell).values[1].array_value.values[0].string_value == "b"


def test_fields_of_a_later_version_are_skipped():
    unknown = b"\xfa\x7f\x03abc"  # field 2047, three bytes
    body = traces(chat(name="kept")) + unknown
    assert wire.decode([body], "traces").records["name"].to_pylist() == ["kept"]


def test_a_scope_and_a_resource_may_be_missing():
    body = REQUESTS["traces"](resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[chat()])])]).SerializeToString()
    frames = wire.decode([body], "traces")
    assert (frames.scopes.to_pylist(), len(frames.resources)) == ([{"name": None, "version": None}], 0)


def test_scopes_have_names_and_versions():
    scope = ScopeSpans(scope=InstrumentationScope(name="sdk", version="2.1"), spans=[chat()])
    body = REQUESTS["traces"](resource_spans=[ResourceSpans(scope_spans=[scope])]).SerializeToString()
    assert wire.decode([body], "traces").scopes.to_pylist() == [{"name": "sdk", "version": "2.1"}]


# Malformed bodies

BROKEN = {
    "cut short": traces(chat())[:-5],
    "JSON": b'{"resourceSpans": []}',
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0",
    "field number 0": b"\x02\x01a",
    "text that is not UTF-8": traces(chat(name="NAME")).replace(b"NAME", b"\xff\xfe\xfd\xfc"),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_malformed_body_is_an_error_with_a_reason(broken):
    with pytest.raises(ValueError):
        wire.decode([broken], "traces")
    assert wire.malformed(broken, "traces").startswith("not an OTLP traces request: ")
    assert wire.malformed(traces(chat()), "traces") is None


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_malformed_body_is_refused_alone(tmp_path, broken):
    requests = [Request(body, "traces", "default") for body in (traces(chat()), broken, traces(chat(), chat()))]
    with opened(tmp_path, Config(), Replay()) as service:
        answers = service.pipeline.commit(service.pipeline.decode(requests))
        stored = service.pipeline.tally.total("stored")
    assert [isinstance(answers[request], Permanent) for request in requests] == [False, True, False]
    assert stored == 3


# The trimmed descriptors

LEFT_OUT = {
    "schema_url", "trace_state", "flags", "exemplars", "dropped_attributes_count", "entity_refs", "string_value_strindex", "key_strindex",
}  # fmt: skip


def both(ours: Descriptor, theirs: Descriptor, seen: set[str]) -> Iterator[tuple[FieldDescriptor, FieldDescriptor]]:
    """Every kept field with the official one of its name."""
    if theirs.full_name in seen:
        return
    seen.add(theirs.full_name)
    assert {official.name for official in theirs.fields} - {kept.name for kept in ours.fields} <= LEFT_OUT
    for kept in ours.fields:
        yield kept, theirs.fields_by_name[kept.name]
        if kept.message_type:
            yield from both(kept.message_type, theirs.fields_by_name[kept.name].message_type, seen)


@pytest.mark.parametrize("signal", REQUESTS)
def test_field_numbers_are_the_official_ones(signal):
    theirs, seen = REQUESTS[signal].DESCRIPTOR, set()
    fields = list(both(trimmed(theirs), theirs, seen))
    assert [kept.name for kept, official in fields if (kept.number, kept.is_repeated) != (official.number, official.is_repeated)] == []
    assert [kept.name for kept, official in fields if kept.has_presence != official.has_presence and not official.message_type] == []
    retyped = {official.message_type.full_name for kept, official in fields if official.message_type and not kept.message_type}
    assert retyped <= {f"opentelemetry.proto.common.v1.{name}" for name in ("ArrayValue", "KeyValueList")}
    assert "opentelemetry.proto.common.v1.AnyValue" in seen
