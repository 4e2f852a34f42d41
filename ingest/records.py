"""Bodies -> records and evidence, ready for the ledger: wire, dialects, identity of records and redaction in their order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics import fingerprint
from analytics.masks import always, coalesced, having, known, microseconds
from analytics.model import RECORD
from ingest import wire
from ingest.clock import Clock
from ingest.dialects import translate
from ingest.evidence import evidence_of
from ingest.keep import Cut
from ingest.redact import Redaction
from ingest.wire import Attributes, Frames, Signal

SIGNALS: dict[Signal, str] = {"traces": "span", "logs": "log", "metrics": "point"}
_NEVER = pa.scalar(0, pa.uint64())  # a plain 0 would make Arrow read unsigned times as signed ones, and refuse the late ones
_EVENT = np.uint64(3)  # keys of records that the runtime itself gave an id
_CUMULATIVE = 2  # opentelemetry.proto.metrics.v1.AggregationTemporality


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What arrived in some bodies of one signal.

    `records` has the columns of analytics.model.RECORD but tenant and ordinal, and `body`, the place of its body among those given.
    `evidence` has the columns of analytics.evidence.EVIDENCE; its owners are rows of `records` or, for resources, its `resource` column.
    `rejected` counts, for each body, the records that cannot be told from others (no valid ids) and are left out; `cut` the attributes that
    were read and are too much to be kept.
    """

    records: pl.DataFrame
    evidence: pa.Table
    rejected: np.ndarray
    cut: Cut


def read(bodies: Sequence[bytes], signal: Signal, clock: Clock, redaction: Redaction) -> Arrivals:
    """Decodes, translates and redacts. Raises ValueError when a body is not an OTLP request of that signal."""
    frames = wire.decode(bodies, signal)
    valid = _valid(frames)
    _require_own(bodies, frames, valid)
    evidence, told_secrets, cut = evidence_of(frames, valid, redaction)
    records = redaction.names(_canonical(frames, clock), told_secrets)
    if valid.all():
        return Arrivals(records, evidence, np.zeros(frames.bodies, np.int64), cut)
    body = frames.records["body"].to_numpy()
    return Arrivals(records.filter(valid), evidence, np.bincount(body[~valid], minlength=frames.bodies), cut)


def _require_own(bodies: Sequence[bytes], frames: Frames, valid: np.ndarray) -> None:
    """Raises ValueError for a request of another signal, of which nothing would be left: no span with ids, no log with a time."""
    rows, sound = frames.records, valid
    if frames.signal == "logs":
        sound = (rows["time_unix_nano"].to_numpy() > 0) | (rows["observed_time_unix_nano"].to_numpy() > 0)
    if sound.all():
        return
    owner = rows["body"].to_numpy()
    for body in np.setdiff1d(owner, owner[sound]):
        if reason := wire.malformed(bodies[body], frames.signal):
            raise ValueError(reason)


def _valid(frames: Frames) -> np.ndarray:
    """A span without proper ids could be confused with another one; logs and points need none."""
    if frames.signal != "traces":
        return np.ones(frames.records.num_rows, bool)
    trace, span = frames.records["trace_id"], frames.records["span_id"]
    right = pc.and_(pc.equal(pc.binary_length(trace), 16), pc.equal(pc.binary_length(span), 8))
    named = pc.and_(pc.not_equal(trace, b"\0" * 16), pc.not_equal(span, b"\0" * 8))
    return pc.and_(right, named).to_numpy()


def _canonical(frames: Frames, clock: Clock) -> pl.DataFrame:
    content, key = _fingerprints(frames)
    said = translate(frames)
    if (event := said.drop_in_place("event_id")).count():
        key = np.where(event.is_not_null(), fingerprint.combine(_EVENT, fingerprint.of_text(event.to_arrow())), key)
    own = _own_columns(frames)
    own[-1], skewed = _ended(*own[-2:], clock)
    count = frames.records.num_rows
    beside = [
        pl.Series("record_key", key),
        pl.Series("content_hash", content),
        pl.Series("attribute_count", np.bincount(frames.attributes.owner, minlength=count), pl.Int32),
        pl.Series("body", frames.records["body"]),
        pl.Series("resource", frames.records["resource"].to_numpy().astype(np.int32)),
        pl.Series("signal", pa.repeat(SIGNALS[frames.signal], count)),
        *(pl.Series(name, pa.nulls(count, pa.string()), pl.String) for name in ("claim", "tags")),
        skewed,
        *_point_columns(frames),
    ]
    return _typed(named(said, own[0]).hstack([*own, *beside]))


