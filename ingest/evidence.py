"""Frames -> evidence: the redacted attributes of records, events and resources, which a trace page needs and the columns do not hold."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from analytics.evidence import EVIDENCE, Part
from ingest.keep import Cut, shortened, under_known_keys, within
from ingest.redact import Redaction
from ingest.wire import Frames

_Piece = tuple[Part, np.ndarray, pa.StructArray, np.ndarray | None, np.ndarray]
"""Of what these attribute rows are, their owners, the rows, which event of its record each belongs to, and the place of its body."""


def evidence_of(frames: Frames, valid: np.ndarray, redaction: Redaction) -> tuple[pa.Table, bool, Cut]:
    """Columns of EVIDENCE, the owners renumbered for the valid records; whether anything in it looked like a credential; and what was too
    much to be kept."""
    renumbered, cut = np.where(valid, np.cumsum(valid) - 1, -1), Cut(np.zeros(frames.bodies, np.int64))
    pieces = [_first(piece, redaction.keep.attributes, cut) for piece in _pieces(frames, renumbered)]
    parts, owners, rows, nth, bodies = zip(*pieces, strict=True)
    owner, body = np.concatenate(owners), np.concatenate(bodies)
    sizes = [len(piece) for piece in rows]
    places = {
        "part": np.repeat(np.array(parts, np.int8), sizes),
        "owner": owner.astype(np.int32),
        "nth": np.concatenate([np.zeros(size, np.int32) if one is None else one for size, one in zip(sizes, nth, strict=True)]),
    }
    together, known = under_known_keys(pa.concat_arrays(rows), redaction.keep.keys)
    if known is not None:
        cut.note("attribute_keys", body[~known])
        together, owner, body = together.filter(pa.array(known)), owner[known], body[known]
        places = {name: column[known] for name, column in places.items()}
    kept, told_secrets = redaction.attributes(together)
    kept, long = shortened(kept, redaction.keep.bytes)
    cut.note("attribute_bytes", body[long])
    columns = [pa.array(column) for column in places.values()] + [kept.field(name) for name in EVIDENCE.names[3:]]
    table = pa.table([column.cast(field.type) for column, field in zip(columns, EVIDENCE, strict=True)], schema=EVIDENCE)
    return (table if owner.min(initial=0) >= 0 else table.filter(pa.array(owner >= 0))), told_secrets, cut


def _first(piece: _Piece, most: int, cut: Cut) -> _Piece:
    """The first attributes of each owner, as many as are kept."""
    part, owner, rows, nth, body = piece
    if part == Part.VALUE or (kept := within(owner if nth is None else owner * (1 << 31) + nth, most)) is None:
        return piece
    cut.note("attributes_per_record", body[~kept])
    return part, owner[kept], rows.filter(pa.array(kept)), None if nth is None else nth[kept], body[kept]


def _pieces(frames: Frames, renumbered: np.ndarray) -> Iterator[_Piece]:
    body = frames.records["body"].to_numpy()
    yield Part.ATTRIBUTE, renumbered[frames.attributes.owner], frames.attributes.rows, None, body[frames.attributes.owner]
    yield Part.RESOURCE, frames.resources.owner, frames.resources.rows, None, _body_of_resource(frames, body)[frames.resources.owner]
    if frames.events.num_rows:
        event_owner = frames.events["owner"].to_numpy()
        owner, nth = renumbered[event_owner], _counted_within(event_owner)
        yield (
            Part.EVENT,
            owner,
            _one_column(frames.events["name"].combine_chunks(), "event.name", frames.attributes.rows.type),
            nth,
            body[event_owner],
        )
        of_event = frames.event_attributes.owner
        yield Part.EVENT, owner[of_event], frames.event_attributes.rows, nth[of_event], body[event_owner][of_event]
    if frames.signal == "metrics":
        for name in ("as_double", "as_int", "count", "sum"):
            yield from _point_values(frames, name, renumbered, body)


def _counted_within(owner: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each run of equal owners."""
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1])) if len(owner) else np.empty(0, np.int64)
    return (np.arange(len(owner)) - np.repeat(starts, np.diff(np.append(starts, len(owner))))).astype(np.int32)


def _one_column(values: pa.Array, key: str, type_: pa.StructType) -> pa.StructArray:
    columns = {field.name: pa.nulls(len(values), field.type) for field in type_}
    place = {pa.string(): "string_value", pa.float64(): "double_value", pa.int64(): "int_value"}[values.type]
    columns |= {"key": pa.repeat(key, len(values)), place: values}
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


def _point_values(frames: Frames, name: str, owner: np.ndarray, body: np.ndarray) -> Iterator[_Piece]:
    """What points say under one name; those that say nothing are left out."""
    values = frames.records[name].combine_chunks()
    said = values.is_valid()
    values = values.cast(pa.int64(), safe=False) if values.type == pa.uint64() else values
    rows = _one_column(values.filter(said), f"metric.{name}", frames.attributes.rows.type)
    if len(rows):
        rows_of = said.to_numpy(zero_copy_only=False)
        yield Part.VALUE, owner[rows_of], rows, None, body[rows_of]


def _body_of_resource(frames: Frames, body: np.ndarray) -> np.ndarray:
    """The place of the body that each resource came in; of one without records the first, for nobody asks."""
    resource = frames.records["resource"].to_numpy()
    places = np.zeros(max(resource.max(initial=-1), frames.resources.owner.max(initial=-1)) + 1, np.int64)
    places[resource] = body
    return places
