"""One row of the report `variance`: its sentence, its effects as a waterfall, the measures behind them, and the ways to its runs."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl
import streamlit as st

from dashboard import charts, filters, money, ways
from dashboard.notices import plain

EFFECTS = {
    "volume_usd": "Runs",
    "calls_usd": "Calls per run",
    "unpriced_usd": "Without a price",
    "checker_usd": "Checker share",
    "model_mix_usd": "Model mix",
    "tokens_usd": "Tokens per call",
    "cache_usd": "Cache share",
    "price_usd": "Prices",
    "tool_usd": "Tools",
    "sandbox_usd": "Sandboxes",
    "allocated_usd": "Shared costs",
    "new_usd": "New",
    "ended_usd": "Ended",
}
"""In their order."""
_MEASURES = {
    "runs": "Runs",
    "calls": "Model calls",
    "unpriced_calls": "Calls without usage or price",
    "checker_calls": "Checkers' calls",
    "checker_share": "Checkers' share of calls",
    "input_tokens": "Input tokens",
    "cache_read_tokens": "Input read from cache",
    "cache_share": "Cached share of input",
    "output_tokens": "Output tokens",
}


def draw(row: dict[str, Any], by: str, now: tuple[datetime, datetime]) -> None:
    """What changed for one row, which is of the dimension `by`, in a window."""
    with st.container(border=True):
        st.markdown(f"**{plain(row[by])}**: {plain(row['why'])}")
        if row["change_usd"] is None:
            st.caption("No call of either window has a known cost: Data quality says why.")
            return
        steps = steps_of(row)
        chart, measures = st.columns([3, 2])
        chart.altair_chart(charts.bridge(steps), alt=f"From the cost before to the cost now of {row[by]}, effect by effect")
        measures.dataframe(_measures(row), hide_index=True, alt="Measures before and now")
    _links(row, by, now)


def steps_of(row: dict[str, Any]) -> pl.DataFrame:
    """Columns: step | usd: the cost before, each effect there is, the cost now."""
    effects = [(label, row[name]) for name, label in EFFECTS.items() if row[name]]
    steps = [("Before", row["before_usd"]), *effects, ("Now", row["after_usd"])]
    return pl.DataFrame(steps, schema={"step": pl.String, "usd": pl.Decimal(38, 9)}, orient="row")


def _measures(row: dict[str, Any]) -> pl.DataFrame:
    cells = [(label, *(_measure(row[f"{name}_{when}"]) for when in ("before", "after"))) for name, label in _MEASURES.items()]
    return pl.DataFrame(cells, schema=["Measure", "Before", "Now"], orient="row")


def _measure(value: int | Decimal | None) -> str:
    if value is None:
        return money.NOTHING
    return f"{value:.1%}" if isinstance(value, Decimal) else f"{value:,}"


def _links(row: dict[str, Any], by: str, now: tuple[datetime, datetime]) -> None:
    """To the runs of either window."""
    only = {by: [row[by]]} if by in filters.DIMENSIONS else {}
    with st.container(horizontal=True):
        for word, window in (("before", (row["before_from"], row["before_to"])), ("now", now)):
            ways.runs_button(f"Runs {word}", **only, **ways.days(*window))
