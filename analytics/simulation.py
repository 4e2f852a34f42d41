"""What standing stops would have prevented in recorded history."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from analytics import budgets
from analytics.reports import Sources


def refused_runs(sources: Sources, stops: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """(tenant, run) of the runs that began under one of these stops: check, reserve and `run` would have refused them."""
    policies = {policy.name: policy for policy in sources.config.policies}
    standing = [stop for stop in stops if stop["window"] != budgets.RUN_WINDOW and stop["policy"] in policies]
    return {(stop["tenant"], run) for stop in standing for run in _begun_under(sources, policies[stop["policy"]], stop)}


def _begun_under(sources: Sources, policy, stop: Mapping[str, Any]) -> list[str]:
    since, until = stop["crossed_at"], stop["window_ends_at"]
    charges = sources.ledger.query(
        "queries/budget_charges", **(budgets.UNBOUNDED | {"tenant": stop["tenant"], "start": since, "end": until})
    )
    runs = budgets.counted(policy, charges).filter(scope=stop["scope"]).select("run").drop_nulls().unique()
    starts = sources.ledger.query("queries/run_starts", {"wanted": runs}, tenant=stop["tenant"])
    return starts.filter(pl.col("started_at") > since)["run"].to_list()
