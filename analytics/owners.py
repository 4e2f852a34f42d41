"""Whose a call is: loop, team, cost centre, role and environment, and which rule said so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from analytics.config import Loop

_LOOP = pl.Schema({"loop": pl.String, "of_team": pl.String, "cost_center": pl.String, "environment": pl.String})
_ROLE = pl.Schema({"loop": pl.String, "agent": pl.String, "of_role": pl.String})


class Owners:
    """The registry of loops as two small tables to join with."""

    def __init__(self, loops: Sequence["Loop"] = ()):
        rows = [(loop.name, loop.team, loop.cost_center, loop.environment) for loop in loops]
        self.loops = pl.DataFrame(rows, schema=_LOOP, orient="row")
        self.roles = pl.DataFrame(_roles(loops), schema=_ROLE, orient="row")

    def attribute(self, calls: pl.LazyFrame) -> pl.LazyFrame:
        """Adds cost_center, environment, owner_rule and loop_rule; fills team and role from the registry where telemetry says none.

        Telemetry wins over the registry. What nobody says stays null, which every report shows as `unattributed`.
        """
        rule = (
            pl.when(pl.col("team").is_not_null()).then(pl.lit("telemetry")).when(pl.col("of_team").is_not_null()).then(pl.lit("registry"))
        )
        loop_rule = pl.when(pl.col("loop").is_not_null()).then(pl.lit("telemetry"))
        return (
            calls.join(self.loops.lazy(), on="loop", how="left", maintain_order="left")
            .join(self.roles.lazy(), on=["loop", "agent"], how="left", maintain_order="left")
            .with_columns(owner_rule=rule, loop_rule=loop_rule, team=pl.coalesce("team", "of_team"), role=pl.coalesce("role", "of_role"))
            .drop("of_team", "of_role")
        )


def _roles(loops: Sequence["Loop"]) -> list[tuple[str, str, str]]:
    """(loop, agent, role) of every agent a definition names."""
    rows = [(loop.name, loop.agent, loop.role) for loop in loops if loop.agent]
    return rows + [(loop.name, subagent.name, subagent.role) for loop in loops for subagent in loop.subagents]
