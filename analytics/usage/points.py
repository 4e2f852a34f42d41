"""Metric points: increments of what they count, and calls where nothing better reports their tokens.

A metric repeats what spans and log records of its process say, so it counts only where none of them names that model in that session at
about that time. Of several metrics that count the same tokens, the one with the finest split stands.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from analytics import fingerprint
from analytics.model import BUCKETS
from analytics.usage.links import LINK
from analytics.usage.told import input_tokens, output_tokens
from analytics.usage.tree import Tree
from analytics.usage.whose import flowing, held

_NEAR = timedelta(hours=1)
"""A call so near to the interval of a point is what the point counts."""
_TOGETHER = timedelta(milliseconds=100)
"""Points of one export may be some microseconds apart."""
_BY_POINT = np.uint64(8)
_FAMILY = r"[._](input|output|cache_read|cache_write|cache|reasoning)([._].*)?$"
_DATE = r"[-@](\d{4}-?\d{2}-?\d{2}|latest)$"
_UNIT = ["process", "session", "agent", "model", "family", "export"]
_TOKENS = ["process", "session", "model"]


@dataclass(frozen=True, slots=True)
class Metered:
    """What the points of some processes come to; frames as in analytics.usage.resolve.Resolved."""

    links: pl.DataFrame
    calls: pl.DataFrame


def model_name(requested: str = "model_requested", served: str = "model_served") -> pl.Expr:
    """A model's name without provider and date, for comparing what two sources call it."""
    return pl.coalesce(requested, served).str.replace(r"^.*/", "").str.replace(_DATE, "")


def compared(calls: pl.DataFrame) -> pl.DataFrame:
    """Merged calls as `meter` wants them."""
    start, end = pl.coalesce("started_at", "ended_at"), pl.coalesce("ended_at", "started_at")
    totals = {"in_tokens": input_tokens().cast(pl.Int64), "out_tokens": output_tokens().cast(pl.Int64)}
    return calls.select("process", "session", "model_requested", "model_served", "call_id", start.alias("from"), end.alias("to"), **totals)


def meter(points: pl.DataFrame, calls: pl.DataFrame) -> Metered:
    """`points` are all usage points of some processes, `calls` all calls of theirs: process, session, the model's names, from, to,
    in_tokens, out_tokens."""
    nodes = flowing(points, Tree.of(points))
    whole = _increments(held(nodes, nodes))
    units = _units(whole)
    told = _covered(_finest(units), calls.with_columns(model=model_name()))
    counting = told.filter("is_finest", ~pl.col("is_covered"), pl.col("total") > 0)
    return Metered(_links(whole, told), _calls(whole, counting))


def _increments(points: pl.DataFrame) -> pl.DataFrame:
    """Points with `delta`: a cumulative one less the one before it in its series, unless that was reset."""
    before = pl.col("amount").shift(1).over("series_key")
    same_start = pl.col("started_at").eq_missing(pl.col("started_at").shift(1).over("series_key"))
    grows = pl.col("is_cumulative").fill_null(True) & same_start & (before <= pl.col("amount"))
    in_order = points.sort("series_key", "ended_at", "started_at", "record_key")
    family = pl.col("name").str.replace(_FAMILY, "")
    grown = in_order.with_columns(
        delta=pl.when(grows).then(pl.col("amount") - before).otherwise("amount"), family=family, model=model_name()
    )
    later = (pl.col("ended_at").diff().over(_UNIT[:-1]) > _TOGETHER).fill_null(True)
    return grown.sort("ended_at", maintain_order=True).with_columns(export=later.cum_sum().over(_UNIT[:-1]))


def _units(points: pl.DataFrame) -> pl.DataFrame:
    """One row per interval of one metric for one model: its keys, disjoint buckets and the key of its first point."""
    said = {name: pl.col("delta").filter(pl.col("measure") == name).sum() for name in _SAID}
    known = {f"has_{name}": (pl.col("measure") == name).any() for name in _SAID}
    start, count = pl.col("started_at").min().alias("from"), pl.col("measure").n_unique().alias("measures")
    units = points.group_by(_UNIT, maintain_order=True).agg(
        start, pl.col("ended_at").max(), count, pl.col("record_key").min().alias("primary"), **said, **known
    )
    parts = {name: pl.when(f"has_{name}").then(pl.col(name)) for name in _SAID}
    cached = parts["cache_read"].fill_null(0) + parts["cache_write"].fill_null(0)
    uncached = pl.coalesce(parts["input_uncached"], (parts["input"] - cached).clip(0))
    text = pl.coalesce(parts["output_text"], (parts["output"] - parts["reasoning"].fill_null(0)).clip(0))
    buckets = {
        "input_uncached_tokens": uncached,
        "cache_read_tokens": parts["cache_read"],
        "cache_write_tokens": parts["cache_write"],
        "output_text_tokens": text,
        "reasoning_tokens": parts["reasoning"],
    }
    return (
        units.with_columns(**buckets)
        .with_columns(
            in_total=pl.sum_horizontal("input_uncached_tokens", "cache_read_tokens", "cache_write_tokens"),
            out_total=pl.sum_horizontal("output_text_tokens", "reasoning_tokens"),
        )
        .with_columns(total=pl.col("in_total") + pl.col("out_total"))
    )


