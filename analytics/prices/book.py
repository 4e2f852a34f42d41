"""The price book: what each call cost, by itself, in exact decimals.

Columnar: the price set of every call is found by joins and its cost by multiplication. Python code runs once for each distinct set of
names, never once for each call.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.globs import pattern
from analytics.model import BUCKETS, MONEY
from analytics.prices.catalogue import SOURCE, Catalogue
from analytics.prices.contracts import contract_sets
from analytics.prices.costs import COST, EXTRAS, FULL_COST, MICRO, PRICE_OF
from analytics.prices.final_word import final_word
from analytics.prices.names import Names
from analytics.prices.sets import EXTRA_KEYS, PARENT, PRICE_SET, custom_set, digest, list_sets

if TYPE_CHECKING:
    from analytics.config import Alias, Contract, CustomPrice, Reported

TOOL_KINDS = ("tool", "sandbox")
"""Kinds that only custom prices price, by call or by second."""

INPUT = BUCKETS[:5]
MOST_TOKENS = 100_000_000
"""In one bucket of one call; more is a broken record, and its cost might not fit."""
MOST_MICROSECONDS = 999_999_999_000_000
"""Of one tool call: 31 years, the longest quantity that fits."""


class PriceBook:
    """Compiled prices, and the one place that turns units into money. A book never changes.

    `table` holds one row per price set, schema PRICE_SET; `version` names the book, custom prices included.
    """

    def __init__(self, names: Names, table: pl.DataFrame, reported: Sequence["Reported"] = ()) -> None:
        self.table = table
        self.version: str = table["price_book"][0]
        self._names, self._reported = names, reported
        self._terms = table.select(_TERMS)
        self._prices, self._extras = (
            rows.vstack(rows.clear(1)) for rows in (table.select(_PRICES), table.select(_FEES))
        )  # the last: no set
        self._has_contracts = (table["basis"] == "contract").any()
        self._tools = table["tool"].drop_nulls().unique(maintain_order=True).str.to_lowercase().to_list()
        self._has_teams = table["teams"].null_count() < table.height

    @classmethod
    def compile(
        cls, custom: Sequence["CustomPrice"] = (), contracts: Sequence["Contract"] = (), aliases: Sequence["Alias"] = (),
        reported: Sequence["Reported"] = (),
    ) -> "PriceBook":  # fmt: skip
        """The book of genai-prices' list, these custom prices and contracts; where several fit a call, the first one prices it."""
        catalogue = Catalogue()
        listed = list(list_sets(catalogue.entries))
        agreed = {row["price_set"]: row for row in map(custom_set, custom)}
        agreed |= {row["price_set"]: row for contract in contracts for row in contract_sets(contract, listed, catalogue)}
        said = [*agreed, *(entry.model_dump(mode="json") for entry in (*aliases, *reported))]
        version = f"{SOURCE}+custom-{digest(said)}" if said else SOURCE
        table = pl.DataFrame([*agreed.values(), *listed], schema=PRICE_SET).with_columns(price_book=pl.lit(version))
        return cls(Names(catalogue, table, aliases), table, reported)

    def price(self, calls: pl.DataFrame) -> pl.DataFrame:
        """The same rows in the same order, with what they cost.

        Reads `kind`, `provider`, `model_requested`, `model_served`, `tool`, `conditions`, `team`, `started_at`, `ended_at`, `happened_at`,
        `reporter`, `reported_usd`, BUCKETS, SPLITS and `web_searches`. Adds

        - `model`: canonical id; null without a name
        - `price_provider`, `price_model`: whose price holds, as its price set says; null where none does
        - `price_set`: null if unpriced; `price_book`: this book's version; `contract`: its name, where one changed the price
        - `basis`: list, contract, reported, or estimated if the list lacks a bucket's price and its parent's stands in, or does not know
          the seller or a condition of the call; null if unpriced
        - `unpriced_reason`: no usage, implausible usage, no model, unknown model, unknown tool, no price at that time, no price for its
          tokens; null if priced
        - `unit`, `quantity`: tokens, call or second, and how many; quantity is null if nobody said
        - `list_usd`: what the list asks; `contracted_usd`, `cost_usd`: what the contract asks, else the list; null if unpriced
        """
        units = calls.select(*_READ).with_row_index("row").with_columns(*_UNITS).with_columns(self._epochs(calls["happened_at"]))
        meanings = self._meanings(units.select(KEY).unique())
        named = units.join(meanings, on=KEY, how="left", nulls_equal=True, maintain_order="left")
        fits = self._in_force(named)
        used = self._costs(named, fits)
        listed = self._costs(named, fits.filter(set_basis="list")) if self._has_contracts else used
        priced = used.with_columns(list_usd=listed["cost_usd"], price_book=pl.lit(self.version)).select(*_ADDED)
        return final_word(calls.with_columns(priced), self._reported) if self._reported else calls.with_columns(priced)

    def prices_tools(self, names: pl.Series) -> np.ndarray:
        """Which of these tools have a price of their own; like models, tools are priced whatever their case."""
        if not self._tools or names.null_count() == len(names):
            return np.zeros(len(names), bool)
        return names.str.to_lowercase().str.contains(pattern(self._tools)).fill_null(False).to_numpy()

    def _epochs(self, happened_at: pl.Series) -> pl.Series:
        """Which meaning of moving names holds for each call."""
        if not self._names.epochs:
            return pl.repeat(0, len(happened_at), dtype=pl.Int64, eager=True).alias("epoch")
        epochs = pl.Series(self._names.epochs, dtype=happened_at.dtype).to_physical().to_numpy()
        return pl.Series("epoch", np.searchsorted(epochs, happened_at.to_physical().fill_null(_ALWAYS).to_numpy(), side="right"))

    def _meanings(self, keys: pl.DataFrame) -> pl.DataFrame:
        meanings = [self._names.meaning(*key) for key in keys.iter_rows()]
        columns = [
            pl.Series("model", [meaning.model for meaning in meanings], pl.String),
            pl.Series("set", [meaning.sets for meaning in meanings], pl.List(pl.UInt32)),
            pl.Series("name_problem", [meaning.problem for meaning in meanings], pl.String),
            pl.Series("is_guess", [meaning.is_guess for meaning in meanings], pl.Boolean),
        ]
        return keys.hstack(columns)

    def _in_force(self, named: pl.DataFrame) -> pl.DataFrame:
        """Call (`row`) and price set of every price that holds for it, contracts first; at most one of a call's is from the list."""
        offers = named.select("row", "set", "at", "time_of_day", "input_tokens", "team").explode("set")
        held = offers.hstack(self._terms[offers["set"]]).filter(*_IN_FORCE)
        if self._has_teams:
            held = held.with_columns(self.table["teams"].gather(held["set"])).filter(_FOR_TEAM)
        return held.select("row", "set", "set_basis")

    def _costs(self, named: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
        """The calls, the first price set that fits each, and `cost_usd`, null where there is none."""
        rows, sets = fits["row"].to_numpy(), fits["set"].to_numpy()
        chosen = np.full(named.height, self.table.height)
        chosen[rows[::-1]] = sets[::-1]  # the last write wins, so the first set of each call
        offered = named.hstack(self._prices[chosen])
        is_plain = all(offered[name].null_count() == offered.height for name in (*EXTRAS, "request_usd"))
        return offered.with_columns(cost_usd=COST) if is_plain else offered.hstack(self._extras[chosen]).with_columns(cost_usd=FULL_COST)


# Steps of `price`, in the order it takes them.

KEY = ["is_tool", "provider", "model_requested", "model_served", "tool", "conditions", "epoch"]
_READ = [
    pl.col("kind").is_in(TOOL_KINDS).alias("is_tool"),
    *KEY[1:-1],
    "team",
    pl.col("happened_at").to_physical().alias("at"),
    pl.col("happened_at").dt.time().to_physical().alias("time_of_day"),
    (pl.col("ended_at") - pl.col("started_at")).to_physical().alias("microseconds"),
    pl.sum_horizontal(INPUT).alias("input_tokens"),
    pl.min_horizontal(BUCKETS).alias("fewest"),
    pl.max_horizontal(BUCKETS).alias("most"),
    *BUCKETS,
    *EXTRAS,
]
_UNITS = [
    pl.when("is_tool").then("tool").alias("tool"),
    pl.when(pl.col("microseconds").is_between(0, MOST_MICROSECONDS)).then("microseconds").alias("microseconds"),
    pl.when("is_tool")
    .then(None)
    .when(pl.col("most").is_null())
    .then(pl.lit("no usage"))
    .when((pl.col("fewest") < 0) | (pl.col("most") > MOST_TOKENS))
    .then(pl.lit("implausible usage"))
    .alias("usage_problem"),
]

_ALWAYS, _NEVER = -(2**63), 2**63 - 1
_FOR_TEAM = pl.col("teams").is_null() | pl.col("teams").list.contains(pl.col("team"))
_TERMS = [
    pl.col("basis").alias("set_basis"),
    pl.col("valid_from", "daily_from").to_physical().fill_null(_ALWAYS),
    pl.col("valid_to", "daily_to").to_physical().fill_null(_NEVER),
    pl.when(pl.col("above_input_tokens") > 0).then("above_input_tokens").otherwise(_ALWAYS).alias("above"),
    pl.col("up_to_input_tokens").fill_null(_NEVER).alias("up_to"),
]
_IN_FORCE = [
    pl.col("at") >= pl.col("valid_from"),
    pl.col("at") < pl.col("valid_to"),
    pl.col("time_of_day") >= pl.col("daily_from"),
    pl.col("time_of_day") < pl.col("daily_to"),
    pl.col("input_tokens") > pl.col("above"),
    pl.col("input_tokens") <= pl.col("up_to"),
]
_PRICES = [
    "price_set",
    pl.col("provider").alias("price_provider"),
    pl.col("model").alias("price_model"),
    pl.col("basis").alias("set_basis"),
    "contract",
    pl.col("list_set").is_not_null().alias("of_list"),
    pl.col(*(f"{price}_usd" for price in PARENT), "call_usd", "second_usd", "request_usd"),
    *(pl.col("inherited").list.contains(price).alias(f"{price}_inherited") for price in PARENT),
]

_FEES = [f"{extra}_usd" for extra in EXTRA_KEYS if extra != "request"]

_priced = pl.col("cost_usd").is_not_null()
_by_parent = pl.any_horizontal(
    (pl.col(bucket) > 0) & pl.col(f"{price}_inherited")
    for bucket, price in PRICE_OF.items()
    if price != "reasoning"  # billed as output by nearly everybody: that is no guess
)
_of_list = (pl.col("set_basis") == "list") | pl.col("of_list")  # a custom price that leaves a bucket out means its parent's price
_is_guess = _of_list & (_by_parent | pl.col("is_guess"))
_is_timed = pl.col("is_tool") & pl.col("second_usd").is_not_null()
_ADDED = [
    "model",
    "price_provider",
    "price_model",
    pl.when(_priced).then("price_set").alias("price_set"),
    "price_book",
    pl.when(_priced & _is_guess).then(pl.lit("estimated")).when(_priced).then("set_basis").alias("basis"),
    pl.when(~_priced)
    .then(
        pl.coalesce(
            "usage_problem",
            "name_problem",
            pl.when(pl.col("price_set").is_null()).then(pl.lit("no price at that time")),
            pl.when("is_tool").then(pl.lit("no usage")),
            pl.lit("no price for its tokens"),
        )
    )
    .alias("unpriced_reason"),
    pl.when(~pl.col("is_tool")).then(pl.lit("tokens")).when(_is_timed).then(pl.lit("second")).otherwise(pl.lit("call")).alias("unit"),
    pl.when(pl.col("usage_problem").is_not_null())
    .then(None)
    .when(~pl.col("is_tool"))
    .then(pl.sum_horizontal(BUCKETS).cast(MONEY, strict=False))
    .when(_is_timed)
    .then((pl.col("microseconds").cast(pl.Decimal(38, 0)) * MICRO).cast(MONEY))
    .otherwise(pl.lit(Decimal(1), MONEY))
    .alias("quantity"),
    pl.when(_priced).then("contract").alias("contract"),
    "list_usd",
    pl.col("cost_usd").alias("contracted_usd"),
    "cost_usd",
]