def _ended(started: pl.Series, ended: pl.Series, clock: Clock) -> tuple[pl.Series, pl.Series]:
    """When records ended; and where that is when they came, because they say no time or one that is still to be."""
    told = microseconds(ended, started) <= np.datetime64(clock.latest(), "us").astype(np.int64)
    told &= known(ended) | known(started)
    now = always(ended.name, clock.now(), ended.dtype, len(ended))
    return ended if told.all() else ended.zip_with(pl.Series(told), now), pl.Series("clock_skewed", ~told)


def _typed(records: pl.DataFrame) -> pl.DataFrame:
    """The same columns with the types of RECORD."""
    other = {name: RECORD[name] for name, type_ in records.schema.items() if name in RECORD and type_ != RECORD[name]}
    return records.cast(other) if other else records


def named(said: pl.DataFrame, traces: pl.Series) -> pl.DataFrame:
    """What dialects read, with a run for everything that has a trace."""
    if said["run"].null_count() and traces.null_count() < len(traces):
        return having(said, [coalesced(said["run"], traces.bin.encode("hex"))])
    return said


def _own_columns(frames: Frames) -> list[pl.Series]:
    """Ids, times and status, which are fields of the message and not attributes."""
    rows, nothing = frames.records, pa.nulls(frames.records.num_rows, pa.binary())
    if frames.signal == "metrics":
        ids = dict.fromkeys(("trace_id", "span_id", "parent_span_id"), nothing)
        started, ended, failed = rows["start_time_unix_nano"], rows["time_unix_nano"], pa.nulls(rows.num_rows, pa.bool_())
    elif frames.signal == "logs":
        ids = {"trace_id": _id(rows["trace_id"], 16), "span_id": _id(rows["span_id"], 8), "parent_span_id": nothing}
        seen = pc.if_else(pc.equal(rows["time_unix_nano"], _NEVER), rows["observed_time_unix_nano"], rows["time_unix_nano"])
        started, ended, failed = seen, seen, pc.greater_equal(rows["severity_number"], 17)
    else:
        ids = {"trace_id": rows["trace_id"], "span_id": rows["span_id"], "parent_span_id": _id(rows["parent_span_id"], 8)}
        started, ended, failed = rows["start_time_unix_nano"], rows["end_time_unix_nano"], pc.equal(rows["status_code"], 2)
    columns = {**ids, "failed": failed, "started_at": _time(started), "ended_at": _time(ended)}
    return [pl.Series(name, column) for name, column in columns.items()]


def _point_columns(frames: Frames) -> list[pl.Series]:
    """Of metric points their series, whole amount and temporality; null for other records."""
    rows, count = frames.records, frames.records.num_rows
    if frames.signal != "metrics":
        types = {"series_key": pa.uint64(), "amount": pa.int64(), "is_cumulative": pa.bool_()}
        return [pl.Series(name, pa.nulls(count, type_)) for name, type_ in types.items()]
    number = pc.coalesce(rows["as_int"].cast(pa.float64(), safe=False), rows["as_double"], rows["sum"])
    amount = pl.Series("amount", number).round().cast(pl.Int64, strict=False)
    is_cumulative = pl.Series("is_cumulative", rows["temporality"]) == _CUMULATIVE
    return [pl.Series("series_key", _source(frames)), amount, is_cumulative]


def _id(values: pa.ChunkedArray, width: int) -> pa.ChunkedArray:
    """Ids of the right length; some senders write zeros for none."""
    named = pc.and_(pc.equal(pc.binary_length(values), width), pc.not_equal(values, b"\0" * width))
    return pc.if_else(named, values, None)


def _time(nanoseconds: pa.ChunkedArray) -> pa.ChunkedArray:
    """Unix nanoseconds, unsigned -> UTC microseconds; 0 and what no calendar holds are null."""
    known = pc.and_(pc.not_equal(nanoseconds, _NEVER), pc.less(nanoseconds, pa.scalar(2**63, pa.uint64())))
    return pc.divide(pc.if_else(known, nanoseconds, None).cast(pa.int64()), 1000).cast(pa.timestamp("us"))


