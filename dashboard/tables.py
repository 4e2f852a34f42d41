"""Tables: the words over each column, and how a cell reads. Measures stay numbers, so that a table sorts by what it shows."""

from datetime import datetime
from typing import Any

import polars as pl
import polars.selectors as cs
import streamlit as st

from dashboard import money

_Number = st.column_config.NumberColumn
_COLOURS = {
    "running": "blue", "ended": "gray",
    "ok": "green", "warned": "orange", "breached": "red",
    "open": "red", "withdrawn": "gray",
    "pending": "orange", "delivered": "blue", "acknowledged": "blue", "confirmed": "green",
    "expired": "gray", "superseded": "gray", "ignored": "red",
    "warn": "orange", "pause": "orange", "stop": "red", "kill": "red", "resume": "green",
    "registered": "green", "silent": "gray", "duplicated": "violet", "unattributed": "gray",
    "ran": "green", "missed": "red", "doubled": "orange", "due": "blue",
    "registered and seen": "green", "registered, silent": "gray", "unregistered": "orange",
    "future": "gray", "over": "red", "alarm": "red", "warning": "orange", "note": "gray",
}  # fmt: skip
_BADGES = ("state", "status", "action", "last_action")


def badge(label: str):
    """A column whose words have a colour; the word says everything that the colour says."""
    return st.column_config.MultiselectColumn(label, options=list(_COLOURS), color=list(_COLOURS.values()))


def badge_of(word: str, label: str) -> None:
    """The same colour on a badge by itself."""
    st.badge(label, color=_COLOURS[word])


COLUMNS = {
    "acknowledged": _Number("Acknowledged", format="localized"),
    "acknowledged_at": "Acknowledged",
    "action": badge("Action"),
    "after_usd": money.column("Now"),
    "agent": "Agent",
    "agents": "Agents",
    "approved_by": "Approved by",
    "assumed_usd": money.column("Assumed", 2, help="What calls without known cost count for under this policy."),
    "at_risk_usd": money.column("At risk", help="At the dearest prices paid so far: a bound, no estimate."),
    "attribute": "Told by",
    "basis": "Basis",
    "before_usd": money.column("Before"),
    "cache_read_mtok": money.column("Cache read / M", help="US dollars for a million tokens."),
    "calls": _Number("Calls", format="localized"),
    "change": "Change",
    "change_percent": _Number("Change", format="%+.1f%%"),
    "change_usd": money.column("More or less"),
    "checker_share": _Number("Checker share", format="percent", help="Of the cost of all roles there."),
    "checker_usd": money.column("Checker"),
    "committed_usd": money.column("Committed", 2),
    "compared_usd": money.column("Reported", help="By runtimes, of calls that have a price of ours too."),
    "conditions": "Conditions",
    "confirmed_at": "Confirmed",
    "contract": "Contract",
    "cost_center": "Cost centre",
    "cost_share": _Number("Share", format="percent"),
    "cost_usd": money.column("Cost", help="What is priced: a floor while calls are without usage or price."),
    "crossed_at": "Crossed",
    "declared": "Declared",
    "delivered": _Number("Delivered", format="localized"),
    "delivered_at": "Delivered",
    "delivered_by": "By",
    "detail": "Detail",
    "difference_percent": _Number("Difference", format="%+.1f%%"),
    "difference_usd": money.column("Reported less ours"),
    "doubled_runs": _Number("Doubled", format="localized", help="Runs beyond one for a start."),
    "drawn_percent": st.column_config.ProgressColumn("Drawn", format="%.1f%%", max_value=100, width=150),
    "drawn_usd": money.column("Drawn", 2),
    "duration_ms": _Number("Duration", format="%,.1f s"),
    "ends_at": "Ends",
    "environment": "Environment",
    "exhausted_at": "Spent by",
    "expected_at": "Expected",
    "expected_runs": _Number("Expected", format="localized", help="Starts by the schedule; none where it is not computed."),
    "finding": "Finding",
    "findings": "Findings",
    "first_at": "First",
    "first_seen": "First seen",
    "first_used": "First used",
    "input_mtok": money.column("Input / M", help="US dollars for a million tokens."),
    "input_tokens": _Number("Input", format="compact", width=75, help="Tokens, cached ones included."),
    "issued_at": "Issued",
    "kind": "Kind",
    "last_7_days_usd": money.column("Last 7 days", help="To the collector's clock, whatever the period."),
    "last_action": badge("Last order"),
    "last_at": "Last",
    "last_seen": "Last seen",
    "last_used": "Last used",
    "late_seconds": _Number("Late", format="localized", help="Seconds from the expected start to the first run."),
    "limit_tokens": _Number("Limit, tokens", format="compact"),
    "limit_usd": money.column("Limit", 2),
    "list_usd": money.column("List", help="What the list asks."),
    "loop": "Loop",
    "maker_usd": money.column("Maker"),
    "messages_delivered": _Number("Messages", help="Alerts that reached their channel."),
    "missed_runs": _Number("Missed", format="localized"),
    "missing": "Missing",
    "missing_calls": _Number("Unknown", help="Calls without usage or without a price."),
    "mode": "Mode",
    "model": "Model",
    "model_requested": "Model",
    "model_usd": money.column("Models"),
    "models": "Models",
    "name": "Name",
    "output_mtok": money.column("Output / M", help="US dollars for a million tokens."),
    "output_tokens": _Number("Output", format="compact", width=75, help="Tokens, reasoning included."),
    "owner": "Owner",
    "percent": st.column_config.ProgressColumn("Used", format="%.1f%%", max_value=100, width=180),
    "policy": "Policy",
    "provider": "Provider",
    "reason": "Why",
    "records": _Number("Records", format="localized"),
    "remaining_usd": money.column("Left", 2),
    "reported_calls": _Number("Reported", format="localized", help="Calls whose runtime says what they cost."),
    "role": "Role",
    "rule": "Rule",
    "run": "Run",
    "runs": _Number("Runs", format="localized"),
    "runtime": "Runtime",
    "sandbox_usd": money.column("Sandboxes"),
    "schedule": "Schedule",
    "scope": "Scope",
    "service": "Service",
    "signals": _Number("Orders", format="localized"),
    "source": "Source",
    "spend_after_delivery_usd": money.column("Spent after", help="On calls of the run that ended after the order was delivered."),
    "spent_tokens": _Number("Spent, tokens", format="compact"),
    "spent_usd": money.column("Spent", 2),
    "started_at": "Started",
    "state": badge("State"),
    "status": badge("Status"),
    "steps": _Number("Steps", format="localized"),
    "team": "Team",
    "threshold": _Number("At", format="%d%%"),
    "tokens": _Number("Tokens", format="localized"),
    "tool": "Tool",
    "tool_usd": money.column("Tools"),
    "touched": "Touched",
    "undeclared_touches": "Undeclared touches",
    "unreported_calls": _Number("Unreported", format="localized"),
    "unused_grants": "Unused grants",
    "user": "User",
    "uses": _Number("Uses", format="localized"),
    "valid_from": "From",
    "valid_to": "Until",
    "value": "Value",
    "version": "Version",
    "why": st.column_config.TextColumn("Why", width=620),
    "window": "Window",
    "window_ends_at": "Ends",
}


