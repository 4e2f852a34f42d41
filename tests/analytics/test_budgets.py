from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase

import polars as pl
import pytest
from bookkeeping import MONDAY, TENANT, at, policy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics import budgets
from analytics.budgets import ALL, Crossing, Place, Spent
from analytics.config import Policy, Threshold
from analytics.model import BUCKETS, MONEY

NAMES = ("loop", "run", "agent", "role", "team", "user", "provider", "model", "tool")
CHARGE = pl.Schema(
    {
        "tenant": pl.String,
        "call_id": pl.UInt64,
        "happened_at": pl.Datetime("us"),
        **dict.fromkeys(NAMES, pl.String),
        "unknown_calls": pl.Int8,
        "unpriced_calls": pl.Int8,
        "cost_usd": MONEY,
        **dict.fromkeys(BUCKETS, pl.Int64),
    }
)
TODAY = Place(TENANT, "cap", ALL, "2026-11-16")


def charge(call_id: int, usd: str | None = "1", minute: float | None = None, **said) -> dict:
    """A charge row; None is a call without usage."""
    own = {"tenant": TENANT, "call_id": call_id, "happened_at": at(call_id if minute is None else minute), "run": "run"}
    counters = {"unknown_calls": int(usd is None), "unpriced_calls": 0, "cost_usd": usd and Decimal(usd)}
    return {**dict.fromkeys(CHARGE), **own, **counters, **said}


def reversed_(row: dict) -> dict:
    """The negative of a charge row."""
    return {name: -value if isinstance(value, int | Decimal) and name != "call_id" else value for name, value in row.items()}


