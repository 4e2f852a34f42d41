"""Every page on a real collector: without a record, with recorded runs, and without a collector."""

import re
from decimal import Decimal

import pytest
from pages import badges, column, figures, report, said, unescaped

PAGES = ("overview", "runs", "what_changed", "roles", "inventory", "attribution", "budgets", "prices", "data_quality")
CROSSED = "bump-20261113T203600Z"
"""The run of the weekend whose call crossed $4.00."""


@pytest.mark.parametrize("page", PAGES)
def test_without_a_record_every_page_says_how_a_runtime_gets_here(empty, visit, page):
    at = visit(empty, page)
    assert not at.exception
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={empty}\n" in said(at)
    assert "OTEL_RESOURCE_ATTRIBUTES=loopledger.loop=" in said(at)
    assert "loopledger up --demo" in said(at)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_recorded_runs_and_says_how_fresh_they_are(filled, visit, page):
    at = visit(filled, page)
    assert not at.exception
    assert at.dataframe
    assert "Last record 2026-11-22 14:07:06 · collector's clock 2026-11-22 14:07:06 UTC · commit " in said(at)


@pytest.mark.parametrize("page", PAGES)
def test_without_a_collector_every_page_says_so_and_what_to_do(visit, page):
    at = visit("http://127.0.0.1:1", page)
    assert not at.exception
    (error,) = at.error
    assert "Connection refused" in unescaped(error.value)
    assert "Start it with loopledger up" in unescaped(error.value)


def test_the_total_is_a_floor_and_says_what_it_leaves_out(filled, visit):
    (total,) = report(filled, "spend")
    assert total["unknown_calls"] == 1
    assert figures(visit(filled)) == {
        "Spend, at least": (f"${Decimal(total['cost_usd']):.2f}", "1 call without usage"),
        "Calls": ("246", "3.42M tokens in, 147.4k out"),
        "Priced": ("99.5%", "245 of 246 calls"),
        "Running now": ("0 runs", "none in the last 15 minutes"),
        "Policies breached": ("1 of 2", "bump-week"),
    }


def test_a_complete_total_is_no_floor(filled, visit):
    at = visit(filled, loop="nightly-dependency-bump")
    assert figures(at)["Spend"][1] == "every call priced"


def test_loops_are_listed_with_maker_and_checker_cost_apart_to_the_last_digit(filled, visit):
    (loops,) = visit(filled).dataframe
    costs = {(row["loop"], row["role"]): Decimal(row["cost_usd"]) for row in report(filled, "spend", by="loop,role")}
    assert column(loops, "loop") == ["nightly-dependency-bump", "unattributed"]
    assert column(loops, "maker_usd") == [costs["nightly-dependency-bump", "maker"], 0]
    assert column(loops, "checker_usd") == [costs["nightly-dependency-bump", "checker"], 0]
    assert column(loops, "runs") == [40, 5]


def test_the_inventory_names_loops_that_are_silent_and_spend_that_names_no_loop(filled, visit):
    (loops,) = visit(filled, view="Inventory").dataframe
    assert {name: status for name, (status,) in zip(column(loops, "loop"), column(loops, "status"), strict=True)} == {
        "nightly-dependency-bump": "registered and seen",
        "morning-triage-loop": "registered, silent",
        "weekly-docs-sync": "registered, silent",
        "unattributed": "unregistered",
    }


def test_a_period_counts_back_from_the_collectors_clock(filled, visit):
    at = visit(filled, period="24 h")
    (lately,) = report(filled, "spend", **{"from": "2026-11-21T14:07"})
    assert figures(at)["Calls"][0] == f"{lately['calls']}"


def test_chosen_dates_are_whole_days(filled, visit):
    at = visit(filled, period="Dates", dates=["2026-11-13", "2026-11-13"])
    assert figures(at)["Calls"][0] == f"{report(filled, 'spend', loop='nightly-dependency-bump')[0]['calls']}"


def test_filters_of_the_url_narrow_every_figure(filled, visit):
    at = visit(filled, model="gpt-5-mini")
    assert [multiselect.value for multiselect in at.multiselect] == [[], [], ["gpt-5-mini"]]
    assert figures(at)["Calls"][0] == f"{report(filled, 'spend', model='gpt-5-mini')[0]['calls']}"


def test_a_filter_stays_when_the_page_changes(filled, visit):
    at = visit(filled)
    at.multiselect(key="loop").set_value(["unattributed"]).run()
    (runs,) = at.switch_page("app_pages/runs.py").run().dataframe
    assert set(column(runs, "loop")) == {"unattributed"}


