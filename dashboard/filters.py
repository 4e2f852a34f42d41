"""The filters that all pages share. They live in the URL, so a view can be sent to somebody."""

from datetime import date, datetime, time, timedelta

import streamlit as st

from dashboard import data

PERIODS = {"24 h": timedelta(days=1), "7 d": timedelta(days=7), "30 d": timedelta(days=30), "All": None, "Dates": None}
DIMENSIONS = ("team", "loop", "model")


def choose(now: datetime, dimensions: tuple[str, ...] = DIMENSIONS) -> dict[str, str | list[str]]:
    """Draws the filters; answers them in the words of the read API. Periods end at the collector's `now`."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        period = st.segmented_control("Period", PERIODS, default="30 d", required=True, key="period", bind="query-params")
        days = _dates(now) if period == "Dates" else ()
        chosen = {dimension: _values(dimension) for dimension in dimensions}
    return window(period, days, now) | chosen


def keep() -> None:
    """On a page without filters: what is chosen stays chosen. Streamlit forgets the values of what is not drawn."""
    for key in ("period", "dates", *DIMENSIONS):
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def chosen() -> dict:
    """What `choose` answered in this run of the script."""
    return st.session_state["chosen"]


def switch(key: str, label: str, options: list[str]) -> str:
    """A choice above a panel, in the URL under its key; the first option is the default. The label is for screen readers."""
    return st.segmented_control(
        label, options, default=options[0], required=True, key=key, bind="query-params", label_visibility="collapsed"
    )


def window(period: str, days: tuple[date, ...], now: datetime) -> dict[str, str]:
    """`from` and `to` of a period: 24 hours to the minute, else whole days in UTC, today included."""
    if period == "Dates":
        return {"from": f"{days[0]}", "to": f"{days[-1] + timedelta(days=1)}"} if days else {}
    length = PERIODS[period]
    if length is None:
        return {}
    start = (now - length).replace(second=0, microsecond=0)
    if length.days > 1:
        start = datetime.combine(start.date() + timedelta(days=1), time())
    return {"from": start.isoformat()}


def closed(now: datetime) -> dict[str, str] | None:
    """`from` and `to` of the chosen period, which ends with the minute of `now` unless it is of dates; None when it has no beginning."""
    bounds = {word: chosen()[word] for word in ("from", "to") if word in chosen()}
    minute = (now + timedelta(minutes=1)).replace(second=0, microsecond=0)
    return {"to": minute.isoformat(), **bounds} if "from" in bounds else None


def start(key: str, label: str) -> str | None:
    """A day to choose, in the URL under its key; None while none is chosen."""
    day = st.date_input(label, None, key=key, bind="query-params", format="YYYY-MM-DD", width=230)
    return f"{day}" if day else None


def _dates(now: datetime) -> tuple[date, ...]:
    last_week = (now.date() - timedelta(days=6), now.date())
    return st.date_input("From and to, UTC", last_week, key="dates", bind="query-params", format="YYYY-MM-DD", width=230)


def _values(dimension: str) -> list[str]:
    seen = data.report("spend", by=dimension).rows[dimension].to_list()
    return st.multiselect(dimension.capitalize(), seen, key=dimension, bind="query-params", placeholder=f"Any {dimension}", width=200)
