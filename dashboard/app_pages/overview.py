"""What was spent in the period, by whom, and which loops there are."""

from datetime import timedelta

import streamlit as st

from dashboard import charts, data, filters, headline, notices, ways
from dashboard.tables import by_role, clicked, table

chosen = filters.chosen()
period = {word: chosen.get(word) for word in ("from", "to")}
total = data.report("spend", **chosen)
headline.alarms(total.coverage)
if total.rows.is_empty():
    notices.nothing_here("calls", total)

days, roles = (data.report("spend", by=by, **chosen).rows for by in ("day", "role"))
lately = (total.now - timedelta(minutes=16)).replace(second=0, microsecond=0)
running = data.report("runs", **chosen | {"from": lately.isoformat(), "to": None}).rows.filter(state="running")
headline.draw(total.rows.row(0, named=True), days, roles, running, data.report("budgets", **period).rows)

per_day, per_loop = st.columns([3, 2])
with per_day, st.container(border=True, height="stretch"):
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Spend per day**, UTC", width="content")
        by = filters.switch("by", "Stacked by", ["team", "loop", "model", "agent"])
    shares = data.report("spend", by=f"day,{by}", **chosen).rows
    st.altair_chart(charts.spend_per_day(shares, by), alt=f"Spend per day, stacked by {by}")
    notices.cut(shares, "dearest shares of a day")

by_loop = data.report("spend", by="loop,role", **chosen).rows
with per_loop, st.container(border=True, height="stretch"):
    st.markdown("**Spend by loop**, maker and checker apart")
    st.altair_chart(charts.spend_by_loop(by_loop), alt="Spend by loop, stacked by role")

inventory = data.report("inventory", **period).rows
if filters.switch("view", "Table", ["Loops by spend", "Inventory"]) == "Inventory":
    columns = ["loop", "status", "team", "owner", "schedule", "agents", "models", "runs", "first_seen", "last_seen"]
    table(inventory, columns, "Every loop: registered, silent or unregistered")
else:
    loops = data.report("spend", by="loop", **chosen).rows.join(by_role(by_loop), on="loop", how="left")
    columns = ["loop", "team", "runs", "calls", "cost_usd", "maker_usd", "checker_usd", "input_tokens", "output_tokens", "last_seen"]
    loops = loops.join(inventory.select("loop", "team", "runs", "last_seen"), on="loop", how="left")
    if row := clicked(loops, columns, "Loops by spend"):
        ways.to_runs(loop=[row["loop"]])
