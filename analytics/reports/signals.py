"""Orders to runs, and what became of them."""

import polars as pl

from analytics.model import MONEY
from analytics.reports.question import Question, Sources
from analytics.signals import state_of

_COLUMNS = pl.Schema(
    {
        "id": pl.String, "run": pl.String, "loop": pl.String, "action": pl.String, "policy": pl.String, "scope": pl.String,
        "window": pl.String, "reason": pl.String, "incident_id": pl.String, "epoch": pl.Int64, "issued_at": pl.Datetime("us"),
        "expires_at": pl.Datetime("us"), "delivered_at": pl.Datetime("us"), "delivered_by": pl.String,
        "acknowledged_at": pl.Datetime("us"), "confirmed_at": pl.Datetime("us"), "state": pl.String,
    }
)  # fmt: skip


def signals(sources: Sources, question: Question) -> pl.DataFrame:
    """Signals, newest first; the window of the question bounds issued_at.

    Columns: id | run | loop | action | policy | scope | window | reason | incident_id | epoch | issued_at, expires_at, delivered_at,
    acknowledged_at, confirmed_at UTC, null when it has not happened | delivered_by, the channel | state |
    spend_after_delivery_usd, of the run's calls that ended after delivery, null before it.
    """
    rows = [{**row, "run": row["run_id"], "state": state_of(row, sources.now)} for row in sources.control.signals_after(question.tenant, 0)]
    frame = pl.DataFrame([tuple(row[name] for name in _COLUMNS) for row in reversed(rows)], schema=_COLUMNS, orient="row")
    for name in ("run", "loop"):
        if name in question.filters:
            frame = frame.filter(pl.col(name).is_in(question.filters[name]))
    if question.since:
        frame = frame.filter(pl.col("issued_at") >= question.since)
    if question.until:
        frame = frame.filter(pl.col("issued_at") < question.until)
    frame = frame.head(question.limit) if question.limit else frame
    delivered = frame.filter(pl.col("delivered_at").is_not_null()).select("id", "run", "delivered_at")
    spent = sources.ledger.query("reports/signals", {"delivered": delivered}, tenant=question.tenant)
    return frame.join(spent.cast({"spend_after_delivery_usd": MONEY}), on="id", how="left", maintain_order="left")
