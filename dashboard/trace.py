"""One run: its facts, its orders, and every step."""

from typing import Any

import polars as pl
import streamlit as st

from dashboard import charts, data, money
from dashboard.tables import clock, table

_PLUMBING = ("other", "chain")
_MOST_DRAWN = 400
_STATES = {"running": "blue", "ended": "gray"}


def draw(run: str) -> None:
    """The whole page of one run, named as in the read API."""
    if st.button("All runs", icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["run"]
        st.rerun()
    found = data.report("runs", run=run).rows
    if found.is_empty():
        st.warning(f"The ledger knows no run `{run}`.")
        return
    _facts(found.row(0, named=True))
    _orders(run)
    steps = _chosen_steps(data.report("run_trace", run=run).rows)
    st.markdown("**Steps**, and what the charged ones cost")
    with st.container(height=460 if steps.height > 20 else "content", border=True):
        st.altair_chart(charts.waterfall(steps.head(_MOST_DRAWN)), alt=f"When each step of {run} ran")
    _spend(run, steps)
    _table(steps)


def _facts(run: dict[str, Any]) -> None:
    missing = money.floor(run["unknown_calls"], run["unpriced_calls"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(run["run"], anchor=False, width="content")
        st.badge(run["state"], color=_STATES[run["state"]])
        if run["last_action"]:
            st.badge(f"ordered: {run['last_action']}", color="red")
    who = " · ".join(f"{word} **{run[word]}**" for word in ("loop", "team", "user"))
    st.caption(f"{who} · agents **{', '.join(run['agents']) or 'none named'}** · started {clock(run['started_at'])} · last record {clock(run['ended_at'])} UTC")
    with st.grid(5, min_column_width=170):
        _figure("Cost, at least" if missing else "Cost", money.usd(run["cost_usd"]), missing or "every call priced")
        _figure("Calls", f"{run['calls']:,}", f"in {run['steps']:,} steps")
        _figure("Duration", money.duration(run["duration_ms"]), "first to last record")
        _figure("Input", money.tokens(run["input_tokens"]), "tokens, cached included")
        _figure("Output", money.tokens(run["output_tokens"]), "tokens, reasoning included")


def _figure(label: str, value: str, beside: str) -> None:
    st.metric(label, value, beside, delta_color="off", delta_arrow="off", border=True)


def _orders(run: str) -> None:
    signals = data.report("signals", run=run).rows
    if signals.is_empty():
        return
    st.markdown("**Orders to this run**")
    columns = ["action", "state", "issued_at", "delivered_at", "delivered_by", "acknowledged_at", "confirmed_at", "spend_after_delivery_usd", "policy", "scope", "window", "reason"]
    table(signals, columns, "Orders to this run, newest first")


def _chosen_steps(steps: pl.DataFrame) -> pl.DataFrame:
    """All steps, or without the runtime's plumbing where there is any; calls always stay."""
    matters = pl.col("counts").is_not_null() | pl.col("kind").is_in(_PLUMBING).not_()
    shown = steps.filter(matters)
    if shown.height in (0, steps.height):
        return steps
    names = {"Steps that matter": shown, f"All {steps.height:,} spans": steps}
    return names[st.segmented_control("Steps", names, default=next(iter(names)), required=True, label_visibility="collapsed")]


def _spend(run: str, steps: pl.DataFrame) -> None:
    if steps.filter("counts", pl.col("cost_usd").is_not_null()).is_empty():
        return
    crossings = data.report("incidents").rows.filter(run=run, state="open")
    st.markdown("**Spent so far**, UTC")
    st.altair_chart(charts.cumulative(steps, crossings), alt="Cumulative cost of the run")


def _table(steps: pl.DataFrame) -> None:
    indented = pl.col("depth").map_elements(lambda depth: "\u2003" * depth, return_dtype=pl.String) + pl.col("name")
    columns = [
        "step", "name", "kind", "agent", "role", "model", "tool", "duration_ms", "input_tokens", "cache_read_tokens", "cache_write_tokens",
        "output_tokens", "reasoning_tokens", "cost_usd", "counts", "reason", "price_set", "unpriced_reason", "error_type", "started_at",
    ]  # fmt: skip
    table(steps.with_columns(name=indented), columns, "Every step with its tokens and cost")
