"""What the totals leave out, and why; and what to do about it."""

import polars as pl
import streamlit as st

from dashboard import charts, data, filters, headline, money, notices
from dashboard.tables import badge_of, table

answer = data.report("data_quality", **filters.chosen())
findings, known = answer.rows, answer.coverage
days = data.report("spend", by="day", **filters.chosen()).rows

with st.grid(5, min_column_width=170):
    figures = {"Priced": "priced_calls", "Attributed": "attributed_calls"}
    for label, name in figures.items():
        headline.figure(label, money.share(known[name], known["calls"]), f"{known[name]:,} of {known['calls']:,} calls")
    headline.figure("Blind", money.counted(known["blind_services"], "service"), "agents run, no usage arrives")
    headline.figure("Lost", f"{money.tokens(known['remainder_tokens'])} tokens", "in sums and metrics only")
    headline.figure("Waiting", money.counted(known["waiting_records"], "record"), "not charged yet")

told = data.report("reported", **filters.chosen()).rows.filter(pl.col("reported_calls") > 0)
if not told.is_empty():
    st.markdown("**What runtimes report** of their calls' cost, beside ours of the same calls")
    columns = ["runtime", "reported_calls", "unreported_calls", "compared_usd", "cost_usd", "difference_usd", "difference_percent"]
    table(told, columns, "Reported cost beside ours, by runtime", money.NOTHING)

if findings.is_empty() and not known["calls"]:
    notices.nothing_here("calls", answer)
if findings.is_empty():
    st.success(
        "Every call in this period has usage, a price and an owner, and nothing waits.", title="All is well", icon=":material/check:"
    )
    st.stop()

if days["unknown_calls"].sum() + days["unpriced_calls"].sum():
    with st.container(border=True):
        st.markdown("**Calls per day**, UTC, by what is known of them")
        st.altair_chart(charts.known_per_day(days), alt="Calls per day: priced, without a price, without usage")

measures = ("detail", "model", "calls", "tokens")
for rows in findings.partition_by("finding", maintain_order=True):
    first = rows.row(0, named=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        badge_of(first["severity"], first["finding"].replace("_", " "))
        st.markdown(notices.plain(first["says"]))
    said = [name for name in measures if rows[name].count()]
    columns = ["service", "runtime", *said, "records", "first_at", "last_at"]
    table(rows, columns, f"Findings: {first['finding']}", money.NOTHING)
notices.cut(findings, "severest findings")
