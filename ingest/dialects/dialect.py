"""What a dialect is: a table of which attribute means what, and the lookup that reads a whole batch through such tables at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ingest.wire import Attributes

TEXT = (
    "loop", "run", "run_parent", "role", "team", "user", "session", "service", "agent", "word", "provider", "model_requested",
    "model_served", "response_id", "tool", "tool_call_id", "error_type", "output",
)  # fmt: skip
"""Columns read as text. `word` is the runtime's own word for the kind; `output` is content, read and dropped."""

COUNTS = (
    "reported_input", "reported_output", "reported_total", "cache_read_tokens", "cache_write_total", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "reasoning_tokens",
)  # fmt: skip
"""Columns read as token counts; a value that is no whole number from 0 to a trillion is null."""
_MOST = 10**12
"""A larger number counts no tokens, and ten million sums of it would not fit."""

COMMON: Mapping[str, tuple[str, ...]] = {
    "loop": ("loopledger.loop",),
    "run": ("loopledger.run.id",),
    "run_parent": ("loopledger.run.parent",),
    "role": ("loopledger.role",),
    "team": ("team.id", "team"),
    "user": ("user.email", "user.id", "enduser.id"),
    "session": ("session.id", "gen_ai.conversation.id"),
    "service": ("service.name",),
    "error_type": ("error.type",),
}
"""The identity contract and OpenTelemetry's own names; every dialect reads these too, and resources are read through them alone."""


@dataclass(frozen=True)
class Dialect:
    """One runtime family's telemetry: canonical column <- attribute keys, best first."""

    name: str
    claims: str
    """Records that carry a key with this beginning are in this dialect; the first dialect in order gets them."""
    fields: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The runtime's word for a kind, in lower case -> analytics.model.Kind. Other words become "other"."""
    input_includes_cache: bool = True
    refine: Mapping[str, pl.Expr] = field(default_factory=dict)
    """What no table can say: canonical column <- expression over the columns read, for this dialect's records alone."""

    @property
    def keys(self) -> dict[str, tuple[str, int]]:
        """Attribute key -> (canonical column, rank among the column's keys)."""
        merged = {**COMMON, **self.fields}
        return {key: (column, rank) for column, keys in merged.items() for rank, key in enumerate(keys)}


def choose(attributes: Attributes, count: int, dialects: Sequence[Dialect]) -> np.ndarray:
    """The dialect of each of `count` records, as its place in `dialects`; records nobody claims are in the last one."""
    keys, codes = _coded(attributes)
    chosen = np.full(count, len(dialects) - 1)
    for place in reversed(range(len(dialects) - 1)):
        claimed = np.array([key.startswith(dialects[place].claims) for key in keys], bool)
        if claimed.any():
            chosen[attributes.owner[claimed[codes]]] = place
    return chosen


def read(attributes: Attributes, chosen: np.ndarray, dialects: Sequence[Dialect]) -> pl.DataFrame:
    """One row per record with the TEXT and COUNTS columns, each from the best key that its dialect names for it."""
    count, names = len(chosen), (*TEXT, *COUNTS)
    keys, codes = _coded(attributes)
    column_of, rank_of = _lookup(keys, names, dialects)
    dialect = chosen[attributes.owner]
    column = column_of[dialect, codes]
    rows = np.flatnonzero(column >= 0)
    # Worst first: NumPy keeps the last write, which is the best key and the first of duplicates.
    rows = rows[np.argsort(rank_of[dialect[rows], codes[rows]], kind="stable")][::-1]
    position = np.full(count * len(names), -1)
    position[attributes.owner[rows] * len(names) + column[rows]] = rows
    place = position.reshape(count, len(names))
    taken = {name: _taken(attributes.rows, place[:, i], _text if name in TEXT else _count) for i, name in enumerate(names)}
    return pl.DataFrame(taken)


def word_kinds(words: pl.Series, chosen: np.ndarray, dialects: Sequence[Dialect]) -> pl.Series:
    """The runtime's words for kinds -> kinds; null where the record has no word."""
    coded = pc.dictionary_encode(words.str.to_lowercase().to_arrow().cast(pa.string()))
    vocabulary = [*coded.dictionary.to_pylist(), None]
    table = pa.array([None if w is None else d.kinds.get(w, "other") for d in dialects for w in vocabulary], pa.string())
    codes = pc.fill_null(coded.indices, len(vocabulary) - 1).to_numpy(zero_copy_only=False)
    return pl.Series("kind", table.take(pa.array(chosen * len(vocabulary) + codes)), pl.String)


def _coded(attributes: Attributes) -> tuple[list[str], np.ndarray]:
    coded = attributes.rows.field("key").dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False)


def _lookup(keys: list[str], names: Sequence[str], dialects: Sequence[Dialect]) -> tuple[np.ndarray, np.ndarray]:
    place = {name: i for i, name in enumerate(names)}
    tables = [dialect.keys for dialect in dialects]
    found = [[table.get(key) for key in keys] for table in tables]
    column_of = np.array([[-1 if f is None else place[f[0]] for f in row] for row in found], np.int64)
    rank_of = np.array([[0 if f is None else f[1] for f in row] for row in found], np.int64)
    return column_of.reshape(len(tables), len(keys)), rank_of.reshape(len(tables), len(keys))


def _taken(rows: pa.StructArray, places: np.ndarray, parse: Callable[[pa.StructArray, pa.Array], pa.Array]) -> pa.Array:
    missing = places < 0
    if missing.all():
        return pa.nulls(len(places), pa.string() if parse is _text else pa.int64())
    return parse(rows, pa.array(places, mask=missing))


def _text(rows: pa.StructArray, places: pa.Array) -> pa.Array:
    """Texts as they are, and null for an empty one, which says nothing; a team or user given as a number is still a name."""
    text = rows.field("string_value").take(places)
    if text.null_count > places.null_count:
        text = pc.coalesce(text, rows.field("int_value").take(places).cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def _count(rows: pa.StructArray, places: pa.Array) -> pa.Array:
    """Whole numbers from integers, whole doubles below 2**53 and digits; anything else is null, for a wrong count is worse than none."""
    whole = rows.field("int_value").take(places)
    if whole.null_count > places.null_count:
        number, text = rows.field("double_value").take(places), rows.field("string_value").take(places)
        is_whole = pc.and_(pc.equal(number, pc.floor(number)), pc.less(pc.abs(number), 2.0**53))
        digits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
        whole = pc.coalesce(
            whole,
            pc.if_else(is_whole, number, None).cast(pa.int64()),
            pc.if_else(digits, text, None).cast(pa.int64()),
        )
    return pc.if_else(pc.or_(pc.less(whole, 0), pc.greater(whole, _MOST)), None, whole)
