"""Frames -> charts, pure. Only here is money cast to float, for a mark; its exact text goes along as a column of its own."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zlib import crc32

import altair as alt
import polars as pl

from analytics.model import UNATTRIBUTED
from dashboard import money

MOST_SERIES = 8
OTHER = "other"
ALARM = "#e5484d"
"""Limits, crossings and failures, and what costs more; this and the next three are readable on a light and on a dark page."""
DOUBT = "#d97706"
"""What is known in part."""
GAIN = "#30a46c"
"""What became less."""
QUIET = "#7c8799"
"""Words beside a mark."""
KINDS = ["model", "tool", "sandbox", "embedding", "rerank", "retrieval", "approval", "evaluator", "agent", OTHER]
"""Kinds of steps in the order of the colours: what is charged first, what only encloses in grey."""
PADDING = {"left": 0, "right": 8, "top": 4, "bottom": 4}
_CLOCK = {
    "milliseconds": "%H:%M:%S.%L",
    "seconds": "%H:%M:%S",
    "minutes": "%H:%M",
    "hours": "%H:%M",
    **dict.fromkeys(("date", "day", "week"), "%-d %b"),
    "month": "%b %Y",
}
_DAY = alt.Axis(labelExpr="utcFormat(toDate(datum.value), '%-d %b')", labelAngle=0, labelOverlap=True, ticks=False)
USD = alt.Axis(format="$,.4~f", tickCount=5, domain=False)


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
        .mark_bar(width=alt.RelativeBandSize(band=0.8))
        .encode(
            x=alt.X("day:O", title=None, scale=alt.Scale(domain=_days(bars["day"])), axis=_DAY),
            y=alt.Y("mark:Q", title=None, axis=USD),
            color=_coloured(dimension, bars[dimension]),
            description="says:N",
            tooltip=tooltip(day="Day", **{dimension: dimension.capitalize()}, text="Cost"),
        )
        .properties(height=260, padding=PADDING)
    )


def known_per_day(days: pl.DataFrame) -> alt.Chart:
    """Calls per day, stacked by what is known of them. Columns: day YYYY-MM-DD | calls | unknown_calls | unpriced_calls."""
    priced = pl.col("calls") - pl.col("unknown_calls") - pl.col("unpriced_calls")
    states = {"priced": priced, "without a price": pl.col("unpriced_calls"), "without usage": pl.col("unknown_calls")}
    bars = days.select("day", **states).unpivot(index="day", variable_name="state", value_name="calls").filter(pl.col("calls") > 0)
    colour = alt.Scale(domain=list(states), range=[QUIET, DOUBT, ALARM])
    return (
        alt.Chart(bars.with_columns(says=pl.format("{}, {}: {}", "day", "state", "calls")))
        .mark_bar(width=alt.RelativeBandSize(band=0.8))
        .encode(
            x=alt.X("day:O", title=None, scale=alt.Scale(domain=_days(bars["day"])), axis=_DAY),
            y=alt.Y("calls:Q", title=None, axis=alt.Axis(tickCount=5, tickMinStep=1, domain=False)),
            color=alt.Color("state:N", scale=colour, legend=legend(list(states))),
            description="says:N",
            tooltip=tooltip(day="Day", state="Known", calls="Calls"),
        )
        .properties(height=200, padding=PADDING)
    )


def spend_by_loop(frame: pl.DataFrame) -> alt.Chart:
    """The dearest eight loops, maker and checker cost apart. Columns: loop | role | cost_usd."""
    totals = frame.group_by("loop").agg(pl.col("cost_usd").sum()).sort("cost_usd", "loop", descending=[True, False])
    order = totals["loop"].head(MOST_SERIES).to_list()
    role = pl.when(pl.col("role").is_in(["maker", "checker", UNATTRIBUTED])).then("role").otherwise(pl.lit(OTHER)).alias("role")
    bars = mark(frame.filter(pl.col("loop").is_in(order)).group_by("loop", role).agg(pl.col("cost_usd").sum()).sort("loop", "role"))
    says = pl.format("{}, {}: {}", "loop", "role", "text")
    return (
        alt.Chart(bars.with_columns(says=says))
        .mark_bar(height=18)
        .encode(
            x=alt.X("mark:Q", title=None, axis=USD),
            y=alt.Y("loop:N", sort=order, title=None, axis=alt.Axis(labelLimit=180, domain=False, ticks=False)),
            color=_coloured("role", bars["role"]),
            description="says:N",
            tooltip=tooltip(loop="Loop", role="Role", text="Cost"),
        )
        .properties(height=260, padding=PADDING)
    )


def waterfall(steps: pl.DataFrame) -> alt.LayerChart:
    """When each step ran, one row each in the order of the frame, with what it cost or how it failed.

    Columns: step | depth | name | kind | started_at, ended_at, null while open | failed | error_type | cost_usd | counts.
    """
    bars = _spans(steps)
    width = min(300, 10 + 6 * bars["label"].str.len_chars().max())  # pixels, at 6 a letter
    axis = alt.Axis(labelAlign="left", labelPadding=width, labelLimit=width - 8, labelOverlap=False, domain=False, ticks=False)
    rows = alt.Chart(bars).encode(y=alt.Y("label:N", sort=None, title=None, axis=axis))
    spans = rows.mark_bar(height=10).encode(
        x=alt.X("start:Q", title="seconds since the run began"),
        x2="end:Q",
        color=alt.Color("kind:N", scale=alt.Scale(domain=KINDS), legend=legend([kind for kind in KINDS if kind in set(bars["kind"])])),
        description="says:N",
        tooltip=tooltip(name="Step", kind="Kind", cost="Cost", failure="Failure"),
    )
    beside = rows.encode(x="end:Q")
    inks = ((QUIET, "cost:N"), (ALARM, "failure:N"))
    words = [beside.mark_text(align="left", dx=5, color=ink).encode(text=text) for ink, text in inks]
    return alt.layer(spans, *words).properties(height=20 * bars.height + 80, padding=PADDING)


def _spans(steps: pl.DataFrame) -> pl.DataFrame:
    origin, latest = steps["started_at"].min(), steps["ended_at"].max()
    start, end = _seconds(pl.col("started_at"), origin), _seconds(pl.col("ended_at").fill_null(latest), origin)
    hair = end.max() / 400  # what is too short to be seen is drawn this long
    indent = pl.lit("\u2003").repeat_by("depth").list.join("")
    name = pl.col("name").fill_null("")
    return mark(steps).with_columns(
        label=pl.format("{} {}{}", "step", indent, name),
        start=start,
        end=pl.max_horizontal(end, start + hair),
        kind=pl.when(pl.col("kind").is_in(KINDS)).then("kind").otherwise(pl.lit(OTHER)),
        cost=pl.when("counts").then("text").otherwise(pl.lit("")),
        failure=pl.when("failed").then(pl.format("failed {}", pl.col("error_type").fill_null(""))).otherwise(pl.lit("")),
        says=pl.format("step {}, {}: {}", "step", name, "text"),
    )


def bridge(steps: pl.DataFrame) -> alt.LayerChart:
    """From one cost to another: the first and the last bar stand on the ground, each between them begins where the one before it ends.

    Columns: step | usd, of the first and the last the whole cost, null if unknown.
    """
    base = alt.Chart(_stairs(steps)).encode(x=alt.X("step:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30, ticks=False)))
    colour = alt.Scale(domain=["whole", "more", "less"], range=[QUIET, ALARM, GAIN])
    bars = base.mark_bar(width=alt.RelativeBandSize(band=0.7)).encode(
        y=alt.Y("start:Q", title=None, axis=USD),
        y2="end:Q",
        color=alt.Color("direction:N", scale=colour, legend=None),
        description="says:N",
        tooltip=tooltip(step="Effect", text="Dollars"),
    )
    words = base.mark_text(dy=-7, color=QUIET).encode(y="top:Q", text="text:N")
    return alt.layer(bars, words).properties(height=300, padding=PADDING)


def _stairs(steps: pl.DataFrame) -> pl.DataFrame:
    place, usd = pl.int_range(pl.len()), pl.col("usd").fill_null(0)
    is_whole = (place == 0) | (place == pl.len() - 1)
    end = pl.when(is_whole).then(usd).otherwise(usd.cum_sum())
    start = pl.when(is_whole).then(pl.lit(0)).otherwise(end - usd)
    direction = pl.when(is_whole).then(pl.lit("whole")).when(usd > 0).then(pl.lit("more")).otherwise(pl.lit("less"))
    heights = {"start": start, "end": end, "top": pl.max_horizontal(start, end)}
    floats = [height.cast(pl.Float64).alias(name) for name, height in heights.items()]
    return mark(steps.with_columns(*floats, direction=direction), "usd").with_columns(says=pl.format("{}: {}", "step", "text"))


def cumulative(steps: pl.DataFrame, crossings: pl.DataFrame) -> alt.LayerChart:
    """What a run has cost so far, by the end of each charged step, and where it crossed a budget.

    Columns of steps: ended_at | cost_usd | counts. Columns of crossings: crossed_at | policy | threshold | action.
    """
    charged = steps.filter("counts", pl.col("cost_usd").is_not_null()).sort("ended_at")
    so_far = charged.select(pl.col("ended_at").alias("at"), pl.col("cost_usd").cum_sum())
    return alt.layer(_area(mark(so_far)), *_crossed(crossings)).properties(height=180, padding=PADDING)


def burn(points: pl.DataFrame, crossings: pl.DataFrame) -> alt.LayerChart:
    """Spend of one budget window so far, its limit, and where it was crossed.

    Columns of points: happened_at | spent_usd | limit_usd, null for a limit in tokens. Of crossings: as in `cumulative`.
    """
    spent = mark(points, "spent_usd").select("mark", "text", at="happened_at")
    limit = points.select("limit_usd").drop_nulls().head(1)
    return alt.layer(_area(spent), _limit(limit), *_crossed(crossings)).properties(height=260, padding=PADDING)


def _area(points: pl.DataFrame) -> alt.Chart:
    says = pl.format("{}: {}", pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S"), "text")
    return (
        alt.Chart(points.with_columns(_utc("at"), says=says))
        .mark_area(interpolate="step-after", line=True, opacity=0.15)
        .encode(x=_time("at"), y=alt.Y("mark:Q", title=None, axis=USD), tooltip=alt.Tooltip("says:N", title="Spent"))
    )


def _limit(limit: pl.DataFrame) -> alt.Chart:
    says = pl.format("limit {}", "text")
    rule = alt.Chart(mark(limit, "limit_usd").with_columns(says=says)).mark_rule(color=ALARM, strokeDash=[6, 4])
    return rule.encode(y="mark:Q", description="says:N", tooltip="says:N")


def _crossed(crossings: pl.DataFrame) -> Iterable[alt.Chart]:
    says = pl.format("{}% {}", "threshold", "action")
    for row, crossing in enumerate(crossings.sort("crossed_at").select(_utc("crossed_at"), "policy", says=says).iter_slices(1)):
        at = alt.Chart(crossing).encode(x=_time("crossed_at"), tooltip=["policy:N", "says:N"], description="says:N")
        yield at.mark_rule(color=ALARM)
        yield at.mark_text(color=ALARM, align="right", dx=-5, y=8 + 14 * row).encode(text="says:N")


def _time(field: str) -> alt.X:
    return alt.X(f"{field}:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(grid=False, format=_CLOCK, labelOverlap=True))


def _utc(field: str) -> pl.Expr:
    """The field with its zone: a browser takes a time without one for its own."""
    return pl.col(field).dt.replace_time_zone("UTC")


def _seconds(moment: pl.Expr, origin: datetime) -> pl.Expr:
    return (moment - origin).dt.total_milliseconds() / 1000


def _days(named: pl.Series) -> list[str]:
    """Every day from the first to the last, at least a week."""
    days = named.str.to_date()
    first, last = days.min(), days.max()
    return pl.date_range(min(first, last - timedelta(days=6)), last, eager=True).cast(pl.String).to_list()


def _coloured(dimension: str, names: pl.Series) -> alt.Color:
    domain = palette(names)
    return alt.Color(f"{dimension}:N", scale=alt.Scale(domain=domain), legend=legend([name for name in domain if name in set(names)]))


def tooltip(**titles: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]


def legend(values: list[str]) -> alt.Legend:
    return alt.Legend(title=None, values=values, orient="top", columns=5, labelLimit=180, offset=8, padding=0)
