"""What is spent by place under one policy. A limit on runs has as many places as there ever were runs, and any may get late charges.

Sums are columns sorted by the fingerprint of their place: the newest in memory, older ones in mapped files, 32 bytes a place, which the
system pages out. They are hints: the ledger says what was crossed, and when.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from analytics.budgets import Limit, Spent, places
from analytics.sealed import Shelf, filter_bits

Scope = tuple[str, str, str]
"""tenant, scope, window."""
_SUMS = ("nano_usd", "tokens", "missing_calls")
SUMS = np.dtype(("<i8", len(_SUMS)))
"""The value of a place."""


class Spending:
    """The sums of one policy."""

    def __init__(self, limit: Limit, shelf: Shelf):
        """With what is on the shelf already."""
        self._limit, self._shelf = limit, shelf
        self._watched = np.empty(0, np.uint64)
        self._recent = Columns.empty()

    @property
    def through(self) -> int:
        """The last commit that the sums on the shelf hold; what came after it is to be added again after a restart."""
        return self._shelf.through

    def watch(self, scopes: Sequence[Scope]) -> None:
        """From now on `add` tells of these whatever is spent there."""
        self._watched = np.union1d(self._watched, _places(scopes))

    def of(self, scope: Scope) -> Spent:
        """What is spent in a place."""
        return Spent(*self._held(_places([scope]))[0].tolist())

    def add(self, more: pl.DataFrame) -> np.ndarray:
        """Adds `budgets.totals`; which of them are watched, or come out at the lowest threshold or above."""
        at = more["place"].to_numpy()
        sums = self._held(at) + np.column_stack([more[name].to_numpy() for name in _SUMS])
        self._recent.put(at, sums)
        return (self._used(sums) >= self._limit.least(self._limit.percents[0])) | np.isin(at, self._watched)

    def seal(self, through: int) -> None:
        """Moves what is in memory to the shelf. Everything that was added is of commits up to `through`, and decided."""
        smaller = self._shelf.last(len(self._recent.places))
        newest = _newest([Columns(run.fingerprints, run.values) for run in smaller] + [self._recent])
        if through > self.through and self._shelf.add(newest.places, newest.sums, through, len(smaller)):
            self._recent = Columns.empty()

    def _used(self, sums: np.ndarray) -> np.ndarray:
        """What counts of each row, as Limit.used says; in Python's numbers where assumed cost could be too much for a machine's."""
        if not self._limit.in_usd:
            return sums[:, 1]
        return sums[:, 0] + self._limit.assumed_each * sums[:, 2].astype(object) if self._limit.assumed_each else sums[:, 0]

    def _held(self, places: np.ndarray) -> np.ndarray:
        """The sums of these places; zeros where nothing is known."""
        sums, missing = np.zeros((len(places), len(_SUMS)), np.int64), np.arange(len(places))
        rows, sums_here = self._recent.find(places)
        sums[rows], missing = sums_here, np.delete(missing, rows)
        for run in reversed(list(self._shelf)):
            maybe = run.possible(places[missing], filter_bits(places[missing]))
            rows, found = Columns(run.fingerprints, run.values).find(places[missing[maybe]])
            run.release()
            sums[missing[maybe[rows]]] = found
            missing = np.delete(missing, maybe[rows])
        return sums


class Columns:
    """Places in ascending order, and a row of sums for each."""

    def __init__(self, places: np.ndarray, sums: np.ndarray):
        self.places, self.sums = places, sums

    @classmethod
    def empty(cls) -> "Columns":
        return cls(np.empty(0, np.uint64), np.empty((0, 3), np.int64))

    def find(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the wanted are here, and their sums."""
        at, is_here = self._at(wanted)
        return np.flatnonzero(is_here), self.sums[at[is_here]]

    def put(self, places: np.ndarray, sums: np.ndarray) -> None:
        """These in the place of what was there."""
        order = np.argsort(places)
        places, sums = places[order], sums[order]
        at, is_here = self._at(places)
        self.sums[at[is_here]] = sums[is_here]
        self.places = np.insert(self.places, at[~is_here], places[~is_here])
        self.sums = np.insert(self.sums, at[~is_here], sums[~is_here], axis=0)

    def _at(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = np.searchsorted(self.places, wanted)
        is_here = at < len(self.places)
        is_here[is_here] = self.places[at[is_here]] == wanted[is_here]
        return at, is_here


def _places(scopes: Sequence[Scope]) -> np.ndarray:
    return places(*(pl.Series([scope[part] for scope in scopes], dtype=pl.String) for part in range(3)))


def _newest(parts: Sequence[Columns]) -> Columns:
    """Several as one; of a place in several the last holds."""
    places, sums = np.concatenate([part.places for part in parts]), np.concatenate([part.sums for part in parts])
    order = np.argsort(places, kind="stable")
    ascending = places[order]
    last = order[np.append(ascending[1:] != ascending[:-1], True)[: len(order)]]
    return Columns(places[last], sums[last])
