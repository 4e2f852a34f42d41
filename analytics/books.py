"""The books: one ledger and an account for each tenant. What arrives is posted in one transaction, or not at all."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from analytics import evidence
from analytics.account import Account, Entry, Rules
from analytics.allocation import allocated
from analytics.ledger import Change, Ledger
from analytics.masks import always, any_known, rows, without
from analytics.model import DETAILS
from analytics.operations import NO_CHARGES, Operation
from analytics.reattribution import reattributed
from analytics.repricing import reprice

if TYPE_CHECKING:
    from analytics.config import Contract, SharedCost


@dataclass(frozen=True, slots=True)
class Arrived:
    """Records of one tenant on their way into the books: columns of analytics.model.RECORD but tenant and ordinal, and their evidence,
    whose owners are rows of `records` or numbers in its column `resource`."""

    tenant: str
    records: pl.DataFrame
    evidence: pa.Table


@dataclass(frozen=True, slots=True)
class Posted:
    """What a commit did."""

    commit_no: int
    records: pl.DataFrame
    """The records that are new or replace another."""
    charges: pl.DataFrame
    repeats: Counter = field(default_factory=Counter)
    """Records that changed nothing, by signal."""
    revisions: Counter = field(default_factory=Counter)
    """Records whose key was known with other content, by signal."""

    @property
    def repeated(self) -> int:
        return self.repeats.total()

    @property
    def revised(self) -> int:
        return self.revisions.total()


_NOTHING = evidence.NOTHING
"""An arrival of no records and their evidence."""


class Books:
    """Posts arrivals to the ledger. One thread posts; any thread may read."""

    def __init__(self, ledger: Ledger, rules: Rules):
        self.ledger, self.rules = ledger, rules
        self._accounts: dict[str, Account] = {}
        self._price_books = set(ledger.query("queries/price_books")["price_book"])

    def post(self, arrived: Sequence[Arrived], now: datetime) -> Posted:
        """Counts, attributes, prices and stores, as one commit. Raises and stores nothing when the ledger cannot."""
        commit_no = self.ledger.commit_no + 1
        by_tenant = groupby(sorted(arrived, key=lambda part: part.tenant), key=lambda part: part.tenant)
        entries = {tenant: self._account(tenant, now).enter(*_together(parts), self.rules, now) for tenant, parts in by_tenant}
        return self._append(entries, commit_no, now)

    def settle(self, now: datetime, *, everything: bool = False) -> Posted | None:
        """Counts what waited long enough for something better, or all that waits, as one commit; None when nothing is due."""
        found = {tenant: account.settle(*_NOTHING, self.rules, now, everything) for tenant, account in self._accounts.items()}
        entries = {tenant: entry for tenant, entry in found.items() if entry}
        return self._append(entries, self.ledger.commit_no + 1, now) if entries else None

    def recount(self, tenant: str, again: pl.DataFrame, attributes: pa.Table, now: datetime) -> Posted | None:
        """Stored records of one commit as they are read now, counted again; None when nothing changed, and nothing is written then."""
        return self._changed(tenant, self._account(tenant, now).recount(again, attributes, self.rules, now), now)

    def recount_points(self, now: datetime) -> Iterator[Posted]:
        """The metric points of each tenant compared again with its calls."""
        found = (self._changed(name, account.recount_points(*_NOTHING, self.rules, now), now) for name, account in self._accounts.items())
        return (posted for posted in found if posted)

    def reattributed(self, operation: Operation, now: datetime) -> Entry | None:
        """What a re-attribution would change; None when that is nothing."""
        return reattributed(self._account(operation.tenant, now), self.ledger, self.rules, operation)

    def repriced(self, operation: Operation) -> Entry | None:
        """What a repricing would change; None when that is nothing."""
        charges = reprice(self.ledger, self.rules.prices, operation).charges()
        return Entry.of_charges(*_NOTHING, charges) if charges.height else None

    def allocated(self, operation: Operation, shared: Sequence["SharedCost"], contracts: Sequence["Contract"] = ()) -> Entry | None:
        """What splitting shared costs and capacity would change; None when that is nothing."""
        charges = allocated(self.ledger, shared, contracts, self.rules.owners, operation)
        return Entry.of_charges(*_NOTHING, charges) if charges.height else None

    def operate(self, operation: Operation, entry: Entry, now: datetime) -> Posted:
        """Writes what somebody decided on as one commit: the operation's row, and charges that name it in their reason."""
        number = self.ledger.query("queries/last_operation", tenant=operation.tenant).item() + 1
        named = replace(entry, charges=entry.charges.with_columns(reason=pl.lit(f"operation {number}")))
        commit_no = self.ledger.commit_no + 1
        row = operation.row(number, commit_no, now, named.charges)
        return self._append({operation.tenant: named}, commit_no, now, operations=row)

    def change(self, operation: Operation, changes: Sequence[Change], now: datetime, facts: Mapping[str, object]) -> None:
        """One commit that removes or rewrites stored rows and charges nothing; `facts` are more columns of the operation's row."""
        number = self.ledger.query("queries/last_operation", tenant=operation.tenant).item() + 1
        commit_no = self.ledger.commit_no + 1
        row = operation.row(number, commit_no, now, NO_CHARGES).with_columns(pl.lit(value).alias(name) for name, value in facts.items())
        self.ledger.append(commit_no, now, {"operations": row}, changes)

    @property
    def crowded_out(self) -> int:
        """Traces and processes that were settled sooner because too many of their tenant waited."""
        return sum(account.crowded_out for account in list(self._accounts.values()))

    def expired(self, tenant: str) -> None:
        """Some of a tenant's records are gone."""
        if tenant in self._accounts:
            self._accounts[tenant].expired()

    def reopen(self, now: datetime) -> None:
        """Builds every account again from what is stored."""
        tenants = list(self._accounts)
        self._accounts = {}
        self.open(tenants, now)

    def seal(self) -> None:
        """Stores the indexes as they are, so that the next start need not read what they are built from."""
        for account in self._accounts.values():
            account.seal(self.ledger.commit_no)

    def _changed(self, tenant: str, entry: Entry, now: datetime) -> Posted | None:
        is_other = entry.records.height or entry.links.height or entry.charges.height
        return self._append({tenant: entry}, self.ledger.commit_no + 1, now) if is_other else None

    def open(self, tenants: Sequence[str], now: datetime) -> None:
        """Opens the accounts of these tenants, so that what waited before a restart goes on waiting."""
        for tenant in tenants:
            self._account(tenant, now)

    def _append(self, entries: dict[str, Entry], commit_no: int, now: datetime, **more: pl.DataFrame) -> Posted:
        records = _stacked(entries, commit_no, "records")
        tables = {
            "records": without(records, *DETAILS),
            "record_details": _details(records),
            "links": _stacked(entries, commit_no, "links"),
            "charges": _stacked(entries, commit_no, "charges"),
            "evidence": _evidence(entries, commit_no),
            "prices": self._new_prices(now),
            **more,
        }
        if any(map(len, tables.values())):
            self.ledger.append(commit_no, now, tables)
            self._price_books.add(self.rules.prices.version)
        try:
            for tenant, entry in entries.items():
                self._accounts[tenant].remember(entry, commit_no)
        except BaseException:
            self.reopen(now)  # what was half remembered is in the ledger as a whole
            raise
        repeats, revisions = (sum((getattr(entry, name) for entry in entries.values()), Counter()) for name in ("repeated", "revised"))
        return Posted(self.ledger.commit_no, records, tables["charges"], repeats, revisions)

    def _account(self, tenant: str, now: datetime) -> Account:
        if tenant not in self._accounts:
            self._accounts[tenant] = Account(tenant, self.ledger, self.rules.owners, now)
        return self._accounts[tenant]

    def _new_prices(self, now: datetime) -> pl.DataFrame:
        """The price sets of a book the ledger has not seen yet."""
        book = self.rules.prices
        return pl.DataFrame() if book.version in self._price_books else book.table.with_columns(recorded_at=pl.lit(now))