@pytest.mark.parametrize("page", ["overview", "runs"])
def test_a_selection_without_calls_says_where_the_records_are(filled, visit, page):
    at = visit(filled, page, period="24 h", loop="nightly-dependency-bump")
    assert not at.exception
    assert "in this period and selection" in said(at)
    assert "The ledger's last record is of 2026-11-22 14:07:06 UTC." in said(at)


def test_runs_are_listed_newest_first_and_an_unknown_cost_stays_unknown(filled, visit):
    (runs,) = visit(filled, "runs").dataframe
    started = column(runs, "started_at")
    assert started == sorted(started, reverse=True)
    by_name = {row["run"]: row["cost_usd"] for row in report(filled, "runs") if row["calls"]}
    assert dict(zip(column(runs, "run"), column(runs, "cost_usd"), strict=True)) == {
        name: cost and Decimal(cost) for name, cost in by_name.items()
    }


def test_a_run_shows_what_it_did_what_it_cost_and_what_it_was_ordered(filled, visit):
    at = visit(filled, "runs", run=CROSSED)
    assert not at.exception
    orders, steps, records, _ = at.dataframe
    assert column(orders, "action")[0] == ["stop"]
    assert "bump-week: nightly-dependency-bump reached 100 % of its limit" in said(at)
    costs = [cost for cost in column(steps, "Cost") if cost != "–"]
    (run,) = report(filled, "runs", run=CROSSED)
    assert len(costs) == run["calls"]
    assert all(re.fullmatch(r"\$0\.\d+", cost) for cost in costs)
    assert column(steps, "Step")[:2] == ["invoke_agent bump-fixer", "\u2003chat claude-sonnet-4-5"]
    assert column(steps, "Counted")[0] == "a sum over calls that count, retries_exhausted"
    assert [cost for cost in column(records, "Cost") if cost] == costs
    assert column(records, "Counts").count("yes") == run["calls"]


def test_a_call_without_usage_has_unknown_tokens_and_cost(filled, visit):
    (run,) = (row["run"] for row in report(filled, "runs") if row["unknown_calls"])
    at = visit(filled, "runs", run=run)
    assert figures(at)["Cost, at least" if figures(at).get("Cost, at least") else "Cost"][1] == "1 call without usage"
    steps, records = at.dataframe
    assert "no usage" in column(records, "Price")
    unknown = steps.value[steps.value["Cost"] == "unknown"]
    assert unknown["Input"].to_list() == unknown["Output"].to_list() == ["unknown"]


def test_a_run_that_only_logs_tell_of_has_no_spans_but_its_calls(unlimited, visit):
    (run,) = (row for row in report(unlimited, "runs") if row["steps"] == 0)
    at = visit(unlimited, "runs", run=run["run"])
    assert not at.exception
    assert figures(at)["Calls"] == (f"{run['calls']}", "in 0 steps")
    assert "No span of this run was seen" in said(at)
    steps, records, _ = at.dataframe
    assert len([cost for cost in column(steps, "Cost") if cost != "–"]) == run["calls"]
    assert {text.split()[0] for text in column(records, "Record")} == {"log"}


def test_a_run_is_found_by_its_trace(filled, visit):
    trace = report(filled, "run_trace", run=CROSSED)[0]["trace_id"]
    assert CROSSED in said(visit(filled, "runs", run=trace))


def test_a_run_nobody_knows_is_named_as_it_stands_in_the_address(filled, visit):
    at = visit(filled, "runs", run="![x](http://elsewhere.invalid)")
    assert [warning.value for warning in at.warning] == [r"The ledger knows no run \!\[x\]\(http\:\/\/elsewhere\.invalid\)"]


def test_budgets_show_their_burn_and_hide_runs_within_their_limit(filled, visit):
    at = visit(filled, "budgets")
    budgets, incidents, orders = at.dataframe
    assert column(budgets, "policy") == ["bump-week"]
    assert column(budgets, "state") == [["breached"]]
    assert column(incidents, "threshold") == [100, 80]
    assert column(incidents, "run")[0] == CROSSED
    assert set(column(orders, "loop")) == {"nightly-dependency-bump"}
    assert at.get("vega_lite_chart")
    everything = visit(filled, "budgets", limits="With runs within their limit").dataframe[0]
    assert len(everything.value) == len(report(filled, "budgets"))


def test_without_policies_the_page_says_where_they_go(unlimited, visit):
    at = visit(unlimited, "budgets")
    assert not at.exception
    assert "`policies/budgets.yaml`" in said(at)


# Inventory


