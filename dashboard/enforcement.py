"""What limits led to: incidents, and the orders that runs got."""

import polars as pl
import streamlit as st

from dashboard import money
from dashboard.tables import clicked_run


def incidents(found: pl.DataFrame) -> None:
    """Limits that were crossed; a click opens the run whose call crossed."""
    st.markdown("**Incidents**, UTC")
    if found.is_empty():
        st.caption("No limit was crossed in this period.")
        return
    columns = [
        "crossed_at", "policy", "scope", "window", "threshold", "action", "mode", "spent_usd", "limit_usd", "assumed_usd", "state", "run",
        "signals", "delivered", "acknowledged", "messages_delivered",
    ]  # fmt: skip
    _open(clicked_run(found, columns, "Limits that were crossed, newest first", money.NOTHING))


def orders(found: pl.DataFrame) -> None:
    """Orders to runs and what became of them; a click opens the run."""
    st.markdown("**Orders**, UTC")
    if found.is_empty():
        st.caption("No run has been ordered anything.")
        return
    columns = [
        "issued_at", "run", "loop", "action", "state", "delivered_at", "delivered_by", "acknowledged_at", "confirmed_at",
        "spend_after_delivery_usd", "reason",
    ]  # fmt: skip
    _open(clicked_run(found, columns, "Orders to runs, newest first"))


def _open(run: str | None) -> None:
    if run:
        st.switch_page("app_pages/runs.py", query_params={"run": run})
