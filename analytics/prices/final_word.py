"""Services whose own word on what a call cost is final."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from analytics.globs import pattern
from analytics.model import MODEL_KINDS
from analytics.prices.sets import utc

if TYPE_CHECKING:
    from analytics.config import Reported


def final_word(priced: pl.DataFrame, reported: Sequence["Reported"]) -> pl.DataFrame:
    """Priced calls, those of the named services at what they reported: basis `reported`. What the list asks stays beside it."""
    believed = pl.any_horizontal(map(_is_of, reported)) & pl.col("reported_usd").is_not_null() & pl.col("kind").is_in(MODEL_KINDS)
    word = {
        "cost_usd": pl.col("reported_usd"),
        "contracted_usd": pl.col("reported_usd"),
        "basis": pl.lit("reported"),
        "unpriced_reason": pl.lit(None, pl.String),
    }
    return priced.with_columns(pl.when(believed).then(said).otherwise(name).alias(name) for name, said in word.items())


def _is_of(entry: "Reported") -> pl.Expr:
    """Whether a call was reported by this service while its word is final."""
    holds = pl.col("reporter").str.contains(pattern([entry.service])).fill_null(False)
    if entry.valid_from:
        holds &= pl.col("happened_at") >= utc(entry.valid_from)
    return holds & (pl.col("happened_at") < utc(entry.valid_to)) if entry.valid_to else holds
