"""Charges priced again with today's book: what would change, and the versions that change it."""

from dataclasses import dataclass

import polars as pl

from analytics.ledger import Ledger
from analytics.model import TIME, UNATTRIBUTED
from analytics.operations import Operation
from analytics.prices import TOOL_KINDS, PriceBook
from analytics.usage.charges import replaced

_PRICED = ("model", "price_set", "price_book", "contract", "basis", "unpriced_reason", "unit", "quantity")
_MONEY = ("list_usd", "contracted_usd", "cost_usd")
_MATTERS = (*_MONEY, "basis", "contract", "unpriced_reason", "model")
"""What makes a repricing a change; another name of the same price does not."""

MOVED = ("team", "loop", "model", "calls", "before_usd", "after_usd", "change_usd")


@dataclass(frozen=True, slots=True)
class Repriced:
    """Calls that cost otherwise, row by row: what stands, and what should."""

    current: pl.DataFrame
    desired: pl.DataFrame

    def moved(self) -> pl.DataFrame:
        """The difference by team, loop and model, the largest first; columns MOVED. An unknown cost counts as nothing yet."""
        both = self.current.select("team", "loop", model=self.desired["model"], before_usd="cost_usd").hstack(
            [self.desired["cost_usd"].alias("after_usd")]
        )
        named = both.with_columns(pl.col("team", "loop", "model").fill_null(UNATTRIBUTED))
        sums = named.group_by("team", "loop", "model").agg(
            pl.len().cast(pl.Int64).alias("calls"), pl.col("before_usd", "after_usd").fill_null(0).sum().cast(pl.Decimal(38, 9))
        )
        changed = sums.with_columns(change_usd=pl.col("after_usd") - pl.col("before_usd"))
        return changed.sort(pl.col("change_usd").abs(), "team", "loop", "model", descending=[True, False, False, False]).select(MOVED)

    def charges(self) -> pl.DataFrame:
        """The rows that make it so."""
        return replaced(self.current, self.desired, "repricing", "priced again")


def reprice(ledger: Ledger, book: PriceBook, operation: Operation) -> Repriced:
    """The calls of an operation's window and models that `book` prices otherwise than they are charged; writes nothing."""
    window = {"tenant": operation.tenant, "since": operation.since, "until": operation.until}
    standing = ledger.query("queries/standing_charges", **window, models=list(operation.models) or None)
    if standing.is_empty():
        return Repriced(standing, standing)
    again = book.price(_as_calls(standing)).select(*_PRICED, *_MONEY)
    known = again["cost_usd"].is_not_null().cast(pl.Int8)
    counters = {"priced": known, "unpriced_calls": pl.when((1 - known).cast(pl.Boolean)).then(1 - pl.col("unknown_calls")).otherwise(0)}
    desired = standing.with_columns(again).with_columns(**counters).cast({name: standing.schema[name] for name in counters})
    changed = pl.any_horizontal(standing[name].ne_missing(desired[name]) for name in _MATTERS)
    kept = pl.select(changed & ~_lost(standing, desired)).to_series()
    return Repriced(standing.filter(kept), desired.filter(kept))


def _as_calls(standing: pl.DataFrame) -> pl.DataFrame:
    """Charges in the words of the price book; how long a tool ran is known where it was billed for it."""
    micros = (pl.col("quantity").cast(pl.Decimal(38, 9)) * 1_000_000).cast(pl.Int64)
    took = pl.when(pl.col("unit") == "second").then(pl.duration(microseconds=micros))
    return standing.with_columns(kind="call_kind", ended_at="happened_at", started_at=(pl.col("happened_at") - took).cast(TIME)).drop(
        *_PRICED, *_MONEY
    )


def _lost(standing: pl.DataFrame, desired: pl.DataFrame) -> pl.Series:
    """Tools whose price the book no longer knows: nothing says that they became free."""
    is_tool = standing["call_kind"].is_in(TOOL_KINDS)
    return is_tool & standing["cost_usd"].is_not_null() & desired["cost_usd"].is_null()
