"""Units times prices: what a call costs under one price set, each part of it rounded half to even to nine places, then summed."""

from decimal import Decimal
from functools import lru_cache

import polars as pl

from analytics.model import BUCKETS, MONEY, SPLITS

PRICE_OF = {
    "input_uncached_tokens": "input",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_write_5m_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "output_text_tokens": "output",
    "reasoning_tokens": "reasoning",
}
"""Bucket -> the token price it costs. An unsplit cache write costs what a five-minute one does."""

EXTRAS = (*SPLITS, "web_searches")
"""What few calls have, and some lists price apart."""

_ZERO, MICRO = pl.lit(Decimal(0), MONEY), Decimal("0.000001")
_NONE = pl.lit(0, pl.Int64)


def _times(units: pl.Expr, price: pl.Expr) -> pl.Expr:
    """Units at a price; nothing for no units, whatever the price. A cast rounds half to even."""
    return pl.when(units > 0).then((units * price).cast(MONEY, strict=False)).otherwise(_ZERO)


def _total(model_parts: list[pl.Expr]) -> pl.Expr:
    """What a call costs when these are its parts; null without a price set, for broken usage and for a part without a price."""
    # `when` multiplies the rows that it keeps and no others, so a broken count cannot overflow.
    return (
        pl.when(pl.col("price_set").is_null() | pl.col("usage_problem").is_not_null())
        .then(None)
        .when(~pl.col("is_tool"))
        .then(pl.sum_horizontal(model_parts, ignore_nulls=False))
        .when(pl.col("second_usd").is_null())
        .then("call_usd")
        .otherwise(pl.col("call_usd").fill_null(0) + _seconds_cost)
        .cast(MONEY, strict=False)
    )


def _apart(split: str, price: str, within: pl.Expr) -> pl.Expr:
    """How many tokens of a subset cost a price of their own."""
    return pl.when(pl.col(f"{price}_usd").is_not_null()).then(pl.min_horizontal(pl.col(split).fill_null(0), within)).otherwise(_NONE)


def _full_parts() -> list[pl.Expr]:
    """The parts of a call with audio, images, searches or a fee for each request."""
    uncached, cached, text = (pl.col(name).fill_null(0) for name in ("input_uncached_tokens", "cache_read_tokens", "output_text_tokens"))
    heard = _apart("audio_input_tokens", "audio_input", uncached)
    heard_again = _apart("audio_input_tokens", "audio_cache_read", cached + heard) - heard
    seen = _apart("image_input_tokens", "image_input", uncached - heard)
    spoken = _apart("audio_output_tokens", "audio_output", text)
    plain = [name for name in BUCKETS if name not in ("input_uncached_tokens", "cache_read_tokens", "output_text_tokens")]
    counts = {
        "input": uncached - heard - seen,
        "cache_read": cached - heard_again.clip(0),
        "output": text - spoken,
        "audio_input": heard,
        "audio_cache_read": heard_again.clip(0),
        "image_input": seen,
        "audio_output": spoken,
    }
    fees = [_times(pl.col("web_searches").fill_null(0), pl.col("search_usd").fill_null(0)), pl.col("request_usd").fill_null(0).cast(MONEY)]
    return [*(_times(units, pl.col(f"{price}_usd")) for price, units in counts.items()), *map(_bucket_cost, plain), *fees]


def _bucket_cost(bucket: str) -> pl.Expr:
    return _times(pl.col(bucket), pl.col(f"{PRICE_OF[bucket]}_usd"))


# Three places of microseconds x dollars a second are nine of dollars: round there, once, then shift. Custom prices have at most 12 decimal
# places, which leaves room for any duration.
_micro_usd = (pl.col("microseconds") * pl.col("second_usd").cast(pl.Decimal(38, 12))).cast(pl.Decimal(38, 3))
_seconds_cost = _micro_usd.cast(pl.Decimal(38, 9)) * MICRO


@lru_cache
def cost_of(buckets: tuple[str, ...]) -> pl.Expr:
    """Of calls whose tokens are all text and in these buckets, without fees."""
    return _total([_bucket_cost(bucket) for bucket in buckets] or [_ZERO])


FULL_COST = _total(_full_parts())
"""Of any call."""
