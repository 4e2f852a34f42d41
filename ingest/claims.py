"""Whom telemetry may name: a team, or a loop of a team, that its credential is not for is a claim, and what it says does not count."""

from collections.abc import Collection, Mapping

import numpy as np
import polars as pl

from analytics.masks import always, among, known

NONE_NAMED = ""
"""The claim of a record that names no team where its credential has one."""


class Claims:
    """Settles who is named, by the teams of loops in the registry."""

    def __init__(self, team_of_loop: Mapping[str, str]):
        self._team_of_loop = team_of_loop

    def settled(self, records: pl.DataFrame, teams: Collection[str] | None) -> pl.DataFrame:
        """The records with `team`, `loop` and `claim` as a credential for these teams has it; None is for any.

        A credential of one team is the word for everything that comes with it; one of several takes what is not its own for nobody's.
        """
        if teams is None or not records.height:
            return records
        foreign_team = known(records["team"]) & ~among(records["team"], teams)
        foreign_loop = among(records["loop"], [loop for loop, team in self._team_of_loop.items() if team not in teams])
        (own,) = teams if len(teams) == 1 else (None,)
        decided = foreign_team | foreign_loop | (~known(records["team"]) if own else False)
        if not decided.any():
            return records
        claim = pl.when(foreign_team).then("team " + pl.col("team")).when(foreign_loop).then("loop " + pl.col("loop")).otherwise(pl.lit(""))
        return records.with_columns(
            team=_replaced(records["team"], decided, own),
            loop=_replaced(records["loop"], foreign_loop, None),
            claim=pl.when(pl.Series(decided)).then(claim),
        )


def refused(records: pl.DataFrame, bodies: int) -> np.ndarray:
    """Of each body how many of its records claim what they may not."""
    is_refused = known(records["claim"]) & ~among(records["claim"], (NONE_NAMED,))
    return np.bincount(records["body"].to_numpy()[is_refused], minlength=bodies)


def _replaced(values: pl.Series, where: np.ndarray, by: str | None) -> pl.Series:
    return values.zip_with(pl.Series(~where), always(values.name, by, pl.String(), len(values)))