def frame(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(list(rows), CHARGE)


def decide(rule: Policy, *rows: dict, place: Place = TODAY) -> list[Crossing]:
    return budgets.decide(rule, place, frame(*rows))


def crossed(rule: Policy, *rows: dict) -> list[tuple]:
    """(percent, action, minute, dollars, is assumed) of each crossing."""
    found = decide(rule, *rows)
    return [(one.percent, one.action, (one.crossed_at - MONDAY) / timedelta(minutes=1), one.spent.usd, one.is_assumed) for one in found]


# Windows


@pytest.mark.parametrize(
    ("window", "zone", "moment", "name", "start", "end"),
    [
        ("day", "UTC", "2026-11-16T00:00", "2026-11-16", "2026-11-16T00:00", "2026-11-17T00:00"),
        ("day", "UTC", "2026-11-16T23:59:59.999999", "2026-11-16", "2026-11-16T00:00", "2026-11-17T00:00"),
        ("day", "Asia/Kolkata", "2026-11-16T18:30", "2026-11-17", "2026-11-16T18:30", "2026-11-17T18:30"),
        ("day", "America/New_York", "2026-11-16T04:59", "2026-11-15", "2026-11-15T05:00", "2026-11-16T05:00"),
        # a day of 23 hours, one of 25, one that begins at 1 o'clock, and one whose midnight comes twice
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("day", "America/Santiago", "2026-09-06T04:00", "2026-09-06", "2026-09-06T04:00", "2026-09-07T03:00"),
        ("day", "America/Havana", "2026-11-01T05:30", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
        # from Monday to Sunday
        ("week", "UTC", "2026-11-16T00:00", "2026-W47", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("week", "UTC", "2026-11-22T23:59", "2026-W47", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("week", "UTC", "2027-01-03T12:00", "2026-W53", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("week", "Europe/Berlin", "2026-03-29T22:30", "2026-W14", "2026-03-29T22:00", "2026-04-05T22:00"),
        ("month", "UTC", "2028-02-29T12:00", "2028-02", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("month", "UTC", "2026-12-31T23:59", "2026-12", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "Europe/Berlin", "2026-03-31T22:00", "2026-04", "2026-03-31T22:00", "2026-04-30T22:00"),
    ],
)
def test_a_window_is_a_calendar_day_week_or_month_of_its_zone(window, zone, moment, name, start, end):
    rule = policy(window=window, timezone=zone)
    assert budgets.window_at(rule, datetime.fromisoformat(moment)) == name
    assert budgets.bounds(rule, name) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "America/Havana", "Africa/Cairo", "Pacific/Apia", "Asia/Kathmandu"]


@settings(max_examples=150)
@given(
    window=st.sampled_from(["day", "week", "month"]),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)),
)
def test_windows_follow_each_other_without_gap_or_overlap(window, zone, moment):
    rule = policy(window=window, timezone=zone)
    start, end = budgets.bounds(rule, budgets.window_at(rule, moment))
    assert start <= moment < end
    assert budgets.bounds(rule, budgets.window_at(rule, end))[0] == end


def test_a_run_is_a_window_without_bounds():
    rule = policy(window="run")
    assert (budgets.window_at(rule, MONDAY), budgets.bounds(rule, "run"), rule.per) == ("run", None, "run")


# Crossings


def test_a_threshold_is_crossed_exactly_at_the_limit():
    assert crossed(policy(), charge(1, "7.999999999")) == []
    assert crossed(policy(), charge(1, "8")) == [(80, "warn", 1, 8, False)]
    assert crossed(policy(), charge(1, "8"), charge(2, "1.999999999")) == [(80, "warn", 1, 8, False)]
    assert crossed(policy(), charge(1, "8"), charge(2, "2")) == [(80, "warn", 1, 8, False), (100, "stop", 2, 10, False)]


def test_one_call_may_cross_every_threshold():
    rule = policy(thresholds=[Threshold(percent=percent, action="kill") for percent in (50, 100, 150)])
    assert [crossing.percent for crossing in decide(rule, charge(1, "15"))] == [50, 100, 150]


def test_a_crossing_says_when_how_much_and_by_whom():
    assert decide(policy(), charge(1, "5", run="one"), charge(2, "4", run="two", input_uncached_tokens=70), charge(3, "0.5")) == [
        Crossing(80, "warn", at(2), Spent(9 * 10**9, 70, 0), "two", is_assumed=False)
    ]


def test_only_the_charges_of_its_place_count():
    rule = policy(when={"loop": ["nightly*"]}, per="team")
    place = Place(TENANT, "cap", "mint", "2026-11-16")
    there = [
        charge(1, "9", loop="nightly-bump", team="mint"),
        charge(2, "9", loop="weekly", team="mint"),
        charge(3, "9", loop="nightly-bump", team="bank"),
        charge(4, "9", loop="nightly-bump", team="mint", minute=-1),
        charge(5, "9", loop="nightly-bump", team="mint", tenant="other"),
    ]
    assert [crossing.spent.usd for crossing in decide(rule, *there, place=place)] == [9]


def test_what_names_nobody_is_a_scope_of_its_own():
    sums = budgets.totals(policy(per="team"), frame(charge(1), charge(2, team="mint")))
    assert {scope: Spent(*spent).usd for _, _, scope, _, *spent, _ in sums.iter_rows()} == {"unattributed": 1, "mint": 1}
    assert budgets.counted(policy(when={"team": ["unattributed"]}), frame(charge(1), charge(2, team="mint"))).height == 1


@given(
    moments=st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=5),
    zone=st.sampled_from(("UTC", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Africa/Monrovia", "Pacific/Apia")),
    window=st.sampled_from(("day", "week", "month")),
)
def test_totals_count_in_the_windows_that_decisions_count_in(moments, zone, window):
    rule = policy(window=window, timezone=zone)
    charges = frame(*(charge(number) for number in range(len(moments)))).with_columns(happened_at=pl.Series(moments, dtype=pl.Datetime))
    expected = budgets.counted(rule, charges).group_by("window").agg(pl.len())
    totals = budgets.totals(rule, charges)
    assert set(totals["window"]) == set(expected["window"])
    assert totals["happened_at"].min() == min(moments)
    for row in totals.iter_rows(named=True):
        assert budgets.window_at(rule, row["happened_at"]) == row["window"]


def test_totals_sum_to_the_ledger():
    rows = [charge(1, "5"), charge(2, None), charge(3, "2", run="two", minute=2000), reversed_(charge(1, "5"))]
    found = sorted(budgets.totals(policy(per="run"), frame(*rows)).drop("place").rows())
    assert found == [
        (TENANT, "run", "2026-11-16", 0, 0, 1, at(1)),
        (TENANT, "two", "2026-11-17", 2 * 10**9, 0, 0, at(2000)),
    ]


# Tokens


def test_a_limit_in_tokens_counts_every_bucket():
    rule = policy(limit_tokens=70)
    parts = dict.fromkeys(BUCKETS, 10)
    assert crossed(rule, charge(1, "100", **parts)) == [(80, "warn", 1, 100, False), (100, "stop", 1, 100, False)]
    assert crossed(rule, charge(1, "100", **{**parts, "reasoning_tokens": 9})) == [(80, "warn", 1, 100, False)]


def test_a_limit_in_tokens_assumes_nothing():
    assert crossed(policy(limit_tokens=10, assume_usd_per_call="5"), charge(1, None), charge(2, None)) == []


@pytest.mark.parametrize("limit", [{"limit_usd": "999999999.999999999"}, {"limit_tokens": 2**63 - 1}])
def test_the_largest_limits_are_watched_too(limit):
    rule = Policy(name="cap", window="day", thresholds=[Threshold(percent=1000, action="stop")], **limit)
    assert decide(rule, charge(1, "999999999", input_uncached_tokens=10**17)) == []


def test_spend_of_a_hundred_million_dollars_still_crosses():
    assert [crossing.percent for crossing in decide(policy(), charge(1, "100000000"))] == [80, 100]


# Calls without known cost


def test_assumed_cost_takes_at_most_the_action_of_the_policy():
    rule = policy(assume_usd_per_call="5", thresholds=[Threshold(percent=100, action="kill")])
    assert crossed(rule, charge(1, "5"), charge(2, None)) == [(100, "pause", 2, 5, True)]
    assert crossed(rule.model_copy(update={"on_assumed": "warn"}), charge(1, "5"), charge(2, None)) == [(100, "warn", 2, 5, True)]


def test_a_milder_action_stays_as_it_is():
    rule = policy(assume_usd_per_call="10", thresholds=[Threshold(percent=100, action="warn")])
    assert crossed(rule, charge(1, None)) == [(100, "warn", 1, 0, True)]


def test_known_spend_that_reaches_the_limit_later_makes_it_a_plain_crossing():
    rule = policy(assume_usd_per_call="5")
    rows = [charge(1, "5"), charge(2, None), charge(3, "5")]
    assert crossed(rule, *rows)[1] == (100, "stop", 2, 5, False)


def test_unpriced_calls_are_assumed_as_well():
    rule = policy(assume_usd_per_call="10")
    assert crossed(rule, charge(1, None, unknown_calls=0, unpriced_calls=1))[1] == (100, "pause", 1, 0, True)


def test_without_a_rate_unknown_calls_add_nothing():
    assert crossed(policy(), *(charge(number, None) for number in range(50))) == []


# Corrections


def test_corrections_cancel_what_they_correct():
    wrong = charge(1, "9")
    assert crossed(policy(), wrong, reversed_(wrong), charge(1, "2"), charge(2, "7")) == [(80, "warn", 2, 9, False)]


def test_a_call_that_moved_counts_where_it_is_now():
    first = charge(1, "9", run="one")
    (crossing,) = decide(policy(), first, reversed_(first), charge(1, "9", run="two", minute=7))
    assert (crossing.crossed_at, crossing.run) == (at(7), "two")


@st.composite
def histories(draw) -> list[dict]:
    """Rows of some calls, each with the versions it went through."""
    amounts = st.sampled_from([None, "0.1", "1", "2.5", "4"])
    rows = []
    for call_id in range(draw(st.integers(1, 6))):
        versions = draw(st.lists(st.tuples(amounts, st.integers(0, 5)), min_size=1, max_size=3))
        chain = [charge(call_id, usd, minute) for usd, minute in versions]
        rows += [*chain, *(reversed_(row) for row in chain[:-1])]
    return rows


@settings(max_examples=60)
@given(rows=histories(), data=st.data())
def test_crossings_depend_on_the_rows_alone_and_not_on_their_order(rows, data):
    rule = policy(limit_usd="5", assume_usd_per_call="1.5", on_assumed="warn")
    assert decide(rule, *data.draw(st.permutations(rows))) == decide(rule, *rows)


@settings(max_examples=60)
@given(histories())
def test_a_threshold_is_crossed_when_the_total_has_reached_it(rows):
    rule = policy(limit_usd="5", assume_usd_per_call="1.5")
    ((_, _, _, _, *sums, _),) = budgets.totals(rule, frame(*rows)).rows()
    spent = Spent(*sums)
    used = spent.usd + Decimal("1.5") * spent.missing_calls
    assert [crossing.percent for crossing in decide(rule, *rows)] == [percent for percent in (80, 100) if used * 100 >= 5 * percent]


# Names


@settings(max_examples=150)
@given(glob=st.text("ab*?[]!-^&|$.\\", min_size=1, max_size=8), name=st.text("ab-^$.&\\", max_size=5))
@example("*a*b*", "xaybz")
@example("[z-a]", "z")
@example("[?[]", "[")
@example("[!]", "[!]")
@example("[]a]", "]")
@example("*", "line\nbreak")
@example("a|b", "b")
def test_a_name_matches_a_glob_as_in_a_shell(glob, name):
    here = budgets.counted(policy(when={"loop": [glob.strip() or "a"]}), frame(charge(1, loop=name)))
    assert here.height == fnmatchcase(name, glob.strip() or "a")


def test_every_dimension_must_match_one_of_its_globs():
    rule = policy(when={"loop": ["a*", "b*"], "team": ["mint"]})
    rows = [charge(1, loop="bump", team="mint"), charge(2, loop="bump", team="bank"), charge(3, loop="dump", team="mint")]
    assert budgets.counted(rule, frame(*rows))["call_id"].to_list() == [1]


def test_a_moment_is_utc():
    assert budgets.window_at(policy(), datetime(2026, 11, 16, 23, tzinfo=UTC).replace(tzinfo=None)) == "2026-11-16"
