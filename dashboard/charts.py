"""Frames -> charts, pure. Only here is money cast to float, for a mark; its exact text goes along as a column of its own."""

from collections.abc import Iterable
from decimal import Decimal
from zlib import crc32

import altair as alt
import polars as pl

from analytics.model import UNATTRIBUTED
from dashboard import money

MOST_SERIES = 8
OTHER = "other"
ALARM = "#e5484d"
"""Limits and crossings; readable on a light and on a dark page."""
_USD = alt.Axis(format="$~s", tickCount=5, domain=False)


def mark(frame: pl.DataFrame, usd: str = "cost_usd") -> pl.DataFrame:
    """The frame with `mark` (float, null stays null) and `text` (exact) in place of its column of US dollars."""
    text = pl.Series("text", [money.usd(amount) for amount in frame[usd]], pl.String)
    return frame.with_columns(pl.col(usd).cast(pl.Float64).alias("mark"), text).drop(usd)


def trend(days: pl.DataFrame, measure: str) -> list[float]:
    """A sparkline of one measure per day; days without a row are 0."""
    dated = days.select(pl.col("day").str.to_date(), pl.col(measure).cast(pl.Float64).fill_null(0)).sort("day")
    return dated.upsample("day", every="1d")[measure].fill_null(0).to_list()


def palette(names: Iterable[str]) -> list[str]:
    """The colour scale's domain: each name in a slot of its own that depends on the name, not on its rank, then the two greys."""
    slots: dict[int, str] = {}
    for name in sorted(set(names) - {UNATTRIBUTED, OTHER}):
        wanted = crc32(name.encode()) % MOST_SERIES
        slots[next(slot % MOST_SERIES for slot in range(wanted, wanted + MOST_SERIES) if slot % MOST_SERIES not in slots)] = name
    return [slots.get(slot, f"slot {slot}") for slot in range(MOST_SERIES)] + [UNATTRIBUTED, OTHER]


def grouped(frame: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """The dearest eight of a dimension by themselves and the rest as `other`, per day; sums stay exact."""
    totals = frame.group_by(dimension).agg(pl.col("cost_usd").sum()).sort("cost_usd", dimension, descending=[True, False])
    top = totals[dimension].head(MOST_SERIES).to_list()
    named = pl.when(pl.col(dimension).is_in(top)).then(dimension).otherwise(pl.lit(OTHER)).alias(dimension)
    return frame.group_by("day", named).agg(pl.col("cost_usd").sum()).sort("day", dimension)


def spend_per_day(frame: pl.DataFrame, dimension: str) -> alt.Chart:
    """Stacked bars. Columns: day YYYY-MM-DD | the dimension | cost_usd."""
    bars = mark(grouped(frame, dimension))
    says = pl.format("{}, {}: {}", "day", dimension, "text")
    return (
        alt.Chart(bars.with_columns(says=says))
        .mark_bar()
        .encode(
            x=alt.X("day:T", timeUnit="utcyearmonthdate", title=None, axis=alt.Axis(format="%-d %b", grid=False)),
            y=alt.Y("mark:Q", title=None, axis=_USD),
            color=_coloured(dimension, bars[dimension]),
            description="says:N",
            tooltip=[alt.Tooltip("day:N", title="Day"), alt.Tooltip(f"{dimension}:N", title=dimension.capitalize()), alt.Tooltip("text:N", title="Cost")],
        )
        .properties(height=260)
    )


def spend_by_loop(frame: pl.DataFrame) -> alt.Chart:
    """The dearest eight loops, maker and checker cost apart. Columns: loop | role | cost_usd."""
    totals = frame.group_by("loop").agg(pl.col("cost_usd").sum()).sort("cost_usd", "loop", descending=[True, False])
    order = totals["loop"].head(MOST_SERIES).to_list()
    bars = mark(frame.filter(pl.col("loop").is_in(order)))
    says = pl.format("{}, {}: {}", "loop", "role", "text")
    return (
        alt.Chart(bars.with_columns(says=says))
        .mark_bar()
        .encode(
            x=alt.X("mark:Q", title=None, axis=_USD),
            y=alt.Y("loop:N", sort=order, title=None, axis=alt.Axis(labelLimit=180, domain=False, ticks=False)),
            color=_coloured("role", bars["role"]),
            description="says:N",
            tooltip=[alt.Tooltip("loop:N", title="Loop"), alt.Tooltip("role:N", title="Role"), alt.Tooltip("text:N", title="Cost")],
        )
        .properties(height=260)
    )


def waterfall(steps: pl.DataFrame) -> alt.LayerChart:
    """When each step ran, one row each in the order of the frame, with the cost of those that are charged.

    Columns: step | depth | name | kind | started_at, ended_at | failed | cost_usd | counts.
    """
    origin = steps["started_at"].min()
    bars = mark(steps).with_columns(
        label=pl.format("{}  {}{}", "step", pl.lit("\u2003").repeat_by("depth").list.join(""), "name"),
        start=(pl.col("started_at") - origin).dt.total_milliseconds() / 1000,
        end=(pl.coalesce("ended_at", pl.lit(steps["ended_at"].max())) - origin).dt.total_milliseconds() / 1000,
        cost=pl.when("counts").then("text").otherwise(pl.lit("")),
        outcome=pl.when("failed").then(pl.lit("failed")).otherwise(pl.lit("ok")),
        says=pl.format("step {}, {}: {}", "step", "name", "text"),
    )
    rows = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelAlign="left", labelPadding=330, labelLimit=320, domain=False, ticks=False))
    base = alt.Chart(bars).encode(y=rows)
    spans = base.mark_bar(height=10, strokeWidth=1).encode(
        x=alt.X("start:Q", title="seconds since the run began", axis=alt.Axis(grid=True)),
        x2="end:Q",
        color=alt.Color("kind:N", scale=alt.Scale(domain=palette(bars["kind"])), legend=None),
        description="says:N",
        tooltip=[alt.Tooltip(f"{field}:N", title=title) for field, title in (("name", "Step"), ("kind", "Kind"), ("text", "Cost"), ("outcome", "Outcome"))],
    )
    costs = base.mark_text(align="left", dx=5, fontSize=11).encode(x="end:Q", text="cost:N")
    return (spans + costs).properties(height=alt.Step(20))


