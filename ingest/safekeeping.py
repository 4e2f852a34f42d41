"""Commands that keep a ledger: verify, backup and restore; parsing and printing only."""

import argparse
from collections.abc import Callable
from pathlib import Path

from analytics.errors import StoreError
from ingest.arguments import data_of, with_data


def verify(args: argparse.Namespace) -> int:
    """Reads a ledger that no collector holds, or a backup, and checks that everything in it adds up.

    Example: loopledger verify --data ./loopledger-data
    """
    import tempfile

    from ingest.backups import restore as put_back

    if not args.backup:
        return _verified(data_of(args))
    with tempfile.TemporaryDirectory(prefix="loopledger-verify-") as place:
        put_back(args.backup, Path(place) / "data")
        return _verified(Path(place) / "data")


def _verified(data: Path) -> int:
    from analytics.control import Control
    from analytics.ledger import Ledger
    from analytics.verification import COUNT, verified
    from ingest.ask import find_collector
    from ingest.progress import steps

    if not (data / "ledger.duckdb").exists():
        raise FileNotFoundError(f"{data} holds no ledger")
    if at := find_collector(data):
        raise StoreError(f"a collector at {at} holds {data}: stop it, or make a backup and verify that (loopledger verify --backup FILE)")
    ledger = Ledger(data)
    try:
        control = Control(data)
        try:
            verdicts = list(steps(verified(ledger, control), "verifying", total=COUNT))
        finally:
            control.close()
    finally:
        ledger.close()
    for verdict in verdicts:
        print(f"{'ok  ' if verdict.holds else 'FAIL'}  {verdict.rule}")
        for text in verdict.broken:
            print(f"      {text}")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def backup(args: argparse.Namespace) -> int:
    """One file with ledger and control store as of one moment; a collector may go on working. Tokens and keys are not in it.

    Example: loopledger backup /backups/loopledger-2026-11-26.tar --data ./loopledger-data
    """
    from ingest.backups import backup as take

    told = take(data_of(args), args.file)
    print(f"{args.file}: {told['commit_no']} commits, made at {told['made_at']}, {args.file.stat().st_size:,} bytes")
    return 0


def restore(args: argparse.Namespace) -> int:
    """Puts a backup into a directory that is empty or not there yet.

    Example: loopledger restore /backups/loopledger-2026-11-26.tar --data ./restored
    """
    from ingest.backups import restore as put_back

    data = data_of(args)
    told = put_back(args.file, data)
    print(f"{data} holds the {told['commit_no']} commits of {told['made_at']}; start 'loopledger collector --data {data}'")
    return 0


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds these commands to a command line."""
    with_data(add(verify)).add_argument("--backup", type=Path, metavar="FILE", help="look at this backup instead")
    for command in (backup, restore):
        with_data(add(command)).add_argument("file", type=Path, metavar="FILE")
