"""Backups: one file with both stores as of one moment, taken while a collector works, and put back into an empty directory.

A backup is a plain tar of `ledger.duckdb`, `control.sqlite` and `backup.json`, which says what is in it and the SHA-256 of each store. The
control store is copied first: the guard catches up with commits it has not seen, never the other way round. Tokens and keys are not in it.
"""

import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from analytics.control import Control
from analytics.errors import StoreError
from analytics.ledger import Ledger
from analytics.mark import Mark
from ingest.ask import connected, find_collector
from ingest.service import stores

_LEDGER, _CONTROL, _TOLD = "ledger.duckdb", "control.sqlite", "backup.json"
_VERSION = 1
_PIECE = 1 << 20  # bytes
_WAIT = httpx.Timeout(30, read=600)  # seconds; the first byte comes when the copy is done


@contextmanager
def packed(ledger: Ledger, control: Control) -> Iterator[Path]:
    """A backup of open stores, as a file that is gone afterwards. It is made beside the stores, where there is room for it."""
    with tempfile.TemporaryDirectory(prefix="backup-", dir=ledger.path.parent) as place:
        folder = Path(place)
        control.snapshot(folder / _CONTROL)
        commit_no = ledger.snapshot(folder / _LEDGER)
        told = {"version": _VERSION, "commit_no": commit_no, "made_at": datetime.now(UTC).isoformat(timespec="seconds")}
        told["sha256"] = {name: _sha256(folder / name) for name in (_LEDGER, _CONTROL)}
        (folder / _TOLD).write_text(json.dumps(told, indent=1) + "\n")
        with tarfile.open(folder / "backup.tar", "w") as tar:
            for name in (_TOLD, _CONTROL, _LEDGER):
                tar.add(folder / name, name)
        yield folder / "backup.tar"


def backup(data: Path, file: Path) -> dict:
    """Writes a backup of a data directory, through its collector while one holds it; what `backup.json` says. Raises StoreError."""
    part = file.with_name(f"{file.name}.part")
    try:
        if collector := find_collector(data):
            _fetch(collector, data, part)
        else:
            _pack(data, part)
        told = _told(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return told


def restore(file: Path, data: Path) -> dict:
    """Puts a backup into a directory that is empty or not there yet; what `backup.json` says. Raises StoreError for a damaged backup."""
    if data.exists() and any(data.iterdir()):
        raise StoreError(f"{data} is not empty: a backup is restored into an empty directory")
    data.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{data.name}-", dir=data.parent) as place:
        folder = Path(place) / "data"
        told = _unpacked(file, folder)
        Mark(folder).write(told["commit_no"])
        with stores(folder):  # raises when they cannot be used
            pass
        shutil.rmtree(data, ignore_errors=True)
        folder.rename(data)
    return told


def _pack(data: Path, part: Path) -> None:
    if not (data / _LEDGER).exists():
        raise StoreError(f"{data} holds no ledger: there is nothing to back up")
    with stores(data) as (ledger, control), packed(ledger, control) as made:
        shutil.copyfile(made, part)


def _fetch(collector: str, data: Path, part: Path) -> None:
    try:
        with connected(data, _WAIT) as client, client.stream("POST", "/v1/backup") as answer, part.open("wb") as file:
            if answer.is_error:
                raise StoreError(f"the collector at {collector} gave no backup: {json.loads(answer.read())['detail']}")
            for piece in answer.iter_bytes(_PIECE):
                file.write(piece)
    except httpx.HTTPError as error:
        raise StoreError(f"the collector at {collector} gave no backup: {error}") from error


def _unpacked(file: Path, folder: Path) -> dict:
    told = _told(file)
    folder.mkdir()
    with tarfile.open(file) as tar:
        for name in (_LEDGER, _CONTROL):
            tar.extract(name, folder, filter="data")
            if _sha256(folder / name) != told["sha256"][name]:
                raise StoreError(f"{file} is damaged: {name} in it is not what was backed up")
    return told


def _told(file: Path) -> dict:
    try:
        with tarfile.open(file) as tar:
            told = json.load(tar.extractfile(_TOLD))
            if told["version"] > _VERSION:
                raise StoreError(f"{file} was made by a newer loopledger")
            if set(tar.getnames()) != {_TOLD, _LEDGER, _CONTROL}:
                raise StoreError(f"{file} is no whole backup: it holds {', '.join(tar.getnames())}")
            return told
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{file} is no backup of loopledger, or a damaged one: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
