"""Runs that other runs started: which loop pays for a run whose own loop nobody names.

What a run's loop is follows from its standing records alone, so the order of arrival cannot matter. Without a run that names its parent
nothing here costs anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from analytics.ledger import Ledger
from analytics.masks import distinct
from analytics.owners import Owners
from analytics.usage import best_revisions, happened_at


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of the runs that started others."""

    loops: Mapping[str, str | None] = field(default_factory=dict)
    """Loop of each by its own records."""
    parents: Mapping[str, str] = field(default_factory=dict)
    """Of those of them that were started themselves, by which run."""

    def loop_of(self, run: str | None) -> str | None:
        """The loop of the nearest run upwards that has one."""
        seen = set()
        while run is not None and run not in seen:
            if loop := self.loops.get(run):
                return loop
            seen.add(run)
            run = self.parents.get(run)
        return None

    def with_more(self, loops: Mapping[str, str | None], parents: Mapping[str, str]) -> "Family":
        """The same with some runs known anew."""
        others = {run: parent for run, parent in self.parents.items() if run not in loops}
        return Family({**self.loops, **loops}, {**others, **parents})

    def frame(self, runs: pl.Series) -> pl.DataFrame:
        """run_parent | of_loop of those of these runs whose loop is known."""
        known = [(run, loop) for run in runs.drop_nulls().unique() if (loop := self.loop_of(run))]
        return pl.DataFrame(known, schema={"run_parent": pl.String, "of_loop": pl.String}, orient="row")


class Lineage:
    """One tenant's runs that started others, rebuilt from the ledger."""

    def __init__(self, tenant: str, ledger: Ledger, owners: Owners):
        self._tenant, self._ledger, self._owners = tenant, ledger, owners
        self.family = Family()
        started = ledger.query("queries/run_parents", tenant=tenant)["run_parent"]
        if len(started):
            self.family = self._family_of(started.rename("run"), None)

    def after(self, news: pl.DataFrame) -> Family:
        """What is known with these new records, which need not be stored yet."""
        known = self.family.loops
        if news["run_parent"].null_count() == news.height and not known:
            return self.family
        more = [run for run in distinct(news["run_parent"]) if run not in known]
        again = [run for run in distinct(news["run"]) if run in known]
        touched = more + [run for run in again if self._is_news(run, news)]
        return self._family_of(pl.Series("run", touched, pl.String), news) if touched else self.family

    def moved(self, family: Family) -> list[str]:
        """The runs whose loop is another one than before: what they started bills to another loop."""
        if family is self.family:
            return []
        return [run for run in family.loops if family.loop_of(run) != self.family.loop_of(run)]

    def note(self, family: Family) -> None:
        """Remembers what is known after a commit."""
        self.family = family

    def children(self, runs: Iterable[str]) -> pl.DataFrame:
        """record_key | signal | process of the stored records that name one of these runs as their run's parent."""
        return self._ledger.query("queries/records_of_children", tenant=self._tenant, runs=list(runs))

    def _is_news(self, run: str, news: pl.DataFrame) -> bool:
        """Whether new records of a run say something else of it than is known."""
        said = self._claims(news.filter(run=run))
        known = (("loop", self.family.loops.get(run)), ("run_parent", self.family.parents.get(run)))
        return any(set(said[name].drop_nulls()) - {value} for name, value in known)

    def _family_of(self, runs: pl.Series, news: pl.DataFrame | None) -> Family:
        family = self.family
        while len(runs):
            known = self._told(runs, news)
            loops = dict.fromkeys(runs) | dict(known.drop_nulls("loop").group_by("run").agg(pl.col("loop").min()).iter_rows())
            started = known.filter(pl.col("run_parent").is_not_null()).group_by("run").agg(pl.col("run_parent").min())
            family = family.with_more(loops, dict(started.iter_rows()))
            above = started["run_parent"].unique()
            runs = pl.Series("run", [run for run in above if run not in family.loops], pl.String)
        return family

    def _told(self, runs: pl.Series, news: pl.DataFrame | None) -> pl.DataFrame:
        """run | loop | run_parent as the standing records of these runs say them."""
        stored = self._ledger.query("queries/records_naming_runs", {"wanted": runs.to_frame("run")}, tenant=self._tenant)
        stored = best_revisions(stored)
        if news is not None and news.height:
            replaced = stored.join(news, on="record_key", how="anti")
            stored = pl.concat([replaced, news], how="diagonal_relaxed")
        return self._claims(stored.filter(pl.col("run").is_in(runs.implode())))

    def _claims(self, records: pl.DataFrame) -> pl.DataFrame:
        claimed = self._owners.claimed(records.lazy().with_columns(happened_at=happened_at()))
        return claimed.select("run", "loop", "run_parent").collect()
