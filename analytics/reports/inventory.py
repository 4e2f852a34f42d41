"""Which loops exist: registered, seen, or both."""

import polars as pl

from analytics.model import UNATTRIBUTED
from analytics.reports.question import Question, Sources
from analytics.reports.runs import runs_seen

_REGISTRY = pl.Schema({"loop": pl.String, "team": pl.String, "owner": pl.String, "schedule": pl.String})


def inventory(sources: Sources, question: Question) -> pl.DataFrame:
    """One row per loop, dearest first; spend that names no loop is `unattributed`.

    Columns: loop | status `registered and seen`, `registered, silent` or `unregistered` | team, owner, schedule from the registry |
    agents, models lists as seen | runs | calls | cost_usd | first_seen, last_seen UTC.
    """
    rows = [(loop.name, loop.team, loop.owner, loop.trigger.schedule if loop.trigger else None) for loop in sources.config.loops]
    registry = pl.DataFrame(rows, schema=_REGISTRY, orient="row").with_columns(registered=True)
    asked = {"tenant": question.tenant, "since": question.since, "until": question.until}
    runs = runs_seen(sources, Question(**asked)).select("loop", "run", "team", "started_at", "ended_at")
    seen = sources.ledger.query("reports/inventory", {"runs_seen": runs}, **asked)
    both = seen.join(registry, on="loop", how="full", coalesce=True)
    is_seen = pl.col("runs").is_not_null()
    status = (
        pl.when(pl.col("registered").is_not_null() & is_seen).then(pl.lit("registered and seen"))
        .when(is_seen).then(pl.lit("unregistered")).otherwise(pl.lit("registered, silent"))
    )  # fmt: skip
    return both.with_columns(status=status, team=pl.coalesce("team", "seen_team", pl.lit(UNATTRIBUTED))).select(
        "loop", "status", "team", "owner", "schedule", pl.col("agents", "models").fill_null([]), pl.col("runs", "calls").fill_null(0),
        "cost_usd", "first_seen", "last_seen",
    ).sort("cost_usd", "loop", descending=[True, False], nulls_last=True)  # fmt: skip
