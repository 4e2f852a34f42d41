"""Charts: the mark is a float of the right size, the words beside it are exact."""

from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from dashboard import charts

USD = pl.Decimal(38, 9)
NOON = datetime(2026, 11, 14, 12)


def spent(*rows: tuple, by: str = "team") -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"day": pl.String, by: pl.String, "cost_usd": USD}, orient="row")


def frames(chart) -> list[pl.DataFrame]:
    """Every frame a chart draws; the first is that of its main mark."""
    return [part.data for part in (chart, *getattr(chart, "layer", ())) if isinstance(part.data, pl.DataFrame)]


def drawn(chart) -> pl.DataFrame:
    return frames(chart)[0]


def days(chart) -> list[str]:
    """The days along a chart."""
    return chart.to_dict()["encoding"]["x"]["scale"]["domain"]


def step(number: int, cost: str | None, *, counts: bool | None = True, **more) -> dict:
    start = NOON + timedelta(seconds=number)
    said = {"step": number, "depth": 0, "name": "chat", "kind": "model", "failed": False, "error_type": None}
    times = {"started_at": start, "ended_at": start + timedelta(seconds=1)}
    return {**said, **times, "counts": counts, "cost_usd": cost and Decimal(cost), **more}


def steps(*rows: dict) -> pl.DataFrame:
    types = {"cost_usd": USD, "counts": pl.Boolean, "error_type": pl.String, "ended_at": pl.Datetime("us")}
    return pl.DataFrame(rows, schema_overrides=types)


