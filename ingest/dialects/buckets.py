"""Reported token counts -> disjoint buckets, so that no token is ever counted or priced twice."""

import polars as pl

from analytics.model import BUCKETS

_WRITES = ("cache_write_total", "cache_write_5m_tokens", "cache_write_1h_tokens")
_SPLIT = pl.col("cache_write_5m_tokens").fill_null(0) + pl.col("cache_write_1h_tokens").fill_null(0)
_WRITTEN = pl.max_horizontal(pl.col("cache_write_total").fill_null(0), _SPLIT)
_CACHE = pl.col("cache_read_tokens").fill_null(0) + _WRITTEN
_INPUT, _OUTPUT, _TOTAL = pl.col("reported_input"), pl.col("reported_output"), pl.col("reported_total")


def settle(said: pl.LazyFrame) -> pl.LazyFrame:
    """Adds the seven buckets and `usage_settled`, and drops the columns that were only read for it.

    Whether the reported input includes cached tokens is decided by the reported total if there is one, else by what the dialect
    declares, unless the input is smaller than its own cached part. A bucket is null when nobody reported it.
    """
    has_usage = _INPUT.is_not_null() | _OUTPUT.is_not_null()
    totalled = _TOTAL.is_not_null() & _INPUT.is_not_null() & _OUTPUT.is_not_null() & (_CACHE > 0)
    inclusive_by_total = totalled & (_TOTAL == _INPUT + _OUTPUT)
    exclusive_by_total = totalled & (_TOTAL == _INPUT + _OUTPUT + _CACHE)
    too_small = _INPUT < _CACHE
    exclusive = (exclusive_by_total | too_small | ~pl.col("input_includes_cache")) & ~(inclusive_by_total & ~too_small)
    derived = exclusive_by_total | (too_small & pl.col("input_includes_cache"))
    apart = pl.col("reasoning_tokens") > _OUTPUT  # more reasoning than output: the output cannot include it
    settled = said.with_columns(
        input_uncached_tokens=pl.when(exclusive).then(_INPUT).otherwise(_INPUT - _CACHE),
        cache_write_tokens=pl.when(pl.coalesce(*_WRITES).is_not_null()).then(_WRITTEN - _SPLIT),
        output_text_tokens=pl.when(apart).then(_OUTPUT).otherwise(_OUTPUT - pl.col("reasoning_tokens").fill_null(0)),
        usage_settled=pl.when(has_usage).then(pl.when(derived).then(pl.lit("derived")).otherwise(pl.lit("exact"))),
    ).with_columns(pl.when(has_usage).then(pl.col(bucket)).alias(bucket) for bucket in BUCKETS)
    return settled.drop(
        "reported_input", "reported_output", "reported_total", "cache_write_total", "input_includes_cache", "output", "word"
    )
