"""Whose the spend is, and what would tell whose the rest is."""

import polars as pl
import streamlit as st

from analytics.model import UNATTRIBUTED
from dashboard import data, filters, headline, money, notices, ways
from dashboard.tables import clicked, table

answer = data.report("spend", by="team,cost_center", **filters.chosen())
spent, known = answer.rows, answer.coverage
missing = data.report("unattributed", **filters.chosen()).rows
if spent.is_empty():
    notices.nothing_here("charges", answer)

with st.grid(3, min_column_width=200):
    calls = f"{known['attributed_calls']:,} of {known['calls']:,} calls"
    headline.figure("Attributed", money.share(known["attributed_calls"], known["calls"]), calls)
    for label, column in (("Teams", "team"), ("Cost centres", "cost_center")):
        named = spent.filter(pl.col(column) != UNATTRIBUTED)
        others = spent["calls"].sum() - named["calls"].sum()
        beside = f"{money.counted(others, 'call')} without one" if others else "every call has one"
        headline.figure(label, f"{named[column].n_unique():,}", beside)

st.markdown("**Who pays**, dearest first; a click opens the runs")
if row := clicked(spent, ["team", "cost_center", "cost_usd", "calls", "input_tokens", "output_tokens"], "Spend by team and cost centre"):
    ways.to_runs(team=[row["team"]])

if missing.is_empty():
    st.success("All spend of this period has a team and a loop.", title="Nothing is unattributed", icon=":material/check:")
    st.stop()
st.markdown(
    "**Nobody's yet**, dearest first: a rule on the value attributes these dollars. Put it into `owners.yaml`, see with "
    "`loopledger reattribute --dry-run --why TEXT` what it moves, and run it without `--dry-run`."
)
table(missing, ["missing", "attribute", "value", "cost_usd", "calls", "runs", "rule", "last_at"], "Unattributed spend", money.UNKNOWN)
notices.cut(missing, "dearest of them")
