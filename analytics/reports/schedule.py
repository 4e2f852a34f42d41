"""When loops should have started, and which runs answered."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from analytics.config import Loop
from analytics.model import TIME
from analytics.reports.question import MOST_ROWS, Question, Sources
from analytics.reports.runs import runs_seen
from analytics.schedule import Cron, ScheduleError

_PATIENCE = timedelta(hours=1)
_STARTS = pl.Schema({"loop": pl.String, "expected_at": TIME})
_COLUMNS = ("loop", "expected_at", "state", "run", "started_at", "late_seconds", "runs")


def schedule(sources: Sources, question: Question) -> pl.DataFrame:
    """Every start that a registered schedule asks for in the window, newest first; the filter loop chooses, and at most 1,000 are shown.

    Columns: loop | expected_at UTC | state `ran`, `missed`, `doubled`, or `due` for an hour | run that answered, the first of them |
    started_at UTC | late_seconds | runs that answered.

    A run answers the last start before it; runs that another run started answer none. Starts count from the ledger's first record on.
    """
    rows, _ = expected(sources, question)
    if "loop" in question.filters:
        rows = rows.filter(pl.col("loop").is_in(question.filters["loop"]))
    rows = rows.sort("expected_at", "loop", descending=[True, False])
    return rows.select(_COLUMNS).head(question.limit or MOST_ROWS)


def expected(sources: Sources, question: Question) -> tuple[pl.DataFrame, list[str]]:
    """The rows of `schedule`, all of them, in no order; and the loops whose schedule is computed."""
    known = sources.ledger.query("reports/schedule", tenant=question.tenant).row(0, named=True)
    since = max(filter(None, (question.since, known["first_at"])), default=sources.now)
    starts = {loop.name: moments for loop in sources.config.loops if (moments := _starts(loop, since, sources.now)) is not None}
    frames = [pl.DataFrame({"expected_at": moments}).select(pl.lit(loop).alias("loop"), "expected_at") for loop, moments in starts.items()]
    rows = _answered(pl.concat([_STARTS.to_frame(), *frames]), _runs(sources, question, known["sub_runs"] or []), sources.now)
    return rows.filter(pl.col("expected_at") < question.until) if question.until else rows, list(starts)


def _starts(loop: Loop, since: datetime, now: datetime) -> np.ndarray | None:
    """The starts of a loop in [since, now]; None without a schedule, or when it is not computed."""
    if loop.trigger is None:
        return None
    try:
        return Cron.parse(loop.trigger.schedule).starts(loop.trigger.timezone, since, now + timedelta(microseconds=1))
    except ScheduleError:
        return None


def _runs(sources: Sources, question: Question, sub_runs: list[str]) -> pl.DataFrame:
    """loop | run | started_at of every run since the window began that no other run started."""
    runs = runs_seen(sources, Question(question.tenant, since=question.since)).select("loop", "run", "started_at")
    return runs.filter(~pl.col("run").is_in(sub_runs)).sort("started_at", "run")


def _answered(starts: pl.DataFrame, runs: pl.DataFrame, now: datetime) -> pl.DataFrame:
    starts = starts.sort("expected_at")
    answers = runs.join_asof(starts, left_on="started_at", right_on="expected_at", by="loop", check_sortedness=False, coalesce=False)
    first = answers.drop_nulls("expected_at").group_by("loop", "expected_at", maintain_order=True)
    per_start = first.agg(pl.col("run").first(), pl.col("started_at").first(), runs=pl.len().cast(pl.Int64))
    rows = starts.join(per_start, on=["loop", "expected_at"], how="left").with_columns(pl.col("runs").fill_null(0))
    is_last = pl.col("expected_at") == pl.col("expected_at").max().over("loop")
    is_due = is_last & (now - pl.col("expected_at") < _PATIENCE)
    unanswered = pl.when(is_due).then(pl.lit("due")).otherwise(pl.lit("missed"))
    answered = pl.when(pl.col("runs") > 1).then(pl.lit("doubled")).otherwise(pl.lit("ran"))
    late = (pl.col("started_at") - pl.col("expected_at")).dt.total_seconds()
    return rows.with_columns(state=pl.when(pl.col("runs") > 0).then(answered).otherwise(unanswered), late_seconds=late)
