"""Tables: the words over each column, and how a cell reads. Numbers stay numbers, so that a table sorts by what it shows."""

from datetime import datetime

import polars as pl
import polars.selectors as cs
import streamlit as st

from dashboard import money

_Text, _Number = st.column_config.TextColumn, st.column_config.NumberColumn

COLUMNS = {
    "acknowledged_at": "Acknowledged",
    "action": "Action",
    "agent": "Agent",
    "agents": "Agents",
    "assumed_usd": money.column("Assumed", 2, help="What calls without known cost count for under this policy."),
    "cache_read_tokens": _Number("Cache read", format="compact"),
    "cache_write_tokens": _Number("Cache write", format="compact"),
    "calls": _Number("Calls", format="localized"),
    "checker_usd": money.column("Checker"),
    "confirmed_at": "Confirmed",
    "cost_usd": money.column("Cost", help="What is priced: a floor while calls are without usage or price."),
    "counts": "Counted",
    "crossed_at": "Crossed",
    "delivered_at": "Delivered",
    "delivered_by": "By",
    "duration_ms": _Number("Duration", format="compact"),
    "ended_at": "Ended",
    "first_seen": "First seen",
    "input_tokens": _Number("Input", format="compact", help="Tokens, cached ones included."),
    "issued_at": "Issued",
    "kind": "Kind",
    "last_action": "Last order",
    "last_seen": "Last seen",
    "limit_tokens": _Number("Limit, tokens", format="compact"),
    "limit_usd": money.column("Limit", 2),
    "loop": "Loop",
    "maker_usd": money.column("Maker"),
    "messages_delivered": "Messages",
    "missing_calls": _Number("Unknown cost", help="Calls without usage or without a price."),
    "mode": "Mode",
    "model": "Model",
    "models": "Models",
    "name": _Text("Step", pinned=True),
    "output_tokens": _Number("Output", format="compact", help="Tokens, reasoning included."),
    "owner": "Owner",
    "percent": st.column_config.ProgressColumn("Used", format="%.1f%%", max_value=100, width="medium"),
    "policy": _Text("Policy", pinned=True),
    "price_set": "Price",
    "reason": "Why",
    "reasoning_tokens": _Number("Reasoning", format="compact"),
    "role": "Role",
    "run": _Text("Run", pinned=True),
    "runs": _Number("Runs", format="localized"),
    "schedule": "Schedule",
    "scope": "Scope",
    "signals": "Orders",
    "spend_after_delivery_usd": money.column("Spent after", help="On calls of the run that ended after the order was delivered."),
    "spent_tokens": _Number("Spent, tokens", format="compact"),
    "spent_usd": money.column("Spent", 2),
    "started_at": "Started",
    "state": "State",
    "status": "Status",
    "step": "#",
    "steps": _Number("Steps", format="localized"),
    "team": "Team",
    "threshold": _Number("Threshold", format="%d%%"),
    "tool": "Tool",
    "unpriced_reason": "No price because",
    "user": "User",
    "window": "Window",
    "window_ends_at": "Ends",
}


def clock(moment: datetime) -> str:
    """A UTC time to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def table(frame: pl.DataFrame, columns: list[str], alt: str, **options):
    """Draws these columns of a report; answers as st.dataframe does."""
    return st.dataframe(
        readable(frame.select(columns)), hide_index=True, column_config=COLUMNS, placeholder=money.UNKNOWN, alt=alt, **options
    )


def readable(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as text, lists joined, milliseconds as durations. What did not happen reads `–`, so that only measures can be unknown."""
    return frame.with_columns(
        cs.datetime().dt.strftime("%Y-%m-%d %H:%M:%S").fill_null(money.NOTHING),
        cs.string().fill_null(money.NOTHING),
        cs.by_dtype(pl.List(pl.String)).list.join(", "),
        cs.matches("_ms$").cast(pl.Duration("ms")),
    )


def by_role(spent: pl.DataFrame) -> pl.DataFrame:
    """`spend` by loop and role -> loop | maker_usd | checker_usd. A loop without calls of a role has spent 0 there, not an unknown amount."""
    loops = spent.select("loop").unique()
    for role in ("maker", "checker"):
        theirs = spent.filter(role=role).select("loop", pl.col("cost_usd").alias(f"{role}_usd"))
        absent = loops.join(theirs, on="loop", how="anti").select("loop", pl.lit(0).cast(theirs.schema[f"{role}_usd"]).alias(f"{role}_usd"))
        loops = loops.join(pl.concat([theirs, absent]), on="loop")
    return loops


def picked(event) -> int | None:
    """The row that was clicked in a table with selections, by its box or any of its cells."""
    rows = event.selection.rows or [row for row, _ in event.selection.cells]
    return rows[0] if rows else None
