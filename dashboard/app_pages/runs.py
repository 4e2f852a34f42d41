"""Which runs there were; with `?run=` in the URL, what one of them did."""

import streamlit as st

from dashboard import data, filters, notices, trace
from dashboard.tables import picked, table

if run := st.query_params.get("run"):
    trace.draw(run)
    st.stop()

runs = data.report("runs", limit=200, **filters.chosen()).rows
if runs.is_empty():
    notices.nothing_here("runs")

columns = [
    "run", "loop", "team", "state", "started_at", "duration_ms", "steps", "calls", "input_tokens", "output_tokens", "cost_usd", "signals",
    "last_action", "agents", "user",
]  # fmt: skip
row = picked(table(runs, columns, "Runs, newest first", on_select="rerun", selection_mode=["single-row", "single-cell"], height=640))
if row is not None:
    st.query_params["run"] = runs["run"][row]
    st.rerun()
