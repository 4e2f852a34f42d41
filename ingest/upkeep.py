"""Commands that look after a ledger: verify, backup, restore, erase, expire, compact; parsing and printing only."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from analytics.errors import StoreError
from ingest.arguments import data_of, with_config, with_data


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
    from analytics.verification import COUNT, verified
    from ingest.ask import find_collector
    from ingest.progress import steps
    from ingest.service import stores

    if not (data / "ledger.duckdb").exists():
        raise FileNotFoundError(f"{data} holds no ledger")
    if at := find_collector(data):
        raise StoreError(f"a collector at {at} holds {data}: stop it, or make a backup and verify that (loopledger verify --backup FILE)")
    with stores(data) as (ledger, control):
        verdicts = list(steps(verified(ledger, control), "verifying", total=COUNT))
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


def erase(args: argparse.Namespace) -> int:
    """Removes the evidence of a user or of a tenant and replaces user ids by keyed hashes, everywhere; money stays as it is.

    Example: loopledger erase --user ada@example.com --reason request-of-3-November --yes
    """
    from ingest import keeping
    from ingest.operate import who

    if not args.tenant and not args.user:
        print("loopledger: say whom: --user, --tenant, or both for a user of one tenant", file=sys.stderr)
        return 2
    whom = " of ".join(said for said in (args.user and f"user {args.user}", args.tenant and f"tenant {args.tenant}") if said)
    if not args.yes and sys.stdin.isatty() and input(f"Erase {whom} for good? Type yes: ").strip().lower() != "yes":
        print("nothing was erased", file=sys.stderr)
        return 2
    done = keeping.erase(data_of(args), args.tenant, args.user, who(args.who), args.reason)
    print(f"erased {whom}: {done['evidence']} blobs of evidence, {done['texts']} texts; money is as before")
    print("what was removed leaves the disk with: loopledger compact")
    return 0


def expire(args: argparse.Namespace) -> int:
    """Removes evidence and records that are past their time (retention.yaml); a running collector does so by itself.

    Example: loopledger expire --data ./loopledger-data --config ./config
    """
    from ingest import keeping
    from ingest.progress import steps

    done = list(steps(keeping.expire(data_of(args), args.config), "expiring"))
    records, evidence = sum(one.records for one in done), sum(one.evidence for one in done)
    print(f"removed {records} records and {evidence} blobs of evidence; charges stay" if done else "nothing is past its time")
    return 0


def compact(args: argparse.Namespace) -> int:
    """Writes both stores anew, so that what was removed leaves the disk; no collector may hold them.

    Example: loopledger compact --data ./loopledger-data
    """
    from ingest import keeping

    for store in keeping.compact(data_of(args)):
        print(f"{store.store}: {store.before:,} -> {store.after:,} bytes, {store.before - store.after:,} freed")
    return 0


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds these commands to a command line."""
    with_data(add(verify)).add_argument("--backup", type=Path, metavar="FILE", help="look at this backup instead")
    for command in (backup, restore):
        with_data(add(command)).add_argument("file", type=Path, metavar="FILE")
    sub = with_data(add(erase))
    sub.add_argument("--tenant", metavar="T", help="this tenant's; alone, all its evidence and every user")
    sub.add_argument("--user", metavar="U", help="a user id as telemetry names it")
    sub.add_argument("--reason", metavar="TEXT", required=True, help="kept with the erasure")
    sub.add_argument("--who", metavar="NAME", help="who decided it; default: the name of this account")
    sub.add_argument("--yes", action="store_true", help="do not ask")
    with_config(with_data(add(expire)))
    with_data(add(compact))
