"""Each budget against its spend, what crossed, and what was ordered."""

import streamlit as st

from dashboard import charts, data, filters, notices
from dashboard.tables import picked, table

period = {word: filters.chosen().get(word) for word in ("from", "to")}
budgets = data.report("budgets", **period).rows
if budgets.is_empty():
    notices.no_policies()

columns = [
    "policy", "scope", "window", "state", "percent", "spent_usd", "limit_usd", "assumed_usd", "missing_calls", "spent_tokens", "limit_tokens",
    "action", "mode", "window_ends_at",
]  # fmt: skip
row = picked(table(budgets, columns, "Budgets, fullest first", on_select="rerun", selection_mode="single-row-required"))
one = budgets.row(row or 0, named=True)
here = {word: one[word] for word in ("policy", "scope", "window")}
incidents = data.report("incidents", **period).rows

points = data.report("budget_burn", **here).rows
st.markdown(f"**{one['policy']}**, {one['scope']}, {one['window']}: spend against its limit, UTC")
if points.is_empty():
    st.caption("Nothing was spent under this budget in its window.")
else:
    st.altair_chart(charts.burn(points, incidents.filter(state="open", **here)), alt=f"Spend under {one['policy']} against its limit")

st.markdown("**Incidents**")
columns = [
    "crossed_at", "policy", "scope", "window", "threshold", "action", "mode", "spent_usd", "limit_usd", "assumed_usd", "is_assumed", "state",
    "run", "signals", "delivered", "acknowledged", "messages_delivered",
]  # fmt: skip
table(incidents, columns, "Limits that were crossed, newest first")

st.markdown("**Orders**")
columns = [
    "issued_at", "run", "loop", "action", "state", "delivered_at", "delivered_by", "acknowledged_at", "confirmed_at",
    "spend_after_delivery_usd", "policy", "scope", "reason", "expires_at",
]  # fmt: skip
table(data.report("signals", limit=200).rows, columns, "Orders to runs, newest first")
