"""Commands that change after the fact what is charged: parsing and printing; what they do is in analytics."""

import argparse
import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from analytics.config import load
from analytics.errors import LoopledgerError
from ingest.arguments import data_of, with_config, with_data


class HeldError(LoopledgerError):
    """A collector holds the data directory; the text says where it runs."""


def reprice(args: argparse.Namespace) -> int:
    """Calls priced again with today's prices: the difference by team, loop and model, then the new charges, which say who and why.

    Example: loopledger reprice --from 2026-11-01 --to 2026-12-01 --why correction --dry-run
    """
    from analytics.repricing import Scope, operation
    from analytics.repricing import reprice as again
    from ingest import formats
    from ingest.access import DEFAULT_TENANT

    scope = Scope(DEFAULT_TENANT, _moment(args.since), _moment(args.until), args.model)
    with _held_alone(args) as service:
        book = service.pipeline.books.rules.prices
        repriced = again(service.ledger, book, scope)
        if repriced.current.height:
            formats.print_table(repriced.moved())
        if repriced.current.height and not args.dry_run:
            noted = operation(scope, repriced, book, args.who, args.why)
            posted = service.pipeline.books.revise(
                noted, lambda number: repriced.charges(f"repricing {number} by {args.who}: {args.why}"), service.clock.now()
            )
            service.pipeline.watched(posted)
    would = "would be" if args.dry_run else "were"
    print(f"{repriced.current.height} calls {would} priced otherwise, with {book.version}")
    return 0


def _moment(text: str | None) -> datetime | None:
    from ingest.report_api import parse_time

    return parse_time(text) if text else None


@contextmanager
def _held_alone(args: argparse.Namespace) -> Iterator:
    """The service of a data directory that no collector holds, under the config given or remembered."""
    from ingest.ask import find_collector, remembered_config
    from ingest.clock import Replay
    from ingest.service import opened

    data: Path = data_of(args)
    if at := find_collector(data):
        raise HeldError(f"a collector at {at} holds {data}: stop it first")
    if not (data / "ledger.duckdb").exists():
        raise FileNotFoundError(f"{data} holds no ledger")
    config = load(args.config) if args.config else remembered_config(data)
    with opened(data, config, Replay(), delivers=False) as service:
        yield service


def add_commands(add: Callable) -> None:
    """Their arguments."""
    again = with_amendment(add(reprice))
    again.add_argument("--model", action="append", metavar="ID", help="only this canonical model; may be repeated")


def with_amendment(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """What every amendment is given: data, config, a time, who and why."""
    with_config(with_data(sub))
    sub.add_argument("--from", dest="since", metavar="T", help="date or time, UTC, inclusive; default: the first call")
    sub.add_argument("--to", dest="until", metavar="T", help="date or time, UTC, exclusive; default: the last call")
    sub.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    sub.add_argument("--why", default="no reason given", metavar="TEXT", help="kept with every charge that changes")
    sub.add_argument("--who", default=getpass.getuser(), metavar="NAME", help="default: the user of this machine")
    return sub
