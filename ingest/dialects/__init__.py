"""Telemetry dialects: frames as they came -> records in the canonical vocabulary.

To add a dialect: one file beside this one, one place in ORDER. The first whose claim holds reads the record; `plain` is last.
"""

import re
from collections.abc import Sequence
from importlib import import_module

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics.masks import always, coalesced, having, known, nothing, spread
from analytics.model import OF_RESOURCE
from ingest.dialects.buckets import settled
from ingest.dialects.dialect import COMMON, Coded, Dialect, choose, coded, read, word_kinds
from ingest.dialects.everywhere import everywhere
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

_DECLARED = pl.DataFrame(
    {
        "dialect": [dialect.name for dialect in DIALECTS],
        "input_includes_cache": [dialect.input_includes_cache for dialect in DIALECTS],
        "reasoning_apart": [not dialect.output_includes_reasoning for dialect in DIALECTS],
    }
)
"""What dialects say of all their records, in their order."""
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
        "runtime": _column(frames.scopes["name"], frames.records["scope"].to_numpy()),
        "traced": _traced(frames),
        "usage_role": always("usage_role", None, pl.String(), len(chosen)),
    }
    present = np.unique(chosen).tolist()
    told = said.hstack([*_declared(chosen, present), *(series.alias(column) for column, series in beside.items())])
    for place in present:
        dialect = DIALECTS[place]
        for step in dialect.refinements if len(present) == 1 else dialect.refinements_among_others:
            told = told.with_columns(step)
    told = everywhere(told)
    of_resource = _of_resource(told, resources, frames.records["resource"].to_numpy())
    return settled(having(told, [*of_resource, _measure(frames.signal, names, said, chosen)]))


def _declared(chosen: np.ndarray, present: Sequence[int]) -> list[pl.Series]:
    """What the chosen dialects say of all their records."""
    if len(present) == 1:
        return [column.new_from_index(present[0], len(chosen)) for column in _DECLARED.get_columns()]
    return _DECLARED[chosen].get_columns()


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
    other = always("kind", "other", pl.String(), len(said))
    return coalesced(said, other) if signal != "metrics" else other


def _traced(frames: Frames) -> pl.Series:
    """Whether a record knows its trace."""
    count = frames.records.num_rows
    if frames.signal == "metrics":
        return pl.Series(np.zeros(count, bool))
    return pl.Series(pc.fill_null(pc.equal(pc.binary_length(frames.records["trace_id"]), 16), False))


def _resources(frames: Frames) -> pl.DataFrame:
    keys = coded(frames.resources.rows.field("key"))
    return read(frames.resources, keys, np.zeros(_resource_count(frames), np.int64), _RESOURCE_ONLY)


def _of_resource(said: pl.DataFrame, resources: pl.DataFrame, rows: np.ndarray) -> list[pl.Series]:
    """What the record itself does not say, its resource may; `of_resource` notes which. `rows`: of each record's resource."""
    of_record = {name: spread(resources[name], rows) for name in COMMON if resources[name].null_count() < resources.height}
    bits = np.zeros(said.height, np.int8)
    for bit, name in enumerate(OF_RESOURCE):
        if name in of_record:
            bits |= (~known(said[name]) & known(of_record[name])).astype(np.int8) << bit
    filled = [coalesced(said[name], other) for name, other in of_record.items() if name != "process"]
    host = [of_record[name] for name in ("process", "service") if name in of_record] or [nothing(said["process"])]
    process = coalesced(*host)
    return [*filled, process.alias("process"), pl.Series("of_resource", bits)]


def _resource_count(frames: Frames) -> int:
    rows = frames.records["resource"].to_numpy()
    owners = frames.resources.owner
    return int(max(rows.max(initial=-1), owners.max(initial=-1))) + 1


def _measure(signal: str, names: pl.Series, said: pl.DataFrame, chosen: np.ndarray) -> pl.Series:
    """Which tokens a metric point counts; null for every other record."""
    if signal != "metrics":
        return always("measure", None, pl.String(), len(chosen))
    asked = zip(chosen.tolist(), names.to_list(), said["token_type"].to_list(), strict=True)
    return pl.Series("measure", [DIALECTS[place].all_metrics.get(name, {}).get(word) for place, name, word in asked], pl.String)
