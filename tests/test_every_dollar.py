"""A ledger of all recordings together: every dollar of it lands in exactly one row of each report that explains it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest
from captures import FOLDERS, feed_together, recorded

from analytics.bridge import APART, EFFECTS
from analytics.config import load
from analytics.reports import DIMENSIONS, REPORTS, Question, Sources
from ingest.access import DEFAULT_TENANT
from ingest.clock import Replay
from ingest.service import opened

USD = [f"{name}_usd" for name in (*EFFECTS, *APART)]
COSTS = {"roles": ("cost_usd",), "waste": ("cost_usd",), "reported": ("cost_usd", "unreported_usd")}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Iterator[Sources]:
    """What reports read of all recordings in one ledger."""
    with opened(tmp_path_factory.mktemp("mixed"), load(None), Replay(), delivers=False) as service:
        feed_together(service, [one for folder in FOLDERS for one in recorded(folder)], 50)
        yield service.sources()


def ask(sources: Sources, name: str, *by: str, **said) -> pl.DataFrame:
    return REPORTS[name](sources, Question(DEFAULT_TENANT, by=by, **said))


def spent(sources: Sources, **window) -> Decimal:
    return ask(sources, "spend", **window)["cost_usd"].sum()


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("name", COSTS)
def test_each_report_sums_to_the_ledger(sources, name, dimension):
    rows = ask(sources, name, dimension)
    assert sum(rows[column].sum() for column in COSTS[name]) == spent(sources) > 90
    assert rows["calls"].sum() == ask(sources, "spend")["calls"].sum()


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_variance_sums_to_both_windows_and_its_effects_to_the_change(sources, dimension):
    until = sources.now + timedelta(microseconds=1)
    since = until - timedelta(days=5)
    rows = ask(sources, "variance", dimension, since=since, until=until)
    before = spent(sources, since=since - timedelta(days=5), until=since)
    assert (rows["before_usd"].sum(), rows["after_usd"].sum()) == (before, spent(sources, since=since, until=until))
    told = rows.select(pl.sum_horizontal(USD).alias("sum"), pl.col("change_usd").fill_null(0))
    assert told.filter(pl.col("sum") != pl.col("change_usd")).is_empty()
    assert rows["change_usd"].sum() == rows["after_usd"].sum() - rows["before_usd"].sum()


def test_model_tool_and_sandbox_cost_are_the_whole(sources):
    rows = ask(sources, "roles")
    apart = rows.select(
        pl.sum_horizontal("model_usd", "tool_usd", "sandbox_usd", "allocated_usd").alias("sum"), pl.col("cost_usd").fill_null(0)
    )
    assert apart.filter(pl.col("sum") != pl.col("cost_usd")).is_empty()


def test_no_column_of_these_reports_is_a_float(sources):
    window = {"since": sources.now - timedelta(days=1), "until": sources.now}
    for name in (*COSTS, "variance"):
        schema = ask(sources, name, **(window if name == "variance" else {})).schema
        assert [column for column, kind in schema.items() if kind.is_float()] == []
        assert {kind for column, kind in schema.items() if column.endswith("_usd")} == {pl.Decimal(38, 9)}
