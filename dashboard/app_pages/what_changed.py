"""Why the period costs more or less than the one before it, and what of it each effect is."""

from datetime import datetime

import streamlit as st

from dashboard import changes, data, filters, money, notices
from dashboard.tables import clock, picked, table

only = {word: values for word, values in filters.chosen().items() if word in filters.DIMENSIONS}
with st.container(horizontal=True, vertical_alignment="bottom"):
    by = filters.switch("each", "For each", ["loop", "team", "model", "agent"])
    against = filters.start("against", "Compare with the window from")
window = filters.closed(data.report("spend").now)
if window is None:
    notices.no_window()

answer = data.report("variance", by=by, against=against, **window, **only)
rows = answer.rows
if rows.is_empty():
    notices.nothing_here("calls", answer)

first, now = rows.row(0, named=True), (datetime.fromisoformat(window["from"]), datetime.fromisoformat(window["to"]))
compared = [f"{clock(since)} to {clock(until)}" for since, until in (now, (first["before_from"], first["before_to"]))]
st.caption(f"{compared[0]} UTC against {compared[1]} UTC, of equal length.")
columns = [by, "state", "change_usd", "change_percent", "before_usd", "after_usd", "why"]
select = {"on_select": "rerun", "selection_mode": "single-row-required"}
row = picked(table(rows, columns, "What changed, the greatest change first", money.NOTHING, **select))
notices.cut(rows, "greatest changes")
changes.draw(rows.row(row or 0, named=True), by, now)