def test_the_inventory_counts_loops_by_state_and_says_whose_each_is_and_what_it_cost(filled, visit):
    at = visit(filled, "inventory")
    assert not at.exception
    assert {label: value for label, (value, _) in figures(at).items()} == {
        "Loops": "3", "Registered": "1", "Silent": "2", "Unregistered": "0", "Duplicated": "0"
    }  # fmt: skip
    loops = at.dataframe[0]
    told = report(filled, "inventory", **{"from": "2026-10-24"})
    for name in ("loop", "runs"):
        assert column(loops, name) == [row[name] for row in told]
    assert column(loops, "missed_runs")[0] == told[0]["missed_runs"]
    assert column(loops, "owner")[:2] == ["robin@example.com", "–"]
    assert column(loops, "state")[0] == ["registered"]
    assert column(loops, "cost_usd")[0] == Decimal(told[0]["cost_usd"])
    assert column(loops, "last_7_days_usd")[1] == Decimal(told[1]["last_7_days_usd"])
    assert len(at.get("vega_lite_chart")) == 2


def test_a_loop_of_the_inventory_shows_its_grants_and_its_schedule(filled, visit):
    at = visit(filled, "inventory")
    _, grants, starts = at.dataframe
    rows = report(filled, "grants", loop="nightly-dependency-bump")
    assert column(grants, "name") == [row["name"] for row in rows]
    touched = {"install_dependencies": "yes", "Bash": "no", "read-changelog": "not shown"}
    shown = dict(zip(column(grants, "name"), column(grants, "touched"), strict=True))
    assert {name: shown[name] for name in touched} == touched
    assert [*column(starts, "state")[0], *column(starts, "state")[-1]] == ["due", "missed"]
    assert "`*/6 * * * *` in UTC" in said(at)
    assert [link.proto.label for link in at.get("page_link")] == ["Its runs", "Its spend"]


def test_without_a_definition_the_inventory_says_where_they_go_and_still_lists_what_was_seen(complete, visit):
    at = visit(complete, "inventory")
    assert not at.exception
    assert "`loops/NAME.yaml`" in said(at)
    assert column(at.dataframe[0], "loop") == ["bump"]
    assert "Nobody answers for this loop" in said(at)


def test_what_no_definition_declares_is_an_incident_beside_its_loop_and_not_beside_the_budgets(undeclared, visit):
    at = visit(undeclared, "inventory")
    assert "undeclared touch: tool deploy" in badges(at)
    incidents = at.dataframe[-1]
    assert set(column(incidents, "policy")) == {"undeclared touch"}
    assert "nightly-dependency-bump: tool deploy" in column(incidents, "scope")
    budgets = visit(undeclared, "budgets")
    assert "No limit was crossed in this period." in said(budgets)


# Data quality


def test_what_is_missing_from_the_total_is_an_alarm_above_it(partial, visit):
    at = visit(partial)
    assert badges(at) == ["1 service blind: no usage arrives", "20 tokens of lost calls"]
    assert at.get("page_link")
    assert figures(at)["Calls"][0] == "7"


def test_a_run_that_lost_calls_says_so(partial, visit):
    at = visit(partial, "runs", run="lossy")
    assert "20 tokens of lost calls" in badges(at)
    _, records = at.dataframe
    assert column(records, "Call") == ["1", "none"]
    assert column(records, "Beyond its calls") == ["", "20"]


def test_a_total_from_which_nothing_is_missing_has_no_alarm(complete, visit):
    at = visit(complete)
    assert badges(at) == []
    assert [caption.value for caption in at.caption if "role" in caption.value] == [r"without a role \$0\.0000450"]


def test_a_period_without_calls_still_says_who_is_blind(blind, visit):
    at = visit(blind)
    assert "No calls in this period" in said(at)
    assert badges(at) == ["1 service blind: no usage arrives"]


def test_findings_are_listed_severest_first_with_what_to_do(partial, visit):
    at = visit(partial, "data_quality")
    rows = report(partial, "data_quality")
    kinds = list(dict.fromkeys(row["finding"] for row in rows))
    assert kinds[:2] == ["blind", "remainder"]
    assert [badge.lower() for badge in badges(at)] == [kind.replace("_", " ") for kind in kinds]
    assert all(row["says"] in said(at) for row in rows)
    assert sum(len(table.value) for table in at.dataframe) == len(rows)
    assert figures(at)["Blind"] == ("1 service", "agents run, no usage arrives")


def test_days_with_unknown_calls_are_drawn(filled, complete, visit):
    assert [len(visit(url, "data_quality").get("vega_lite_chart")) for url in (filled, complete)] == [1, 0]


def test_without_a_finding_the_page_says_that_all_is_well(complete, visit):
    at = visit(complete, "data_quality")
    assert not at.exception
    assert [success.value for success in at.success] == ["Every call in this period has usage, a price and an owner, and nothing waits."]
    assert figures(at)["Priced"] == ("100%", "1 of 1 calls")
    assert not at.dataframe