def _finest(units: pl.DataFrame) -> pl.DataFrame:
    """Adds is_finest: of the metrics that count one model's tokens in one session the one with the most measures."""
    best = (
        units.group_by(*_TOKENS, "family")
        .agg(pl.col("measures").max())
        .sort("measures", "family", descending=[True, False])
        .unique(_TOKENS, keep="first", maintain_order=True)
    )
    named = best.select(*_TOKENS, "family", is_finest=pl.lit(True))
    return units.join(named, on=[*_TOKENS, "family"], how="left", nulls_equal=True).with_columns(pl.col("is_finest").fill_null(False))


def _covered(units: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Adds is_covered, and `remainder`: what a metric counts in all beyond the calls it repeats, on its last unit."""
    numbered = units.with_row_index("unit")
    pairs = numbered.join(calls, on="process", how="inner", nulls_equal=True, suffix="_call").filter(
        pl.col("session").is_null() | pl.col("session_call").is_null() | (pl.col("session") == pl.col("session_call")),
        pl.col("model").is_null() | pl.col("model_call").is_null() | (pl.col("model") == pl.col("model_call")),
        pl.col("ended_at") + _NEAR >= pl.col("from_call"),
        pl.coalesce("from", "ended_at") - _NEAR <= pl.col("to"),
    )
    covered = numbered.with_columns(is_covered=pl.col("unit").is_in(pairs["unit"].unique().implode()))
    series = [*_TOKENS, "family"]
    repeated = pairs.unique([*series, "call_id"]).group_by(series).agg(pl.col("in_tokens").sum(), pl.col("out_tokens").sum())
    sums = covered.filter("is_covered").group_by(series).agg(pl.col("in_total").sum(), pl.col("out_total").sum(), pl.col("unit").max())
    beyond = (pl.col("in_total") - pl.col("in_tokens")).clip(0) + (pl.col("out_total") - pl.col("out_tokens")).clip(0)
    left = sums.join(repeated, on=series, nulls_equal=True).select("unit", remainder=beyond)
    return covered.join(left, on="unit", how="left", maintain_order="left")


def _calls(points: pl.DataFrame, counting: pl.DataFrame) -> pl.DataFrame:
    """Counting units as calls, with whose they are and what they name from their first point."""
    first = points.join(counting.select("primary"), left_on="record_key", right_on="primary", how="semi").drop(*BUCKETS, "kind")
    keyed = counting.select(pl.col("primary").alias("record_key"), *(name for name in BUCKETS if name in counting.columns))
    missing = [pl.lit(None, pl.Int64).alias(name) for name in BUCKETS if name not in counting.columns]
    calls = first.join(keyed, on="record_key").with_columns(
        *missing, kind=pl.lit("model"), primary="record_key", reporter=pl.lit(None, pl.String)
    )
    return calls.hstack([_call_id(calls["record_key"])])


def _call_id(keys: pl.Series) -> pl.Series:
    return pl.Series("call_id", fingerprint.combine(np.full(len(keys), _BY_POINT), keys.to_numpy()), pl.UInt64)


def _links(points: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    of_unit = points.join(
        units.select(*_UNIT, "primary", "is_finest", "is_covered", "total", "remainder"),
        on=_UNIT,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    counts = pl.col("is_finest") & ~pl.col("is_covered") & (pl.col("total") > 0)
    is_first = pl.col("record_key") == pl.col("primary")
    reason = (
        pl.when(~pl.col("is_finest"))
        .then(pl.lit("another metric of the same tokens"))
        .when("is_covered")
        .then(pl.lit("repeats calls that count"))
        .when(pl.col("total") == 0)
        .then(pl.lit("nothing new since the point before"))
        .otherwise(pl.lit("the only report of its usage"))
    )
    left = pl.when(is_first & (pl.col("remainder") > 0)).then("remainder").cast(pl.Int64)
    linked = of_unit.with_columns(counts=counts & is_first, reason=reason, remainder_tokens=left)
    return linked.with_columns(_call_id(linked["primary"])).select(LINK)


_SAID = ("input", "input_uncached", "cache_read", "cache_write", "output", "output_text", "reasoning")
