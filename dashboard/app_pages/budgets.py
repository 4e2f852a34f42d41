"""Each budget against its spend, what crossed, and what was ordered."""

import polars as pl
import streamlit as st

from dashboard import charts, data, filters, money, notices
from dashboard.tables import picked, table

found = data.report("budgets", limit=1000, **filters.chosen()).rows
if found.is_empty():
    notices.no_policies()

# A limit for each run has as many rows as there are runs; of those only the ones near their limit are news.
quiet = found.filter(pl.col("window") == "run", pl.col("state") == "ok")
notable = found.join(quiet, on=["policy", "scope", "window"], how="anti", maintain_order="left")
budgets = found
if notable.height not in (0, found.height):
    views = {f"{notable.height} budgets": notable, f"With {quiet.height:,} runs within their limit": found}
    budgets = views[st.segmented_control("Budgets", views, default=next(iter(views)), required=True, label_visibility="collapsed")]

columns = ["policy", "scope", "window", "state", "percent", "spent_usd", "limit_usd", "assumed_usd", "missing_calls", "action", "mode", "window_ends_at"]
if budgets["limit_tokens"].count():
    columns[7:7] = ["spent_tokens", "limit_tokens"]
row = picked(table(budgets, columns, "Budgets, fullest first", money.NOTHING, on_select="rerun", selection_mode="single-row-required"))
one = budgets.row(row or 0, named=True)
here = {word: one[word] for word in ("policy", "scope", "window")}
incidents = data.report("incidents", **filters.chosen()).rows

st.markdown(f"**{one['policy']}** for {one['scope'] or 'nobody yet'}, {one['window']}: spend against the limit, UTC")
points = data.report("budget_burn", **here).rows
if points.is_empty():
    st.caption("Nothing has been spent under this budget in its window.")
else:
    st.altair_chart(charts.burn(points, incidents.filter(state="open", **here)), alt=f"Spend under {one['policy']} against its limit")
notices.incidents(incidents)
notices.orders(data.report("signals", limit=200).rows)
