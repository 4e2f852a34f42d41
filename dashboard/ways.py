"""The ways down from an amount: to the runs it is made of, under filters that say which."""

from datetime import date, datetime, timedelta

import streamlit as st

_RUNS = "app_pages/runs.py"
_WANTED = "wanted"

Wanted = str | list[str] | tuple[date, date]


def to_runs(**wanted: Wanted) -> None:
    """Leaves for the list of runs, with these filters chosen there; what else is chosen stays."""
    # A filter that is drawn keeps its value whatever the address says, and without a mapping its part of the address cannot be left.
    st.session_state[_WANTED] = wanted
    st.switch_page(_RUNS, query_params={})


def runs_button(label: str, **wanted: Wanted) -> None:
    """A way to the list of runs."""
    if st.button(label, icon=":material/account_tree:", type="tertiary"):
        to_runs(**wanted)


def arrive() -> None:
    """Chooses the filters that whoever came here wanted. Before they are drawn."""
    for name, value in st.session_state.pop(_WANTED, {}).items():
        st.session_state[name] = value


def days(since: datetime, until: datetime) -> dict[str, Wanted]:
    """A window as the filters have it: the days it touches, UTC."""
    return {"period": "Dates", "dates": (since.date(), (until - timedelta(microseconds=1)).date())}
