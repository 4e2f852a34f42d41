"""Entry of the dashboard: navigation, shared filters, and what is said when there is nothing to draw."""

from pathlib import Path

import streamlit as st

from dashboard import data, filters, notices, ways

st.set_page_config(page_title="loopledger", page_icon=f"{Path(__file__).parent / 'icon.svg'}", layout="wide")
page = st.navigation(
    [
        st.Page("app_pages/overview.py", title="Overview", icon=":material/monitoring:", default=True, help="What loops spend, on what."),
        st.Page("app_pages/runs.py", title="Runs", icon=":material/account_tree:", help="Each run, and every step inside it."),
        st.Page("app_pages/what_changed.py", title="What changed", icon=":material/compare_arrows:", help="Why it costs more or less."),
        st.Page("app_pages/roles.py", title="Maker and checker", icon=":material/rule:", help="What is made, checked and wasted."),
        st.Page("app_pages/inventory.py", title="Inventory", icon=":material/inventory_2:", help="Which loops there are, and whose."),
        st.Page("app_pages/attribution.py", title="Attribution", icon=":material/groups:", help="Who pays, and what nobody pays for yet."),
        st.Page("app_pages/budgets.py", title="Budgets", icon=":material/speed:", help="Limits, what crossed them, and what was ordered."),
        st.Page(
            "app_pages/prices.py",
            title="Prices",
            icon=":material/sell:",
            help="What each unit costs, by whose word, and what has no price.",
        ),
        st.Page("app_pages/data_quality.py", title="Data quality", icon=":material/fact_check:", help="What totals leave out, and why."),
    ],
    position="top",
)

notices.watch(data.commit())
try:
    ledger = data.report("spend")
    notices.title(page.title, ledger)
    if ledger.last_record_at is None:
        notices.no_data()
    else:
        if page.url_path == "runs" and "run" in st.query_params:  # one run is the same whatever else is chosen
            filters.keep()
        else:
            ways.arrive()
            dimensions = () if page.url_path in ("inventory", "attribution", "budgets", "data_quality") else filters.DIMENSIONS
            st.session_state["chosen"] = filters.choose(ledger.now, dimensions)
        page.run()
except data.CollectorError as error:
    notices.unavailable(error)
