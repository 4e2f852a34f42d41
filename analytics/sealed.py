"""Sealed runs of an index: sorted fingerprints with their commits in files that are mapped, never read whole into memory.

They only repeat what the ledger holds. So a file needs no sync: a checksum tells a torn one, a stamp of its last commit one of another
ledger, and both are removed and built again.
"""

import mmap
import zlib
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path

import numpy as np

from analytics import fingerprint

_HEADER = np.dtype([("version", "<u8"), ("entries", "<u8"), ("through", "<u8"), ("stamp", "<u8"), ("checksum", "<u8")])
_VERSION = 0x6C6F6F706C656401
_WORD_BITS = 18  # of a fingerprint, that choose its word of the filter: four entries a word, one in 400 strangers passes
_WORDS = 1 << _WORD_BITS


class Sealed:
    """One run. Its pages belong to the file: `release` takes them out of this process's memory, the system keeps what it likes."""

    def __init__(self, path: Path):
        """Raises ValueError when the file is not whole."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        if len(self._map) < _HEADER.itemsize:
            raise ValueError(f"{path} has no header")
        header = np.frombuffer(self._map, _HEADER, 1)[0]
        entries, body = int(header["entries"]), memoryview(self._map)[_HEADER.itemsize :]
        if header["version"] != _VERSION or len(body) != 8 * _WORDS + 12 * entries or zlib.crc32(body) != header["checksum"]:
            raise ValueError(f"{path} is not whole")
        self.through, self.stamp = int(header["through"]), int(header["stamp"])
        self.filter = np.frombuffer(body, "<u8", _WORDS)
        self.fingerprints = np.frombuffer(body, "<u8", entries, 8 * _WORDS)
        self.commits = np.frombuffer(body, "<u4", entries, 8 * (_WORDS + entries))
        self.release()

    def __len__(self) -> int:
        return len(self.fingerprints)

    def release(self) -> None:
        self._map.madvise(mmap.MADV_DONTNEED)


class Shelf:
    """The sealed runs of one index, oldest first, which cover all commits up to `through`."""

    def __init__(self, directory: Path, stamp_of: Callable[[int], int | None]):
        """Opens what is good, and removes the rest. `stamp_of` tells a commit from others of its number; None for one that is not there."""
        self._directory, self._stamp_of = directory, stamp_of
        self._runs: list[Sealed] = []
        for path in sorted(directory.glob("*")):
            if path == self._path(len(self._runs)) and (run := self._good(path)):
                self._runs.append(run)
            else:
                path.unlink()

    def __iter__(self) -> Iterator[Sealed]:
        return iter(self._runs)

    @property
    def through(self) -> int:
        return self._runs[-1].through if self._runs else 0

    def add(self, fingerprints: np.ndarray, commits: np.ndarray, through: int) -> None:
        """Seals a run of sorted fingerprints, which brings the index up to commit `through`."""
        columns = (filter_of(fingerprints), fingerprints.astype("<u8", copy=False), commits.astype("<u4", copy=False))
        checksum = reduce(lambda sum_, column: zlib.crc32(column, sum_), columns, 0)
        header = np.array([(_VERSION, len(fingerprints), through, self._stamp_of(through), checksum)], _HEADER)
        path, part = self._path(len(self._runs)), self._directory / "next"
        self._directory.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for column in (header, *columns):
                file.write(column)
        part.replace(path)
        self._runs.append(Sealed(path))

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:06d}.run"

    def _good(self, path: Path) -> Sealed | None:
        """The run in a file, if it is whole and of this ledger."""
        try:
            run = Sealed(path)
        except (ValueError, OSError):
            return None
        return run if run.stamp == self._stamp_of(run.through) else None


def masks(fingerprints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each fingerprint its word in a filter, and the four bits that are set there."""
    bits = np.zeros(len(fingerprints), np.uint64)
    for place in range(0, 24, 6):
        bits |= np.uint64(1) << ((fingerprints >> np.uint64(place)) & np.uint64(63))
    return (fingerprints >> np.uint64(64 - _WORD_BITS)).astype(np.int64), bits


def stamp(*facts: int) -> int:
    """A number that tells these facts from others."""
    return int(fingerprint.combine(*(np.array([fact]) for fact in facts))[0])


def filter_of(fingerprints: np.ndarray) -> np.ndarray:
    """The filter of a run, which `masks` asks; fingerprints ascend, and so do their words."""
    words, bits = masks(fingerprints)
    filled, starts = np.unique(words, return_index=True)
    made = np.zeros(_WORDS, "<u8")
    made[filled] = np.bitwise_or.reduceat(bits, starts)
    return made
