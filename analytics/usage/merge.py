"""One row for a call from all records it was seen in.

Tokens come from the record with the finest split, completed by what agreeing records split further; who it was for from the record
deepest in a tree; every other fact from the first that says it.
"""

import polars as pl

from analytics import tags
from analytics.model import BUCKETS, FLOWING
from analytics.usage.told import INPUT, OUTPUT, WRITES, has_usage, standing

_OF_PRIMARY = ("record_key", "started_at", "ended_at", "kind", "signal", "usage_settled", "reasoning_apart", "in_tokens", "out_tokens")


def merge(members: pl.DataFrame) -> pl.DataFrame:
    """One row per `call`, in the order of calls, with `primary`, the key of the record that counts.

    `members` are the nodes of each call with `call` and `depth`.
    """
    alone = members.filter(pl.col("call").is_unique()) if members["call"].n_unique() < members.height else members
    one_row = alone.hstack([alone["record_key"].alias("primary")])
    if alone.height == members.height:
        return one_row
    several = members.join(alone, on="call", how="anti")
    return pl.concat([one_row, _several(several).select(one_row.columns)]).sort("call")


def _several(members: pl.DataFrame) -> pl.DataFrame:
    finest = pl.sum_horizontal(pl.col(bucket).is_not_null() for bucket in BUCKETS)
    ranked = members.sort([has_usage(), finest, "depth", *standing(), "record_key"], descending=True)
    agree = (pl.col("in_tokens") == pl.col("in_tokens").first()) & (pl.col("out_tokens") == pl.col("out_tokens").first())
    agreed = {name: pl.col(name).filter(agree).drop_nulls().first() for name in ("cache_read_tokens", "reasoning_tokens")}
    written = pl.any_horizontal(pl.col(name).is_not_null() for name in WRITES)
    writes = {name: pl.col(name).filter(agree & written).first() for name in WRITES}
    whose = (*FLOWING, *tags.columns_of(members))
    by_depth = [pl.col(name).sort_by("depth", descending=True, maintain_order=True).drop_nulls().first() for name in whose]
    facts = [name for name in members.columns if name not in {"call", *_OF_PRIMARY, *BUCKETS, *whose}]
    whole = ranked.group_by("call", maintain_order=True).agg(
        *(pl.col(name).first() for name in _OF_PRIMARY),
        *(pl.col(name).first().alias(f"{name}_said") for name in BUCKETS),
        *(value.alias(name) for name, value in (agreed | writes).items()),
        *by_depth,
        *(pl.col(name).drop_nulls().first() for name in facts),
    )
    return whole.with_columns(_split("input_uncached_tokens", INPUT), _split("output_text_tokens", OUTPUT), primary="record_key").drop(
        f"{name}_said" for name in BUCKETS
    )


def _split(rest: str, buckets: tuple[str, ...]) -> pl.Expr:
    """What is left of a total when its parts are taken out; null where no total was said."""
    total = pl.sum_horizontal(pl.col(f"{name}_said").fill_null(0) for name in buckets)
    parts = pl.sum_horizontal(pl.col(name).fill_null(0) for name in buckets if name != rest)
    return pl.when(pl.col(f"{rest}_said").is_not_null()).then(total - parts).alias(rest)
