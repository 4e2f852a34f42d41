"""The runs that are going on: who they are, for orders to reach them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics import fingerprint, usage
from analytics.books import Posted
from analytics.budgets import ALL
from analytics.masks import among, is_hex_of, known, rows
from analytics.model import UNATTRIBUTED
from analytics.owners import Owners

if TYPE_CHECKING:
    from analytics.config import Policy

IDLE = timedelta(minutes=15)
"""Without a record for so long, a run is over."""
_DIMENSIONS = ("loop", "team", "user", "agent", "role", "model", "provider", "tool")
_ENCLOSING = ("agent", "chain", "other")
"""Kinds whose root span is the end of a run; a root model call is only a call nobody wrapped."""


@dataclass(slots=True)
class Run:
    """One run, with every value of each dimension seen in it."""

    tenant: str
    run: str
    last_seen: datetime
    last_end: datetime | None = None
    """Of its records and calls, in event time; None when unknown."""
    seen: dict[str, set[str]] = field(default_factory=dict)

    @property
    def loop(self) -> str | None:
        return next(iter(sorted(self.seen.get("loop", ()))), None)

    def is_in(self, policy: "Policy", tenant: str, scope: str) -> bool:
        """Whether a policy's scope holds this run."""
        if tenant != self.tenant or not all(self._has(dimension, globs) for dimension, globs in policy.when.items()):
            return False
        return policy.per is None or scope == ALL or scope in self._values(policy.per)

    def _has(self, dimension: str, globs: Iterable[str]) -> bool:
        return any(fnmatchcase(value, glob) for value in self._values(dimension) for glob in globs)

    def _values(self, dimension: str) -> set[str]:
        own = {"run": {self.run}, "tenant": {self.tenant}}
        return own.get(dimension) or self.seen.get(dimension) or {UNATTRIBUTED}


class Runs:
    """Running runs by (tenant, run): from their first record until their root span ends, or fifteen minutes without a record."""

    def __init__(self, owners: Owners, most: int = 100_000):
        """Beyond so many the one silent longest is taken for idle."""
        self._owners, self._most = owners, most
        self.crowded_out = 0
        """How many were taken for idle because there were too many."""
        self._running: dict[tuple[str, str], Run] = {}

    def observe(self, posted: Posted, now: datetime) -> None:
        """Takes in one commit."""
        is_over = self._over(posted.records)
        if not is_over.all():
            going = rows(posted.records, ~is_over)
            charges = rows(posted.charges, np.isin(_keys(posted.charges), _keys(going)))
            for run in self.arriving(Posted(posted.commit_no, going, charges), now):
                self._merge(run)
        for key in rows(posted.records[["tenant", "run"]], is_over).unique().iter_rows() if self._running else ():
            self._running.pop(key, None)

    def running(self, now: datetime) -> list[Run]:
        """Every run that goes on at that time."""
        self._running = {key: run for key, run in self._running.items() if now - run.last_seen <= IDLE}
        return list(self._running.values())

    def arriving(self, posted: Posted, now: datetime) -> list[Run]:
        """The runs of one commit, running or not."""
        return self._named(((self._facts(posted.records), "ended_at"), (posted.charges, "happened_at")), now)

    def calling(self, charges: pl.DataFrame, now: datetime) -> list[Run]:
        """The runs that these charges name."""
        return self._named(((charges, "happened_at"),), now)

    def _named(self, parts: Iterable[tuple[pl.DataFrame, str]], now: datetime) -> list[Run]:
        """The runs in frames, each given with the name of its column of ends."""
        runs: dict[tuple[str, str], Run] = {}
        for facts, end in parts:
            known = [name for name in _DIMENSIONS if name in facts.columns]
            named = facts.filter(pl.col("run").is_not_null()).group_by("tenant", "run")
            for tenant, name, last, *values in named.agg(pl.col(end).max(), pl.col(known).drop_nulls().unique()).iter_rows():
                run = runs.setdefault((tenant, name), Run(tenant, name, now))
                run.last_end = max(filter(None, (run.last_end, last)), default=None)
                for dimension, found in zip(known, values, strict=True):
                    run.seen.setdefault(dimension, set()).update(found)
        return list(runs.values())

    def end(self, tenant: str, run: str) -> None:
        """A run is known to be over."""
        self._running.pop((tenant, run), None)

    def _facts(self, records: pl.DataFrame) -> pl.DataFrame:
        looked_at = dict.fromkeys(("tenant", "run", "ended_at", "loop", "agent", "role", "team", "user", *self._owners.columns))
        facts = records.select(*looked_at, *([usage.happened_at().alias("happened_at")] if self._owners.rules else ()))
        return self._owners.attribute(facts)

    def _merge(self, run: Run) -> None:
        held = self._running.pop((run.tenant, run.run), run)  # and in again at the end: who was silent longest comes first
        self._running[run.tenant, run.run] = held
        held.last_seen = run.last_seen
        for dimension, values in run.seen.items():
            held.seen.setdefault(dimension, set()).update(values)
        if len(self._running) > self._most:
            silent = next(iter(self._running))
            self.crowded_out += run.last_seen - self._running.pop(silent).last_seen <= IDLE

    def _over(self, records: pl.DataFrame) -> np.ndarray:
        """Records of runs whose root span is here: a trace's own root, or of an explicit run the agent or chain around it."""
        is_root = among(records["signal"], ("span",)) & ~known(records["parent_span_id"]) & known(records["ended_at"])
        encloses = is_root & among(records["kind"], _ENCLOSING)
        if len(bare := np.flatnonzero(is_root & ~encloses)):
            encloses[bare] = is_hex_of(records["run"][bare], records["trace_id"][bare])
        if encloses.all() or not encloses.any():
            return encloses
        keys = _keys(records)
        return np.isin(keys, keys[encloses])


def _keys(frame: pl.DataFrame) -> np.ndarray:
    """Fingerprints of whose each row is: tenant and run."""
    return fingerprint.combine(fingerprint.of_column(frame["tenant"]), fingerprint.of_column(frame["run"]))
