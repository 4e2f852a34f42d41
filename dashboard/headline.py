"""The key figures above the overview."""

from collections.abc import Iterable
from typing import Any

import polars as pl
import streamlit as st

from analytics.model import UNATTRIBUTED
from dashboard import charts, money
from dashboard.notices import plain


def draw(total: dict[str, Any], days: pl.DataFrame, roles: pl.DataFrame, running: pl.DataFrame, budgets: pl.DataFrame) -> None:
    """The figures: `total` is the one row of `spend`, `days` and `roles` the same by day and role, `running` the runs that go on."""
    missing = total["unknown_calls"] + total["unpriced_calls"]
    counted = total["calls"] - missing
    tokens = f"{money.tokens(total['input_tokens'])} tokens in, {money.tokens(total['output_tokens'])} out"
    large, small = st.columns([2, 3])
    with large, st.container(border=True, height="stretch"):
        left_out = money.floor(total["unknown_calls"], total["unpriced_calls"]) or "every call priced"
        spent = money.usd(total["cost_usd"])
        figure("Spend, at least" if missing else "Spend", spent, left_out, charts.trend(days, "cost_usd"), border=False)
        st.caption(plain(" · ".join(f"{_role(row['role'])} {money.usd(row['cost_usd'])}" for row in roles.iter_rows(named=True))))
    with small, st.grid(2, min_column_width=170):
        figure("Calls", f"{total['calls']:,}", tokens)
        figure("Priced", money.share(counted, total["calls"]), f"{counted:,} of {total['calls']:,} calls")
        _running(running)
        _breached(budgets)


def _role(role: str) -> str:
    return "without a role" if role == UNATTRIBUTED else role


def alarms(coverage: dict[str, int]) -> None:
    """A badge for each thing that is missing from the totals, with the way to its page; nothing when all is there."""
    badges = [(color, says) for count, color, says in _missing(coverage) if count]
    if not badges:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        for color, says in badges:
            st.badge(says, color=color, icon=":material/warning:")
        st.page_link("app_pages/data_quality.py", label="Data quality", icon=":material/arrow_forward:")


def _missing(coverage: dict[str, int]) -> Iterable[tuple[int, str, str]]:
    blind, lost, waiting = (coverage[name] for name in ("blind_services", "remainder_tokens", "waiting_records"))
    yield blind, "red", f"{money.counted(blind, 'service')} blind: no usage arrives"
    yield lost, "red", f"{money.tokens(lost)} tokens of lost calls"
    yield waiting, "orange", f"{money.counted(waiting, 'record')} not charged yet"


def _running(runs: pl.DataFrame) -> None:
    loops = f"of {money.counted(runs['loop'].n_unique(), 'loop')}" if runs.height else "none in the last 15 minutes"
    figure("Running now", money.counted(runs.height, "run"), loops)


def _breached(budgets: pl.DataFrame) -> None:
    policies = budgets["policy"].n_unique()
    breached = budgets.filter(state="breached")["policy"].unique(maintain_order=True)
    otherwise = "none in this period" if policies else "none are set"
    figure("Policies breached", f"{len(breached)} of {policies}", plain(", ".join(breached)) or otherwise)


def figure(label: str, value: str, beside: str, trend: list[float] | None = None, border: bool = True) -> None:
    """A figure with what qualifies it, and how it came about day by day."""
    drawn = trend if trend and len(trend) > 1 else None
    st.metric(
        label, value, beside, delta_color="off", delta_arrow="off", border=border, height="stretch", chart_data=drawn, chart_type="bar"
    )
