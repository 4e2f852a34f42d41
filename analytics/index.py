"""Which commits hold something, by its fingerprint: sorted arrays instead of a database index.

The newest entries are in memory; older ones are sealed in mapped files, where a filter answers for what is not there. A batch is
looked up by binary search, and a hit is only a hint for an exact query of those commits.
"""

import numpy as np

from analytics.sealed import Shelf, filter_bits

COMMIT = np.dtype("<u4")
"""The value of an entry: a commit's number."""


class Index:
    """A multimap fingerprint -> commit numbers, in runs that grow by merging."""

    in_memory = 1 << 18
    """Entries; so many are sealed, if there is a shelf."""

    def __init__(self, shelf: Shelf | None = None):
        """With what is on the shelf already; without one everything stays in memory."""
        self._shelf = shelf
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []

    def __len__(self) -> int:
        return self._recent + sum(map(len, self._shelf or ()))

    @property
    def through(self) -> int:
        """The last commit whose entries are sealed; whatever came after it is to be added again after a restart."""
        return self._shelf.through if self._shelf else 0

    @property
    def _recent(self) -> int:
        return sum(len(fingerprints) for fingerprints, _ in self._runs)

    def add(self, fingerprints: np.ndarray, commit: int) -> None:
        """Notes that a commit holds these. Commits come in order."""
        self.add_pairs(fingerprints, np.full(len(fingerprints), commit, np.uint32), commit)

    def add_pairs(self, fingerprints: np.ndarray, commits: np.ndarray, through: int) -> None:
        """The same for several commits, of which the last is `through`."""
        if len(fingerprints) == 0:
            return
        self._runs.append(_sorted(fingerprints, commits))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            self._runs[-2:] = [_together(self._runs[-2:])]
        if self._recent >= self.in_memory:
            self.seal(through)

    def seal(self, through: int) -> None:
        """Moves what is in memory to the shelf, if there is one: everything of the commits up to `through`, and nothing of later ones."""
        if self._shelf is None or through <= self.through:
            return
        smaller = self._shelf.last(self._recent)
        runs = [(run.fingerprints, run.values) for run in smaller] + self._runs
        if self._shelf.add(*_together(runs), through, len(smaller)):
            self._runs = []

    def lookup(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether each of the wanted may be held, and the commits that may hold any of them, ascending."""
        order = np.argsort(wanted)
        ascending, found, commits = wanted[order], np.zeros(len(wanted), bool), []
        for fingerprints, run_commits in self._runs:
            _search(fingerprints, run_commits, ascending, order, found, commits)
        if self._shelf and len(wanted):
            bits = filter_bits(ascending)
            for sealed in self._shelf:
                if len(rows := sealed.possible(ascending, bits)):
                    _search(sealed.fingerprints, sealed.values, ascending[rows], order[rows], found, commits)
                sealed.release()
        return found, np.unique(np.concatenate(commits)) if commits else np.empty(0, np.uint32)


def _search(fingerprints: np.ndarray, commits: np.ndarray, wanted: np.ndarray, order: np.ndarray, found: np.ndarray, hit: list) -> None:
    """Marks in `found`, at their places in `order`, the wanted (ascending) that a run holds, and adds their commits to `hit`."""
    left = np.searchsorted(fingerprints, wanted, "left")
    hits = np.flatnonzero(fingerprints[np.minimum(left, len(fingerprints) - 1)] == wanted)
    if len(hits):
        right = np.searchsorted(fingerprints, wanted[hits], "right")
        found[order[hits]] = True
        hit += [np.array(commits[start:end]) for start, end in zip(left[hits], right, strict=True)]


def _sorted(fingerprints: np.ndarray, commits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(fingerprints, kind="stable")
    return fingerprints[order], commits[order].astype(np.uint32)


def _together(runs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    fingerprints, commits = zip(*(runs or [(np.empty(0, np.uint64), np.empty(0, COMMIT))]), strict=True)
    return _sorted(np.concatenate(fingerprints), np.concatenate(commits))
