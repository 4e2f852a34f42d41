"""What is charged already, and what should be."""

from decimal import Decimal

import polars as pl
from bookkeeping import MONDAY
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.model import BUCKETS, MONEY, SPLITS
from analytics.usage import versions
from analytics.usage.charges import COUNTERS, DIMENSIONS, MEASURES

_CHARGE = pl.Schema(
    {
        "call_id": pl.UInt64,
        **dict.fromkeys(DIMENSIONS, pl.String),
        "happened_at": pl.Datetime("us"),
        **dict.fromkeys(COUNTERS, pl.Int8),
        **{name: pl.Int64 if name in (*BUCKETS, *SPLITS, "web_searches") else MONEY for name in MEASURES},
    }
)
_CHAIN = {"version": pl.Int32, "sign": pl.Int8, "kind": pl.String, "reason": pl.String}
_SHOWN = ("call_id", "version", "sign", "kind", "team", "cost_usd", "input_uncached_tokens")


def charge(call_id: int, usd: int | None, team: str | None = None) -> dict:
    """What a call should be charged; None is a call without usage."""
    known = usd is not None
    counters = {"calls": 1, "unknown_calls": not known, "unpriced_calls": 0, "priced": known, "usage_known": known}
    measures = {"cost_usd": Decimal(usd), "input_uncached_tokens": usd} if known else {}
    absent = dict.fromkeys(("cache_read_known", "cache_write_known", "reasoning_known", "reported"), 0)
    return {"call_id": call_id, "happened_at": MONDAY, "team": team, **counters, **absent, **measures}


def desired(*charges: dict) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(_CHARGE), **one} for one in charges], _CHARGE)


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """What `versions` takes as current."""
    return rows.sort("version", "sign", descending=True).unique("call_id", keep="first")


def after(*states: pl.DataFrame) -> pl.DataFrame:
    """Every row that is written while what should be charged goes from state to state."""
    rows = pl.DataFrame(schema={**_CHAIN, **_CHARGE})
    for state in states:
        rows = pl.concat([rows, versions(state, newest(rows)).select(rows.columns)])
    return rows


def test_nothing_changed_is_no_row():
    state = desired(charge(1, 5), charge(2, None))
    assert after(state, state, state).select(_SHOWN).rows() == [
        (1, 1, 1, "usage", None, Decimal(5), 5),
        (2, 1, 1, "usage", None, None, None),
    ]


def test_a_correction_is_the_exact_negative_and_the_new_row():
    assert after(desired(charge(1, None)), desired(charge(1, 7))).select(_SHOWN).rows() == [
        (1, 1, 1, "usage", None, None, None),
        (1, 2, -1, "correction", None, None, None),
        (1, 2, 1, "correction", None, Decimal(7), 7),
    ]


def test_only_the_owner_changed_is_a_reattribution():
    assert after(desired(charge(1, 7)), desired(charge(1, 7, "mint"))).select(_SHOWN).rows()[1:] == [
        (1, 2, -1, "re-attribution", None, Decimal(-7), -7),
        (1, 2, 1, "re-attribution", "mint", Decimal(7), 7),
    ]


def test_what_is_no_longer_a_call_is_only_reversed_and_its_chain_may_go_on():
    assert after(desired(charge(1, 7)), desired(), desired(charge(1, 9))).select(_SHOWN).rows() == [
        (1, 1, 1, "usage", None, Decimal(7), 7),
        (1, 2, -1, "correction", None, Decimal(-7), -7),
        (1, 3, 1, "usage", None, Decimal(9), 9),
    ]


STATES = st.dictionaries(
    st.integers(1, 4), st.tuples(st.none() | st.integers(0, 5), st.sampled_from([None, "mint", "bank"])), max_size=4
).map(lambda calls: desired(*(charge(call_id, usd, team) for call_id, (usd, team) in calls.items())))


@settings(max_examples=40)
@given(st.lists(STATES, min_size=1, max_size=6))
def test_charges_always_sum_to_what_should_be_charged(states):
    rows = after(*states)
    measures = [pl.col(name).fill_null(0).sum() for name in (*COUNTERS, *MEASURES)]
    owned = ["call_id", "team"]
    sums = rows.group_by(owned).agg(measures).filter(pl.col("calls") != 0).sort(owned)
    assert sums.rows() == states[-1].group_by(owned).agg(measures).sort(owned).rows()


@settings(max_examples=40)
@given(st.lists(STATES, min_size=1, max_size=6))
def test_the_signs_of_a_chain_sum_to_none_or_one_and_each_row_is_there_once(states):
    rows = after(*states)
    assert set(rows.group_by("call_id").agg(pl.col("sign").sum())["sign"]) <= {0, 1}
    assert rows.select("call_id", "version", "sign").is_duplicated().sum() == 0
