"""Which commits hold something, by its fingerprint: sorted arrays instead of a database index.

Ten million entries are 120 MB; a batch is looked up by binary search, and a hit is only a hint for an exact query of those commits.
"""

import numpy as np

_LARGEST_RUN = 1 << 20  # entries; larger runs are no longer merged, so that no insert stalls


class Index:
    """A multimap fingerprint -> commit numbers, in runs that grow by merging."""

    def __init__(self, fingerprints: np.ndarray | None = None, commits: np.ndarray | None = None):
        """From the pairs already known, in any order."""
        self._runs: list[tuple[np.ndarray, np.ndarray]] = []
        if fingerprints is not None:
            for start in range(0, len(fingerprints), _LARGEST_RUN):
                part = slice(start, start + _LARGEST_RUN)
                self._runs.append(_sorted(fingerprints[part], commits[part]))

    def __len__(self) -> int:
        return sum(len(fingerprints) for fingerprints, _ in self._runs)

    def add(self, fingerprints: np.ndarray, commit: int) -> None:
        """Notes that a commit holds these."""
        if len(fingerprints) == 0:
            return
        self._runs.append((np.sort(fingerprints), np.full(len(fingerprints), commit, np.uint32)))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]) and len(self._runs[-2][0]) < _LARGEST_RUN:
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(_sorted(np.concatenate([before[0], last[0]]), np.concatenate([before[1], last[1]])))

    def lookup(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether each of the wanted may be held, and the commits that may hold any of them, ascending."""
        order = np.argsort(wanted)
        ascending = wanted[order]
        found, commits = np.zeros(len(wanted), bool), []
        for fingerprints, run_commits in self._runs:
            left = np.searchsorted(fingerprints, ascending, "left")
            hits = np.flatnonzero(fingerprints[np.minimum(left, len(fingerprints) - 1)] == ascending)
            if len(hits):
                right = np.searchsorted(fingerprints, ascending[hits], "right")
                found[order[hits]] = True
                commits += [run_commits[start:end] for start, end in zip(left[hits], right, strict=True)]
        return found, np.unique(np.concatenate(commits)) if commits else np.empty(0, np.uint32)


def _sorted(fingerprints: np.ndarray, commits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(fingerprints, kind="stable")
    return fingerprints[order], commits[order].astype(np.uint32)
