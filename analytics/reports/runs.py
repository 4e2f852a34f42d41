"""Which runs there were."""

import polars as pl

from analytics.reports.question import MOST_ROWS, Question, QuestionError, Sources


def runs(sources: Sources, question: Question) -> pl.DataFrame:
    """Runs, newest first.

    Columns: run | loop | team | user | started_at, ended_at UTC | state running or ended | duration_ms | steps, spans seen |
    agents list | calls | unknown_calls | unpriced_calls | input_tokens | output_tokens | cost_usd | signals, orders so far |
    last_action, the newest order or null.
    """
    limit = question.limit or MOST_ROWS
    cursor = question.cursor or "0"
    if not cursor.isdecimal() or len(cursor) > 18:
        raise QuestionError("cursor is what an earlier answer gave as the next one")
    params = question.params() | {"now": sources.now, "limit": limit, "offset": int(cursor)}
    rows = sources.ledger.query("reports/runs", **params)
    ordered = sources.control.signals_of(question.tenant, rows["run"].to_list())
    counts = pl.DataFrame([(row["run_id"], row["action"], row["seq"]) for row in ordered], schema=["run", "action", "seq"], orient="row")
    per_run = (
        counts.cast({"run": pl.String, "action": pl.String, "seq": pl.Int64})
        .sort("seq")
        .group_by("run")
        .agg(signals=pl.len(), last_action=pl.col("action").last())
    )
    return rows.join(per_run, on="run", how="left", maintain_order="left").with_columns(pl.col("signals").fill_null(0))
