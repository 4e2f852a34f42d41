"""Telemetry dialects: frames as they came -> records in the canonical vocabulary.

To add a dialect: one file beside this one, one place in DIALECTS. The first whose claim holds reads the record; `plain` is last.
"""

import numpy as np
import polars as pl
import pyarrow as pa

from ingest.dialects import gen_ai, openinference, plain
from ingest.dialects.buckets import settle
from ingest.dialects.dialect import COMMON, Dialect, choose, read, word_kinds
from ingest.wire import Frames

DIALECTS: tuple[Dialect, ...] = (openinference.DIALECT, gen_ai.DIALECT, plain.DIALECT)

_RESOURCE_ONLY = (Dialect(name="resource", claims="", fields={}),)


def translate(frames: Frames) -> pl.DataFrame:
    """One row per record: name, dialect, runtime, kind, identity, model, tool and disjoint token buckets. Nulls are things not said."""
    chosen = choose(frames.attributes, frames.records.num_rows, DIALECTS)
    said = read(frames.attributes, chosen, DIALECTS)
    name = frames.records["name" if "name" in frames.records.column_names else "event_name"]
    beside = {
        "name": pl.Series(name, dtype=pl.String),
        "kind": word_kinds(said["word"], chosen, DIALECTS),
        "dialect": _column(pa.array([dialect.name for dialect in DIALECTS]), chosen),
        "input_includes_cache": pl.Series(np.array([dialect.input_includes_cache for dialect in DIALECTS])[chosen]),
        "runtime": _column(frames.scopes["name"], frames.records["scope"].to_numpy()),
    }
    known = said.hstack([series.alias(column) for column, series in beside.items()]).lazy()
    known = known.with_columns(_kind(frames.signal), *_inherited(frames))
    for place in np.unique(chosen):
        known = known.with_columns(_refined(DIALECTS[place]))
    return settle(known).collect()


def _column(values: pa.Array | pa.ChunkedArray, rows: np.ndarray) -> pl.Series:
    return pl.Series(values.take(pa.array(rows)), dtype=pl.String)


def _inherited(frames: Frames) -> list[pl.Expr]:
    """What the record itself does not say, its resource may."""
    resources = read(frames.resources, np.zeros(_resource_count(frames), np.int64), _RESOURCE_ONLY)
    of_record = resources.select(*COMMON)[frames.records["resource"].to_numpy()]
    return [pl.coalesce(pl.col(name), of_record[name]).alias(name) for name in COMMON]


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


def _refined(dialect: Dialect) -> list[pl.Expr]:
    is_ours = pl.col("dialect") == dialect.name
    return [pl.when(is_ours).then(better).otherwise(pl.col(column)).alias(column) for column, better in dialect.refine.items()]
