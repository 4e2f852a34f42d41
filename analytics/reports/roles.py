"""What makers cost, and what it costs to check them."""

import polars as pl

from analytics.model import BUCKETS
from analytics.reports.charged import charged, ratio
from analytics.reports.question import Question, Sources

_USD, _SHARE = pl.Decimal(38, 9), pl.Decimal(38, 4)
_PARTS = ("model", "tool", "sandbox", "allocated")
_TOKENS = {"input_tokens": BUCKETS[:5], "output_tokens": BUCKETS[5:]}


def roles(sources: Sources, question: Question) -> pl.DataFrame:
    """Cost, tokens, calls and time by role for each combination of `by` (default loop; run for every run), dearest first; the rows add up
    to the ledger's total. Calls of a role that nobody names are `unattributed`.

    Columns: the words of `by` | role | calls | unknown_calls | unpriced_calls | input_tokens, cached ones included | output_tokens,
    reasoning included | duration_ms, of its calls one after the other, null where no call's end is known | model_usd, tool_usd,
    sandbox_usd, 0 without such calls and null if none of them has a known cost | allocated_usd, shares of common costs | cost_usd, their
    sum | cost_share, the role's of the cost of all roles there | checker_share, the checkers' of it, null while theirs is unknown.
    """
    by = question.by or ("loop",)
    words = by if "role" in by else (*by, "role")
    times = sources.ledger.query("queries/call_times", tenant=question.tenant, since=question.since, until=question.until)
    parts = charged(sources, question, *words, "part", of_calls=times)
    rows = parts.group_by(words).agg(
        pl.col("calls", "unknown_calls", "unpriced_calls").sum(),
        *(_told(pl.col("usage_known").sum() > 0, _added(buckets)).alias(name) for name, buckets in _TOKENS.items()),
        _told(pl.col("duration_ms").count() > 0, pl.col("duration_ms").sum()),
        *(_cost(pl.col("part") == part).alias(f"{part}_usd") for part in _PARTS),
        _cost(pl.lit(True)).alias("cost_usd"),
    )
    rows = _shared(rows, [word for word in words if word != "role"])
    rows = rows.sort("cost_usd", *words, descending=[True] + [False] * len(words), nulls_last=True)
    return rows.head(question.limit) if question.limit else rows


def _told(is_known: pl.Expr, measure: pl.Expr) -> pl.Expr:
    return pl.when(is_known).then(measure)


def _added(buckets: tuple[str, ...]) -> pl.Expr:
    return pl.sum_horizontal(pl.col(name).sum() for name in buckets)


def _cost(here: pl.Expr) -> pl.Expr:
    """The known cost of some parts: null where there are such parts and none of them has any."""
    costs = pl.col("cost_usd").filter(here)
    return pl.when((costs.len() == 0) | (costs.count() > 0)).then(costs.sum()).cast(_USD)


def _shared(rows: pl.DataFrame, group: list[str]) -> pl.DataFrame:
    whole = rows.with_columns(group=pl.struct(group) if group else pl.lit(0))
    checks, total = pl.col("role") == "checker", pl.col("cost_usd").sum().over("group")
    is_known = (pl.col("cost_usd").is_null() & checks).sum().over("group") == 0
    checking = pl.when(checks).then("cost_usd").otherwise(pl.lit(0).cast(_USD)).sum().over("group")
    shares = whole.with_columns(
        cost_share=ratio(pl.col("cost_usd"), total, _SHARE),
        checker_share=pl.when(is_known).then(ratio(checking, total, _SHARE)),
    )
    return shares.drop("group")
