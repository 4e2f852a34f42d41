"""Shared costs, split after the fact: shares for those who used them, and their exact negative where the cost is booked.

A split is made for each UTC day: what a day's shares come to follows from that day's charges alone, so splitting any window again gives the
same. Its rows stand at noon of the day, which is the same day in nearly every time zone that a budget may have.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from analytics import capacity, fingerprint, usage
from analytics.globs import pattern
from analytics.ledger import Ledger
from analytics.model import TIME, UNATTRIBUTED
from analytics.operations import Operation
from analytics.owners import Owners
from analytics.usage.charges import COUNTERS

if TYPE_CHECKING:
    from analytics.config import Contract, SharedCost

_BY_SHARE = np.uint64(5)
_NOON = timedelta(hours=12)
_PLACES = Decimal("1e-9")
_KEPT = ("loop", "team", "cost_center", "environment", "role", "provider", "model")
"""What a share keeps of the cost it is of, but for who pays it."""
_MONEY = ("list_usd", "contracted_usd", "cost_usd")
Row = dict[str, Any]


def allocated(
    ledger: Ledger, shared: Sequence["SharedCost"], contracts: Sequence["Contract"], owners: Owners, operation: Operation
) -> pl.DataFrame:
    """The charge rows that split what is shared in an operation's window, and capacity paid by the hour, or split it otherwise than before;
    none if nothing changes."""
    window = {"tenant": operation.tenant, "since": operation.since, "until": operation.until}
    current = ledger.query("queries/allocations", **window)
    spent = ledger.query("queries/spent_by_day", **window)
    days = (part for part in spent.partition_by("day", maintain_order=True))
    shares = [row for day in days for row in _of_day(day, shared, owners)]
    ended = ledger.query("queries/last_now").item()
    until = min(operation.until or ended, ended) if ended else None
    hours = (
        [row for one in capacity.reserved(contracts, operation.since, until) for row in _of_capacity(*one, spent, owners)] if until else []
    )
    desired = _charges([*shares, *hours], current)
    methods = pl.concat([one.select("call_id", "method") for one in (desired, current)]).unique("call_id")
    rows = usage.versions(desired, current)
    return rows.join(methods, on="call_id", how="left", maintain_order="left").with_columns(kind=pl.lit("allocation"))


def split(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """A whole amount in proportion to weights, by largest remainder: the parts sum to it exactly, and each is off by less than one. Equal
    remainders go by name. No weight, no parts."""
    total, sign = sum(weights.values()), -1 if amount < 0 else 1
    if total <= 0:
        return {}
    parts = {name: divmod(abs(amount) * weight, total) for name, weight in weights.items()}
    left = abs(amount) - sum(whole for whole, _ in parts.values())
    first = sorted(parts, key=lambda name: (-parts[name][1], name or ""))[:left]
    return {name: sign * (whole + (name in first)) for name, (whole, _) in parts.items()}


def _of_day(spent: pl.DataFrame, shared: Sequence["SharedCost"], owners: Owners) -> Iterator[Row]:
    """The shares of one day. A cost that several entries match is of the first."""
    day, left = spent["day"][0], spent
    for entry in shared:
        if _holds(entry, day):
            matches = pl.all_horizontal(
                pl.col(name).fill_null(UNATTRIBUTED).str.contains(pattern(globs)) for name, globs in entry.when.items()
            )
            weights = _weights(entry, spent.filter(~matches))
            yield from _shares(entry, day, left.filter(matches), weights, owners)
            left = left.filter(~matches)


def _holds(entry: "SharedCost", day: datetime) -> bool:
    """Whether an entry is valid when a day begins."""
    start, end = (moment and moment.replace(tzinfo=None) for moment in (entry.valid_from, entry.valid_to))
    return (start is None or start <= day) and (end is None or day < end)


def _weights(entry: "SharedCost", others: pl.DataFrame) -> dict[str, int]:
    """Receiver -> weight, by what each spent apart from the shared cost; empty when there is nobody to split it among."""
    if entry.shares:
        return {name: _nano(percent) for name, percent in entry.shares.items()}
    named = others.filter(pl.col(entry.to).is_not_null())
    if entry.method == "even":
        return dict.fromkeys(sorted(entry.among or named[entry.to].unique()), 1)
    measure = {"cost": pl.col("cost_usd").sum(), "tokens": pl.col("tokens").sum(), "runs": pl.col("run").drop_nulls().n_unique()}
    sums = named.group_by(entry.to).agg(measure[entry.method].alias("weight")).filter(pl.col("weight") > 0)
    of_each = {name: _nano(weight) if entry.method == "cost" else weight for name, weight in sums.iter_rows()}
    return {name: weight for name, weight in of_each.items() if not entry.among or name in entry.among}


def _shares(entry: "SharedCost", day: datetime, sources: pl.DataFrame, weights: Mapping[str, int], owners: Owners) -> Iterator[Row]:
    """Of each cost its negative, and a share for each receiver; what is unknown stays unknown."""
    known = (pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in _MONEY)
    costs = sources.group_by(_KEPT, maintain_order=True).agg(known)
    for cost in costs.filter(pl.any_horizontal(pl.col(_MONEY) != 0)).iter_rows(named=True) if weights else ():
        kept, usd = ({name: cost[name] for name in names} for names in (_KEPT, _MONEY))
        parts = {name: split(_nano(amount), weights) for name, amount in usd.items() if amount is not None}
        yield _row(entry, day, kept, None, {name: amount and -amount for name, amount in usd.items()})
        for receiver in sorted(weights):
            share = {name: Decimal(part[receiver]).scaleb(-9) for name, part in parts.items()}
            if any(share.values()):
                yield _row(entry, day, kept, receiver, share) | owners.billed(entry.to, receiver)


def _of_capacity(contract: "Contract", day: datetime, hours: Decimal, spent: pl.DataFrame, owners: Owners) -> Iterator[Row]:
    """What a day of capacity cost, by team; an idle day is of nobody."""
    teams = capacity.weights(contract, day, spent) or {None: 1}
    usd, each = (split(_nano(amount.quantize(_PLACES)), teams) for amount in (contract.usd_per_hour * hours, hours))
    for team in teams:
        said = capacity.row(contract, team, Decimal(usd[team]).scaleb(-9), Decimal(each[team]).scaleb(-9), owners)
        yield {"key": json.dumps(["capacity", contract.name, day.isoformat(), team]), "happened_at": day + _NOON, **said}


def _row(entry: "SharedCost", day: datetime, kept: Row, receiver: str | None, usd: Row) -> Row:
    key = json.dumps([entry.name, entry.method, entry.to, day.isoformat(), *kept.values(), receiver])
    return {"key": key, "happened_at": day + _NOON, **kept, "owner_rule": f"shared {entry.name}", "method": entry.method, **usd}


def _charges(rows: list[Row], like: pl.DataFrame) -> pl.DataFrame:
    """Shares as charges, with the columns of `like`."""
    said = ("happened_at", *_KEPT, "owner_rule", "method", "contract", "basis", "unit", "quantity", *_MONEY)
    frame = pl.DataFrame(rows, schema={"key": pl.String, **{name: like.schema[name] for name in said}})
    keys = frame["key"].to_arrow().cast(pa.large_string())
    ids = fingerprint.combine(np.full(len(keys), _BY_SHARE), fingerprint.of_text(keys))
    fixed = {"call_kind": pl.lit("allocation"), "unit": pl.col("unit").fill_null("share"), "happened_at": pl.col("happened_at").cast(TIME)}
    counters = {name: pl.lit(0, pl.Int8) for name in COUNTERS} | {"priced": pl.col("cost_usd").is_not_null().cast(pl.Int8)}
    charges = frame.drop("key").with_columns(**fixed, **counters, call_id=pl.Series(ids, dtype=pl.UInt64))
    return pl.concat([like.clear().drop("version", "sign", "kind", "reason"), charges], how="diagonal")


def _nano(amount: Decimal) -> int:
    return int(amount.scaleb(9))
