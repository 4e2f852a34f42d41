"""Entries of policies, loops and prices: their defaults, and what each wrong line is called."""

import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from analytics.config import Policy, Threshold, load

LOOP = "name: triage\nteam: platform\nowner: dana\n"
POLICY = "policies:\n  - name: cap\n    window: day\n"


@pytest.fixture
def policy(write) -> Callable[[str], Policy]:
    """The policy that these lines make, after its name and window."""

    def _policy(body: str) -> Policy:
        (loaded,) = load(write({"policies/one.yaml": POLICY + textwrap.indent(body, "    ")})).policies
        return loaded

    return _policy


def test_what_a_policy_leaves_out_has_a_default(policy):
    assert policy('limit_usd: "5"') == Policy(
        name="cap",
        mode="enforce",
        when={},
        window="day",
        per=None,
        limit_usd=Decimal(5),
        limit_tokens=None,
        timezone="UTC",
        thresholds=(Threshold(percent=80, action="warn"), Threshold(percent=100, action="stop")),
        notify=(),
        on_assumed="pause",
        assume_usd_per_call=None,
    )


def test_a_run_window_without_per_counts_each_run(write):
    files = {"policies/one.yaml": 'policies: [{name: cap, window: run, limit_usd: "1"}]'}
    assert load(write(files)).policies[0].per == "run"


def test_thresholds_ascend_after_load(policy):
    loaded = policy("limit_tokens: 10\nthresholds: [{percent: 120, action: kill}, {percent: 50, action: warn}]")
    assert [threshold.percent for threshold in loaded.thresholds] == [50, 120]


@pytest.mark.parametrize(
    ("written", "read"), [('"40.00"', "40.00"), ("40", "40"), ('"0.000000001"', "1E-9"), ('"999999999.9"', "999999999.9")]
)
def test_a_limit_is_the_exact_decimal_that_was_written(policy, written, read):
    assert str(policy(f"limit_usd: {written}").limit_usd) == read


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("40.5", 'limit_usd must be in quotes ("40.5"): a bare decimal number is not exact'),
        ("true", 'limit_usd must be a decimal number in quotes, such as "40.00"'),
        ('"0"', "limit_usd must be greater than 0"),
        ('"-1"', "limit_usd must be greater than 0"),
        ('"NaN"', "limit_usd must be a finite number"),
        ('"Infinity"', "limit_usd must be a finite number"),
        ('"lots"', 'limit_usd must be a decimal number in quotes, such as "40.00"'),
        ('"0.0000000001"', "limit_usd must have no more than 9 decimal places"),
        ("10000000000", "limit_usd must have no more than 9 digits before the decimal point"),
        ("[1]", 'limit_usd must be a decimal number in quotes, such as "40.00"'),
    ],
)
def test_a_limit_that_is_no_exact_amount_is_refused(problems, written, wrong):
    (problem,) = problems({"policies/one.yaml": f"{POLICY}    limit_usd: {written}\n"})
    assert problem.startswith(f"policies/one.yaml:4:5: policy 'cap': {wrong}")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("wndow: day", "4:5: policy 'cap': unknown key 'wndow'; did you mean 'window'?"),
        ("when: {lop: [a]}", "4:12: policy 'cap': unknown key 'lop'; did you mean 'loop'?"),
        ("when: {7: [a]}", "4:12: policy 'cap': unknown key 7; possible here: tenant, team,"),
        ("when: {team: payments}", "4:12: policy 'cap': team must be a list, such as [one, two]"),
        ("when: {team: []}", "4:12: policy 'cap': team must not be empty: give an item or remove the key"),
        ("when: {team: [a, 7]}", "4:22: policy 'cap': an item of team must be text: put it in quotes"),
        ("mode: dry-run", "4:5: policy 'cap': mode must be 'enforce' or 'audit'"),
        ("mode:", "4:5: policy 'cap': mode has no value: write one or remove the key"),
        ("per: role", "4:5: policy 'cap': per must be 'tenant', 'team', 'loop', 'agent', 'model', 'user' or 'run'"),
        (
            "timezone: Europe/Berln",
            "4:5: policy 'cap': timezone must be a time zone by its IANA name, and 'Europe/Berln' is unknown; did you",
        ),
        ("timezone: ../../etc", "4:5: policy 'cap': timezone must be a time zone by its IANA name, and '../../etc' is unknown"),
        ("limit_tokens: 5", "4:5: policy 'cap': limit_tokens and limit_usd: give exactly one of the two"),
        ('limit_tokens: "5"', "4:5: policy 'cap': limit_tokens must be a whole number, without quotes"),
        ("limit_tokens: 99999999999999999999", "4:5: policy 'cap': limit_tokens must be less than 9223372036854775808"),
        ("thresholds: []", "4:5: policy 'cap': thresholds must not be empty: give an item or remove the key"),
        ("thresholds: [{percent: 0, action: warn}]", "4:19: policy 'cap': percent must be greater than 0"),
        ("thresholds: [{percent: 9}]", "4:18: policy 'cap': action is missing (warn, pause, stop or kill)"),
        ("thresholds: [{percent: 9, action: resume}]", "4:31: policy 'cap': action must be 'warn', 'pause', 'stop' or 'kill'"),
        ("thresholds: [{percent: 9, action: warn}, {percent: 9, action: stop}]", "4:5: policy 'cap': thresholds must each have a percent"),
        ("notify: [ops]", "4:14: policy 'cap': notify names the unknown channel 'ops'; describe it in channels.yaml"),
        ("on_assumed: ignore", "4:5: policy 'cap': on_assumed must be 'warn', 'pause', 'stop' or 'kill'"),
        ("assume_usd_per_call: 0.1", "4:5: policy 'cap': assume_usd_per_call must be in quotes"),
        ("name: other", "4:5: duplicate key 'name', first given in line 2: keep one of them"),
    ],
)
def test_a_wrong_line_of_a_policy_is_named_where_it_stands(problems, line, problem):
    (found,) = problems({"policies/one.yaml": f'{POLICY}    {line}\n    limit_usd: "5"\n'})
    assert found.startswith(f"policies/one.yaml:{problem}")


