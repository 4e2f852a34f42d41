"""What a page says about itself: how fresh it is, and what to do when it has nothing to show."""

import polars as pl
import streamlit as st

from dashboard import data, filters, money
from dashboard.tables import clock, picked, table


def title(name: str, ledger: data.Answer) -> None:
    """The page's heading with the line that says how fresh it is."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.header(name, anchor=False, width="content")
        last = clock(ledger.last_record_at) if ledger.last_record_at else "none yet"
        st.caption(f"Last record {last} · collector's clock {clock(ledger.now)} UTC · commit {ledger.commit:,}", width="content")


@st.fragment(run_every="5s")
def watch(commit: int | None) -> None:
    """Draws the page anew when the ledger has moved on, or the collector comes or goes."""
    if data.commit() != commit:
        st.rerun()


def unavailable(error: data.CollectorError) -> None:
    """The collector is down or refuses; the page comes back by itself."""
    st.error(error.detail or "It gave no reason.", title=error.title, icon=":material/cloud_off:")
    st.caption("Start it with `loopledger up`, or point this dashboard elsewhere with `loopledger dashboard --collector URL`. This page tries again every few seconds.")


def no_data() -> None:
    """An empty ledger: how a runtime gets here."""
    st.subheader("No telemetry yet", anchor=False)
    st.markdown("Point any runtime that exports OpenTelemetry here, and say whose loop it is:")
    st.code(
        f"export OTEL_EXPORTER_OTLP_ENDPOINT={data.collector_url()}\n"
        "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
        "export OTEL_RESOURCE_ATTRIBUTES=loopledger.loop=nightly-bump,team.id=platform",
        language="bash",
    )
    st.markdown("Or look at recorded loops first:")
    st.code("loopledger up --demo", language="bash")


def nothing_here(what: str) -> None:
    """Nothing under these filters; ends the page."""
    st.caption(f"No {what} in this period and selection.")
    st.button("Show everything", on_click=filters.widen, icon=":material/zoom_out_map:")
    st.stop()


def no_policies() -> None:
    """No budget is configured; ends the page."""
    st.subheader("No budgets yet", anchor=False)
    st.markdown("Put one into `policies/budgets.yaml` of the config directory, and start the collector with `--config DIR`:")
    st.code(
        'policies:\n  - name: team-week\n    per: team\n    limit_usd: "100.00"\n    window: week\n'
        "    thresholds:\n      - {percent: 80, action: warn}\n      - {percent: 100, action: stop}",
        language="yaml",
    )
    st.stop()


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
    _opens(found, columns, "Limits that were crossed, newest first", money.NOTHING)


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
    _opens(found, columns, "Orders to runs, newest first")


def _opens(found: pl.DataFrame, columns: list[str], alt: str, *unknown: str) -> None:
    row = picked(table(found, columns, alt, *unknown, on_select="rerun", selection_mode=["single-row", "single-cell"], key=alt))
    if row is not None:
        st.switch_page("app_pages/runs.py", query_params={"run": found["run"][row]})
