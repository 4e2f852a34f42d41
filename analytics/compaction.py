"""Compaction: both stores written anew without the space of what was deleted or rewritten, so that nothing of it is left on disk.

The ledger is copied into a new file, every table is compared with its copy, and the copy takes the ledger's name in one step: a crash at
any moment leaves the old file or the new one, whole.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from analytics.control import Control
from analytics.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Freed:
    """Bytes of the files of one store."""

    store: str
    before: int
    after: int


def compact(directory: Path) -> list[Freed]:
    """Compacts the stores of a directory that no collector holds. Raises StoreError when one cannot be used, or when a copy differs."""
    before = {name: _size(directory, name) for name in _STORES}
    _ledger(directory)
    control = Control(directory)
    try:
        control.vacuum()
    finally:
        control.close()
    return [Freed(name, size, _size(directory, name)) for name, size in before.items()]


_STORES = ("ledger.duckdb", "control.sqlite")


def _ledger(directory: Path) -> None:
    ledger, part = Ledger(directory), directory / "ledger.duckdb.compacted"
    try:
        for left in (part, part.with_name(f"{part.name}.wal")):  # of one that was interrupted
            left.unlink(missing_ok=True)
        ledger.copy_to(part)
        _sync(part)
        part.replace(ledger.path)  # while the old file is still locked, and nothing of it is left to be written
        _sync(directory)
    finally:
        ledger.close()


def _size(directory: Path, name: str) -> int:
    return sum(path.stat().st_size for path in directory.glob(f"{name}*"))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
