"""Reported token counts -> disjoint buckets, so that no token is ever counted or priced twice."""

from decimal import Decimal

import polars as pl

from analytics.model import BUCKETS, MONEY, SPLITS

_WRITES = ("cache_write_total", "cache_write_5m_tokens", "cache_write_1h_tokens")
_SPLIT = pl.col("cache_write_5m_tokens").fill_null(0) + pl.col("cache_write_1h_tokens").fill_null(0)
_WRITTEN = pl.max_horizontal(pl.col("cache_write_total").fill_null(0), _SPLIT)
_CACHE = pl.col("cache_read_tokens").fill_null(0) + _WRITTEN
_REASONING = pl.col("reasoning_tokens").fill_null(0)
_INPUT, _OUTPUT, _TOTAL = pl.col("reported_input"), pl.col("reported_output"), pl.col("reported_total")
_MICRO_USD = (pl.col("reported_micro_usd").cast(pl.Decimal(38, 9)) * Decimal("0.000001")).cast(MONEY)
_READ_FOR_THIS = (
    "reported_input", "reported_output", "reported_total", "cache_write_total", "input_includes_cache", "reported_micro_usd", "word",
    "token_type", "execution", "currency", "traced", "output", "details", "metadata", "note", "service_tier",
    "speed",
)  # fmt: skip


def settle(said: pl.LazyFrame) -> pl.LazyFrame:
    """Adds the seven buckets and `usage_settled`, and drops the columns that were only read for it.

    Whether the reported input includes cached tokens is decided by the reported total if there is one, else by what the dialect
    declares, unless the input is smaller than its own cached part; likewise for reasoning in the output. A bucket is null when nobody
    reported it, and a report of nothing but zeros is none: it is what some runtimes say of a stream that they could not count.
    """
    has_usage = pl.coalesce(_INPUT, _OUTPUT).is_not_null() & ((_INPUT.fill_null(0) + _OUTPUT.fill_null(0) + _CACHE) > 0)
    totalled = _TOTAL.is_not_null() & _INPUT.is_not_null() & _OUTPUT.is_not_null() & (_CACHE > 0)
    inclusive_by_total = totalled & (_TOTAL == _INPUT + _OUTPUT)
    exclusive_by_total = totalled & (_TOTAL == _INPUT + _OUTPUT + _CACHE)
    too_small = _INPUT < _CACHE
    declared_exclusive = ~pl.col("input_includes_cache").fill_null(True)
    exclusive = (exclusive_by_total | too_small | declared_exclusive) & ~(inclusive_by_total & ~too_small)
    derived = exclusive_by_total | (too_small & ~declared_exclusive)
    assumed = pl.col("input_includes_cache").is_null() & (_CACHE > 0) & ~inclusive_by_total
    settled_how = pl.when(derived).then(pl.lit("derived")).when(assumed).then(pl.lit("assumed")).otherwise(pl.lit("exact"))
    settled = said.with_columns(
        reasoning_apart=pl.when(_apart()).then(True),
        input_uncached_tokens=pl.when(exclusive).then(_INPUT).otherwise(_INPUT - _CACHE),
        cache_write_tokens=pl.when(pl.coalesce(*_WRITES).is_not_null()).then(_WRITTEN - _SPLIT),
        reported_usd=pl.coalesce("reported_usd", _MICRO_USD),
        usage_settled=pl.when(has_usage).then(settled_how),
    )
    settled = settled.with_columns(output_text_tokens=pl.when("reasoning_apart").then(_OUTPUT).otherwise(_OUTPUT - _REASONING))
    return settled.with_columns(pl.when(has_usage).then(pl.col(name)).alias(name) for name in (*BUCKETS, *SPLITS)).drop(_READ_FOR_THIS)


def _apart() -> pl.Expr:
    """Whether the output leaves reasoning out: by the total, by its size, or because the dialect says so."""
    reasoned = _TOTAL.is_not_null() & _INPUT.is_not_null() & _OUTPUT.is_not_null() & (_REASONING > 0)
    by_total = reasoned & (_TOTAL == _INPUT + _OUTPUT + _REASONING)
    within_by_total = reasoned & (_TOTAL == _INPUT + _OUTPUT)
    return (by_total | (pl.col("reasoning_tokens") > _OUTPUT) | pl.col("reasoning_apart")) & ~(
        within_by_total & (pl.col("reasoning_tokens") <= _OUTPUT)
    )
