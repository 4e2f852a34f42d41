"""One run: its facts, its orders, and every step."""

from typing import Any

import polars as pl
import streamlit as st

from dashboard import charts, data, explained, filters, headline, money, ways
from dashboard.headline import figure
from dashboard.notices import plain
from dashboard.tables import clicked_run, clock, table

_ENCLOSING = ("other", "chain")
_MOST_DRAWN = 400


def draw(run: str) -> None:
    """The whole page of one run, named as in the read API."""
    if st.button("All runs", icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["run"]
        st.rerun()
    found = data.report("runs", run=run).rows
    if found.is_empty():
        st.warning(f"The ledger knows no run {plain(run)}")
    elif found.height > 1:
        _several(found)
    else:
        _one(found.row(0, named=True))


def _several(found: pl.DataFrame) -> None:
    st.markdown("**Runs of this name**: it is that of a session or a trace")
    if run := clicked_run(found, ["run", "loop", "state", "started_at", "steps", "calls", "cost_usd"], "Runs of this name"):
        st.query_params["run"] = run
        st.rerun()


def _one(facts: dict[str, Any]) -> None:
    run = facts["run"]
    _facts(facts)
    trace = data.report("run_trace", run=run).rows
    waiting = trace.filter(pl.col("reason").str.starts_with("waits")).height
    headline.alarms({"blind_services": 0, "remainder_tokens": trace["remainder_tokens"].sum(), "waiting_records": waiting})
    _orders(run)
    if trace.filter(signal="span").is_empty():
        st.caption("No span of this run was seen, only logs or metrics. Its steps are not known.")
    steps = _chosen(trace)
    _drawn(run, steps)
    _spent(run, steps)
    _listed(steps)
    explained.draw(run)


def _listed(steps: pl.DataFrame) -> None:
    if steps.is_empty():
        return
    st.markdown("**Every step**, the record a call is charged by, and why")
    shown = pl.DataFrame([_cells(step) for step in steps.iter_rows(named=True)])
    right = st.column_config.TextColumn(alignment="right")
    config = dict.fromkeys(("Duration", "Input", "Cache read", "Cache write", "Output", "Reasoning", "Cost"), right)
    height = "content" if steps.height < 30 else 700
    st.dataframe(shown, hide_index=True, column_config=config, height=height, alt="Every step with its tokens and cost")


def _cells(step: dict[str, Any]) -> dict[str, Any]:
    """What a step reads. One that is no call has no tokens and no cost; of a call both can be unknown."""
    said = [word for word in (step["reason"], step["unpriced_reason"], step["error_type"]) if word]
    return {
        "#": step["step"],
        "Step": "\u2003" * step["depth"] + (step["name"] or money.NOTHING),
        "Agent": step["agent"] or money.NOTHING,
        "Role": step["role"] or money.NOTHING,
        "Model or tool": step["tool"] or step["model"] or money.NOTHING,
        "Duration": money.duration(step["duration_ms"]),
        "Input": _measure(step, "input_tokens"),
        "Cache read": _measure(step, "cache_read_tokens"),
        "Cache write": _measure(step, "cache_write_tokens"),
        "Output": _measure(step, "output_tokens"),
        "Reasoning": _measure(step, "reasoning_tokens"),
        "Cost": money.usd(step["cost_usd"]) if step["counts"] else money.NOTHING,
        "Counted": ", ".join(said) or money.NOTHING,
        "Price": step["price_set"] or money.NOTHING,
        "Started": f"{step['started_at']:%H:%M:%S.%f}"[:-3] if step["started_at"] else money.UNKNOWN,
    }


def _measure(step: dict[str, Any], name: str) -> str:
    if step[name] is not None:
        return f"{step[name]:,}"
    return money.NOTHING if step["counts"] is None else money.UNKNOWN


def _facts(run: dict[str, Any]) -> None:
    missing = money.floor(run["unknown_calls"], run["unpriced_calls"])
    cost, known = (money.usd(run["cost_usd"]), "every call priced") if run["calls"] else (money.NOTHING, "no call is charged")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(run["run"]), anchor=False, width="content")
        st.badge(run["state"], color="blue" if run["state"] == "running" else "gray")
        if run["last_action"]:
            st.badge(f"ordered: {run['last_action']}", color="red")
    who = " · ".join(f"{word} **{plain(run[word])}**" for word in ("loop", "team", "user"))
    agents = plain(", ".join(run["agents"]) or "none named")
    st.caption(f"{who} · agents **{agents}** · {clock(run['started_at'])} to {clock(run['ended_at'])} UTC")
    ways.runs_button(f"Runs of {plain(run['loop'])}", loop=[run["loop"]])
    with st.grid(5, min_column_width=170):
        figure("Cost, at least" if missing else "Cost", cost, missing or known)
        figure("Calls", f"{run['calls']:,}", f"in {run['steps']:,} steps")
        figure("Duration", money.duration(run["duration_ms"]), "first to last record")
        figure("Input", money.tokens(run["input_tokens"]), "tokens, cached included")
        figure("Output", money.tokens(run["output_tokens"]), "tokens, reasoning included")
    roles = data.report("roles", by="run", run=run["run"]).rows.iter_rows(named=True)
    spent = [f"{role['role']} {money.usd(role['cost_usd'])} in {money.duration(role['duration_ms'])}" for role in roles]
    st.caption(plain(" · ".join(spent)))


def _orders(run: str) -> None:
    signals = data.report("signals", run=run).rows
    if signals.is_empty():
        return
    st.markdown("**Orders to this run**, UTC")
    columns = [
        "action", "state", "issued_at", "delivered_at", "delivered_by", "acknowledged_at", "confirmed_at", "spend_after_delivery_usd",
    ]  # fmt: skip
    table(signals, columns, "Orders to this run, newest first")
    for reason in signals["reason"].unique(maintain_order=True):
        st.caption(plain(reason))


def _chosen(steps: pl.DataFrame) -> pl.DataFrame:
    """All steps, or without those that only enclose others or repeat a call where there are such; calls always stay."""
    is_span = pl.col("signal") == "span"
    is_more = pl.col("counts").is_not_null() | ~pl.col("kind").is_in(_ENCLOSING)
    matter = steps.filter(pl.when(is_span).then(is_more).otherwise("counts"))
    if matter.height in (0, steps.height) or filters.switch("steps", "Which steps", ["Steps that matter", "All steps"]) == "All steps":
        return steps
    return matter


def _drawn(run: str, steps: pl.DataFrame) -> None:
    timed = steps.filter(pl.col("started_at").is_not_null(), (pl.col("signal") == "span") | pl.col("counts"))
    if timed.is_empty():
        return
    left = f"; the first {_MOST_DRAWN} of {timed.height:,}" if timed.height > _MOST_DRAWN else ""
    st.markdown(f"**When each step ran**, and what it cost{left}")
    with st.container(height=460 if timed.height > 20 else "content", border=True):
        st.altair_chart(charts.waterfall(timed.head(_MOST_DRAWN)), alt=f"When each step of {run} ran")


def _spent(run: str, steps: pl.DataFrame) -> None:
    if steps.filter("counts", pl.col("cost_usd").is_not_null()).is_empty():
        return
    crossings = data.report("incidents").rows.filter(pl.col("threshold").is_not_null(), run=run, state="open")
    st.markdown("**Spent so far**, UTC")
    st.altair_chart(charts.cumulative(steps, crossings), alt="Cumulative cost of the run")
