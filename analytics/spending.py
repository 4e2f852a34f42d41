"""What is spent by place under one policy. A limit on runs has as many places as there ever were runs, and any may get late charges.

The places of the last commits are in a dict; older ones are sorted columns in mapped files without a name, 32 bytes a place, which the
system pages out. They are built anew from the ledger at start.
"""

import mmap
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from analytics import fingerprint
from analytics.budgets import Limit, Spent, Total
from analytics.sealed import filter_of, masks

Scope = tuple[str, str, str]
"""tenant, scope, window."""
Sums = tuple[int, int, int]
"""What a `Spent` holds."""
_LARGE = 1 << 20  # places; so many are no longer merged, so that no commit stalls


class Spending:
    """The sums of one policy."""

    at_hand = 1 << 16
    """Places in the dict at most, beside those of one commit."""

    def __init__(self, limit: Limit, directory: Path):
        self._limit, self._directory = limit, directory
        self._recent: dict[Scope, Sums] = {}
        self._older: list[_Older] = []

    def __len__(self) -> int:
        """Places, those that are held twice counted twice."""
        return len(self._recent) + sum(map(len, self._older))

    def of(self, scope: Scope) -> Spent:
        """What is spent in a place. Raises KeyError where nothing was."""
        if scope not in self._recent:
            self._recall([scope])
        return Spent(*self._recent[scope])

    def add(self, more: Sequence[Total]) -> Iterator[Total]:
        """Adds these; of them those that come out at the lowest threshold or above."""
        if len(self._recent) > self.at_hand:
            self._put_away()
        if self._older:
            self._recall([total[:3] for total in more if total[:3] not in self._recent])
        least, each, in_usd, recent = self._limit.least(self._limit.percents[0]), self._limit.assumed_each, self._limit.in_usd, self._recent
        for total in more:  # a run of its own for each call is no rarity, so this counts in tenths of a microsecond
            scope, sums = total[:3], total[3:6]
            if (before := recent.get(scope)) is not None:
                sums = (before[0] + sums[0], before[1] + sums[1], before[2] + sums[2])
            recent[scope] = sums
            if (sums[0] + each * sums[2] if in_usd else sums[1]) >= least:
                yield total

    def _put_away(self) -> None:
        """Moves all places out of the dict."""
        places, sums = _fingerprints(self._recent), np.array(list(self._recent.values()), np.int64)
        runs = [(places, sums)]
        while self._older and len(self._older[-1]) < min(2 * sum(len(run) for run, _ in runs), _LARGE):
            runs.insert(0, self._older.pop().columns)
        self._older.append(_Older(*_newest(runs), self._directory))
        self._recent = {}

    def _recall(self, scopes: Sequence[Scope]) -> None:
        """Takes the places among these that are known back into the dict."""
        wanted, missing = _fingerprints(scopes), np.arange(len(scopes))
        for older in reversed(self._older):
            rows, sums = older.find(wanted[missing])
            for row, held in zip(missing[rows].tolist(), sums.tolist(), strict=True):
                self._recent[scopes[row]] = tuple(held)
            missing = np.delete(missing, rows)


class _Older:
    """Sums of places by ascending fingerprint, which are not in this process's memory unless the disk is full."""

    def __init__(self, places: np.ndarray, sums: np.ndarray, directory: Path):
        self._filter, self._map, self.columns = filter_of(places), None, (places, sums)
        with suppress(OSError), tempfile.TemporaryFile(dir=directory) as file:
            file.write(places.tobytes() + sums.tobytes())
            file.flush()
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            held = np.frombuffer(self._map, np.int64).reshape(4, -1)
            self.columns = held[0].view(np.uint64), np.frombuffer(self._map, np.int64, offset=places.nbytes).reshape(-1, 3)
            self._release()

    def __len__(self) -> int:
        return len(self.columns[0])

    def find(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the wanted are here, and their sums."""
        words, bits = masks(wanted)
        rows = np.flatnonzero((self._filter[words] & bits) == bits)
        places, sums = self.columns
        at = np.minimum(np.searchsorted(places, wanted[rows]), len(places) - 1)
        is_here = places[at] == wanted[rows]
        found = rows[is_here], sums[at[is_here]]
        self._release()
        return found

    def _release(self) -> None:
        if self._map:
            self._map.madvise(mmap.MADV_DONTNEED)


def _fingerprints(scopes: Sequence[Scope] | dict[Scope, Sums]) -> np.ndarray:
    return fingerprint.of_text(pa.array(map("\0".join, scopes), pa.string()))


def _newest(runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Several runs as one, ascending; of a place in several the last holds."""
    places, sums = (np.concatenate(columns) for columns in zip(*runs, strict=True))
    order = np.argsort(places, kind="stable")
    is_last = np.append(places[order][1:] != places[order][:-1], True)
    return places[order][is_last], sums[order][is_last]
