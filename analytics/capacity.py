"""Capacity that is paid by the hour: what each day of it cost, for those who used it that day, by tokens; idle days are nobody's."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from analytics.owners import Owners

if TYPE_CHECKING:
    from analytics.config import Contract

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_HOUR = Decimal(3600)
Row = dict[str, Any]


def reserved(contracts: Sequence["Contract"], since: datetime | None, until: datetime) -> Iterator[tuple["Contract", datetime, Decimal]]:
    """Each provisioned contract with each UTC day of it in [since, until) that is over, and how many hours of that day it holds."""
    for contract in contracts:
        if contract.kind == "provisioned":
            start, end = _utc(contract.valid_from), _utc(contract.valid_to) or until
            first = max(start, since or start).replace(hour=0, minute=0, second=0, microsecond=0)
            for day in _days(first, min(end, until)):
                held = min(end, day + _DAY) - max(start, day)
                if day + _DAY <= until and held > timedelta():
                    yield contract, day, Decimal(held // _SECOND) / _HOUR


def weights(contract: "Contract", day: datetime, spent: pl.DataFrame) -> dict[str, int]:
    """Team -> tokens of its calls that the contract covered that day."""
    used = spent.filter(day=day, contract=contract.name).filter(pl.col("team").is_not_null())
    sums = used.group_by("team").agg(pl.col("tokens").sum()).filter(pl.col("tokens") > 0)
    return dict(sums.iter_rows())


def row(contract: "Contract", team: str | None, usd: Decimal, hours: Decimal, owners: Owners) -> Row:
    """What a charge of a team's part says beside its key and moment."""
    said = {"provider": contract.provider, "model": contract.model, "contract": contract.name, "basis": "contract"}
    what = {"owner_rule": f"capacity {contract.name}", "method": "tokens", "unit": "hour", "quantity": hours}
    money = {"list_usd": None, "contracted_usd": usd, "cost_usd": usd}
    return {**dict.fromkeys(("loop", "team", "cost_center", "environment", "role")), **said, **what, **money} | (
        owners.billed("team", team) if team else {}
    )


def _days(first: datetime, end: datetime) -> Iterable[datetime]:
    return (first + number * _DAY for number in range(max(0, -((first - end) // _DAY))))


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=None)
