"""Why something costs more: known changes found again, and effects that add up exactly whatever happened."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest
from bookkeeping import CRANE, GOLD, MONDAY, TENANT, Desk, at, call, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.bridge import APART, EFFECTS, Cell, Side, effects
from analytics.config import CustomPrice
from analytics.model import BUCKETS
from analytics.reports import DIMENSIONS, REPORTS, Question, QuestionError

LAST_WEEK = MONDAY - timedelta(days=7)
NEXT_WEEK = MONDAY + timedelta(days=7)
USD = [f"{name}_usd" for name in (*EFFECTS, *APART)]
SILVER = CustomPrice(model="silver", input_mtok="1000", cache_read_mtok="100", output_mtok="2000", valid_to=MONDAY)
DEARER = CustomPrice(model="silver", input_mtok="1100", cache_read_mtok="100", output_mtok="2000", valid_from=MONDAY)
LEAD = CustomPrice(model="pewter", input_mtok="2000", cache_read_mtok="200", output_mtok="4000")


def variance(desk: Desk, *by: str, since=MONDAY, until=NEXT_WEEK, **said) -> pl.DataFrame:
    return REPORTS["variance"](desk.sources(), Question(TENANT, by=by, since=since, until=until, **said))


def week(start, runs: int, *calls: dict, loop: str = "morning-triage-loop", cranes: int = 0) -> Iterator[dict]:
    """So many runs of a loop in a week, each of these calls; the first ones use a crane."""
    first = (start - MONDAY) / timedelta(minutes=1)
    for run in range(runs):
        trace, minute = f"{loop} {start:%d} {run}", first + 60 * run
        for number, said in enumerate(calls):
            yield call(f"{number}", None, trace=trace, loop=loop, minute=minute + number, **said)
        if run < cranes:
            yield span("lift", trace=trace, loop=loop, kind="tool", tool="crane", minute=minute + 9)


def made(model: str, role: str, uncached: int, cached: int, output: int) -> dict:
    return {
        "model_requested": model, "role": role, "input_uncached_tokens": uncached, "cache_read_tokens": cached,
        "output_text_tokens": output,
    }  # fmt: skip


BEFORE = [made("silver", "maker", 50, 50, 10)] * 4 + [made("silver", "checker", 40, 0, 5)]
AFTER = [made("silver", "maker", 90, 30, 12)] * 2 + [made("pewter", "maker", 90, 30, 12)] * 2 + [made("silver", "checker", 40, 0, 5)] * 2
EXPECTED = {
    "volume_usd": "0.70",  # 3.50 x 12/10
    "calls_usd": "0.84",  # 3.50 x 72/50
    "unpriced_usd": "0",
    "checker_usd": "-0.24",  # 48 makers' calls at 0.075, 24 checkers' at 0.05
    "model_mix_usd": "1.80",  # half of the makers' calls at twice the price
    "tokens_usd": "1.08",  # makers' calls 120 tokens in, half of them cached, and 12 out
    "cache_usd": "1.944",  # a quarter cached
    "price_usd": "0.312",  # silver's input at 0.0011
    "tool_usd": "0.50",  # a third crane
    "sandbox_usd": "0",
    "allocated_usd": "0",
    "new_usd": "0",
    "ended_usd": "0",
}


@pytest.fixture
def fortnight(opened) -> Desk:
    """Two weeks of a loop: more runs, more checking, a dearer model, longer prompts, less cache, a higher price, one more crane."""
    desk = opened(prices=(SILVER, DEARER, LEAD, CRANE))
    desk.post(*week(LAST_WEEK, 10, *BEFORE, cranes=2))
    desk.post(*week(MONDAY, 12, *AFTER, cranes=3))
    return desk


def test_each_known_change_is_found_as_its_effect(fortnight):
    (row,) = variance(fortnight).to_dicts()
    assert {name: row[name] for name in USD} == {name: Decimal(usd) for name, usd in EXPECTED.items()}
    assert (row["loop"], row["state"]) == ("morning-triage-loop", "both")
    assert (row["before_usd"], row["after_usd"], row["change_usd"]) == (Decimal("4.5"), Decimal("11.436"), Decimal("6.936"))
    assert row["change_percent"] == Decimal("154.1")
    assert (row["before_from"], row["before_to"]) == (LAST_WEEK, MONDAY)


def test_the_sentence_names_the_two_greatest_effects(fortnight):
    assert variance(fortnight)["why"].item() == (
        "+6.94 USD (+154.1 %): cached share of input down from 45 % to 21 % (+1.94), pewter up from 0 % to 33 % of calls (+1.80)"
    )


def test_why_did_it_cost_14_percent_more_this_week(opened):
    desk = opened(prices=(SILVER.model_copy(update={"valid_to": None}),))
    desk.post(*week(LAST_WEEK, 10, *BEFORE), *week(MONDAY, 10, *BEFORE, made("silver", "checker", 39, 0, 5)))
    row = variance(desk, "loop", filters={"loop": ("morning-triage-loop",)}).row(0, named=True)
    assert row["why"] == (
        "+0.490 USD (+14.0 %): calls per run up from 5.0 to 6.0 (+0.700), checker share of calls up from 20 % to 33 % (-0.200)"
    )
    assert {name: row[name] for name in USD if row[name]} == {
        "calls_usd": Decimal("0.7"),
        "checker_usd": Decimal("-0.2"),
        "tokens_usd": Decimal("-0.01"),
    }


def test_counts_of_both_windows_stand_beside_the_effects(fortnight):
    (row,) = variance(fortnight).to_dicts()
    counts = {
        "runs": (10, 12), "calls": (50, 72), "unpriced_calls": (0, 0), "input_tokens": (4400, 6720), "cache_read_tokens": (2000, 1440),
        "output_tokens": (450, 696), "checker_calls": (10, 24), "checker_share": (Decimal("0.2"), Decimal("0.3333")),
        "cache_share": (Decimal("0.4545"), Decimal("0.2143")),
    }  # fmt: skip
    assert {name: (row[f"{name}_before"], row[f"{name}_after"]) for name in counts} == counts


@pytest.mark.parametrize(
    ("before", "after", "effect", "says"),
    [
        ((10, BEFORE), (12, BEFORE), "volume_usd", "2 more runs"),
        ((10, BEFORE), (9, BEFORE), "volume_usd", "1 fewer run"),
        ((6, BEFORE), (6, BEFORE * 2), "calls_usd", "calls per run up from 5.0 to 10.0"),
        ((6, BEFORE[:1]), (6, [made("pewter", "maker", 50, 50, 10)]), "model_mix_usd", "pewter up from 0 % to 100 % of calls"),
        ((6, BEFORE[:1]), (6, [made("silver", "maker", 60, 60, 10)]), "tokens_usd", "from 100 in and 10 out to 120 in and 10 out"),
        ((6, BEFORE[:1]), (6, [made("silver", "maker", 80, 20, 10)]), "cache_usd", "cached share of input down from 50 % to 20 %"),
        ((6, BEFORE[1:3]), (6, [BEFORE[1], made("silver", "checker", 500, 0, 0)]), "checker_usd", "checker share of calls up"),
        ((6, BEFORE[1:3]), (6, [BEFORE[1], made("nobody's", "maker", 5, 0, 0)]), "unpriced_usd", "usage or price up from 0 % to 50 %"),
    ],
)  # fmt: skip
def test_what_alone_has_changed_is_the_whole_difference(opened, before, after, effect, says):
    desk = opened(prices=(SILVER.model_copy(update={"valid_to": None}), LEAD))
    desk.post(*week(LAST_WEEK, before[0], *before[1]), *week(MONDAY, after[0], *after[1]))
    (row,) = variance(desk).to_dicts()
    assert row["change_usd"] != 0
    assert {name: row[name] for name in USD if row[name]} == {effect: row["change_usd"]}
    assert says in row["why"]


def test_a_price_that_alone_has_changed_is_the_whole_difference(opened):
    desk = opened(prices=(SILVER, DEARER))
    desk.post(*week(LAST_WEEK, 6, *BEFORE), *week(MONDAY, 6, *BEFORE))
    (row,) = variance(desk).to_dicts()
    assert {name: row[name] for name in USD if row[name]} == {"price_usd": Decimal("0.144")}  # 240 uncached tokens a run, 0.0001 each
    assert row["why"] == "+0.144 USD (+6.9 %): the same tokens at other prices (+0.144)"


def test_rows_of_one_window_are_new_or_ended(opened):
    desk = opened()
    desk.post(call("a", 3, loop="old", trace="x", minute=-60), call("b", 4, loop="young", trace="y", minute=60))
    rows = variance(desk).select("loop", "before_usd", "after_usd", "change_percent", "state", "new_usd", "ended_usd", "why").rows()
    assert rows == [
        ("young", 0, 4, None, "new", 4, 0, "+4.00 USD: new, 1 more run (+4.00)"),
        ("old", 3, 0, Decimal(-100), "ended", 0, -3, "-3.00 USD (-100.0 %): none any more, 1 fewer run (-3.00)"),
    ]


def test_unknown_costs_stay_unknown_and_coming_to_be_priced_is_an_effect_of_its_own(opened):
    desk = opened()
    desk.post(*(call("a", 1, loop=loop, trace=loop, minute=-60, model_requested="nobody's") for loop in ("known", "never")))
    desk.post(
        call("b", 4, loop="known", trace="y", minute=60), call("c", 1, loop="never", trace="z", minute=60, model_requested="nobody's")
    )
    known, never = variance(desk).to_dicts()
    assert (known["loop"], known["before_usd"], known["change_usd"], known["unpriced_usd"]) == ("known", None, 4, 4)
    assert (never["before_usd"], never["after_usd"], never["change_usd"], never["why"]) == (None, None, None, "no call has a known cost")


def test_another_start_is_compared_with_and_windows_may_not_overlap(fortnight):
    assert variance(fortnight, words={"against": "2026-11-02"}).select("state", "change_usd").rows() == [("new", Decimal("11.436"))]
    (back,) = variance(fortnight, since=LAST_WEEK, until=MONDAY, words={"against": f"{MONDAY:%Y-%m-%d}"}).to_dicts()
    assert back["change_usd"] == Decimal("-6.936")
    with pytest.raises(QuestionError, match="the windows overlap: give against no later than 2026-11-09T00:00:00"):
        variance(fortnight, words={"against": "2026-11-10"})
    with pytest.raises(QuestionError, match="neither a date"):
        variance(fortnight, words={"against": "last week"})


@pytest.mark.parametrize("window", [{"since": None}, {"until": None}, {"since": None, "until": None}, {"until": MONDAY}])
def test_open_and_empty_windows_are_refused(desk, window):
    with pytest.raises(QuestionError, match="variance compares two windows: give from and to"):
        variance(desk, **window)


# Exactly, whatever happened

NAMES = st.sampled_from(["one", "two"])
SAID = st.fixed_dictionaries(
    {
        "loop": NAMES, "team": NAMES, "role": st.sampled_from(["maker", "checker", None]),
        "model_requested": st.sampled_from(["gold", "silver", "pewter", "nobody's"]),
        "input_uncached_tokens": st.sampled_from([None, 0, 1, 7, 12345]), "cache_read_tokens": st.sampled_from([None, 0, 3, 999]),
        "cache_write_1h_tokens": st.sampled_from([None, 5]), "output_text_tokens": st.sampled_from([None, 0, 11, 4321]),
        "reasoning_tokens": st.sampled_from([None, 13]),
    }
)  # fmt: skip
CALLS = st.lists(st.tuples(st.integers(-4, 3), st.integers(0, 5), SAID, st.booleans()), max_size=25)


def invented(calls) -> Iterator[dict]:
    for number, (day, run, said, uses_crane) in enumerate(calls):
        minute = 1440 * day + 10 * run + 5
        yield call(f"{number}", None, trace=f"{day} {run}", minute=minute, **said)
        if uses_crane:
            yield span(f"lift {number}", trace=f"{day} {run}", minute=minute, kind="tool", tool="crane", loop=said["loop"])


@settings(max_examples=15)
@given(calls=CALLS, again=CALLS, by=st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True))
def test_effects_sum_to_the_change_and_rows_to_the_spend_of_both_windows(tmp_path_factory, calls, again, by):
    desk = Desk(tmp_path_factory.mktemp("random"), prices=(GOLD, SILVER, DEARER, LEAD, CRANE))
    try:
        for posted in (calls, again):  # the second time the same keys say something else: corrections
            if posted:
                desk.post(*invented(posted))
        since, until, before = at(0), at(4 * 1440), at(-4 * 1440)
        rows = variance(desk, *by, since=since, until=until)
        assert (
            rows.select(pl.sum_horizontal(USD).alias("sum"), "change_usd").filter(pl.col("sum") != pl.col("change_usd").fill_null(0)).rows()
            == []
        )
        windows = {"before": (before, since), "after": (since, until)}
        for name, (first, last) in windows.items():
            spent = REPORTS["spend"](desk.sources(), Question(TENANT, by=tuple(by) or ("loop",), since=first, until=last))
            words = [*(by or ["loop"]), "cost_usd"]
            told = rows.filter(pl.col("state").is_in(["both", "new" if name == "after" else "ended"]))
            assert sorted(told.select(*words[:-1], f"{name}_usd").rows(), key=repr) == sorted(spent.select(words).rows(), key=repr)
    finally:
        desk.close()


AMOUNTS = st.integers(0, 10**12).map(lambda nano: Decimal(nano).scaleb(-9))
CELLS = st.builds(
    Cell,
    calls=st.integers(1, 1000).map(Decimal),
    cost_usd=AMOUNTS,
    tokens=st.fixed_dictionaries(dict.fromkeys((*BUCKETS, "web_searches"), st.integers(0, 10**6).map(Decimal))),
    prices=st.fixed_dictionaries(dict.fromkeys((*BUCKETS, "web_searches"), AMOUNTS)),
)
SIDES = st.builds(
    Side,
    runs=st.integers(0, 50),
    calls=st.integers(0, 2000),
    rows=st.integers(0, 1),
    parts=st.dictionaries(st.sampled_from(["model", "tool", "sandbox", "allocated"]), AMOUNTS.map(lambda usd: usd - 500)),
    cells=st.dictionaries(st.tuples(st.booleans(), st.sampled_from(["gold", "silver"])), CELLS),
)


@given(before=SIDES, after=SIDES)
def test_effects_of_any_two_sides_sum_to_their_difference(before, after):
    before.calls, after.calls = (max(side.calls, int(side.priced)) for side in (before, after))
    told = effects(before, after)
    assert sum(told.values()) == (after.cost_usd() or 0) - (before.cost_usd() or 0)
    assert all(usd == usd.quantize(Decimal("1e-9")) for usd in told.values())


@given(side=SIDES)
def test_nothing_changes_without_a_change(side):
    side.calls = max(side.calls, int(side.priced))
    side.parts["model"] = sum((cell.cost_usd for cell in side.cells.values()), Decimal(0))
    assert set(effects(side, side).values()) == {0}
