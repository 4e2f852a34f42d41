"""Contracts that change the list's prices: the price sets they make of it, so that every charge leads to unit prices it was made of."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from analytics.prices.catalogue import Catalogue
from analytics.prices.sets import PRICES, digest, rounded, utc

if TYPE_CHECKING:
    from analytics.config import Contract

_PERCENT = Decimal("0.01")


def factor(contract: "Contract") -> Decimal:
    """What a contract makes of a list price: 0 where capacity is paid by the hour."""
    percent = contract.percent or Decimal(0)
    return {
        "percent_off": 1 - percent * _PERCENT,
        "mark_up": 1 + percent * _PERCENT,
        "commitment": 1 - percent * _PERCENT,
        "provisioned": Decimal(0),
    }[contract.kind]


def contract_sets(contract: "Contract", listed: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """Rows of PRICE_SET, without `price_book`, one for each list price that the contract changes while both hold."""
    said = contract.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    named = f"contract-{digest(said)}:{contract.name}"
    provider = catalogue.provider(contract.provider)
    for row in listed:
        window = _both(contract, row)
        if window and _covers(contract, provider, row, catalogue):
            exact = {name: row[f"{name}_usd"] * factor(contract) for name in PRICES if row.get(f"{name}_usd") is not None}
            agreed = {"basis": "contract", "contract": contract.name, "list_set": row["price_set"], "provider": provider}
            terms = {"source": contract.source or "contract", "teams": list(contract.teams) or None, **window}
            yield {**row, **rounded(exact), **agreed, **terms, "price_set": f"{named}:{row['price_set']}"}


def _covers(contract: "Contract", provider: str | None, row: Mapping[str, Any], catalogue: Catalogue) -> bool:
    sold = provider is None or row["provider"] == provider or row["provider"] in catalogue.prices_of(provider)
    return sold and fnmatchcase(row["model"].lower(), contract.model.lower())


def _both(contract: "Contract", row: Mapping[str, Any]) -> dict[str, datetime | None] | None:
    """The time for which contract and list price hold, None for none."""
    starts = [moment for moment in (utc(contract.valid_from), row["valid_from"]) if moment]
    ends = [moment for moment in (utc(contract.valid_to), row["valid_to"]) if moment]
    start, end = max(starts, default=None), min(ends, default=None)
    return None if start and end and start >= end else {"valid_from": start, "valid_to": end}
