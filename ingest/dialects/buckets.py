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
_DECLARED = pl.col("input_includes_cache")

_HAS_USAGE = pl.coalesce(_INPUT, _OUTPUT).is_not_null() & ((_INPUT.fill_null(0) + _OUTPUT.fill_null(0) + _CACHE) > 0)
_TOTALLED = _TOTAL.is_not_null() & _INPUT.is_not_null() & _OUTPUT.is_not_null()
_INCLUSIVE_BY_TOTAL = _TOTALLED & (_CACHE > 0) & (_TOTAL == _INPUT + _OUTPUT)
_EXCLUSIVE_BY_TOTAL = _TOTALLED & (_CACHE > 0) & (_TOTAL == _INPUT + _OUTPUT + _CACHE)
_TOO_SMALL = _INPUT < _CACHE
_IS_EXCLUSIVE = (_EXCLUSIVE_BY_TOTAL | _TOO_SMALL | ~_DECLARED.fill_null(True)) & ~(_INCLUSIVE_BY_TOTAL & ~_TOO_SMALL)
_IS_DERIVED = _EXCLUSIVE_BY_TOTAL | (_TOO_SMALL & _DECLARED.fill_null(True))
_IS_ASSUMED = _DECLARED.is_null() & (_CACHE > 0) & ~_INCLUSIVE_BY_TOTAL
_HOW = pl.when(_IS_DERIVED).then(pl.lit("derived")).when(_IS_ASSUMED).then(pl.lit("assumed")).otherwise(pl.lit("exact"))

_APART_BY_TOTAL = _TOTALLED & (_REASONING > 0) & (_TOTAL == _INPUT + _OUTPUT + _REASONING)
_WITHIN_BY_TOTAL = _TOTALLED & (_REASONING > 0) & (_TOTAL == _INPUT + _OUTPUT)
_IS_APART = (_APART_BY_TOTAL | (pl.col("reasoning_tokens") > _OUTPUT) | pl.col("reasoning_apart")) & ~(
    _WITHIN_BY_TOTAL & (pl.col("reasoning_tokens") <= _OUTPUT)
)
"""Whether the output leaves reasoning out: by the total, by its size, or because the dialect says so."""

_STEPS = (
    (
        pl.when(_IS_APART).then(True).alias("reasoning_apart"),
        pl.when(_IS_EXCLUSIVE).then(_INPUT).otherwise(_INPUT - _CACHE).alias("input_uncached_tokens"),
        pl.when(pl.coalesce(*_WRITES).is_not_null()).then(_WRITTEN - _SPLIT).alias("cache_write_tokens"),
        pl.coalesce("reported_usd", _MICRO_USD).alias("reported_usd"),
        pl.when(_HAS_USAGE).then(_HOW).alias("usage_settled"),
        pl.coalesce("run", "execution").alias("run"),
    ),
    (pl.when("reasoning_apart").then(_OUTPUT).otherwise(_OUTPUT - _REASONING).alias("output_text_tokens"),),
    tuple(pl.when(pl.col("usage_settled").is_not_null()).then(pl.col(name)).alias(name) for name in (*BUCKETS, *SPLITS)),
)
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
    for step in _STEPS:
        said = said.with_columns(step)
    return said[[name for name in said.columns if name not in _READ_FOR_THIS]]
