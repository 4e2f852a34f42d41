"""Commands that change stored charges after the fact: parsing and printing only."""

import argparse
from collections.abc import Callable

from ingest.arguments import data_of, with_config, with_data


def reattribute(args: argparse.Namespace) -> int:
    """Stored charges attributed by today's owners.yaml and loops/*.yaml; what that moves is shown, and written as versions of charges.

    Example: loopledger reattribute --from 2026-11-01 --why payments-took-over-the-gateway --dry-run
    """
    from ingest import operate

    return _told(args, operate.reattribute)


def allocate(args: argparse.Namespace) -> int:
    """Shared costs of owners.yaml split among those who used them, day by day; to split a window again replaces its shares.

    Example: loopledger allocate --from 2026-11-01 --to 2026-12-01 --why close-of-november
    """
    from ingest import operate

    return _told(args, operate.allocate)


def reprice(args: argparse.Namespace) -> int:
    """Stored charges priced again with today's prices; the difference is shown, and written as versions of charges.

    Example: loopledger reprice --from 2026-11-01 --to 2026-12-01 --model claude-sonnet-4-5 --why contract-signed-late --dry-run
    """
    from ingest import operate

    return _told(args, operate.reprice)


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds these commands to a command line."""
    for command, takes_all in ((reattribute, True), (reprice, True), (allocate, False)):
        sub = with_config(with_data(add(command)))
        sub.add_argument("--from", dest="since", metavar="T", required=not takes_all, help="date or time, UTC, inclusive")
        sub.add_argument("--to", dest="until", metavar="T", required=not takes_all, help="date or time, UTC, exclusive")
        sub.add_argument("--why", metavar="TEXT", required=True, help="the reason; it is kept with the change")
        sub.add_argument("--who", metavar="NAME", help="who decided it; default: the name of this account")
        sub.add_argument("--dry-run", action="store_true", help="show what would move, and change nothing")
        if command is reprice:
            sub.add_argument("--model", action="append", metavar="ID", help="only this canonical model; may be repeated")


def _told(args: argparse.Namespace, operate: Callable) -> int:
    from ingest import formats

    asked = {"since": args.since, "until": args.until, "who": args.who, "why": args.why, "models": getattr(args, "model", None)}
    for operation, moves in operate(data_of(args), args.config, asked, rehearses=args.dry_run):
        if moves.height:
            formats.print_table(moves)
        written = "nothing is written: this is a rehearsal" if args.dry_run else "written as one operation"
        print(f"{operation.kind} for {operation.tenant}: {written if moves.height else 'nothing changes, and nothing is written'}")
    return 0
