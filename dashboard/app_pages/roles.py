"""What makers cost and what it costs to check them, and what came to nothing."""

import polars as pl
import streamlit as st

from dashboard import charts, data, filters, money, notices, ways
from dashboard.tables import clicked

answer = data.report("roles", **filters.chosen())
roles = answer.rows
if roles.is_empty():
    notices.nothing_here("calls", answer)

with st.container(border=True):
    st.markdown("**Cost by role**, of each loop")
    st.altair_chart(charts.spend_by_loop(roles), alt="Cost of each loop, stacked by role")
st.markdown("**Each role**: models, tools and sandboxes apart; a click opens the runs")
columns = [
    "loop", "role", "cost_usd", "cost_share", "checker_share", "model_usd", "tool_usd", "sandbox_usd", "calls", "input_tokens",
    "output_tokens", "duration_ms",
]  # fmt: skip
if row := clicked(roles, columns, "Each loop by role, dearest first"):
    ways.to_runs(loop=[row["loop"]])
notices.cut(roles, "dearest roles")

waste = data.report("waste", **filters.chosen()).rows
st.markdown("**Waste**, by the first reason that holds; a click opens the runs")
if waste.filter(pl.col("reason") != "not waste").is_empty():
    st.caption("No call failed or was tried again, and no run failed, was stopped or was left open.")
elif row := clicked(waste, ["loop", "reason", "cost_usd", "cost_share", "runs", "calls"], "Cost by what became of it", money.NOTHING):
    ways.to_runs(loop=[row["loop"]])
