"""Telemetry dialects: frames as they came -> records in the canonical vocabulary.

To add a dialect: one file beside this one, one place in ORDER. The first whose claim holds reads the record; `plain` is last.
"""

import re
from importlib import import_module

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics.model import OF_RESOURCE, USAGE_ROLES
from ingest.dialects.buckets import settle
from ingest.dialects.dialect import COMMON, Coded, Dialect, choose, coded, read, word_kinds
from ingest.dialects.everywhere import CONDITIONS, REFINE
from ingest.wire import Frames

ORDER = (
    "claude_code",
    "codex",
    "gemini_cli",
    "copilot",
    "cursor",
    "openclaw",
    "opencode",
    "anthropic_sdk",
    "pydantic_ai",
    "google_adk",
    "strands",
    "agent_framework",
    "mastra",
    "vercel_ai",
    "litellm",
    "logfire",
    "mlflow",
    "langfuse",
    "langsmith",
    "smolagents",
    "openinference",
    "crewai",
    "traceloop",
    "gen_ai",
    "plain",
)
"""Runtimes with a scope of their own come before the families whose attributes a processor may write on anybody's spans."""

DIALECTS: tuple[Dialect, ...] = tuple(import_module(f"{__name__}.{name}").DIALECT for name in ORDER)

_RESOURCE_ONLY = (Dialect(name="resource"),)
_EVENT_NAME = Dialect(name="event", fields={"word": ("event.name",)})
_NAME = r"^[A-Za-z][A-Za-z0-9_.]*$"
"""What a name looks like: some runtimes put a sentence or a place in their source where others put the name of an event."""
_EVENTS = {word.removeprefix("@") for dialect in DIALECTS for word in dialect.all_kinds if word.startswith("@")}
_NAMED_BY_BODY = "^(?:{})$".format(
    "|".join([*map(re.escape, sorted(_EVENTS)), *(re.escape(name) + "[A-Za-z0-9_.]*" for dialect in DIALECTS for name in dialect.names)])
)
"""Bodies that are names: those of events a dialect knows; any other body is content, of however few words."""


def translate(frames: Frames) -> pl.DataFrame:
    """One row per record: name, dialect, runtime, kind, identity, model, tool and disjoint token buckets. Nulls are things not said."""
    keys = coded(frames.attributes.rows.field("key"))
    names, resources = _names(frames, keys), _resources(frames)
    chosen = choose(frames, keys, names, resources["service"], DIALECTS)
    said = read(frames.attributes, keys, chosen, DIALECTS)
    beside = {
        "name": names,
        "kind": _kind(frames.signal, word_kinds(said["word"], names, chosen, DIALECTS)),
        "dialect": _column(pa.array([dialect.name for dialect in DIALECTS]), chosen),
        "input_includes_cache": pl.Series([dialect.input_includes_cache for dialect in DIALECTS], dtype=pl.Boolean)[chosen],
        "reasoning_apart": pl.Series([not dialect.output_includes_reasoning for dialect in DIALECTS])[chosen],
        "usage_role": pl.repeat(None, len(chosen), dtype=pl.String, eager=True),
        "runtime": _column(frames.scopes["name"], frames.records["scope"].to_numpy()),
        "traced": _traced(frames),
    }
    known = said.hstack([series.alias(column) for column, series in beside.items()])
    for place in np.unique(chosen):
        known = _refined(known, DIALECTS[place])
    whose = *_of_resource(frames, resources), *_measure(frames.signal, names, said, chosen)
    known = known.with_columns(**REFINE, conditions=CONDITIONS).with_columns(whose)
    return settle(known.lazy().with_columns(run=pl.coalesce("run", "execution"))).collect()


def _names(frames: Frames, keys: Coded) -> pl.Series:
    """Names of records. A log record is named by its attribute `event.name`, else by its field, else by a body that is an event's name."""
    if frames.signal != "logs":
        return pl.Series(frames.records["name"], dtype=pl.String)
    attribute = read(frames.attributes, keys, np.zeros(frames.records.num_rows, np.int64), (_EVENT_NAME,))["word"]
    field, body = (pl.Series(frames.records[name], dtype=pl.String).replace("", None) for name in ("event_name", "text"))
    looks = ((field, _NAME), (body, _NAMED_BY_BODY))
    named = pl.coalesce(attribute, *(pl.when(said.str.contains(pattern)).then(said) for said, pattern in looks), field)
    return pl.select(named).to_series()


def _column(values: pa.Array | pa.ChunkedArray, rows: np.ndarray) -> pl.Series:
    return pl.Series(values.take(pa.array(rows)), dtype=pl.String)


def _kind(signal: str, said: pl.Series) -> pl.Series:
    """A point is no step; a record whose kind nobody says is "other"."""
    return said.fill_null("other") if signal != "metrics" else pl.repeat("other", len(said), eager=True)


def _traced(frames: Frames) -> pl.Series:
    """Whether a record knows its trace."""
    count = frames.records.num_rows
    if frames.signal == "metrics":
        return pl.repeat(False, count, eager=True)
    return pl.Series(pc.equal(pc.binary_length(frames.records["trace_id"]), 16)).fill_null(False)


def _resources(frames: Frames) -> pl.DataFrame:
    keys = coded(frames.resources.rows.field("key"))
    return read(frames.resources, keys, np.zeros(_resource_count(frames), np.int64), _RESOURCE_ONLY)


def _of_resource(frames: Frames, resources: pl.DataFrame) -> list[pl.Expr]:
    """What the record itself does not say, its resource may; `of_resource` notes which."""
    known = [name for name in COMMON if resources[name].null_count() < resources.height]
    rows = frames.records["resource"].to_numpy()
    of_record = {name: resources[name][rows] for name in known}
    bits = [
        pl.when(pl.col(name).is_null() & of_record[name].is_not_null()).then(1 << bit).otherwise(0)
        for bit, name in enumerate(OF_RESOURCE)
        if name in known
    ]
    filled = [pl.coalesce(pl.col(name), of_record[name]).alias(name) for name in known if name != "process"]
    process = pl.coalesce(pl.lit(None, pl.String), *(of_record[name] for name in ("process", "service") if name in known))
    return [*filled, process.alias("process"), pl.sum_horizontal(0, *bits).cast(pl.Int8).alias("of_resource")]


def _resource_count(frames: Frames) -> int:
    rows = frames.records["resource"].to_numpy()
    owners = frames.resources.owner
    return int(max(rows.max(initial=-1), owners.max(initial=-1))) + 1


def _measure(signal: str, names: pl.Series, said: pl.DataFrame, chosen: np.ndarray) -> list[pl.Expr]:
    """Which tokens a metric point counts; null for every other record."""
    if signal != "metrics":
        return [pl.lit(None, pl.String).alias("measure")]
    asked = zip(chosen.tolist(), names.to_list(), said["token_type"].to_list(), strict=True)
    measures = [DIALECTS[place].all_metrics.get(name, {}).get(word) for place, name, word in asked]
    return [pl.Series("measure", measures, pl.String)]


def _refined(known: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    is_ours = pl.col("dialect") == dialect.name
    refined = known.with_columns(
        pl.when(is_ours).then(better).otherwise(pl.col(column)).alias(column) for column, better in dialect.all_refine.items()
    )
    roles = {kind: role for kind, role in dialect.usage_roles.items() if role in USAGE_ROLES}
    if not roles:
        return refined
    role = pl.coalesce("usage_role", pl.col("kind").replace_strict(roles, default=None, return_dtype=pl.String))
    return refined.with_columns(pl.when(is_ours).then(role).otherwise("usage_role").alias("usage_role"))
