"""Each budget against its spend, what crossed, and what was ordered."""

import polars as pl
import streamlit as st

from dashboard import charts, data, enforcement, filters, money, notices
from dashboard.tables import picked, table

answer = data.report("budgets", **filters.chosen())
budgets = answer.rows
if budgets.is_empty():
    notices.no_policies()

# A limit for each run has as many rows as there are runs; of those only the ones that say something are news.
is_quiet = (pl.col("window") == "run") & (pl.col("state") == "ok")
if (
    0 < budgets.filter(is_quiet).height < budgets.height
    and filters.switch("limits", "Which budgets", ["Budgets", "With runs within their limit"]) == "Budgets"
):
    budgets = budgets.filter(~is_quiet)

columns = ["policy", "scope", "window", "state", "percent", "spent_usd", "limit_usd", "assumed_usd", "missing_calls", "action", "mode"]
if budgets["limit_tokens"].count():
    columns += ["spent_tokens", "limit_tokens"]
select = {"on_select": "rerun", "selection_mode": "single-row-required"}
row = picked(table(budgets, [*columns, "window_ends_at"], "Budgets, fullest first", money.NOTHING, **select))
notices.cut(answer.rows, "fullest budgets")

one = budgets.row(row or 0, named=True)
here = {word: one[word] for word in ("policy", "scope", "window")}
incidents = data.report("incidents", **filters.chosen()).rows.filter(pl.col("threshold").is_not_null())
scope = notices.plain(one["scope"] or "nobody yet")
st.markdown(f"**{notices.plain(one['policy'])}** for {scope}, {one['window']}: spend against the limit, UTC")
points = data.report("budget_burn", **here).rows
if points.is_empty():
    st.caption("Nothing has been spent under this budget in its window.")
else:
    st.altair_chart(charts.burn(points, incidents.filter(state="open", **here)), alt=f"Spend under {one['policy']} against its limit")
enforcement.incidents(incidents)
enforcement.orders(data.report("signals", limit=200).rows)
