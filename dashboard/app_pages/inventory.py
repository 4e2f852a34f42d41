"""Which loops there are, who owns them, what they cost, and what each may touch."""

import polars as pl
import streamlit as st

from dashboard import data, filters, headline, loop_charts, loops, money, notices
from dashboard.tables import picked, table

answer = data.report("inventory", **filters.chosen())
everything = answer.rows
if everything.is_empty():
    notices.nothing_here("loops", answer)
named = everything.filter(pl.col("state") != "unattributed")
if named.filter(pl.col("status") != "unregistered").is_empty():
    notices.no_registry()

with st.grid(5, min_column_width=170):
    headline.figure("Loops", f"{named.height:,}", money.counted(named["owner"].drop_nulls().n_unique(), "owner"))
    for state, meaning in loops.STATES.items():
        headline.figure(state.capitalize(), f"{named.filter(state=state).height:,}", meaning)

spent = everything.filter(pl.col("cost_usd").is_not_null())
due = named.filter(pl.col("expected_runs") > 0)
cost, runs = st.columns(2)
if spent.height:
    with cost, st.container(border=True, height="stretch"):
        st.markdown("**Cost by loop**, by state")
        st.altair_chart(loop_charts.cost_by_state(spent), alt="Cost by loop, coloured by state")
if due.height:
    with runs, st.container(border=True, height="stretch"):
        st.markdown("**Starts on schedule**, by what came of them")
        st.altair_chart(loop_charts.starts_by_loop(due), alt="Expected starts by loop: answered and missed")

columns = [
    "loop", "state", "owner", "team", "cost_usd", "last_7_days_usd", "runs", "expected_runs", "missed_runs", "doubled_runs", "findings",
    "unused_grants", "undeclared_touches", "schedule", "cost_center", "environment", "version", "approved_by", "last_seen",
]  # fmt: skip
select = {"on_select": "rerun", "selection_mode": "single-row-required"}
row = picked(table(everything, columns, "Every loop, dearest first", money.NOTHING, **select))
notices.cut(everything, "dearest loops")
loops.draw(everything.row(row or 0, named=True))