def crossings(*rows: tuple) -> pl.DataFrame:
    schema = {"crossed_at": pl.Datetime("us"), "policy": pl.String, "threshold": pl.Int64, "action": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_a_mark_is_a_float_in_dollars_and_its_text_is_exact():
    marked = charts.mark(pl.DataFrame({"cost_usd": ["10.123456789", None]}, schema={"cost_usd": USD}))
    assert marked.schema == {"mark": pl.Float64, "text": pl.String}
    assert marked.rows() == [(10.123456789, "$10.12"), (None, "unknown")]


@pytest.mark.parametrize(
    "chart",
    [
        charts.spend_per_day(spent(("2026-11-14", "web", Decimal("10.12"))), "team"),
        charts.bridge(pl.DataFrame({"step": ["Before", "Runs", "Now"], "usd": [Decimal("10.12")] * 3})),
        charts.spend_by_loop(pl.DataFrame({"loop": ["a"], "role": ["maker"], "cost_usd": [Decimal("10.12")]})),
        charts.burn(pl.DataFrame({"happened_at": [NOON], "spent_usd": [Decimal("10.12")], "limit_usd": [Decimal(40)]}), crossings()),
        charts.cumulative(steps(step(0, "10.12")), crossings()),
        charts.waterfall(steps(step(0, "10.12"))),
    ],
    ids=["spend_per_day", "bridge", "spend_by_loop", "burn", "cumulative", "waterfall"],
)
def test_no_chart_draws_a_decimal(chart):
    assert not [name for frame in frames(chart) for name, type_ in frame.schema.items() if type_.is_decimal()]
    assert set(drawn(chart)["mark"]) == {10.12}


def test_sums_of_a_day_are_exact_before_they_are_drawn():
    cents = spent(*[("2026-11-14", f"team {number}", Decimal("0.1")) for number in range(20)])
    bars = drawn(charts.spend_per_day(cents, "team"))
    assert dict(bars.select("team", "text").rows())["other"] == "$1.20"
    assert bars.height == charts.MOST_SERIES + 1


def test_the_dearest_eight_keep_their_names():
    ranked = spent(*[("2026-11-14", f"loop {number}", Decimal(number)) for number in range(10)], by="loop")
    assert charts.grouped(ranked, "loop")["loop"].to_list() == [*(f"loop {number}" for number in range(2, 10)), "other"]


def test_roles_beside_maker_and_checker_are_one():
    rows = [("a", role, Decimal(1)) for role in ("maker", "checker", "orchestrator", "planner", "unattributed")]
    bars = drawn(charts.spend_by_loop(pl.DataFrame(rows, schema={"loop": pl.String, "role": pl.String, "cost_usd": USD}, orient="row")))
    assert dict(bars.select("role", "text").rows()) == {"maker": "$1.00", "checker": "$1.00", "other": "$2.00", "unattributed": "$1.00"}


def test_a_name_keeps_its_colour_whatever_it_is_drawn_with():
    slots = [charts.palette(names).index("payments") for names in (["payments"], ["payments", "unattributed", "other"])]
    assert len(set(slots)) == 1


def test_eight_names_have_eight_colours_and_leftovers_are_grey():
    names = [f"loop {number}" for number in range(8)]
    domain = charts.palette([*names, "unattributed", "other"])
    assert sorted(domain[:8]) == names
    assert domain[8:] == ["unattributed", "other"]


def test_days_without_spend_leave_a_gap():
    chart = charts.spend_per_day(spent(("2026-11-01", "web", Decimal(1)), ("2026-11-09", "web", Decimal(1))), "team")
    assert days(chart) == [f"2026-11-0{day}" for day in range(1, 10)]


def test_a_single_day_is_drawn_within_its_week():
    chart = charts.spend_per_day(spent(("2026-11-09", "web", Decimal(1))), "team")
    assert days(chart) == [f"2026-11-0{day}" for day in range(3, 10)]


def test_a_trend_counts_days_without_spend_as_nothing():
    days = pl.DataFrame({"day": ["2026-11-03", "2026-11-01"], "cost_usd": [None, Decimal("1.5")]}, schema_overrides={"cost_usd": USD})
    assert charts.trend(days, "cost_usd") == [1.5, 0.0, 0.0]


def test_what_a_run_has_cost_so_far_is_summed_in_the_order_of_ends_over_charged_steps():
    late_end = {"ended_at": NOON + timedelta(minutes=1)}
    trace = steps(step(0, "0.1", **late_end), step(1, "0.2"), step(2, "9", counts=False), step(3, None), step(4, None, counts=None))
    line = drawn(charts.cumulative(trace, crossings()))
    assert line["text"].to_list() == ["$0.200", "$0.300"]


def test_an_open_step_lasts_to_the_end_of_the_trace():
    bars = drawn(charts.waterfall(steps(step(0, None, ended_at=None), step(4, "1"))))
    assert bars.select("start", "end", "cost").rows() == [(0.0, 5.0, "unknown"), (4.0, 5.0, "$1.00")]


def test_a_step_that_is_not_charged_has_no_cost_beside_it_and_a_failure_is_named():
    bars = drawn(charts.waterfall(steps(step(0, None, counts=None, failed=True, error_type="refused"), step(1, None, counts=False))))
    assert bars.select("cost", "failure").rows() == [("", "failed refused"), ("", "")]


def test_crossings_are_marked_with_what_was_ordered():
    points = pl.DataFrame({"happened_at": [NOON], "spent_usd": [Decimal(18)], "limit_usd": [Decimal(18)]})
    chart = charts.burn(points, crossings((NOON, "week", 100, "kill"), (NOON - timedelta(hours=1), "week", 80, "warn")))
    marked = [frame["says"].item() for frame in frames(chart) if "crossed_at" in frame.columns]
    assert marked == ["80% warn", "80% warn", "100% kill", "100% kill"]


def test_a_limit_in_tokens_draws_no_line_of_dollars():
    points = pl.DataFrame({"happened_at": [NOON], "spent_usd": [Decimal(18)], "limit_usd": [None]}, schema_overrides={"limit_usd": USD})
    assert [frame.height for frame in frames(charts.burn(points, crossings()))] == [1, 0]


def test_times_carry_their_zone():
    chart = charts.cumulative(steps(step(0, "1")), crossings((NOON, "week", 100, "kill")))
    assert {frame.select(pl.selectors.datetime()).dtypes[0] for frame in frames(chart)} == {pl.Datetime("us", "UTC")}


def test_calls_of_a_day_are_stacked_by_what_is_known_of_them():
    rows = [("2026-11-14", 5, 1, 2), ("2026-11-16", 3, 0, 0)]
    chart = charts.known_per_day(pl.DataFrame(rows, schema=["day", "calls", "unknown_calls", "unpriced_calls"], orient="row"))
    assert sorted(drawn(chart).select("day", "state", "calls").rows()) == [
        ("2026-11-14", "priced", 2),
        ("2026-11-14", "without a price", 2),
        ("2026-11-14", "without usage", 1),
        ("2026-11-16", "priced", 3),
    ]
    assert "2026-11-14, without usage: 1" in drawn(chart)["says"]
    assert days(chart)[-1] == "2026-11-16"


def test_effects_are_stairs_from_one_cost_to_the_other():
    usd = [Decimal("3.5"), Decimal("0.7"), Decimal("-1.2"), Decimal("3.0")]
    stairs = drawn(charts.bridge(pl.DataFrame({"step": ["Before", "Runs", "Prices", "Now"], "usd": usd}, schema_overrides={"usd": USD})))
    assert stairs.select("start", "end", "direction", "says").rows() == [
        (0.0, 3.5, "whole", "Before: $3.50"),
        (3.5, 4.2, "more", "Runs: $0.700"),
        (4.2, 3.0, "less", "Prices: -$1.20"),
        (0.0, 3.0, "whole", "Now: $3.00"),
    ]


def test_a_cost_nobody_knows_is_a_stair_without_height():
    steps = pl.DataFrame({"step": ["Before", "New", "Now"], "usd": [None, Decimal(2), Decimal(2)]}, schema_overrides={"usd": USD})
    assert drawn(charts.bridge(steps)).select("start", "end", "text").rows() == [(0, 0, "unknown"), (0, 2, "$2.00"), (0, 2, "$2.00")]
