from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from bodies import SAMPLES, any_value, attributes, chat, split, traces
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from analytics.evidence import Part, note
from analytics.keyed import Keyed
from analytics.model import RECORD
from ingest import records, wire
from ingest.clock import Clock, Replay, Wall
from ingest.redact import Redaction
from ingest.wire import Signal

TRACE, SPAN, PARENT = b"T" * 16, b"S" * 8, b"P" * 8
REDACTION = Redaction(Keyed(b"key"))
NOON = 1_795_000_000 * 10**9  # nanoseconds
FIXED = {"trace_id": TRACE, "span_id": SPAN, "start_time_unix_nano": NOON, "end_time_unix_nano": NOON + 10**9}


def span(said: dict[str, Any] | None = None, **fields: Any) -> Span:
    """A span that is always the same, but for these attributes and fields."""
    return chat(**{**FIXED, "name": "step", "attributes": attributes(said or {}), **fields})


def log(said: dict[str, Any] | None = None, **fields: Any) -> LogRecord:
    own = {"time_unix_nano": NOON, "event_name": "step", "body": any_value("text")}
    return LogRecord(attributes=attributes(said or {}), **{**own, **fields})


def logs(*said: LogRecord, **resource: Any) -> bytes:
    group = ResourceLogs(resource={"attributes": attributes(resource)}, scope_logs=[ScopeLogs(log_records=said)])
    return ExportLogsServiceRequest(resource_logs=[group]).SerializeToString()


def points(*said: NumberDataPoint, name: str = "tokens") -> bytes:
    scope = ScopeMetrics(metrics=[Metric(name=name, gauge=Gauge(data_points=said))])
    return ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(scope_metrics=[scope])]).SerializeToString()


def point(said: dict[str, Any] | None = None, **fields: Any) -> NumberDataPoint:
    own = {"start_time_unix_nano": NOON, "time_unix_nano": NOON + 10**9, "as_int": 7}
    return NumberDataPoint(attributes=attributes(said or {}), **{**own, **fields})


def read(*bodies: bytes, signal: Signal = "traces", clock: Clock | None = None) -> pl.DataFrame:
    return records.read(bodies, signal, clock or Replay(), REDACTION).records


def keys(*bodies: bytes, signal: Signal) -> list[int]:
    return read(*bodies, signal=signal)["record_key"].to_list()


