"""Charts of the inventory: a bar for each loop."""

import altair as alt
import polars as pl

from analytics.model import UNATTRIBUTED
from dashboard import charts

_STATES = {"registered": charts.GAIN, "duplicated": "#8e4ec6", "unregistered": charts.DOUBT, UNATTRIBUTED: charts.QUIET}


def cost_by_state(loops: pl.DataFrame) -> alt.Chart:
    """The dearest eight loops. Columns: loop | state | cost_usd."""
    top = loops.sort("cost_usd", "loop", descending=[True, False]).head(charts.MOST_SERIES)
    bars = charts.mark(top.select("loop", "state", "cost_usd")).with_columns(says=pl.format("{}, {}: {}", "loop", "state", "text"))
    return _by_loop(bars, "mark", charts.USD, _STATES, "state").encode(tooltip=charts.tooltip(loop="Loop", state="State", text="Cost"))


def starts_by_loop(loops: pl.DataFrame) -> alt.Chart:
    """Starts that were due, of the eight loops that missed most. Columns: loop | expected_runs | missed_runs."""
    top = loops.sort("missed_runs", "expected_runs", "loop", descending=[True, True, False]).head(charts.MOST_SERIES)
    starts = top.select("loop", missed="missed_runs", answered=pl.col("expected_runs") - pl.col("missed_runs"))
    bars = starts.unpivot(index="loop", variable_name="came", value_name="starts").filter(pl.col("starts") > 0)
    axis = alt.Axis(tickCount=5, tickMinStep=1, domain=False)
    bars = bars.with_columns(says=pl.format("{}, {}: {}", "loop", "came", "starts"))
    return _by_loop(bars, "starts", axis, {"answered": charts.QUIET, "missed": charts.ALARM}, "came").encode(
        tooltip=charts.tooltip(says="Starts")
    )


def _by_loop(bars: pl.DataFrame, measure: str, axis: alt.Axis, colours: dict[str, str], by: str) -> alt.Chart:
    """A bar for each loop, in the order of the frame."""
    order = bars["loop"].unique(maintain_order=True).to_list()
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    legend = charts.legend([name for name in colours if name in set(bars[by])])
    return (
        alt.Chart(bars)
        .mark_bar(height=18)
        .encode(
            x=alt.X(f"{measure}:Q", title=None, axis=axis),
            y=alt.Y("loop:N", sort=order, title=None, axis=alt.Axis(labelLimit=180, domain=False, ticks=False)),
            color=alt.Color(f"{by}:N", scale=scale, legend=legend),
            description="says:N",
        )
        .properties(height=max(110, 30 * len(order) + 50), padding=charts.PADDING)
    )
