"""Which runs there were."""

import polars as pl

from analytics.reports.question import MOST_ROWS, Question, QuestionError, Sources
from analytics.reports.run_names import RUN_BIT, of_runs


def runs(sources: Sources, question: Question) -> pl.DataFrame:
    """Runs, newest first; what is charged to no run is one row, `unattributed`.

    Columns: run | loop | team | user | started_at, ended_at UTC | state running or ended | duration_ms | steps, spans seen |
    agents list | calls | unknown_calls | unpriced_calls | input_tokens | output_tokens | cost_usd | signals, orders so far |
    last_action, the newest order or null.
    """
    limit = question.limit or MOST_ROWS
    cursor = question.cursor or "0"
    if not cursor.isdecimal() or len(cursor) > 18:
        raise QuestionError("cursor is what an earlier answer gave as the next one")

    def rows_of(names: list[str] | None) -> pl.DataFrame:
        return runs_seen(sources, question, only_run=names, limit=limit, offset=int(cursor))

    rows = (of_runs(sources, question, rows_of) if "run" in question.filters else rows_of(None)).drop("is_over", "failed")
    ordered = sources.control.signals_of(question.tenant, rows["run"].to_list())
    counts = pl.DataFrame([(row["run_id"], row["action"], row["seq"]) for row in ordered], schema=["run", "action", "seq"], orient="row")
    per_run = (
        counts.cast({"run": pl.String, "action": pl.String, "seq": pl.Int64})
        .sort("seq")
        .group_by("run")
        .agg(signals=pl.len(), last_action=pl.col("action").last())
    )
    return rows.join(per_run, on="run", how="left", maintain_order="left").with_columns(pl.col("signals").fill_null(0))


def runs_seen(sources: Sources, question: Question, **more: object) -> pl.DataFrame:
    """The rows of `runs` without orders; all of them unless `limit` and `offset` say otherwise. Two columns more: is_over, its root has
    ended | failed, the last of its roots did."""
    params = {**question.params(), "now": sources.now, "run_bit": RUN_BIT, "limit": None, "offset": 0, **more}
    return sources.ledger.query("reports/runs", **params)