def _together(parts: Iterable[Arrived]) -> tuple[pl.DataFrame, pa.Table]:
    return evidence.together([(part.records, part.evidence) for part in parts])


def _stacked(entries: dict[str, Entry], commit_no: int, name: str) -> pl.DataFrame:
    stamped = []
    for tenant, entry in entries.items():
        rows = without(getattr(entry, name), "tenant", "commit_no")
        stamps = [always("tenant", tenant, pl.String, rows.height), always("commit_no", commit_no, pl.Int64, rows.height)]
        stamped.append(rows.hstack(stamps))
    return pl.concat(stamped) if len(stamped) > 1 else stamped[0]


def _details(records: pl.DataFrame) -> pl.DataFrame:
    """The rows of what few records have."""
    kept = records[["tenant", "commit_no", "ordinal", *DETAILS]]
    return rows(kept, any_known(records, DETAILS))


def _evidence(entries: dict[str, Entry], commit_no: int) -> pl.DataFrame:
    rows = [
        (tenant, commit_no, entry.records.height, evidence.pack(entry.evidence))
        for tenant, entry in entries.items()
        if entry.records.height
    ]
    return pl.DataFrame(
        rows, schema={"tenant": pl.String, "commit_no": pl.Int64, "records": pl.Int32, "attributes": pl.Binary}, orient="row"
    )