def at(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).replace(tzinfo=None) + timedelta(microseconds=nanoseconds % 10**9 // 1000)


# Spans: the same and others


def test_a_span_sent_again_is_the_same_record_with_the_same_content():
    body = traces(span({"a": 1, "b": "x"}))
    again = read(body, traces(span({"b": "x", "a": 1})), body)
    assert again.select("record_key", "content_hash").n_unique() == 1


CHANGES = {
    "name": {"name": "other"},
    "parent": {"parent_span_id": PARENT},
    "start": {"start_time_unix_nano": NOON + 1},
    "end": {"end_time_unix_nano": NOON},
    "status": {"status": Status(code=2)},
    "event": {"events": [Span.Event(name="retry")]},
    "event's time": {"events": [Span.Event(name="retry", time_unix_nano=1)]},
    "event's attribute": {"events": [Span.Event(name="retry", attributes=attributes({"n": 1}))]},
    "attribute": {"said": {"a": "x"}},
    "attribute without value": {"said": {"a": None}},
    "attribute's value": {"said": {"a": "y"}},
    "attribute's type": {"said": {"a": b"x"}},
    "whole number": {"said": {"a": 1}},
    "number": {"said": {"a": 1.0}},
    "truth": {"said": {"a": True}},
    "untruth": {"said": {"a": False}},
    "nought": {"said": {"a": 0}},
    "array": {"said": {"a": ["x"]}},
    "map": {"said": {"a": {"x": "x"}}},
    "key": {"said": {"b": "x"}},
    "two attributes": {"said": {"a": "x", "b": "x"}},
    "twice the attribute": {"attributes": attributes({"a": "x"}) * 2},
}


def test_every_field_of_a_span_makes_another_content_of_the_same_record():
    changed = {name: read(traces(span(**change))) for name, change in {"nothing": {}, **CHANGES}.items()}
    assert {found["record_key"].item() for found in changed.values()} == {changed["nothing"]["record_key"].item()}
    by_hash: dict[int, str] = {}
    same = {name: by_hash.setdefault(found["content_hash"].item(), name) for name, found in changed.items()}
    assert {name: other for name, other in same.items() if name != other} == {}


def test_resource_and_scope_are_content_too():
    scoped = wire.REQUESTS["traces"].FromString(traces(span()))
    scoped.resource_spans[0].scope_spans[0].scope.CopyFrom(InstrumentationScope(name="other"))
    bodies = [traces(span()), traces(span(), run="run-1"), scoped.SerializeToString()]
    found = read(*bodies)
    assert (found["record_key"].n_unique(), found["content_hash"].n_unique()) == (1, 3)


def test_another_trace_or_span_id_is_another_record():
    bodies = [traces(span()), traces(span(trace_id=b"U" * 16)), traces(span(span_id=b"V" * 8)), traces(span(trace_id=SPAN * 2))]
    assert len(set(keys(*bodies, signal="traces"))) == 4


@pytest.mark.parametrize("signal", wire.REQUESTS)
def test_a_record_is_itself_whatever_comes_with_it(signal):
    """Each record of the samples alone in a request, and then all those requests at once."""
    bodies = [path.read_bytes() for folder in ("strands", "claude-code-subagent", "codex-basic-grpc") for path in
              sorted((SAMPLES / folder).glob(f"*-{signal}.pb"))][:4]  # fmt: skip
    singles = [single for body in bodies for single in split(body, signal)][::3][:40]
    alone = [read(single, signal=signal).select("record_key", "content_hash").row(0) for single in singles]
    together = read(*singles, signal=signal).sort("body").select("record_key", "content_hash").rows()
    assert together == alone
    assert len(alone) > 5


# Logs


def test_equal_logs_of_one_body_are_different_events_and_the_same_when_sent_again():
    body = logs(log(), log(), log({"a": 1}))
    first, second = keys(body, signal="logs"), keys(body, body, signal="logs")
    assert len(set(first)) == 3
    assert second == first * 2


LOG_CHANGES = {
    "time": {"time_unix_nano": NOON + 1},
    "observed": {"observed_time_unix_nano": NOON},
    "name": {"event_name": "other"},
    "text": {"body": any_value("other")},
    "no text": {"body": any_value(None)},
    "map": {"body": any_value({"a": "x"})},
    "another map": {"body": any_value({"a": "y"})},
    "array": {"body": any_value(["x"])},
    "attribute": {"said": {"a": 1}},
    "span": {"trace_id": TRACE, "span_id": SPAN},
}


def test_every_field_of_a_log_makes_another_log():
    every = [logs(log(**change)) for change in ({}, *LOG_CHANGES.values())] + [logs(log(), host="b")]
    assert len(set(keys(*every, signal="logs"))) == len(every)


def test_a_log_of_no_trace_belongs_to_none():
    found = read(logs(log(), log(trace_id=b"\0" * 16, span_id=b"\0" * 8), log(trace_id=b"short")), signal="logs")
    assert found.select("trace_id", "span_id", "run").rows() == [(None, None, None)] * 3


def test_a_log_happened_when_it_says_else_when_it_was_observed():
    late = log(time_unix_nano=0, observed_time_unix_nano=NOON + 5 * 10**9)
    found = read(logs(log(), late, log({"x": 1}, severity_number=17)), signal="logs")
    assert found.select("signal", "kind", "name", "started_at", "ended_at", "failed").rows() == [
        ("log", "other", "step", at(NOON), at(NOON), False),
        ("log", "other", "step", at(NOON + 5 * 10**9), at(NOON + 5 * 10**9), False),
        ("log", "other", "step", at(NOON), at(NOON), True),
    ]


# Points


def test_a_point_is_its_series_and_its_times():
    same = [points(point()), points(point(as_int=8)), points(point(as_int=None, as_double=7.0))]
    others = [
        points(point({"model": "gold"})),
        points(point(time_unix_nano=NOON)),
        points(point(start_time_unix_nano=0)),
        points(point(), name="cost"),
    ]
    found = read(*same, *others, signal="metrics")
    assert found["record_key"].n_unique() == 1 + len(others)
    assert found["content_hash"].n_unique() == len(same) + len(others)


# Ids that are none


def test_spans_without_valid_ids_are_left_out_and_counted_body_by_body():
    wrong = [
        span({"lost": 1}, **ids) for ids in ({"trace_id": b""}, {"trace_id": b"\0" * 16}, {"span_id": b"short"}, {"span_id": b"\0" * 8})
    ]
    arrivals = records.read([traces(span(), *wrong), traces(span({"kept": 1})), traces(*wrong[:2])], "traces", Replay(), REDACTION)
    assert (arrivals.rejected.tolist(), arrivals.records["body"].to_list()) == ([4, 0, 2], [0, 1])
    kept = [row["key"] for row in arrivals.evidence.to_pylist() if row["part"] == Part.ATTRIBUTE]
    owners = [row["owner"] for row in arrivals.evidence.to_pylist() if row["part"] == Part.ATTRIBUTE]
    assert (kept, owners) == (["kept"], [1])


@pytest.mark.parametrize("parent", [b"", b"\0" * 8, b"short", b"much too long"])
def test_a_span_without_a_valid_parent_is_a_root(parent):
    assert read(traces(span(parent_span_id=parent)))["parent_span_id"].to_list() == [None]


# What a record is


def test_a_record_has_the_columns_of_the_model():
    found = read(traces(span()))
    expected = {name: kind for name, kind in RECORD.items() if name not in ("tenant", "ordinal")}
    assert {name: found.schema[name] for name in expected} == expected
    assert set(found.columns) - set(expected) == {"body"}


def test_a_span_says_when_and_whether_it_failed():
    found = read(traces(span(status=Status(code=2), parent_span_id=PARENT), span(span_id=b"2" * 8, status=Status(code=1))))
    assert found.select("signal", "trace_id", "span_id", "parent_span_id", "started_at", "ended_at", "failed", "clock_skewed").rows() == [
        ("span", TRACE, SPAN, PARENT, at(NOON), at(NOON + 10**9), True, False),
        ("span", TRACE, b"2" * 8, None, at(NOON), at(NOON + 10**9), False, False),
    ]


def test_a_run_is_the_trace_where_nobody_names_one():
    assert read(traces(span()), traces(span(), run="run-1"))["run"].to_list() == [TRACE.hex(), "run-1"]


@pytest.mark.parametrize(
    "name",
    [
        "n" * 257,
        "You are a careful assistant.\nFind out who is to blame",
        "find out who broke the build on friday and write to them",
        "curl -H 'Authorization: Bearer abcdefgh'",
        "sk-" + "a" * 20,
    ],
)
def test_what_is_no_name_is_noted(name):
    found = read(traces(span({"user.id": name, "gen_ai.agent.name": name, "team.id": "mint"}, name=name)))
    hidden = note(len(name), "characters", Keyed(b"key")(name))
    assert found.select("name", "user", "agent", "team").row(0) == (hidden, hidden, hidden, "mint")


def test_names_stay():
    name = "n" * 256
    assert read(traces(span({"user.id": name}, name=name))).select("name", "user").row(0) == (name, name)


# Times


@pytest.mark.parametrize("start", [0, 2**63, 2**64 - 1])
def test_a_time_that_no_calendar_holds_is_none(start):
    assert read(traces(span(start_time_unix_nano=start)))["started_at"].to_list() == [None]


def test_a_moment_is_exact_to_the_microsecond():
    found = read(traces(span(start_time_unix_nano=1, end_time_unix_nano=NOON + 123_456_789)))
    assert found.select("started_at", "ended_at").row(0) == (datetime(1970, 1, 1), at(NOON) + timedelta(microseconds=123_456))


def test_a_span_that_is_open_has_no_end():
    assert read(traces(span(end_time_unix_nano=0))).select("ended_at", "clock_skewed").row(0) == (None, False)


def moments(clock: Clock, **times: timedelta | None) -> tuple:
    """(started, ended, skewed) of a span whose times are so far from now; None is no time."""
    now = datetime.now(UTC)
    fields = {f"{name}_time_unix_nano": 0 if away is None else int((now + away).timestamp() * 10**9) for name, away in times.items()}
    return read(traces(span(**fields)), clock=clock).select("started_at", "ended_at", "clock_skewed").row(0)


def is_now(moment: datetime) -> bool:
    return abs(moment - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("start", "end", "skewed"),
    [
        pytest.param(timedelta(0), timedelta(minutes=4), False, id="a little ahead"),
        pytest.param(timedelta(0), timedelta(minutes=6), True, id="far ahead"),
        pytest.param(timedelta(days=-4000), timedelta(days=-3999), False, id="never too old"),
        pytest.param(None, None, True, id="no time at all"),
        pytest.param(timedelta(days=2), None, True, id="open, and ahead"),
        pytest.param(timedelta(0), None, False, id="open"),
    ],
)
def test_receive_time_stands_for_an_end_in_the_future(start, end, skewed):
    _, ended, flag = moments(Wall(), start=start, end=end)
    assert flag is skewed
    if skewed:
        assert is_now(ended)
    elif end is None:
        assert ended is None
    else:
        assert abs(ended - datetime.now(UTC).replace(tzinfo=None) - end) < timedelta(minutes=1)


def test_under_the_replay_clock_history_is_as_it_says():
    clock = Replay(datetime(2020, 1, 1))
    _, ended, flag = moments(clock, start=timedelta(0), end=timedelta(days=400))
    assert (flag, ended > datetime.now(UTC).replace(tzinfo=None) + timedelta(days=399)) == (False, True)


def test_the_replay_clock_stands_at_the_latest_end_and_never_goes_back():
    clock = Replay()
    for end in (datetime(2026, 1, 2), None, datetime(2026, 1, 1)):
        clock.see(end)
    assert clock.now() == datetime(2026, 1, 2)


# Evidence


def test_evidence_holds_attributes_events_and_resources_redacted():
    event = Span.Event(name="exception", attributes=attributes({"exception.message": "secret", "exception.type": "Oops"}))
    body = traces(span({"a": 1, "gen_ai.prompt": "secret"}, events=[Span.Event(name="retry"), event]), run="r")
    arrivals = records.read([body], "traces", Replay(), REDACTION)
    rows = [
        (Part(row["part"]).name, row["nth"], row["key"], row["string_value"] or row["int_value"]) for row in arrivals.evidence.to_pylist()
    ]
    assert sorted(rows) == [
        ("ATTRIBUTE", 0, "a", 1),
        ("ATTRIBUTE", 0, "gen_ai.prompt", note(6, "characters", Keyed(b"key")("secret"))),
        ("EVENT", 0, "event.name", "retry"),
        ("EVENT", 1, "event.name", "exception"),
        ("EVENT", 1, "exception.message", note(6, "characters", Keyed(b"key")("secret"))),
        ("EVENT", 1, "exception.type", "Oops"),
        ("RESOURCE", 0, "loopledger.run.id", "r"),
        ("RESOURCE", 0, "service.name", "tests"),
    ]


def test_evidence_of_a_point_is_its_values():
    arrivals = records.read([points(point({"model": "gold"}), point({}, as_int=None, as_double=0.5))], "metrics", Replay(), REDACTION)
    rows = [
        (row["owner"], row["key"], row["int_value"], row["double_value"])
        for row in arrivals.evidence.to_pylist()
        if row["part"] == Part.VALUE
    ]
    assert sorted(rows) == [(0, "metric.as_int", 7, None), (1, "metric.as_double", None, 0.5)]
