"""What runtimes say that their calls cost, beside what we say."""

import polars as pl

from analytics.reports.charged import charged, ratio
from analytics.reports.question import Question, Sources

_USD, _PERCENT = pl.Decimal(38, 9), pl.Decimal(38, 1)


def reported(sources: Sources, question: Question) -> pl.DataFrame:
    """Reported cost against ours for each combination of `by` (default runtime), the greatest difference first.

    Columns: the words of `by` | calls | reported_calls, whose runtime says a cost | unreported_calls | reported_usd, null without any |
    compared_calls, reported ones that have a price of ours too | compared_usd, what is reported of these | cost_usd, what they cost by our
    prices | difference_usd, reported less ours | difference_percent, of ours | unreported_usd, our cost of calls without a report: with
    cost_usd it adds up to the ledger's total.
    """
    by = question.by or ("runtime",)
    groups = charged(sources, question, *by, "is_reported", "is_priced")
    told, both = pl.col("is_reported"), pl.col("is_reported") & (pl.col("cost_usd").is_not_null())
    rows = groups.group_by(by).agg(
        calls=pl.col("calls").sum(),
        reported_calls=pl.col("calls").filter(told).sum(),
        unreported_calls=pl.col("calls").filter(~told).sum(),
        reported_usd=_sum("reported_usd", told),
        compared_calls=pl.col("calls").filter(both).sum(),
        compared_usd=_sum("reported_usd", both),
        cost_usd=_sum("cost_usd", told),
        unreported_usd=pl.when((~told).any()).then(_sum("cost_usd", ~told)).otherwise(pl.lit(0).cast(_USD)),
    )
    difference = pl.col("compared_usd") - pl.col("cost_usd")
    percent = ratio(difference * 100, pl.col("cost_usd"), _PERCENT)
    rows = rows.with_columns(difference_usd=difference.cast(_USD), difference_percent=percent)
    rows = rows.select(pl.exclude("unreported_usd"), "unreported_usd").sort(
        pl.col("difference_usd").abs(), *by, descending=[True] + [False] * len(by), nulls_last=True
    )
    return rows.head(question.limit) if question.limit else rows


def _sum(usd: str, here: pl.Expr) -> pl.Expr:
    amounts = pl.col(usd).filter(here)
    return pl.when(amounts.count() > 0).then(amounts.sum()).cast(_USD)
