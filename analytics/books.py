"""The books: one ledger and an account for each tenant. What arrives is posted in one transaction, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import polars as pl
import pyarrow as pa

from analytics import evidence
from analytics.account import Account, Entry, Rules
from analytics.ledger import Ledger


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
    repeated: int
    revised: int


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
        entries = {tenant: self._account(tenant).enter(*_together(list(parts)), self.rules) for tenant, parts in by_tenant}
        tables = {
            "records": _stacked(entries, commit_no, "records"),
            "links": _stacked(entries, commit_no, "links"),
            "charges": _stacked(entries, commit_no, "charges"),
            "evidence": _evidence(entries, commit_no),
            "prices": self._new_prices(),
        }
        if any(map(len, tables.values())):
            self.ledger.append(commit_no, now, tables)
            self._price_books.add(self.rules.prices.version)
        for tenant, entry in entries.items():
            self._account(tenant).remember(entry, commit_no)
        repeated, revised = (sum(getattr(entry, name) for entry in entries.values()) for name in ("repeated", "revised"))
        return Posted(self.ledger.commit_no, tables["records"], tables["charges"], repeated, revised)

    def _account(self, tenant: str) -> Account:
        if tenant not in self._accounts:
            self._accounts[tenant] = Account(tenant, self.ledger)
        return self._accounts[tenant]

    def _new_prices(self) -> pl.DataFrame:
        """The price sets of a book the ledger has not seen yet."""
        book = self.rules.prices
        return pl.DataFrame() if book.version in self._price_books else book.table


def _together(parts: list[Arrived]) -> tuple[pl.DataFrame, pa.Table]:
    """Several arrivals as one: owners and resources of the later ones are moved up."""
    records, tables, rows, resources = [], [], 0, 0
    for part in parts:
        records.append(part.records.with_columns(pl.col("resource") + resources))
        tables.append(evidence.moved(part.evidence, rows, resources))
        rows += part.records.height
        resources += max(evidence.resources(part.evidence), int(part.records["resource"].to_numpy().max(initial=-1)) + 1)
    return pl.concat(records), pa.concat_tables(tables)


def _stacked(entries: dict[str, Entry], commit_no: int, name: str) -> pl.DataFrame:
    stamped = [
        getattr(entry, name).with_columns(tenant=pl.lit(tenant), commit_no=pl.lit(commit_no, pl.Int64)) for tenant, entry in entries.items()
    ]
    return pl.concat(stamped)


def _evidence(entries: dict[str, Entry], commit_no: int) -> pl.DataFrame:
    rows = [
        (tenant, commit_no, entry.records.height, evidence.pack(entry.evidence))
        for tenant, entry in entries.items()
        if entry.records.height
    ]
    return pl.DataFrame(
        rows, schema={"tenant": pl.String, "commit_no": pl.Int64, "records": pl.Int32, "attributes": pl.Binary}, orient="row"
    )
