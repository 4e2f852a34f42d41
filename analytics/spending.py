"""What is spent by place under one policy. A limit on runs has as many places as there ever were runs, and any may get late charges.

Sums are columns sorted by the fingerprint of their place: the newest in memory, older ones in mapped files without a name, 32 bytes a
place, which the system pages out. They are built anew from the ledger at start, and are hints: the ledger says what was crossed, and when.
"""

import mmap
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl

from analytics.budgets import Limit, Spent, places
from analytics.sealed import filter_of, masks

Scope = tuple[str, str, str]
"""tenant, scope, window."""
_SUMS = ("nano_usd", "tokens", "missing_calls")
_LARGE = 1 << 20  # places; so many are no longer merged, so that no commit stalls


class Spending:
    """The sums of one policy."""

    at_hand = 1 << 17
    """Places in memory at most, beside those of one commit."""

    def __init__(self, limit: Limit, directory: Path):
        self._limit, self._directory = limit, directory
        self._watched = np.empty(0, np.uint64)
        self._recent = Columns.empty()
        self._older: list[_Older] = []

    def __len__(self) -> int:
        """Places, those that are held twice counted twice."""
        return len(self._recent.places) + sum(map(len, self._older))

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
        if len(self._recent.places) > self.at_hand:
            self._put_away()
        self._recent.put(at, sums)
        return (self._used(sums) >= self._limit.least(self._limit.percents[0])) | np.isin(at, self._watched)

    def _used(self, sums: np.ndarray) -> np.ndarray:
        """What counts of each row, as Limit.used says; in Python's numbers where assumed cost could be too much for a machine's."""
        if not self._limit.in_usd:
            return sums[:, 1]
        return sums[:, 0] + self._limit.assumed_each * sums[:, 2].astype(object) if self._limit.assumed_each else sums[:, 0]

    def _held(self, places: np.ndarray) -> np.ndarray:
        """The sums of these places; zeros where nothing is known."""
        sums, missing = np.zeros((len(places), 3), np.int64), np.arange(len(places))
        for part in (self._recent, *reversed(self._older)):
            rows, found = part.find(places[missing])
            sums[missing[rows]] = found
            missing = np.delete(missing, rows)
        return sums

    def _put_away(self) -> None:
        """Moves what is in memory into a file, with files that are not much larger."""
        parts = [self._recent]
        while self._older and len(self._older[-1]) < min(2 * sum(len(part.places) for part in parts), _LARGE):
            parts.insert(0, self._older.pop().columns)
        self._older.append(_Older(_newest(parts), self._directory))
        self._recent = Columns.empty()


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


class _Older:
    """Columns that are not in this process's memory unless the disk is full, behind a filter that is."""

    def __init__(self, columns: Columns, directory: Path):
        self._filter, self._map, self.columns = filter_of(columns.places), None, columns
        with suppress(OSError), tempfile.TemporaryFile(dir=directory) as file:
            file.write(columns.places)
            file.write(columns.sums)
            file.flush()
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            held = np.frombuffer(self._map, np.int64)
            self.columns = Columns(held[: len(self)].view(np.uint64), held[len(self) :].reshape(-1, 3))
            self._release()

    def __len__(self) -> int:
        return len(self.columns.places)

    def find(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        words, bits = masks(wanted)
        rows = np.flatnonzero((self._filter[words] & bits) == bits)
        here, sums = self.columns.find(wanted[rows])
        self._release()
        return rows[here], sums

    def _release(self) -> None:
        if self._map:
            self._map.madvise(mmap.MADV_DONTNEED)


def _places(scopes: Sequence[Scope]) -> np.ndarray:
    return places(*(pl.Series([scope[part] for scope in scopes], dtype=pl.String) for part in range(3)))


def _newest(parts: Sequence[Columns]) -> Columns:
    """Several as one; of a place in several the last holds."""
    places, sums = np.concatenate([part.places for part in parts]), np.concatenate([part.sums for part in parts])
    order = np.argsort(places, kind="stable")
    ascending = places[order]
    last = order[np.append(ascending[1:] != ascending[:-1], True)]
    return Columns(places[last], sums[last])
