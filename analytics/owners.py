"""Whose a call is: loop, user, role, team, cost centre and environment, and what said so.

Telemetry wins over the rules of owners.yaml, and these over the registry of loops; a rule with `override` wins over telemetry. The loop is
decided first and the rest in the order of FIELDS, and each rule looks at what is decided by then.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from analytics import tags
from analytics.globs import pattern
from analytics.masks import always, coalesced, known, nothing, where

if TYPE_CHECKING:
    from analytics.config import Loop, OwnerRule

FIELDS = ("loop", "user", "role", "team", "cost_center", "environment")
_COLUMNS = {
    **{name: (name,) for name in ("agent", "run", "service", "runtime", "dialect", "provider", "tool", "kind", "session", *FIELDS)},
    "model": ("model_requested", "model_served"),
    "service.name": ("service",),
}
"""What a rule calls a column: it matches where any of these does. Everything else is an attribute, to be found in `tags`."""
_UNSAID = ("cost_center", "environment")
"""What telemetry has no word for."""
_WHY = {"loop": "loop_rule", "team": "owner_rule"}
_BESIDE = ("of_loop", "of_role", "of_team", "of_cost_center", "of_environment", "asked")
"""Columns of the way there."""
_LOOP = pl.Schema({"loop": pl.String, "of_team": pl.String, "of_cost_center": pl.String, "of_environment": pl.String})
_ROLE = pl.Schema({"loop": pl.String, "agent": pl.String, "of_role": pl.String})


class Owners:
    """The registry of loops as two small tables to join with, and the rules as expressions."""

    def __init__(self, loops: Sequence["Loop"] = (), rules: Sequence["OwnerRule"] = ()):
        rows = [(loop.name, loop.team, loop.cost_center, loop.environment) for loop in loops]
        self.loops = pl.DataFrame(rows, schema=_LOOP, orient="row")
        self._registry = self.loops.rename({f"of_{name}": name for name in _UNSAID})
        self.roles = pl.DataFrame(_roles(loops), schema=_ROLE, orient="row")
        self.rules = tuple(rules)

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The attributes that rules ask for and no column holds, in order."""
        return tuple(sorted({key for rule in self.rules for key in rule.when} - set(_COLUMNS)))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rules look at, beside FIELDS and `happened_at`."""
        named = {column for rule in self.rules for key in rule.when for column in _COLUMNS.get(key, ("tags",))}
        return tuple(sorted(named - set(FIELDS)))

    @cached_property
    def _steps(self) -> list[list[pl.Expr]]:
        """How the fields after the loop are decided: together, unless a rule for one looks at what is decided for another."""
        steps: list[list[str]] = [[]]
        for name in FIELDS[1:]:
            looks_at = {key for rule in self.rules if getattr(rule.set, name) for key in rule.when}
            if looks_at & set(steps[-1]):
                steps.append([])
            steps[-1].append(name)
        return [[one for name in names for one in self._decided(name, "registry", name != "user")] for names in steps]

    def attribute(self, calls: pl.DataFrame, of_parents: pl.DataFrame | None = None) -> pl.DataFrame:
        """Adds cost_center, environment, owner_rule and loop_rule; fills and overrides the rest of FIELDS.

        `of_parents` (run_parent | of_loop) are the loops of runs that started others: they pay for what no other loop is named for.
        What nobody says stays null, which every report shows as `unattributed`.
        """
        if not self.rules and of_parents is None:
            return self._registered(calls)
        unsaid = (pl.lit(None, pl.String).alias(name) for name in _UNSAID)
        said = calls.lazy().with_columns(*unsaid, *([tags.decoded(self.asked).alias("asked")] if self.asked else ()))
        if of_parents is not None:
            said = said.join(of_parents.lazy(), on="run_parent", how="left", maintain_order="left")
        said = said.with_columns(self._decided("loop", "parent run", of_parents is not None))
        said = said.join(self.loops.lazy(), on="loop", how="left", maintain_order="left")
        said = said.join(self.roles.lazy(), on=["loop", "agent"], how="left", maintain_order="left")
        for step in self._steps:
            said = said.with_columns(step)
        return said.drop(_BESIDE, strict=False).collect()

    def _registered(self, calls: pl.DataFrame) -> pl.DataFrame:
        """What `attribute` comes to without rules and parents: the ordinary way of every commit."""
        is_named, said = calls["loop"].null_count() < calls.height, calls
        for table, on in ((self._registry, ["loop"]), (self.roles, ["loop", "agent"])):
            if is_named and table.height:
                said = said.join(table, on=on, how="left", maintain_order="left")
            else:
                said = said.hstack([nothing(calls["loop"]).alias(name) for name in table.columns if name not in on])
        by_registry = where(known(said["of_team"]), always("owner_rule", "registry", pl.String(), said.height))
        by_telemetry = where(known(said["team"]), always("owner_rule", "telemetry", pl.String(), said.height))
        by_loop = where(known(said["loop"]), always("loop_rule", "telemetry", pl.String(), said.height))
        better = {name: coalesced(said[name], said[f"of_{name}"]) for name in ("team", "role")}
        columns = [better.get(one.name, one) for one in said.get_columns() if one.name not in ("of_team", "of_role")]
        return pl.DataFrame([*columns, coalesced(by_telemetry, by_registry), by_loop])

    def claimed(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """The loop of each record by its own words and the rules, whoever started its run."""
        asked = [tags.decoded(self.asked).alias("asked")] if self.asked else []
        return records.with_columns(*asked).with_columns(self._decided("loop", "", is_known=False)[0])

    def billed(self, dimension: str, owner: str) -> dict[str, str]:
        """What a share that is billed to a team, cost centre or loop says of its owner, as far as the registry knows one answer."""
        said = {dimension: owner}
        if dimension == "loop":
            of_loop = self.loops.filter(loop=owner).rename(lambda name: name.removeprefix("of_"))
            said |= {name: value for row in of_loop.iter_rows(named=True) for name, value in row.items() if value is not None}
        if dimension == "team":
            centres = self.loops.filter(of_team=owner)["of_cost_center"].unique()
            said |= {"cost_center": centres[0]} if len(centres) == 1 and centres[0] else {}
        return said

    def _decided(self, name: str, else_by: str, is_known: bool = True) -> list[pl.Expr]:
        """What a field comes to and, of loop and team, what said so; `of_NAME` answers where nobody else does, if it is known."""
        rules = [rule for rule in self.rules if getattr(rule.set, name)]
        over, fill = (
            [(_matches(rule), pl.lit(getattr(rule.set, name)), f"rule {rule.name}") for rule in rules if rule.override is which]
            for which in (True, False)
        )
        answers = [*over, (None, pl.col(name), "telemetry"), *fill, *([(None, pl.col(f"of_{name}"), else_by)] if is_known else ())]
        value = [said if holds is None else pl.when(holds).then(said) for holds, said, _ in answers]
        why = [pl.when(said.is_not_null() if holds is None else holds).then(pl.lit(who)) for holds, said, who in answers]
        return [pl.coalesce(value).alias(name), *([pl.coalesce(why).alias(_WHY[name])] if name in _WHY else ())]


def _matches(rule: "OwnerRule") -> pl.Expr:
    """Where a rule holds."""
    at, conditions = pl.col("happened_at"), [_has(key, globs) for key, globs in rule.when.items()]
    if rule.valid_from:
        conditions.append(at >= rule.valid_from.replace(tzinfo=None))
    if rule.valid_to:
        conditions.append(at < rule.valid_to.replace(tzinfo=None))
    return pl.all_horizontal(one.fill_null(False) for one in conditions)


def _has(key: str, globs: Sequence[str]) -> pl.Expr:
    said = [pl.col(name) for name in _COLUMNS[key]] if key in _COLUMNS else [pl.col("asked").struct.field(key)]
    return pl.any_horizontal(one.cast(pl.String).str.contains(pattern(globs)) for one in said)


def _roles(loops: Sequence["Loop"]) -> list[tuple[str, str, str]]:
    """(loop, agent, role) of every agent a definition names."""
    rows = [(loop.name, loop.agent, loop.role) for loop in loops if loop.agent]
    return rows + [(loop.name, subagent.name, subagent.role) for loop in loops for subagent in loop.subagents]
