"""Sealed runs: sorted fingerprints with a value each in files that are mapped, never read whole into memory.

They only repeat what the ledger holds. So a file needs no sync: a checksum tells a torn one, a stamp of its last commit one of another
ledger, and both are removed and built again.
"""

import logging
import mmap
import zlib
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path

import numpy as np

from analytics import fingerprint

_LOG = logging.getLogger(__name__)
_HEADER = np.dtype([("version", "<u8"), ("entries", "<u8"), ("through", "<u8"), ("stamp", "<u8"), ("checksum", "<u8")])
_VERSION = 0x6C6F6F706C656402
LARGE = 1 << 20
"""Entries; a run of so many is no longer merged, so that no commit stalls."""


class Sealed:
    """One run. Its pages belong to the file: `release` takes them out of this process's memory, the system keeps what it likes."""

    def __init__(self, path: Path, value: np.dtype):
        """Raises ValueError when the file is not whole."""
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        if len(self._map) < _HEADER.itemsize:
            raise ValueError(f"{path} has no header")
        header = np.frombuffer(self._map, _HEADER, 1)[0]
        entries, body = int(header["entries"]), memoryview(self._map)[_HEADER.itemsize :]
        words = 1 << _word_bits(entries)
        expected = 8 * words + (8 + value.itemsize) * entries
        if header["version"] != _VERSION or len(body) != expected or zlib.crc32(body) != header["checksum"]:
            raise ValueError(f"{path} is not whole")
        self.through, self.stamp = int(header["through"]), int(header["stamp"])
        self._filter = np.frombuffer(body, "<u8", words)
        self.fingerprints = np.frombuffer(body, "<u8", entries, 8 * words)
        self.values = np.frombuffer(body, value, entries, 8 * (words + entries))
        self.release()

    def __len__(self) -> int:
        return len(self.fingerprints)

    def possible(self, wanted: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Which of the wanted, whose `filter_bits` these are, may be here."""
        return np.flatnonzero((self._filter[_words(wanted, len(self))] & bits) == bits)

    def release(self) -> None:
        self._map.madvise(mmap.MADV_DONTNEED)


class Shelf:
    """The sealed runs of one index, oldest first, which cover all commits up to `through`."""

    def __init__(self, directory: Path, value: np.dtype, stamp_of: Callable[[int], int | None]):
        """Opens what is good, and removes the rest. `stamp_of` tells a commit from others of its number; None for one that is not there."""
        self._directory, self._value, self._stamp_of = directory, value, stamp_of
        self._runs: list[Sealed] = []
        for path in sorted(directory.glob("*")):
            if path == self._path(len(self._runs)) and (run := self._good(path)) is not None:
                self._runs.append(run)
            else:
                path.unlink()

    def __iter__(self) -> Iterator[Sealed]:
        return iter(self._runs)

    @property
    def through(self) -> int:
        return self._runs[-1].through if self._runs else 0

    def last(self, entries: int) -> list[Sealed]:
        """The runs at the end that are better merged with so many new entries, so that few are to be asked: none that is much larger."""
        first = len(self._runs)
        while first and len(self._runs[first - 1]) <= min(2 * entries, LARGE - 1):
            first -= 1
            entries += len(self._runs[first])
        return self._runs[first:]

    def add(self, fingerprints: np.ndarray, values: np.ndarray, through: int, instead_of: int = 0) -> bool:
        """Seals a run of sorted fingerprints, which brings the index up to commit `through`, in the place of so many runs at the end.
        False when no file can be written: then everything is as it was."""
        try:
            self._write(fingerprints, values, through, len(self._runs) - instead_of)
        except OSError:
            _LOG.exception("a part of the index stays in memory, because %s cannot be written", self._directory)
            return False
        return True

    def _write(self, fingerprints: np.ndarray, values: np.ndarray, through: int, kept: int) -> None:
        columns = (filter_of(fingerprints), fingerprints.astype("<u8", copy=False), values.astype(self._value.base, copy=False))
        checksum = reduce(lambda sum_, column: zlib.crc32(column, sum_), columns, 0)
        header = np.array([(_VERSION, len(fingerprints), through, self._stamp_of(through), checksum)], _HEADER)
        path, part = self._path(kept), self._directory / "next"
        self._directory.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for column in (header, *columns):
                file.write(column)
        part.replace(path)
        for number in range(kept + 1, len(self._runs)):
            self._path(number).unlink()
        self._runs[kept:] = [Sealed(path, self._value)]

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:06d}.run"

    def _good(self, path: Path) -> Sealed | None:
        """The run in a file, if it is whole, of this ledger, and newer than those before it."""
        try:
            run = Sealed(path, self._value)
        except (ValueError, OSError):
            return None
        return run if run.through > self.through and run.stamp == self._stamp_of(run.through) else None


def filter_bits(fingerprints: np.ndarray) -> np.ndarray:
    """Of each fingerprint the four bits that are set in its word of a filter."""
    bits = np.zeros(len(fingerprints), np.uint64)
    for place in range(0, 24, 6):
        bits |= np.uint64(1) << ((fingerprints >> np.uint64(place)) & np.uint64(63))
    return bits


def stamp(*facts: int) -> int:
    """A number that tells these facts from others."""
    return int(fingerprint.combine(*(np.array([fact]) for fact in facts))[0])


def filter_of(fingerprints: np.ndarray) -> np.ndarray:
    """The filter of a run, which `Sealed.possible` asks; fingerprints ascend, and so do their words."""
    filled, starts = np.unique(_words(fingerprints, len(fingerprints)), return_index=True)
    made = np.zeros(1 << _word_bits(len(fingerprints)), "<u8")
    made[filled] = np.bitwise_or.reduceat(filter_bits(fingerprints), starts) if len(starts) else made[filled]
    return made


def _words(fingerprints: np.ndarray, entries: int) -> np.ndarray:
    """Of each fingerprint its word in the filter of a run of so many entries."""
    return (fingerprints >> np.uint64(64 - _word_bits(entries))).astype(np.int64)


def _word_bits(entries: int) -> int:
    """Of a fingerprint, that choose its word of the filter: two to four entries a word, one in 400 strangers passes."""
    return max(1, ((entries + 3) // 4 - 1).bit_length()) if entries > 4 else 1
