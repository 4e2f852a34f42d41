"""Which records are one call, and which of them counts. Pure: frames in, frames out.

A call is what somebody bills once. Records of one identity, which is the provider's response id or else their own key, are one call when
they overlap in time: a cache may answer with the same response id again, hours later. What a call should be charged is a function of the
records known now; `versions` turns the difference to what is charged already into signed rows, so that the order of arrival cannot matter.
"""

from collections.abc import Collection
from datetime import timedelta

import numpy as np
import polars as pl

from analytics import fingerprint
from analytics.model import BUCKETS, MODEL_KINDS, TIME

_BY_RESPONSE, _BY_RECORD = np.uint64(1), np.uint64(2)
_SLACK = timedelta(seconds=5)
"""Between the clocks of two records of one call."""

MEASURES = (*BUCKETS, "list_usd", "contracted_usd", "cost_usd", "quantity")
COUNTERS = (
    "calls", "unknown_calls", "unpriced_calls", "priced", "usage_known", "cache_read_known", "cache_write_known", "reasoning_known",
)  # fmt: skip
DIMENSIONS = (
    "happened_at", "call_kind", "loop", "run", "agent", "role", "team", "cost_center", "user", "environment", "owner_rule", "provider",
    "model", "model_served", "tool", "runtime", "unit", "price_set", "price_book", "basis", "unpriced_reason",
)  # fmt: skip
_OWNERSHIP = {"loop", "run", "agent", "role", "team", "cost_center", "user", "environment", "owner_rule"}
_CHAIN = ("call_id", "version", "sign", "kind", "reason")


def has_usage() -> pl.Expr:
    """Whether a record reports tokens at all."""
    return pl.any_horizontal(pl.col(bucket).is_not_null() for bucket in BUCKETS)


def standing() -> list[pl.Expr]:
    """How revisions of one record rank, the greatest holds: ended, with usage, with more attributes, then by content."""
    return [pl.col("ended_at").is_not_null(), has_usage(), pl.col("attribute_count"), pl.col("content_hash")]


def best_revisions(records: pl.DataFrame) -> pl.DataFrame:
    """One row per record_key: its greatest revision."""
    if records["record_key"].n_unique() == records.height:
        return records
    return records.sort(standing(), descending=True, maintain_order=True).unique("record_key", keep="first", maintain_order=True)


def candidates(records: pl.DataFrame, priced_tools: pl.Expr) -> pl.DataFrame:
    """The records that are calls, with `identity`: model calls and tools that have a price. A failed attempt without usage is no call."""
    is_model = pl.col("kind").is_in(MODEL_KINDS) & (has_usage() | ~pl.col("failed").fill_null(False))
    is_tool = pl.col("kind").is_in(["tool", "sandbox"]) & priced_tools
    calls = records.filter((pl.col("signal") == "span") & (is_model | is_tool))
    return calls.hstack([pl.Series("identity", _identities(calls), pl.UInt64)])


def _identities(calls: pl.DataFrame) -> np.ndarray:
    response = fingerprint.of_text(calls["response_id"].to_arrow())
    own = calls["record_key"].to_numpy()
    by_response = calls["response_id"].is_not_null().to_numpy()
    return fingerprint.combine(np.where(by_response, _BY_RESPONSE, _BY_RECORD), np.where(by_response, response, own))


def calls_of(members: pl.DataFrame) -> pl.DataFrame:
    """Adds call_id, given all records of each identity: those that overlap in time are one call, named by the earliest of them."""
    if members["identity"].n_unique() == members.height:
        return members.hstack([_call_ids(members["identity"], members["record_key"])])
    started, ended = pl.coalesce("started_at", "ended_at"), pl.coalesce("ended_at", "started_at")
    apart = started > ended.cum_max().shift(1).over("identity") + _SLACK
    in_order = members.sort("identity", started, "record_key").with_columns(nth=apart.fill_null(True).cum_sum().over("identity"))
    anchored = in_order.with_columns(anchor=pl.col("record_key").first().over("identity", "nth"))
    return anchored.drop("nth", "anchor").hstack([_call_ids(anchored["identity"], anchored["anchor"])])


