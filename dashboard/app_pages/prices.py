"""Which prices the money was made with, what has none, what was agreed, and what today's prices would change."""

import polars as pl
import streamlit as st

from dashboard import data, filters, headline, money, notices
from dashboard.tables import table

answer = data.report("prices", **filters.chosen())
used, known = answer.rows.filter(pl.col("price_set").is_not_null()), answer.coverage
missing = data.report("unpriced", **filters.chosen()).rows
agreed = data.report("commitments").rows

with st.grid(3, min_column_width=200):
    headline.figure("Priced", money.share(known["priced_calls"], known["calls"]), f"{known['priced_calls']:,} of {known['calls']:,} calls")
    headline.figure("Price rows", f"{used['price_set'].n_unique():,}", "that these calls were charged by")
    headline.figure("Contracts", f"{agreed.height:,}", "in prices/*.yaml")

if not known["calls"]:
    notices.nothing_here("calls", answer)

if missing.height:
    st.markdown(
        "**Without a price**, the most at risk first. A custom price or an alias in `prices/*.yaml` prices them; see `loopledger reprice`."
    )
    columns = ["provider", "model_requested", "tool", "reason", "calls", "input_tokens", "output_tokens", "at_risk_usd", "last_at"]
    table(missing, columns, "Calls without a price", money.UNKNOWN)

st.markdown("**The price rows behind the money**, dearest first; in US dollars for a million tokens")
columns = [
    "provider", "model", "tool", "conditions", "contract", "basis", "input_mtok", "cache_read_mtok", "output_mtok", "calls", "cost_usd",
    "valid_from", "valid_to", "source",
]  # fmt: skip
table(used, columns, "Price rows, dearest first", money.NOTHING)
notices.cut(answer.rows, "dearest price rows")

if agreed.height:
    st.markdown("**Contracts**: what was agreed, and how far it is used")
    columns = [
        "contract", "kind", "provider", "model", "state", "drawn_percent", "committed_usd", "drawn_usd", "remaining_usd", "list_usd",
        "calls", "exhausted_at", "ends_at",
    ]  # fmt: skip
    table(agreed, columns, "Contracts", money.NOTHING)

changes = data.report("price_changes").rows
with st.expander(f"What the last two versions of the price book do not have in common: {changes.height:,} prices"):
    columns = ["change", "provider", "model", "tool", "conditions", "contract", "valid_from"]
    table(changes, columns, "Differences between the last two price books", money.NOTHING)
    notices.cut(changes, "first differences")

moved = data.report("repricing", **{name: value for name, value in filters.chosen().items() if name in ("from", "to", "model")}).rows
st.markdown("**Dry run**: what `loopledger reprice` would change in this period, with the prices of today's config directory")
if moved.is_empty():
    st.caption("Nothing: every call is charged at today's prices.")
else:
    table(moved, ["team", "loop", "model", "calls", "before_usd", "after_usd", "change_usd"], "What a repricing would change")
