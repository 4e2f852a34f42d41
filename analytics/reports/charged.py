"""Charges summed by any words: what several reports are made of."""

import polars as pl

from analytics.model import BUCKETS, UNATTRIBUTED
from analytics.reports.question import Question, Sources

OF_CALLS = pl.Schema({"call_id": pl.UInt64, "duration_ms": pl.Int64, "reason": pl.String})
"""What else may be known of a call."""
_MEASURES = (
    "calls", "unknown_calls", "unpriced_calls", "priced_calls", "usage_known", *BUCKETS, "web_searches", "duration_ms", "cost_usd",
    "reported_usd",
)  # fmt: skip


def charged(sources: Sources, question: Question, *words: str, of_calls: pl.DataFrame | None = None) -> pl.DataFrame:
    """The charges a question asks for, one row for each combination of `words`; nothing else of the question's `by` counts.

    Words are dimensions and any of part (model, tool, sandbox or allocated), is_reported, is_priced, reason of `of_calls`, price_set and
    price_book. Measures: counters of calls, tokens by disjoint bucket, duration_ms of `of_calls`, cost_usd and reported_usd, null where
    none is known. Of `of_calls` any columns of OF_CALLS but call_id may be missing. With price_set comes `price_of_` each bucket, US
    dollars for one token.
    """
    more = OF_CALLS.to_frame() if of_calls is None else pl.concat([OF_CALLS.to_frame(), of_calls], how="diagonal")
    by = list(dict.fromkeys(words))
    rows = sources.ledger.query("queries/charges_by", {"of_calls": more}, **question.params(), by=by)
    prices = [name for name in rows.columns if name.startswith("price_of_")] if "price_set" in by else []
    return rows.select(*by, *_MEASURES, *prices)


def runs_by(sources: Sources, question: Question, *words: str, of_calls: pl.DataFrame | None = None) -> pl.DataFrame:
    """Columns: the words | runs, how many named runs have charges there."""
    rows = charged(sources, question, *words, "run", of_calls=of_calls)
    return rows.filter(pl.col("run") != UNATTRIBUTED).group_by(words).agg(runs=pl.col("run").n_unique().cast(pl.Int64))


def ratio(part: pl.Expr, whole: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A part of a whole as a decimal; null where there is no whole."""
    return (part / pl.when(whole != 0).then(whole)).cast(kind)