def _call_ids(identity: pl.Series, anchor: pl.Series) -> pl.Series:
    return pl.Series("call_id", fingerprint.combine(identity.to_numpy(), anchor.to_numpy()), pl.UInt64)


def merge(members: pl.DataFrame) -> pl.DataFrame:
    """One row per call from the records that are it, with `primary`, the key of the record that counts.

    Tokens come from the record with usage and the most buckets said; every other fact from the first that says it, in that order.
    """
    finest = pl.sum_horizontal(pl.col(bucket).is_not_null() for bucket in BUCKETS)
    if members["call_id"].n_unique() == members.height:
        return members.hstack([members["record_key"].alias("primary")])
    ranked = members.sort([has_usage(), finest, *standing(), "record_key"], descending=True)
    together = ("primary", "ended_at", "started_at", "kind", *BUCKETS)
    whole = ranked.with_columns(primary="record_key").group_by("call_id", maintain_order=True)
    facts = [name for name in members.columns if name not in ("call_id", *together)]
    return whole.agg(*(pl.col(name).first() for name in together), *(pl.col(name).drop_nulls().first() for name in facts))


def happened_at() -> pl.Expr:
    """When a call was spent: its end, or its start while it is open."""
    return pl.coalesce("ended_at", "started_at").cast(TIME)


def charge_columns(priced: pl.LazyFrame) -> pl.LazyFrame:
    """Merged, owned and priced calls -> the dimension, counter and measure columns of a charge."""
    is_model = pl.col("kind").is_in(MODEL_KINDS)
    known, cost = has_usage() | ~is_model, pl.col("cost_usd").is_not_null()
    counters = {
        "calls": pl.lit(True),
        "unknown_calls": ~known,
        "unpriced_calls": known & ~cost,
        "priced": cost,
        "usage_known": known & is_model,
        "cache_read_known": pl.col("cache_read_tokens").is_not_null(),
        "cache_write_known": pl.any_horizontal(pl.col(b).is_not_null() for b in BUCKETS if b.startswith("cache_write")),
        "reasoning_known": pl.col("reasoning_tokens").is_not_null(),
    }
    return priced.select(
        "call_id",
        pl.col("kind").cast(pl.String).alias("call_kind"),
        *(pl.col(name) for name in DIMENSIONS if name != "call_kind"),
        *(expression.cast(pl.Int8).alias(name) for name, expression in counters.items()),
        *(pl.col(name) for name in MEASURES),
    )


def versions(desired: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Charge rows that turn `current` (each call's newest charge, with version and sign) into `desired`. Nothing changed: no row.

    A call that is charged otherwise gets two rows, the exact negative of what stands and the new one; one that is no longer a call
    only the negative. A chain that such a negative has closed may go on later.
    """
    columns = (*DIMENSIONS, *COUNTERS, *MEASURES)
    if current.is_empty():
        return _opened(desired.with_columns(last=pl.lit(0)))
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


def _unchanged(columns: Collection[str]) -> pl.Expr:
    return pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_was")) for name in columns)


def _opened(desired: pl.DataFrame) -> pl.DataFrame:
    version = (pl.col("last").fill_null(0) + 1).cast(pl.Int32)
    chain = {"version": version, "sign": pl.lit(1, pl.Int8), "kind": pl.lit("usage"), "reason": pl.lit("counted")}
    return desired.lazy().with_columns(**chain).select(*_CHAIN, *DIMENSIONS, *COUNTERS, *MEASURES).collect()


def _reversed(superseded: pl.DataFrame) -> pl.DataFrame:
    negative = [(-pl.col(name)).alias(name) for name in (*COUNTERS, *MEASURES)]
    return superseded.with_columns(*negative, sign=pl.lit(-1, pl.Int8), reason=pl.lit("superseded"))