def clock(moment: datetime | None) -> str:
    """A UTC time to the second; `–` when it has not come."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else money.NOTHING


def table(frame: pl.DataFrame, columns: list[str], alt: str, unknown: str = money.UNKNOWN, **options):
    """Draws these columns of a report; answers as st.dataframe does. `unknown` is what a missing number reads."""
    cells = readable(frame.select(columns))
    return st.dataframe(cells, hide_index=True, column_config=COLUMNS, placeholder=unknown, alt=alt, **options)


def readable(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as text, lists joined, durations in seconds. Words that are missing read `–`: only numbers can be unknown."""
    return frame.with_columns(
        cs.datetime().dt.strftime("%Y-%m-%d %H:%M:%S").fill_null(money.NOTHING),
        (cs.string() - cs.by_name(_BADGES, require_all=False)).fill_null(money.NOTHING),
        cs.by_dtype(pl.List(pl.String)).list.join(", "),
        cs.matches("_ms$") / 1000,
    ).with_columns(pl.concat_list(pl.col(name)).list.drop_nulls() for name in _BADGES if name in frame.columns)


def picked(event) -> int | None:
    """The row that was clicked in a table with selections, by its box or any of its cells."""
    rows = event.selection.rows or [row for row, _ in event.selection.cells]
    return rows[0] if rows else None


def clicked(frame: pl.DataFrame, columns: list[str], alt: str, unknown: str = money.UNKNOWN, **options) -> dict[str, Any] | None:
    """Draws a table; answers the row that was clicked just now, all its columns."""
    clicks = st.session_state.get("clicks", 0)
    # The count is part of the key, so that a table shown again has forgotten its last click.
    select = {"on_select": "rerun", "selection_mode": ["single-row", "single-cell"], "key": f"{alt} {clicks}"}
    row = picked(table(frame, columns, alt, unknown, **select, **options))
    if row is None:
        return None
    st.session_state["clicks"] = clicks + 1
    return frame.row(row, named=True)


def clicked_run(frame: pl.DataFrame, columns: list[str], alt: str, unknown: str = money.UNKNOWN, **options) -> str | None:
    """Draws a table of rows that name a `run`; answers the run whose row was clicked just now."""
    row = clicked(frame, columns, alt, unknown, **options)
    return row["run"] if row else None


def by_role(spent: pl.DataFrame) -> pl.DataFrame:
    """`spend` by loop and role -> loop | maker_usd | checker_usd. A loop without calls of a role has spent 0 there, nothing unknown."""
    loops = spent.select("loop").unique()
    for role in ("maker", "checker"):
        theirs = spent.filter(role=role).select("loop", pl.col("cost_usd").alias(f"{role}_usd"))
        nothing = pl.lit(0).cast(spent.schema["cost_usd"]).alias(f"{role}_usd")
        others = loops.join(theirs, on="loop", how="anti").select("loop", nothing)
        loops = loops.join(pl.concat([theirs, others]), on="loop")
    return loops
