"""Reported token counts -> disjoint buckets, so that no token is ever counted or priced twice."""

from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa

from analytics.masks import any_known, coalesced, known, true, where, whole
from analytics.model import BUCKETS, MONEY, SPLITS

_WRITES = ("cache_write_total", "cache_write_5m_tokens", "cache_write_1h_tokens")
_MICRO_USD = (pl.col("reported_micro_usd").cast(pl.Decimal(38, 9)) * Decimal("0.000001")).cast(MONEY)
_HOW = pa.array(["exact", "assumed", "derived"])
_READ_FOR_THIS = (
    "reported_input", "reported_output", "reported_total", "cache_write_total", "input_includes_cache", "reported_micro_usd", "word",
    "token_type", "execution", "currency", "traced", "output", "details", "metadata", "note", "service_tier",
    "speed",
)  # fmt: skip


def settled(said: pl.DataFrame) -> pl.DataFrame:
    """Adds the seven buckets and `usage_settled`, and drops the columns that were only read for it.

    Whether the reported input includes cached tokens is decided by the reported total if there is one, else by what the dialect
    declares, unless the input is smaller than its own cached part; likewise for reasoning in the output. A bucket is null when nobody
    reported it, and a report of nothing but zeros is none: it is what some runtimes say of a stream that they could not count.
    """
    put, got, total = (whole(said[f"reported_{name}"]) for name in ("input", "output", "total"))
    has_put, has_got, has_total = (known(said[f"reported_{name}"]) for name in ("input", "output", "total"))
    split = whole(said["cache_write_5m_tokens"]) + whole(said["cache_write_1h_tokens"])
    written = np.maximum(whole(said["cache_write_total"]), split)
    cached, reasoning = whole(said["cache_read_tokens"]) + written, whole(said["reasoning_tokens"])
    is_used = (has_put | has_got) & (put + got + cached > 0)
    totalled = has_put & has_got & has_total
    is_exclusive, how = _cache_apart(said["input_includes_cache"], put, has_put, cached, totalled & (cached > 0), total - got)
    is_apart = _reasoning_apart(true(said["reasoning_apart"]), got, has_got, reasoning, totalled & (reasoning > 0), total - put)
    found = {
        "input_uncached_tokens": _count(put - np.where(is_exclusive, 0, cached), has_put & is_used),
        "cache_write_tokens": _count(written - split, any_known(said, _WRITES) & is_used),
        "output_text_tokens": _count(got - np.where(is_apart, 0, reasoning), has_got & is_used),
        "usage_settled": _HOW.take(pa.array(how, mask=~is_used)),
        "reasoning_apart": pa.array(is_apart, mask=~is_apart),
        "run": coalesced(said["run"], said["execution"]),
        "reported_usd": coalesced(said["reported_usd"], _of_micro_usd(said)),
    }
    found |= {name: where(is_used, said[name]) for name in (*BUCKETS, *SPLITS) if name not in found}
    kept = [one for one in said.get_columns() if one.name not in found and one.name not in _READ_FOR_THIS]
    return pl.DataFrame([*kept, *(pl.Series(name, values) for name, values in found.items())])


def _cache_apart(
    declared: pl.Series, put: np.ndarray, has_put: np.ndarray, cached: np.ndarray, may_tell: np.ndarray, by_total: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the input leaves cached tokens out, and the place in _HOW of how that is known. `by_total`: the input by the total."""
    inclusive_by_total, exclusive_by_total = may_tell & (by_total == put), may_tell & (by_total == put + cached)
    too_small, is_undeclared = has_put & (put < cached), ~known(declared)
    declared_exclusive = ~is_undeclared & ~true(declared)
    is_exclusive = (exclusive_by_total | too_small | declared_exclusive) & ~(inclusive_by_total & ~too_small)
    is_derived = exclusive_by_total | (too_small & ~declared_exclusive)
    is_assumed = is_undeclared & (cached > 0) & ~inclusive_by_total
    return is_exclusive, np.where(is_derived, 2, np.where(is_assumed, 1, 0))


def _reasoning_apart(
    declared: np.ndarray, got: np.ndarray, has_got: np.ndarray, reasoning: np.ndarray, may_tell: np.ndarray, by_total: np.ndarray
) -> np.ndarray:
    """Whether the output leaves reasoning out: by the total, by its size, or because the dialect says so."""
    apart_by_total, within_by_total = may_tell & (by_total == got + reasoning), may_tell & (by_total == got)
    too_large = has_got & (reasoning > got)
    return (apart_by_total | too_large | declared) & ~(within_by_total & ~too_large)


def _count(values: np.ndarray, said: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~said)


def _of_micro_usd(said: pl.DataFrame) -> pl.Series:
    asked = said["reported_micro_usd"]
    return said.select(_MICRO_USD).to_series() if asked.null_count() < len(asked) else said["reported_usd"]
