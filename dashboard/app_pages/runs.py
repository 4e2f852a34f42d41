"""Which runs there were; with `?run=` in the URL, what one of them did."""

import polars as pl
import streamlit as st

from dashboard import data, filters, notices, run_trace
from dashboard.tables import clicked_run

if run := st.query_params.get("run"):
    run_trace.draw(run)
    st.stop()

answer = data.report("runs", **filters.chosen())
runs = answer.rows
if runs.is_empty():
    notices.nothing_here("runs", answer)

silent = runs.filter(pl.col("calls") == 0)
if 0 < silent.height < runs.height and filters.switch("runs", "Which runs", ["With calls", "All runs"]) == "With calls":
    runs = runs.filter(pl.col("calls") > 0)

columns = [
    "run", "loop", "team", "state", "started_at", "duration_ms", "steps", "calls", "input_tokens", "output_tokens", "cost_usd", "signals",
    "last_action", "user", "agents",
]  # fmt: skip
if run := clicked_run(runs, columns, "Runs, newest first", height=700):
    st.query_params["run"] = run
    st.rerun()
notices.cut(answer.rows, "newest runs")
