"""The key figures above the overview."""

from typing import Any

import polars as pl
import streamlit as st

from dashboard import charts, money


def draw(total: dict[str, Any], days: pl.DataFrame, running: pl.DataFrame, budgets: pl.DataFrame) -> None:
    """One row of figures: `total` is the one row of `spend`, `days` the same by day, `running` the runs that go on."""
    missing = total["unknown_calls"] + total["unpriced_calls"]
    breached = budgets.filter(state="breached")
    with st.grid(5, min_column_width=190):
        _figure("Spend, at least" if missing else "Spend", money.usd(total["cost_usd"]), _left_out(total), charts.trend(days, "cost_usd"))
        _figure("Calls", f"{total['calls']:,}", _tokens(total), charts.trend(days, "calls"))
        _figure("Priced", money.share(total["calls"] - missing, total["calls"]), f"{total['calls'] - missing:,} of {total['calls']:,} calls")
        _figure("Running now", _counted(running.height, "run"), f"of {_counted(running['loop'].n_unique(), 'loop')}")
        _figure("Budgets breached", f"{breached.height} of {budgets.height}", ", ".join(breached["policy"].unique(maintain_order=True)) or "none")


def _figure(label: str, value: str, beside: str, trend: list[float] | None = None) -> None:
    st.metric(
        label, value, beside, delta_color="off", delta_arrow="off", border=True, height="stretch",
        chart_data=trend if trend and len(trend) > 1 else None, chart_type="bar",
    )  # fmt: skip


def _left_out(total: dict[str, Any]) -> str:
    return money.floor(total["unknown_calls"], total["unpriced_calls"]) or "every call priced"


def _tokens(total: dict[str, Any]) -> str:
    return f"{money.tokens(total['input_tokens'])} tokens in, {money.tokens(total['output_tokens'])} out"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
