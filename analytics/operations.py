"""What people change after the fact: one row for each, which the charges it wrote name in their reason."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import polars as pl

from analytics.model import TIME, UNATTRIBUTED

_ROW = pl.Schema(
    {
        "tenant": pl.String, "operation": pl.Int64, "commit_no": pl.Int64, "happened_at": TIME, "kind": pl.String, "who": pl.String,
        "why": pl.String, "since": TIME, "until": TIME, "filters": pl.String, "from_books": pl.List(pl.String), "to_book": pl.String,
        "calls": pl.Int64, "delta_usd": pl.Decimal(38, 9),
    }
)  # fmt: skip
NO_CHARGES = pl.DataFrame(
    schema={"call_id": pl.UInt64, "sign": pl.Int8, "calls": pl.Int8, "cost_usd": pl.Decimal(18, 9), "price_book": pl.String}
)
"""Of an operation that moves no money."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A change that somebody decided on."""

    tenant: str
    kind: Literal["re-attribution", "allocation", "repricing", "expiry", "erasure"]
    who: str
    why: str
    since: datetime | None = None
    """First moment it is about, inclusive, UTC; None means since ever."""
    until: datetime | None = None
    """Last moment, exclusive, UTC."""
    models: tuple[str, ...] = ()
    """Canonical ids that it is about; empty means all."""

    def row(self, number: int, commit_no: int, now: datetime, charges: pl.DataFrame) -> pl.DataFrame:
        """The row of table `operations` that goes with these charges."""
        delta = charges["cost_usd"].sum() or Decimal(0)
        calls = charges.filter(pl.col("calls") != 0)["call_id"].n_unique()
        filters = "model=" + ",".join(self.models) if self.models else None
        before, after = (charges.filter(sign=sign)["price_book"].drop_nulls().unique().sort().to_list() for sign in (-1, 1))
        books = (before, after[-1]) if self.kind == "repricing" else (None, None)
        window = (self.since, self.until, filters, *books)
        said = (self.tenant, number, commit_no, now, self.kind, self.who, self.why, *window, calls, delta)
        return pl.DataFrame([said], schema=_ROW, orient="row")


def moved(charges: pl.DataFrame) -> pl.DataFrame:
    """What charge rows move, by owner: dimension team, loop or cost_center | owner | calls | cost_usd, more or less than before."""
    return pl.concat([_moved(charges, name) for name in ("team", "loop", "cost_center")])


def _moved(charges: pl.DataFrame, name: str) -> pl.DataFrame:
    by = charges.group_by(pl.col(name).fill_null(UNATTRIBUTED).alias("owner"))
    sums = by.agg(pl.col("calls").cast(pl.Int64).sum(), pl.col("cost_usd").sum())
    other = sums.filter((pl.col("calls") != 0) | (pl.col("cost_usd") != 0))
    return other.sort("cost_usd", "owner", descending=[True, False]).select(pl.lit(name).alias("dimension"), "owner", "calls", "cost_usd")
