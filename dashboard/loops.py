"""One loop of the inventory: what needs a look, what it may touch, when it should have run, and the way to its runs."""

from typing import Any

import polars as pl
import streamlit as st

from dashboard import data, filters, money
from dashboard.notices import plain
from dashboard.tables import clicked_run, table

STATES = {
    "registered": "defined, and seen",
    "silent": "defined, not seen",
    "unregistered": "seen, not defined",
    "duplicated": "run by several teams or users",
}
"""States of a loop, with what each means."""


def draw(loop: dict[str, Any]) -> None:
    """Everything about one row of the inventory."""
    name = loop["loop"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(name), anchor=False, width="content")
        if loop["calls"]:  # the filters of those pages know a loop by its spend
            st.page_link("app_pages/runs.py", label="Its runs", icon=":material/account_tree:", query_params={"loop": name})
            st.page_link("app_pages/overview.py", label="Its spend", icon=":material/monitoring:", query_params={"loop": name})
    _findings(loop)
    if loop["state"] == "unattributed":
        st.caption("Spend that names no loop: set `loopledger.loop` where these runs start.")
        return
    _grants(name)
    _starts(loop)
    _incidents(name)


def _findings(loop: dict[str, Any]) -> None:
    unasked = [f"undeclared touch: {name}" for name in loop["undeclared_touches"]]
    for said in (*loop["findings"], *unasked):
        st.badge(plain(said), color="orange", icon=":material/warning:")
    if loop["state"] == "unregistered":
        st.caption("Nobody answers for this loop: describe it in `loops/*.yaml` of the config directory, with its team and owner.")


def _grants(name: str) -> None:
    found = data.report("grants", loop=[name], **filters.chosen()).rows
    st.markdown("**What it may touch**, and what it touched, UTC")
    if found.is_empty():
        st.caption("Nothing is declared for this loop, and nothing was seen.")
        return
    yes = {True: "yes", False: "no", None: "not shown"}
    said = found.with_columns(pl.col("declared", "touched").replace_strict(yes, return_dtype=pl.String))
    columns = ["agent", "role", "kind", "name", "declared", "touched", "finding", "uses", "first_used", "last_used"]
    table(said, columns, "Grants and touches of a loop", money.NOTHING)


def _starts(loop: dict[str, Any]) -> None:
    if loop["schedule"] is None:
        return
    st.markdown(f"**When it should have started**: `{loop['schedule']}` in {loop['timezone']}; times in UTC")
    if loop["expected_runs"] is None:
        st.caption("This schedule is not computed: what it means differs between schedulers, or the period holds too many starts.")
        return
    found = data.report("schedule", loop=[loop["loop"]], **filters.chosen()).rows
    if found.is_empty():
        st.caption("No start was due in this period.")
        return
    columns = ["expected_at", "state", "run", "started_at", "late_seconds", "runs"]
    if run := clicked_run(found, columns, "Starts, newest first", money.NOTHING):
        st.switch_page("app_pages/runs.py", query_params={"run": run})


def _incidents(name: str) -> None:
    """Of its definition alone: those of budgets stand with the budgets."""
    found = data.report("incidents", **filters.chosen()).rows.filter(pl.col("threshold").is_null())
    own = found.filter((pl.col("scope") == name) | pl.col("scope").str.starts_with(f"{name}: "))
    if own.is_empty():
        return
    st.markdown("**Incidents**, UTC: first use of what no definition declares")
    table(own, ["crossed_at", "policy", "scope", "state", "run"], "Incidents of a loop", money.NOTHING)