def test_a_period_without_calls_is_not_said_to_be_well(filled, visit):
    at = visit(filled, "data_quality", period="Dates", dates=["2026-11-18", "2026-11-18"])
    assert "No calls in this period" in said(at)
    assert not at.success


# What changed, maker and checker


def rows_of(at, name: str):
    """The table of a page that has this column."""
    return next(table for table in at.dataframe if name in table.value.columns)


def test_what_changed_is_told_in_a_sentence_whose_effects_are_drawn(fortnight, visit):
    at = visit(fortnight, "what_changed", period="7 d")
    assert not at.exception
    (row, new) = report(fortnight, "variance", **{"from": "2026-11-12", "to": "2026-11-18T11:07"})
    assert column(rows_of(at, "why"), "why") == [row["why"], new["why"]]
    assert f"morning-triage-loop: {row['why']}" in said(at).replace("**", "")
    assert "cached share of input down from 67 % to 33 %" in row["why"]
    assert column(rows_of(at, "why"), "change_usd") == [Decimal(row["change_usd"]), Decimal(new["change_usd"])]
    measures = {name: (was, now) for name, was, now in rows_of(at, "Measure").value.itertuples(index=False)}
    assert (measures["Runs"], measures["Cached share of input"]) == (("5", "6"), ("66.7%", "33.3%"))
    assert "2026-11-12 00:00:00 to 2026-11-18 11:07:00 UTC against 2026-11-05 12:53:00 to 2026-11-12 00:00:00 UTC" in said(at)
    assert at.get("vega_lite_chart")


def test_what_changed_may_be_asked_of_another_start_and_for_each_model(fortnight, visit):
    at = visit(fortnight, "what_changed", period="7 d", against="2026-10-01", each="model")
    assert "against 2026-10-01 00:00:00" in said(at)
    assert column(rows_of(at, "why"), "model") == ["claude-opus-4-5", "claude-sonnet-4-5", "gpt-5-mini"]
    assert column(rows_of(at, "why"), "state") == [["new"]] * 3


def test_without_a_period_there_is_nothing_to_compare_with(fortnight, visit):
    at = visit(fortnight, "what_changed", period="All")
    assert not at.exception
    assert "Nothing lies before everything" in said(at)
    assert "Choose a period above" in said(at)


def test_the_runs_of_either_window_are_a_click_away(fortnight, visit):
    at = visit(fortnight, "what_changed", period="7 d")
    next(button for button in at.button if button.label == "Runs before").click().run()
    assert not at.exception
    assert column(at.dataframe[0], "run") == [f"triage-{number}" for number in (4, 3, 2, 1, 0)]
    assert at.multiselect(key="loop").value == ["morning-triage-loop"]


def test_each_role_of_a_loop_has_its_cost_and_share(fortnight, visit):
    at = visit(fortnight, "roles")
    assert not at.exception
    told = report(fortnight, "roles")
    roles = rows_of(at, "checker_share")
    assert column(roles, "role") == [row["role"] for row in told] == ["maker", "checker", "unattributed"]
    assert column(roles, "cost_usd") == [Decimal(row["cost_usd"]) for row in told]
    assert column(roles, "checker_share")[0] == Decimal(told[0]["checker_share"])
    waste = rows_of(at, "reason")
    assert dict(zip(column(waste, "reason"), column(waste, "runs"), strict=False))["failed run"] == 1
    assert at.get("vega_lite_chart")


def test_where_nothing_is_wasted_the_page_says_so(complete, visit):
    assert "No call failed or was tried again" in said(visit(complete, "roles"))


def test_a_run_shows_the_price_rows_of_its_calls_and_leads_back_to_its_loop(fortnight, visit):
    at = visit(fortnight, "runs", run="triage-10")
    prices = rows_of(at, "Book")
    records = rows_of(at, "Record")
    assert set(column(prices, "Price")) == set(column(records, "Price"))
    assert dict(zip(column(prices, "Calls"), column(prices, "Output"), strict=True)) == {2: "$15.00", 1: "$2.00"}
    assert column(prices, "Cache read") == ["$0.30", "$0.025"]
    assert "maker $0.104 in 2.0 s · checker $0.00260 in 1.0 s" in said(at)
    next(button for button in at.button if unescaped(button.label) == "Runs of morning-triage-loop").click().run()
    assert set(column(at.dataframe[0], "loop")) == {"morning-triage-loop"}


def test_what_runtimes_report_stands_beside_ours(unlimited, visit):
    at = visit(unlimited, "data_quality")
    told = [row for row in report(unlimited, "reported") if row["reported_calls"]]
    shown = rows_of(at, "compared_usd")
    assert column(shown, "runtime") == [row["runtime"] for row in told]
    assert column(shown, "difference_usd") == [Decimal(row["difference_usd"]) for row in told]
