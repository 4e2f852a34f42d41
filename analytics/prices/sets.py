"""Price sets: one row per price that can hold, with every bucket resolved to US dollars for a single unit.

A set holds for one entry, under its conditions (batch, priority, fast ...), in [valid_from, valid_to), at times of day in [daily_from,
daily_to) UTC, for calls whose whole input (cached tokens included) is above `above_input_tokens` and at most `up_to_input_tokens`. The
list's sets of one entry and condition never overlap. A null bound is open; a null price is unknown.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import polars as pl
from genai_prices.types import ModelInfo, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from analytics.model import TIME, UNIT_PRICE
from analytics.prices.catalogue import SOURCE, Entry

if TYPE_CHECKING:
    from analytics.config import CustomPrice

PARENT = {
    "input": None,
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "output": None,
    "reasoning": "output",
}
"""Token price -> the one that stands in when a price list has none, parents first."""

EXTRA_KEYS = {
    "audio_input": "input_audio_mtok",
    "audio_cache_read": "cache_audio_read_mtok",
    "audio_output": "output_audio_mtok",
    "image_input": "input_image_mtok",
    "search": "web_searches_kcount",
    "request": "requests_kcount",
}
"""Price that few lists have -> genai-prices' name for it: per million tokens, and per thousand searches or requests."""
_PER_THOUSAND = ("search", "request")

LIST_KEYS = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
}
"""Token price -> genai-prices' name for it, in US dollars per million."""

PRICES = (*PARENT, *EXTRA_KEYS, "call", "second")
"""Every price a set may hold, each in a column NAME_usd."""

ORDINARY = ("default", "standard")
"""Values of a condition that mean the ordinary price."""

PRICE_SET = pl.Schema(
    {
        "price_set": pl.String,  # names exactly this row, for good
        "price_book": pl.String,
        "source": pl.String,
        "basis": pl.String,  # list or contract
        "contract": pl.String,  # its name
        "list_set": pl.String,  # the list's price set that it changes
        "provider": pl.String,  # that sells at this price; null in a contract for any provider
        "model": pl.String,  # the list's model id; a pattern in a contract; null for a tool
        "tool": pl.String,  # a pattern; null for models
        "conditions": pl.String,  # key=value, in key order with commas between; null for none
        "teams": pl.List(pl.String),  # whom a contract is for; null for everybody
        "valid_from": TIME,
        "valid_to": TIME,
        "daily_from": pl.Time,
        "daily_to": pl.Time,
        "above_input_tokens": pl.Int64,
        "up_to_input_tokens": pl.Int64,
        **{f"{bucket}_usd": UNIT_PRICE for bucket in PARENT},  # per token
        **{f"{extra}_usd": UNIT_PRICE for extra in EXTRA_KEYS},  # null: as any other token of its bucket, and no fee
        "call_usd": UNIT_PRICE,
        "second_usd": UNIT_PRICE,
        "inherited": pl.List(pl.String),  # token prices that are their parent's
        "rounded": pl.List(pl.String),  # prices that had more than 18 decimal places
    }
)