def test_a_run_window_takes_no_other_scope(problems):
    files = {"policies/one.yaml": "policies: [{name: cap, window: run, per: team, limit_tokens: 1}]"}
    assert problems(files) == ["policies/one.yaml:1:37: policy 'cap': per must be run, or left out, because the window is run (found team)"]


def test_a_policy_without_a_limit_is_told_at_its_first_line(problems):
    assert problems({"policies/one.yaml": POLICY}) == [
        "policies/one.yaml:2:5: policy 'cap': limit_tokens and limit_usd: give exactly one of the two"
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("owner: 7", "4:1: duplicate key 'owner', first given in line 3"),
        ("version: 1.0", "4:1: loop 'triage': version must be text: put it in quotes"),
        ("role: reviewer", "4:1: loop 'triage': role must be 'maker', 'checker', 'orchestrator' or 'other'"),
        ("trigger: {schedule: '0 6 * *'}", "4:11: loop 'triage': schedule must be five cron fields"),
        ("trigger: {schedule: '0 6 * * *', timezone: Mars}", "4:34: loop 'triage': timezone must be a time zone by its IANA name"),
        ("limits: {max_turns: 1.5}", "4:10: loop 'triage': max_turns must be a whole number, without quotes"),
        ("limits: 5", "4:1: loop 'triage': limits must be a mapping of keys to values"),
        (
            "subagents: [{name: a, role: maker}, {name: a, role: checker}]",
            "4:1: loop 'triage': subagents must each have a name of their own",
        ),
        ("loops: []", "4:1: loop 'triage': unknown key 'loops'"),
    ],
)
def test_a_wrong_line_of_a_loop_is_named_where_it_stands(problems, line, problem):
    found = problems({"loops/one.yaml": f"{LOOP}{line}\n"})
    assert found[0].startswith(f"loops/one.yaml:{problem}")


@pytest.mark.parametrize("schedule", ["*/6 * * * *", "30 6 * * 1-5", "0 4 1 JAN MON", "15,45 0-6 L * 5#2", "@daily"])
def test_a_schedule_is_five_cron_fields_or_a_word(write, schedule):
    (loop,) = load(write({"loops/one.yaml": f"{LOOP}trigger: {{schedule: '{schedule}'}}"})).loops
    assert (loop.trigger.schedule, loop.trigger.timezone) == (schedule, "UTC")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{provider: p}", "1:10: tool and model: give exactly one of the two"),
        ('{model: m, tool: t, usd_per_call: "1"}', "1:21: price 'm': tool and model: give exactly one of the two"),
        (
            '{tool: t, usd_per_call: "1", usd_per_second: "1"}',
            "1:39: price 't': usd_per_second and usd_per_call: give exactly one of the two",
        ),
        ("{tool: t}", "1:10: price 't': usd_per_second and usd_per_call: give exactly one of the two"),
        ('{tool: t, usd_per_call: "1", input_mtok: "1"}', "1:39: price 't': input_mtok belongs to the price of a model"),
        (
            '{model: m, input_mtok: "1", output_mtok: "1", usd_per_call: "1"}',
            "1:56: price 'm': usd_per_call belongs to the price of a tool",
        ),
        ('{tool: t, usd_per_call: "1", valid_from: 2026}', "1:39: price 't': valid_from must be a date (2026-01-31) or a time"),
        ('{tool: t, usd_per_call: "1", valid_from: "2026"}', "1:39: price 't': valid_from must be a date (2026-01-31) or a time"),
        (
            '{tool: t, usd_per_call: "1", valid_from: 2026-02-01, valid_to: 2026-02-01}',
            "1:63: price 't': valid_to must be later than valid_from",
        ),
        (
            '{tool: t, usd_per_call: "1", valid_from: 9999-12-31T23:00:00-10:00}',
            "1:39: price 't': valid_from must be a date (2026-01-31) or a time",
        ),
    ],
)
def test_a_price_is_either_of_a_model_or_of_a_tool(problems, entry, problem):
    found = problems({"prices/one.yaml": f"prices: [{entry}]"})
    assert any(line.startswith(f"prices/one.yaml:{problem}") for line in found), found


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ('"2026-01-31"', datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_dates_and_times_are_read_as_utc(write, written, read):
    (price,) = load(write({"prices/one.yml": f'prices: [{{tool: t, usd_per_second: "0", valid_from: {written}}}]'})).prices
    assert (price.valid_from, price.valid_from.tzinfo) == (read, UTC)
