"""Telemetry dialects: frames as they came -> records in the canonical vocabulary.

To add a dialect: one file beside this one, one place in DIALECTS. The first whose claim holds reads the record; `plain` is last.
"""

import numpy as np
import polars as pl
import pyarrow as pa

from analytics.model import MODEL_KINDS
from ingest.dialects import gen_ai, openinference, plain
from ingest.dialects.buckets import settle
from ingest.dialects.dialect import COMMON, Dialect, choose, read, word_kinds
from ingest.wire import Frames

DIALECTS: tuple[Dialect, ...] = (openinference.DIALECT, gen_ai.DIALECT, plain.DIALECT)

_RESOURCE_ONLY = (Dialect(name="resource", claims="", fields={}),)


def translate(frames: Frames) -> pl.DataFrame:
    """One row per record: name, dialect, runtime, kind, identity, model, tool and disjoint token buckets. Nulls are things not said."""
    count = frames.records.num_rows
    chosen = choose(frames.attributes, count, DIALECTS)
    said = read(frames.attributes, chosen, DIALECTS)
    said = said.with_columns(
        name=pl.Series(frames.records["name"] if "name" in frames.records.column_names else frames.records["event_name"]),
        kind=word_kinds(said["word"], chosen, DIALECTS),
        dialect=_column(pa.array([dialect.name for dialect in DIALECTS]), chosen),
        input_includes_cache=pl.Series(np.array([dialect.input_includes_cache for dialect in DIALECTS])[chosen]),
        runtime=_column(frames.scopes["name"], frames.records["scope"].to_numpy()),
    )
    said = _inherit(said, frames)
    return settle(_refined(said.with_columns(kind=_kind(frames.signal)), chosen))


def _column(values: pa.Array | pa.ChunkedArray, rows: np.ndarray) -> pl.Series:
    return pl.Series(values.take(pa.array(rows)), dtype=pl.String)


def _inherit(said: pl.DataFrame, frames: Frames) -> pl.DataFrame:
    """What the record itself does not say, its resource may."""
    resources = read(frames.resources, np.zeros(_resource_count(frames), np.int64), _RESOURCE_ONLY)
    of_record = resources.select(*COMMON)[frames.records["resource"].to_numpy()]
    return said.with_columns(pl.coalesce(pl.col(name), of_record[name]).alias(name) for name in COMMON)


def _resource_count(frames: Frames) -> int:
    rows = frames.records["resource"].to_numpy()
    owners = frames.resources.owner
    return int(max(rows.max(initial=-1), owners.max(initial=-1))) + 1


def _kind(signal: str) -> pl.Expr:
    """A log or a point is no step of its own; a span without a word that has a model and usage is a model call."""
    if signal != "traces":
        return pl.lit("other").alias("kind")
    has_model = pl.coalesce("model_requested", "model_served").is_not_null()
    has_usage = pl.coalesce("reported_input", "reported_output").is_not_null()
    return pl.coalesce("kind", pl.when(has_model & has_usage).then(pl.lit("model")), pl.lit("other")).alias("kind")


def _refined(said: pl.DataFrame, chosen: np.ndarray) -> pl.DataFrame:
    said = said.with_row_index("row")
    parts = []
    for place, dialect in enumerate(DIALECTS):
        part = said.filter(chosen == place)
        parts.append(dialect.refine(part.lazy()).collect() if dialect.refine and part.height else part)
    return pl.concat(parts).sort("row").drop("row")


__all__ = ["DIALECTS", "MODEL_KINDS", "translate"]
