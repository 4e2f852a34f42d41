"""What a page says about itself: how fresh it is, and what to do when it has nothing to show."""

import re

import polars as pl
import streamlit as st

from dashboard import data
from dashboard.tables import clock


def plain(text: str) -> str:
    """Text of a runtime or an address, so that Markdown shows it as it is: no image is fetched, no link drawn."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def title(name: str, ledger: data.Answer) -> None:
    """The page's heading with the line that says how fresh it is."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.header(name, anchor=False, width="content")
        st.caption(_freshness(ledger), width="content")


def _freshness(ledger: data.Answer) -> str:
    if ledger.last_record_at is None:
        return "No record yet"
    return f"Last record {clock(ledger.last_record_at)} · collector's clock {clock(ledger.now)} UTC · commit {ledger.commit:,}"


@st.fragment(run_every="5s")
def watch(commit: int | None) -> None:
    """Draws the page anew when the ledger has moved on, or the collector comes or goes."""
    if data.commit() != commit:
        st.rerun()


def unavailable(error: data.CollectorError) -> None:
    """The collector is down or refuses; the page comes back by itself."""
    st.error(plain(error.detail or "It gave no reason."), title=plain(error.title), icon=":material/cloud_off:")
    st.caption("This page tries again every few seconds.")


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


def nothing_here(what: str, ledger: data.Answer) -> None:
    """Nothing under these filters; ends the page."""
    st.subheader(f"No {what} in this period and selection", anchor=False)
    st.markdown(f"Widen the period or clear a filter above. The ledger's last record is of {clock(ledger.last_record_at)} UTC.")
    st.stop()


def no_window() -> None:
    """A comparison of everything with nothing; ends the page."""
    st.subheader("Nothing lies before everything", anchor=False)
    st.markdown("Choose a period above: it is compared with the one of equal length just before it, or with one from another day.")
    st.stop()


def cut(rows: pl.DataFrame, which: str) -> None:
    """Says so when a report holds as many rows as the API gives at once."""
    if rows.height >= data.MOST_ROWS:
        st.caption(f"These are the {data.MOST_ROWS:,} {which}. A shorter period shows the rest.")


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


def no_registry() -> None:
    """Loops are seen, and none is defined."""
    st.info("No loop is defined yet: every one of these is unregistered, and nobody answers for it.", icon=":material/inventory_2:")
    st.markdown("Write one file for each loop, `loops/NAME.yaml` of the config directory, and start the collector with `--config DIR`:")
    st.code(
        "name: morning-triage-loop\nteam: platform\nowner: dana@example.com\nagent: fix-drafter\nmodel: claude-sonnet-4-5\n"
        'tools: [Read, Edit, Bash]\ntrigger:\n  schedule: "30 6 * * 1-5"\n  timezone: Europe/Berlin',
        language="yaml",
    )