def cumulative(steps: pl.DataFrame, crossings: pl.DataFrame) -> alt.LayerChart:
    """What a run has cost so far, by the end of each charged step, and where it crossed a budget.

    Columns of steps: ended_at | cost_usd | counts. Columns of crossings: crossed_at | policy | threshold | action.
    """
    charged = steps.filter("counts", pl.col("cost_usd").is_not_null()).sort("ended_at")
    line = charged.select("ended_at", pl.col("cost_usd").cum_sum())
    return _line(mark(line).rename({"ended_at": "at"}), "spent so far") + _crossed(crossings)


def burn(points: pl.DataFrame, crossings: pl.DataFrame) -> alt.LayerChart:
    """Spend of one budget window so far against its limit. Columns: happened_at | spent_usd | limit_usd, null for a limit in tokens."""
    spent = _line(mark(points, "spent_usd").drop("limit_usd").rename({"happened_at": "at"}), "spent so far")
    limit: Decimal | None = points["limit_usd"].max()
    if limit is None:
        return spent + _crossed(crossings)
    line = alt.Chart(mark(pl.DataFrame({"limit": [limit]}), "limit"))
    rule = line.mark_rule(color=ALARM, strokeDash=[6, 4]).encode(y="mark:Q", description=alt.value(f"limit {money.usd(limit)}"))
    return spent + rule + _crossed(crossings)


def _line(points: pl.DataFrame, what: str) -> alt.Chart:
    says = pl.format("{}: {}", pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S"), "text")
    return (
        alt.Chart(points.with_columns(says=says))
        .mark_area(interpolate="step-after", line=True, opacity=0.25)
        .encode(
            x=alt.X("utcyearmonthdatehoursminutesseconds(at):T", title=None, axis=alt.Axis(grid=False)),
            y=alt.Y("mark:Q", title=None, axis=_USD),
            tooltip=[alt.Tooltip("says:N", title=what)],
        )
        .properties(height=260)
    )


def _crossed(crossings: pl.DataFrame) -> alt.LayerChart:
    label = pl.format("{} {}%: {}", "policy", "threshold", "action")
    base = alt.Chart(crossings.select("crossed_at", label=label)).encode(x="utcyearmonthdatehoursminutesseconds(crossed_at):T")
    rules = base.mark_rule(color=ALARM, strokeWidth=1.5).encode(tooltip=alt.Tooltip("label:N", title="Crossed"), description="label:N")
    return rules + base.mark_text(color=ALARM, align="right", dx=-5, y=8).encode(text="label:N")


def _coloured(dimension: str, names: pl.Series) -> alt.Color:
    shown = [name for name in palette(names) if name in set(names)]
    return alt.Color(
        f"{dimension}:N", scale=alt.Scale(domain=palette(names)), legend=alt.Legend(title=None, values=shown, orient="bottom", columns=4, labelLimit=180)
    )
