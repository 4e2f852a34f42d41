"""What was spent on work that came to nothing."""

import polars as pl

from analytics.model import BUCKETS
from analytics.reports.charged import charged, ratio, runs_by
from analytics.reports.question import Question, Sources
from analytics.reports.runs import runs_seen

REASONS = ("failed call", "retry", "stopped run", "failed run", "abandoned run", "not waste")
_STOPS = ("stop", "kill")
_USD, _SHARE = pl.Decimal(38, 9), pl.Decimal(38, 4)


def waste(sources: Sources, question: Question) -> pl.DataFrame:
    """Cost by what became of it for each combination of `by` (default loop), dearest first; the rows add up to the ledger's total.

    A call is of the first reason that holds: failed call, it failed itself | retry, the attempt of its agent and model just before it in
    its run failed | stopped run, its run got a stop or kill | failed run, its run's root failed | abandoned run, silent for 15 minutes,
    with spans that never ended or whose parents never came | not waste.

    Columns: the words of `by` | reason | runs | calls | unknown_calls | unpriced_calls | input_tokens, cached ones included |
    output_tokens, reasoning included | cost_usd, null if unknown | cost_share, of the cost of all reasons there.
    """
    by = question.by or ("loop",)
    words = (*by, "reason")
    window = {"tenant": question.tenant, "since": question.since, "until": question.until}
    of_calls = sources.ledger.query("reports/waste", {"ends": _ends(sources, Question(**window))}, **window)
    sums = charged(sources, question, *words, of_calls=of_calls)
    runs = runs_by(sources, question, *words, of_calls=of_calls)
    rows = sums.join(runs, on=words, how="left").select(
        *words,
        pl.col("runs").fill_null(0),
        "calls", "unknown_calls", "unpriced_calls",
        input_tokens=pl.when(pl.col("usage_known") > 0).then(pl.sum_horizontal(BUCKETS[:5])),
        output_tokens=pl.when(pl.col("usage_known") > 0).then(pl.sum_horizontal(BUCKETS[5:])),
        cost_usd=pl.col("cost_usd").cast(_USD),
    )  # fmt: skip
    whole = pl.col("cost_usd").sum().over(by)
    rows = rows.with_columns(cost_share=ratio(pl.col("cost_usd"), whole, _SHARE))
    rows = rows.sort("cost_usd", *words, descending=[True] + [False] * len(words), nulls_last=True)
    return rows.head(question.limit) if question.limit else rows


def _ends(sources: Sources, window: Question) -> pl.DataFrame:
    """How the runs of a window ended: run | is_stopped | is_failed | is_silent."""
    stopped = {
        row["run_id"]
        for row in sources.control.signals_after(window.tenant, 0)
        if row["action"] in _STOPS and row["delivered_at"] is not None
    }
    is_silent = (pl.col("state") == "ended") & ~pl.col("is_over")
    return runs_seen(sources, window).select(
        "run", is_stopped=pl.col("run").is_in(list(stopped)), is_failed=pl.col("failed"), is_silent=is_silent
    )
