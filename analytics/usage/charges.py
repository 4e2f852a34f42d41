"""Calls -> charges: signed rows, so that every report is a plain sum.

What a call should be charged is a function of the records known now; `versions` turns the difference to what is charged already into rows,
so that the order of arrival cannot matter.
"""

from collections.abc import Collection

import numpy as np
import polars as pl

from analytics.masks import always, among, any_known, known, whole
from analytics.model import BUCKETS, MODEL_KINDS, SPLITS, TIME
from analytics.usage.told import WRITES, says_usage

MEASURES = (*BUCKETS, *SPLITS, "web_searches", "list_usd", "contracted_usd", "cost_usd", "reported_usd", "quantity")
COUNTERS = (
    "calls", "unknown_calls", "unpriced_calls", "priced", "usage_known", "cache_read_known", "cache_write_known", "reasoning_known",
    "reported",
)  # fmt: skip
DIMENSIONS = (
    "happened_at", "call_kind", "loop", "run", "agent", "role", "team", "cost_center", "user", "environment", "owner_rule", "loop_rule",
    "provider", "model", "model_requested", "model_served", "tool", "runtime", "reporter", "conditions", "unit", "price_set", "price_book",
    "contract", "basis", "unpriced_reason",
)  # fmt: skip
_OWNERSHIP = {"loop", "run", "agent", "role", "team", "cost_center", "user", "environment", "owner_rule", "loop_rule"}
_CHAIN = ("call_id", "version", "sign", "kind", "reason")


def happened_at() -> pl.Expr:
    """When a call was spent: its end, or its start while it is open."""
    return pl.coalesce("ended_at", "started_at").cast(TIME)


def charge_columns(priced: pl.DataFrame) -> pl.DataFrame:
    """Merged, owned and priced calls -> the dimension, counter and measure columns of a charge."""
    is_model, has_cost = among(priced["kind"], MODEL_KINDS), known(priced["cost_usd"])
    has_usage = says_usage(priced)
    is_told = has_usage | ~is_model
    counters = {
        "calls": np.ones(priced.height, np.int8),
        "unknown_calls": ~is_told,
        "unpriced_calls": is_told & ~has_cost,
        "priced": has_cost,
        "usage_known": is_told & is_model,
        "cache_read_known": known(priced["cache_read_tokens"]),
        "cache_write_known": any_known(priced, WRITES),
        "reasoning_known": known(priced["reasoning_tokens"]),
        "reported": known(priced["reported_usd"]),
    }
    dimensions = [priced["kind"].alias("call_kind") if name == "call_kind" else priced[name] for name in DIMENSIONS]
    counts = [pl.Series(name, values.astype(np.int8)) for name, values in counters.items()]
    return pl.DataFrame([priced["call_id"], *dimensions, *counts, *(priced[name] for name in MEASURES)])


def versions(desired: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Charge rows that turn `current` (each call's newest charge, with version and sign) into `desired`. Nothing changed: no row.

    A call that is charged otherwise gets two rows, the exact negative of what stands and the new one; one that is no longer a call
    only the negative. A chain that such a negative has closed may go on later.
    """
    columns = (*DIMENSIONS, *COUNTERS, *MEASURES)
    if current.is_empty():
        return _opened(desired.hstack([pl.Series("last", np.zeros(desired.height, np.int32))]))
    last, current = current.select("call_id", last="version"), current.filter(pl.col("sign") == 1)
    pairs = desired.join(current.select("call_id", *columns), on="call_id", suffix="_was")
    same = pairs.filter(_unchanged(columns))
    reattributed = pairs.filter(_unchanged(set(columns) - _OWNERSHIP))["call_id"]
    superseded = current.join(same, on="call_id", how="anti").with_columns(
        version=pl.col("version") + 1,
        kind=pl.when(pl.col("call_id").is_in(reattributed.implode())).then(pl.lit("re-attribution")).otherwise(pl.lit("correction")),
    )
    replacing = superseded.select("call_id", "version", "kind", sign=pl.lit(1, pl.Int8), reason=pl.lit("later evidence"))
    parts = [
        _opened(desired.join(current, on="call_id", how="anti").join(last, on="call_id", how="left")),
        _reversed(superseded).select(_CHAIN + columns),
        desired.join(replacing, on="call_id").select(_CHAIN + columns),
    ]
    return pl.concat(parts)


def replaced(current: pl.DataFrame, desired: pl.DataFrame, kind: str, reason: str) -> pl.DataFrame:
    """Charge rows that put `desired` in the place of `current`, row by row, because somebody said so."""
    version = {"version": current["version"] + 1, "kind": pl.lit(kind)}
    columns = (*_CHAIN, *DIMENSIONS, *COUNTERS, *MEASURES)
    after = desired.with_columns(**version, sign=pl.lit(1, pl.Int8), reason=pl.lit(reason))
    return pl.concat([_reversed(current.with_columns(**version)).select(columns), after.select(columns)])


def _unchanged(columns: Collection[str]) -> pl.Expr:
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_was")) for name in columns)


def _opened(desired: pl.DataFrame) -> pl.DataFrame:
    version = pl.Series("version", whole(desired["last"]) + 1, pl.Int32)
    same = [always(name, value, type_, desired.height) for name, value, type_ in _OPENED]
    return pl.DataFrame([desired["call_id"], version, *same, *(desired[name] for name in (*DIMENSIONS, *COUNTERS, *MEASURES))])


_OPENED = (("sign", 1, pl.Int8), ("kind", "usage", pl.String), ("reason", "counted", pl.String))


def _reversed(superseded: pl.DataFrame) -> pl.DataFrame:
    negative = [(-pl.col(name)).alias(name) for name in (*COUNTERS, *MEASURES)]
    return superseded.with_columns(*negative, sign=pl.lit(-1, pl.Int8), reason=pl.lit("superseded"))
