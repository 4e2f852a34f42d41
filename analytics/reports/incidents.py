"""Limits that were crossed."""

from decimal import Decimal

import polars as pl

from analytics.effects import NANO
from analytics.model import MONEY
from analytics.reports.question import Question, Sources
from analytics.undeclared import EVER

_COLUMNS = pl.Schema(
    {
        "id": pl.String, "policy": pl.String, "scope": pl.String, "window": pl.String, "threshold": pl.Int64, "action": pl.String,
        "mode": pl.String, "limit_usd": MONEY, "limit_tokens": pl.Int64, "spent_usd": MONEY, "spent_tokens": pl.Int64,
        "assumed_usd": MONEY, "is_assumed": pl.Boolean, "crossed_at": pl.Datetime("us"), "detected_at": pl.Datetime("us"),
        "state": pl.String, "run": pl.String, "signals": pl.Int64, "delivered": pl.Int64, "acknowledged": pl.Int64,
        "messages_delivered": pl.Int64,
    }
)  # fmt: skip


def incidents(sources: Sources, question: Question) -> pl.DataFrame:
    """Incidents, newest crossing first; the window of the question bounds crossed_at. Of the policies `unregistered loop` and `undeclared
    touch`, which compare telemetry with the registry, the scope says what was found, and a threshold, limit and spend are null.

    Columns: id | policy | scope | window | threshold, percent of the limit | action | mode | limit_usd or limit_tokens | spent_usd, with
    the call that crossed | spent_tokens | assumed_usd | is_assumed, known spend alone has not crossed | crossed_at in event time and
    detected_at, UTC | state open or withdrawn | run, whose call crossed | signals, delivered, acknowledged: orders to runs |
    messages_delivered.
    """
    rows = [_row(row) for row in sources.control.incidents_with_effects(question.tenant)]
    frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
    if question.since:
        frame = frame.filter(pl.col("crossed_at") >= question.since)
    if question.until:
        frame = frame.filter(pl.col("crossed_at") < question.until)
    frame = frame.sort("crossed_at", "threshold", descending=True)
    return frame.head(question.limit) if question.limit else frame


def _row(row: dict) -> tuple:
    shown = {**row, "threshold": row["percent"], "is_assumed": bool(row["is_assumed"]), "run": row["run_id"]}
    shown |= {f"{name}_usd": _usd(row[f"{name}_nano_usd"]) for name in ("limit", "spent", "assumed")}
    if row["window"] == EVER:
        shown |= dict.fromkeys(("threshold", "spent_usd", "spent_tokens", "assumed_usd"))
    return tuple(shown[name] for name in _COLUMNS)


def _usd(nano_usd: int | None) -> Decimal | None:
    return None if nano_usd is None else Decimal(nano_usd) / NANO
