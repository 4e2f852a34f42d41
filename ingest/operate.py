"""Changes after the fact, from the command line: what they would move first, then the change itself as one commit."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path

import polars as pl

from analytics.account import Entry
from analytics.config import load
from analytics.errors import StoreError
from analytics.operations import Operation, moved
from analytics.reports import QuestionError, moment
from analytics.repricing import reprice as priced_again
from ingest.ask import find_collector, remembered_config
from ingest.clock import Replay
from ingest.service import Service, opened


def reattribute(data: Path, config: Path | None, asked: dict, *, rehearses: bool) -> Iterator[tuple[Operation, pl.DataFrame]]:
    """Attributes stored charges by today's rules; each tenant's operation with what it moves."""
    with held(data, config) as service:
        for operation in _operations(service, "re-attribution", asked):
            entry = service.pipeline.books.reattributed(operation, service.clock.now())
            yield operation, _done(service, operation, entry, rehearses)


def reprice(data: Path, config: Path | None, asked: dict, *, rehearses: bool) -> Iterator[tuple[Operation, pl.DataFrame]]:
    """Prices stored charges with today's book; each tenant's operation with what it changes by team, loop and model."""
    with held(data, config) as service:
        books = service.pipeline.books
        for operation in _operations(service, "repricing", asked):
            moves = priced_again(service.ledger, books.rules.prices, operation).moved()
            _done(service, operation, books.repriced(operation), rehearses)
            yield operation, moves


def allocate(data: Path, config: Path | None, asked: dict, *, rehearses: bool) -> Iterator[tuple[Operation, pl.DataFrame]]:
    """Splits the shared costs of whole days; each tenant's operation with what it moves."""
    with held(data, config) as service:
        for operation in _operations(service, "allocation", asked):
            if any(bound and bound.time() != time() for bound in (operation.since, operation.until)):
                raise QuestionError("shared costs are split by whole days (UTC): give --from and --to as dates, such as 2026-11-01")
            entry = service.pipeline.books.allocated(operation, service.config.shared, service.config.contracts)
            yield operation, _done(service, operation, entry, rehearses)


@contextmanager
def held(data: Path, config: Path | None) -> Iterator[Service]:
    """The stores of a directory that no collector holds. Raises StoreError when one does."""
    if at := find_collector(data):
        raise StoreError(f"a collector at {at} holds {data}: stop it first")
    if not (data / "ledger.duckdb").exists():
        raise FileNotFoundError(f"{data} holds no ledger")
    rules = load(config) if config else remembered_config(data)
    with opened(data, rules, Replay(), delivers=False) as service:
        yield service


def who(given: str | None) -> str:
    """The name that was given, else the account's that runs this."""
    try:
        return given or getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user without a name
        raise QuestionError("nobody knows who you are here: give --who NAME, which is kept with the change") from error


def _operations(service: Service, kind: str, asked: dict) -> Iterator[Operation]:
    window = {name: _moment(asked[name]) for name in ("since", "until")}
    for tenant in service.ledger.query("queries/tenants")["tenant"].sort():
        yield Operation(tenant, kind, who(asked["who"]), asked["why"], **window, models=tuple(asked.get("models") or ()))


def _moment(text: str | None) -> datetime | None:
    return moment(text) if text else None


def _done(service: Service, operation: Operation, entry: Entry | None, rehearses: bool) -> pl.DataFrame:
    """What an entry moves; it is written unless this is a rehearsal, and the guard looks at it."""
    if entry is None:
        return moved(pl.DataFrame(schema=_NOTHING))
    if not rehearses:
        service.pipeline.watched(service.pipeline.books.operate(operation, entry, service.clock.now()))
    return moved(entry.charges)


_NOTHING = {
    **dict.fromkeys(("team", "loop", "cost_center"), pl.String), "calls": pl.Int8, "cost_usd": pl.Decimal(18, 9),
}  # fmt: skip
