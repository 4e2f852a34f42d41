"""The ways down from an amount: to the runs it is made of, and from a run to its calls."""

from datetime import datetime, timedelta

import streamlit as st

_RUNS = "app_pages/runs.py"


def to_runs(**query: str | list[str]) -> None:
    """Leaves for the runs of a selection, in words of the filters."""
    st.switch_page(_RUNS, query_params=query)


def runs_link(label: str, **query: str | list[str]) -> None:
    """A link to the runs of a selection."""
    st.page_link(_RUNS, label=label, icon=":material/account_tree:", query_params=query)


def days(since: datetime, until: datetime) -> dict[str, str | list[str]]:
    """A window as the filters have it: the days it touches, UTC."""
    return {"period": "Dates", "dates": [f"{since:%Y-%m-%d}", f"{until - timedelta(microseconds=1):%Y-%m-%d}"]}
