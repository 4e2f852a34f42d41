"""Which runs there were; with `?run=` in the URL, what one of them did."""

import polars as pl
import streamlit as st

from dashboard import data, filters, notices, run_trace
from dashboard.tables import picked, table

if run := st.query_params.get("run"):
    run_trace.draw(run)
    st.stop()

found = data.report("runs", limit=1000, **filters.chosen()).rows
if found.is_empty():
    notices.nothing_here("runs")

charged = found.filter(pl.col("calls") > 0)
runs = charged
if charged.height < found.height:
    views = {f"{charged.height:,} runs with calls": charged, f"All {found.height:,}": found}
    runs = views[st.segmented_control("Runs", views, default=next(iter(views)), required=True, label_visibility="collapsed")]

columns = [
    "run", "loop", "team", "state", "started_at", "duration_ms", "steps", "calls", "input_tokens", "output_tokens", "cost_usd", "signals",
    "last_action", "agents", "user",
]  # fmt: skip
row = picked(table(runs, columns, "Runs, newest first", on_select="rerun", selection_mode=["single-row", "single-cell"], height=700))
if row is not None:
    st.query_params["run"] = runs["run"][row]
    st.rerun()