def list_sets(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Rows of PRICE_SET for list prices, without `price_book`."""
    for entry in entries:
        for context, window in product(contexts(entry.info), windows(entry.info)):
            yield from _tiers(entry, context, window)


def _tiers(entry: Entry, context: Mapping[str, str], window: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row for each range of input that a window's prices tell apart."""
    moment = datetime.combine(window["valid_from"] or datetime.min, window["daily_from"] or time.min)
    prices = vars(entry.info.get_prices(moment, dict(context)))
    starts = {tier.start for price in prices.values() if isinstance(price, TieredPrices) for tier in price.tiers}
    conditions = spelled(context)
    for above, up_to in pairwise([0, *sorted(starts), None]):
        asked = {name: _in_tier(prices.get(key), above) for name, key in (LIST_KEYS | EXTRA_KEYS).items()}
        yield {
            "price_set": ":".join((SOURCE, f"{entry.provider}/{entry.info.id}", *filter(None, (conditions,)), _label(window), str(above))),
            "source": SOURCE,
            "basis": "list",
            "provider": entry.provider,
            "model": entry.info.id,
            "conditions": conditions,
            **window,
            "above_input_tokens": above,
            "up_to_input_tokens": up_to,
            **_unit_prices(asked),
        }


def contexts(model: ModelInfo) -> list[dict[str, str]]:
    """Every combination of conditions that the model's list tells apart, the ordinary one first."""
    known: dict[str, list[str]] = defaultdict(list)
    for variant in model.price_variants or ():
        for key, value in variant.when.items():
            if value not in (*known[key], *ORDINARY):
                known[key].append(value)
    choices = ([None, *((key, value) for value in values)] for key, values in sorted(known.items()))
    return [dict(filter(None, chosen)) for chosen in product(*choices)]


def spelled(context: Mapping[str, str]) -> str | None:
    """Conditions as one text."""
    return ",".join(f"{key}={value}" for key, value in sorted(context.items())) or None


def custom_set(custom: "CustomPrice") -> dict[str, Any]:
    """The row of PRICE_SET for one custom price, without `price_book`; its id carries a hash of all it says."""
    window = {"valid_from": utc(custom.valid_from), "valid_to": utc(custom.valid_to)}
    asked = {bucket: getattr(custom, f"{bucket}_mtok") for bucket in PARENT}
    fees = {"call": custom.usd_per_call, "second": custom.usd_per_second, "search": custom.usd_per_search}
    row = {
        "source": custom.source or "custom",
        "basis": "contract",
        "contract": custom.name,
        "provider": custom.provider,
        "model": custom.model,
        "tool": custom.tool,
        "teams": list(custom.teams) or None,
        **window,
        "above_input_tokens": 0,
        **_unit_prices(asked, fees),
    }
    named = f"{custom.provider or '*'}/{custom.tool or custom.model or '*'}:{_label(window)}:0"
    said = {name: value for name, value in row.items() if value is not None}  # a column added later leaves old ids alone
    return {"price_set": f"custom-{digest(said)}:{named}", **row}


def digest(value: object) -> str:
    """The same short text for the same plain value, in every process."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def windows(model: ModelInfo) -> Iterator[dict[str, Any]]:
    """Dates crossed with times of day, cut at every bound of every constraint: inside one window one price holds."""
    conditional = model.prices if isinstance(model.prices, list) else []
    constraints = [price.constraint for price in (*conditional, *(model.price_variants or ()))]
    days = {datetime.combine(c.start_date, time.min) for c in constraints if isinstance(c, StartDateConstraint)}
    hours = {hour.replace(tzinfo=None) for c in constraints if isinstance(c, TimeOfDateConstraint) for hour in (c.start_time, c.end_time)}
    for valid_from, valid_to in pairwise([None, *sorted(days), None]):
        for daily_from, daily_to in pairwise([None, *sorted(hours - {time.min}), None]):
            yield {"valid_from": valid_from, "valid_to": valid_to, "daily_from": daily_from, "daily_to": daily_to}


def _label(window: Mapping[str, Any]) -> str:
    """`always`, `2026-08-17`, `2026-08-17@01:00-04:00`."""
    start, daily = window["valid_from"], (window.get("daily_from"), window.get("daily_to"))
    day = "always" if start is None else start.isoformat().removesuffix("T00:00:00")
    hours = "-".join(f"{hour:%H:%M}" if hour else edge for hour, edge in zip(daily, ("00:00", "24:00"), strict=True))
    return f"{day}@{hours}" if any(daily) else day


def _in_tier(price: Decimal | TieredPrices | None, above: int) -> Decimal | None:
    if not isinstance(price, TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start <= above), price.base)


def _unit_prices(asked: Mapping[str, Decimal | None], fees: Mapping[str, Decimal | None] | None = None) -> dict[str, Any]:
    """Price columns out of prices per million tokens or thousand events, and of fees; fills from the parent, rounds to 18 places."""
    exact = {name: price.scaleb(-3 if name in _PER_THOUSAND else -6) for name, price in asked.items() if price is not None}
    inherited = []
    for bucket, parent in PARENT.items():
        if bucket not in exact and parent in exact:
            exact[bucket] = exact[parent]
            inherited.append(bucket)
    exact |= {name: price for name, price in (fees or {}).items() if price is not None}
    return {**rounded(exact), "inherited": inherited}


def rounded(exact: Mapping[str, Decimal]) -> dict[str, Any]:
    """Columns of unit prices, half to even at 18 places, and which of them were rounded."""
    kept = {name: price.quantize(Decimal("1e-18"), ROUND_HALF_EVEN) for name, price in exact.items()}
    prices = {f"{name}_usd": kept.get(name) for name in PRICES}
    return {**prices, "rounded": [name for name in kept if kept[name] != exact[name]]}


def utc(moment: datetime | None) -> datetime | None:
    """A moment as the ledger keeps it: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment and moment.tzinfo else moment