# Identity: what a resend repeats, and what it would change.


def _fingerprints(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Of each record its content (every attribute and field) and its key."""
    rows, count = frames.records, frames.records.num_rows
    numbers = [rows[name].to_numpy() for name in rows.column_names if name.endswith("_unix_nano")]
    source = _source(frames)
    if frames.signal == "metrics":
        key = fingerprint.combine(source, *numbers)
        values = [_bits(rows[column]) for column in ("as_double", "as_int", "count", "sum")]
        return fingerprint.combine(key, *values), key
    if frames.signal == "logs":
        text, structure = (fingerprint.of_text(rows[column].combine_chunks()) for column in ("text", "structure"))
        content = fingerprint.combine(source, text, structure, *numbers, _span_key(rows))
        return content, fingerprint.combine(content, _repetition(rows["body"].to_numpy(), content))
    key, parent = _span_key(rows), fingerprint.of_ids(_id(rows["parent_span_id"], 8).combine_chunks(), 8)
    status = pc.fill_null(rows["status_code"], 0).to_numpy()
    return fingerprint.combine(key, parent, source, status, _events(frames, count), *numbers), key


def _source(frames: Frames) -> np.ndarray:
    """Of each record its resource, scope, name and attributes; of a metric point that is its series."""
    rows = frames.records
    resource = _hash(frames.resources, int(rows["resource"].to_numpy().max(initial=-1)) + 1)[rows["resource"].to_numpy()]
    scope = fingerprint.of_text(frames.scopes["name"].combine_chunks())[rows["scope"].to_numpy()]
    name = fingerprint.of_text((rows["name"] if "name" in rows.column_names else rows["event_name"]).combine_chunks())
    return fingerprint.combine(resource, scope, name, _hash(frames.attributes, rows.num_rows))


def _events(frames: Frames, count: int) -> np.ndarray:
    """Of each span the fingerprint of its events."""
    events = frames.events
    name, time = fingerprint.of_text(events["name"].combine_chunks()), events["time_unix_nano"].to_numpy()
    told = fingerprint.combine(name, time, _hash(frames.event_attributes, events.num_rows))
    return fingerprint.sum_by_owner(events["owner"].to_numpy(), told, count)


def _span_key(rows: pa.Table) -> np.ndarray:
    trace, span = (_id(rows[name], width).combine_chunks() for name, width in (("trace_id", 16), ("span_id", 8)))
    return fingerprint.combine(fingerprint.of_ids(trace, 16), fingerprint.of_ids(span, 8))


def _repetition(body: np.ndarray, content: np.ndarray) -> np.ndarray:
    """0 for the first record of its content in its body, 1 for the second, ...: equal records of one body are different events."""
    return pl.DataFrame({"body": body, "content": content}).select(pl.int_range(pl.len()).over("body", "content")).to_series().to_numpy()


_TEXTS = ("string_value", "array_value", "kvlist_value", "bytes_value")
_NUMBERS = ("int_value", "double_value", "bool_value")


def _hash(attributes: Attributes, owners: int) -> np.ndarray:
    """Of each owner the fingerprint of its attributes; whatever else is in the batch does not matter."""
    rows, values = attributes.rows, np.zeros(len(attributes), np.uint64)
    for number, name in enumerate((*_TEXTS, *_NUMBERS)):
        if _said(rows, name):  # a value that is not said hashes to 0, so a column without any may be left out
            hashed = fingerprint.of_text(rows.field(name)) if name in _TEXTS else fingerprint.mix(_bits(rows.field(name)))
            values += hashed * np.uint64(2 * number + 1)
    return fingerprint.sum_by_owner(attributes.owner, fingerprint.combine(fingerprint.of_text(rows.field("key")), values), owners)


def _said(rows: pa.StructArray, name: str) -> bool:
    return rows.field(name).null_count < len(rows)


def _bits(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Any number's bits; null is 0, and a value of zero is 1, so that the two differ."""
    known = pc.is_valid(values).to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else pc.is_valid(values).to_numpy()
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int64())
    filled = pc.fill_null(values, 0)
    plain = filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy()
    return np.where(known, plain.view(np.uint64) + np.uint64(1), np.uint64(0))
