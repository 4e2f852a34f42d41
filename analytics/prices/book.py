"""The price book: what each call cost, by itself, in exact decimals.

Columnar: names are read once for each distinct set of them, never once for each call, and the cost of all calls is one multiplication.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from analytics import fingerprint
from analytics.globs import pattern
from analytics.masks import always, among, any_known, having, known, microseconds, nothing, spread, spread_rows, true, where, whole
from analytics.model import BUCKETS, MONEY
from analytics.prices.catalogue import SOURCE, Catalogue
from analytics.prices.contracts import contract_sets
from analytics.prices.costs import EXTRAS, FULL_COST, MICRO, PRICE_OF, cost_of
from analytics.prices.final_word import final_word
from analytics.prices.names import Meaning, Names
from analytics.prices.offers import Offers, Terms
from analytics.prices.sets import EXTRA_KEYS, PARENT, PRICE_SET, custom_set, digest, list_sets

if TYPE_CHECKING:
    from analytics.config import Alias, Contract, CustomPrice, Reported

TOOL_KINDS = ("tool", "sandbox")
"""Kinds that only custom prices price, by call or by second."""

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
        self._terms = Terms(table)
        self._prices, self._fees = (rows.vstack(rows.clear(1)) for rows in (table.select(_PRICES), table.select(_FEES)))  # the last: no set
        self._is_list = (table["basis"] == "list").to_numpy()
        self._tools = table["tool"].drop_nulls().unique(maintain_order=True).str.to_lowercase().to_list()

    @classmethod
    def compile(
        cls, custom: Sequence["CustomPrice"] = (), contracts: Sequence["Contract"] = (), aliases: Sequence["Alias"] = (),
        reported: Sequence["Reported"] = (),
    ) -> "PriceBook":  # fmt: skip
        """The book of genai-prices' list, these custom prices and contracts; where several fit a call, the first one prices it."""
        if not (custom or contracts or aliases or reported):
            return _of_the_list()
        catalogue, table = _list()
        listed = list(list_sets(catalogue.entries)) if contracts else []
        agreed = {row["price_set"]: row for row in map(custom_set, custom)}
        agreed |= {row["price_set"]: row for contract in contracts for row in contract_sets(contract, listed, catalogue)}
        version = f"{SOURCE}+custom-{digest([*agreed, *(entry.model_dump(mode='json') for entry in (*aliases, *reported))])}"
        table = pl.concat([pl.DataFrame([*agreed.values()], schema=PRICE_SET), table]).with_columns(price_book=pl.lit(version))
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
        units = _units(calls)
        meanings, meaning = self._meanings(calls, units["is_tool"].to_numpy())
        offers = self._terms.in_force(Offers.of(meanings, meaning), calls)
        chosen = offers.first(calls.height, self.table.height)
        offered = units.hstack(spread_rows(self._prices, chosen).get_columns())
        cost = listed = self._cost(offered, chosen)
        if not self._is_list.all():
            of_list = offers.among(self._is_list).first(calls.height, self.table.height)
            listed = self._cost(units.hstack(spread_rows(self._prices, of_list).get_columns()), of_list)
        said = {name: spread(values, meaning) for name, values in _columns(meanings).items()}
        added = _added(offered.hstack([said["name_problem"]]), cost, true(said["is_guess"]))
        added = {"model": said["model"], "price_book": self._version(calls.height), **added, "list_usd": listed}
        priced = having(calls, [added[name].alias(name) for name in _ADDED])
        return final_word(priced, self._reported) if self._reported else priced

    def prices_tools(self, names: pl.Series) -> np.ndarray:
        """Which of these tools have a price of their own; like models, tools are priced whatever their case."""
        if not self._tools or names.null_count() == len(names):
            return np.zeros(len(names), bool)
        return names.str.to_lowercase().str.contains(pattern(self._tools)).fill_null(False).to_numpy()

    def _version(self, count: int) -> pl.Series:
        return always("price_book", self.version, pl.String(), count)

    def _meanings(self, calls: pl.DataFrame, is_tool: np.ndarray) -> tuple[list[Meaning], np.ndarray]:
        """The distinct meanings of the calls' names, and the place of each call's among them."""
        names = [where(is_tool, calls["tool"]) if name == "tool" else calls[name] for name in _NAMES]
        epoch = self._epochs(calls["happened_at"])
        key = fingerprint.combine(*map(fingerprint.of_column, names), is_tool, epoch)
        _, first, meaning = np.unique(key, return_index=True, return_inverse=True)
        asked = zip(is_tool[first].tolist(), *(one[first].to_list() for one in names), epoch[first].tolist(), strict=True)
        return [self._names.meaning(*one) for one in asked], meaning

    def _epochs(self, happened_at: pl.Series) -> np.ndarray:
        """Which meaning of moving names holds for each call."""
        if not self._names.epochs:
            return np.zeros(len(happened_at), np.int64)
        epochs = pl.Series(self._names.epochs, dtype=happened_at.dtype).to_physical().to_numpy()
        return np.searchsorted(epochs, microseconds(happened_at), side="right")

    def _cost(self, offered: pl.DataFrame, chosen: np.ndarray) -> pl.Series:
        """What each call costs under the price set that is offered to it, null where there is none."""
        if any(offered[name].null_count() < offered.height for name in (*EXTRAS, "request_usd")):
            return offered.hstack(spread_rows(self._fees, chosen).get_columns()).select(cost_usd=FULL_COST).to_series()
        used = tuple(bucket for bucket in BUCKETS if offered[bucket].null_count() < offered.height)
        return offered.select(cost_usd=cost_of(used)).to_series()


@cache
def _list() -> tuple[Catalogue, pl.DataFrame]:
    """What genai-prices lists, by name and as a table."""
    catalogue = Catalogue()
    return catalogue, pl.DataFrame(list_sets(catalogue.entries), schema=PRICE_SET).with_columns(price_book=pl.lit(SOURCE))


@cache
def _of_the_list() -> PriceBook:
    catalogue, table = _list()
    return PriceBook(Names(catalogue, table), table)


# Steps of `price`, in the order it takes them.

_NAMES = ("provider", "model_requested", "model_served", "tool", "conditions")
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
_ADDED = (
    "model", "price_provider", "price_model", "price_set", "price_book", "basis", "unpriced_reason", "unit", "quantity", "contract",
    "list_usd", "contracted_usd", "cost_usd",
)  # fmt: skip
_PROBLEMS = pa.array(["no usage", "implausible usage"])
_UNITS = pa.array(["tokens", "call", "second"])


def _units(calls: pl.DataFrame) -> pl.DataFrame:
    """What is priced: the tokens of each call, or its time if it is a tool's, and what is wrong with them."""
    is_tool = among(calls["kind"], TOOL_KINDS)
    lasted = microseconds(calls["ended_at"]) - microseconds(calls["started_at"])
    is_timed = known(calls["ended_at"]) & known(calls["started_at"]) & (lasted >= 0) & (lasted <= MOST_MICROSECONDS)
    counts = [whole(calls[bucket]) for bucket in BUCKETS]
    is_broken = np.any([(count < 0) | (count > MOST_TOKENS) for count in counts], axis=0)
    problem = np.where(any_known(calls, BUCKETS), np.where(is_broken, 1, -1), 0)
    problem[is_tool] = -1
    return calls[[*BUCKETS, *EXTRAS]].hstack(
        [
            pl.Series("is_tool", is_tool),
            pl.Series("microseconds", pa.array(lasted, mask=~is_timed)),
            pl.Series("usage_problem", _PROBLEMS.take(pa.array(problem, mask=problem < 0)), pl.String),
        ]
    )


def _columns(meanings: Sequence[Meaning]) -> dict[str, pl.Series]:
    return {
        "model": pl.Series([one.model for one in meanings], dtype=pl.String),
        "name_problem": pl.Series("name_problem", [one.problem for one in meanings], pl.String),
        "is_guess": pl.Series([one.is_guess for one in meanings], dtype=pl.Boolean),
    }


def _added(offered: pl.DataFrame, cost: pl.Series, is_guess: np.ndarray) -> dict[str, pl.Series]:
    """What the calls are told of their price sets and costs."""
    is_priced, is_tool = known(cost), offered["is_tool"].to_numpy()
    timed = is_tool & known(offered["second_usd"])
    # A custom price that leaves a bucket out means its parent's price.
    is_of_list = among(offered["set_basis"], ("list",)) | true(offered["of_list"])
    is_estimate = is_of_list & (is_guess | _is_by_parent(offered))
    basis = offered["set_basis"]
    if is_estimate.any():
        basis = basis.zip_with(pl.Series(~is_estimate), always("basis", "estimated", pl.String(), len(basis)))
    return {
        "price_provider": offered["price_provider"],
        "price_model": offered["price_model"],
        "price_set": where(is_priced, offered["price_set"]),
        "basis": where(is_priced, basis),
        "unpriced_reason": nothing(offered["usage_problem"]) if is_priced.all() else _reason(offered, cost),
        "unit": pl.Series(_UNITS.take(pa.array(np.where(timed, 2, is_tool.astype(np.int64)))), dtype=pl.String),
        "quantity": _quantity(offered, timed),
        "contract": where(is_priced, offered["contract"]),
        "contracted_usd": cost,
        "cost_usd": cost,
    }


def _is_by_parent(offered: pl.DataFrame) -> np.ndarray:
    """Where a bucket that was used costs what its parent does."""
    found = np.zeros(offered.height, bool)
    for bucket, price in PRICE_OF.items():
        if price != "reasoning":  # billed as output by nearly everybody: that is no guess
            found |= true(offered[f"{price}_inherited"]) & (whole(offered[bucket]) > 0)
    return found


def _reason(offered: pl.DataFrame, cost: pl.Series) -> pl.Series:
    why = pl.coalesce(
        "usage_problem",
        "name_problem",
        pl.when(pl.col("price_set").is_null()).then(pl.lit("no price at that time")),
        pl.when("is_tool").then(pl.lit("no usage")),
        pl.lit("no price for its tokens"),
    )
    return offered.select(pl.when(cost.is_null()).then(why).alias("unpriced_reason")).to_series()


def _quantity(offered: pl.DataFrame, timed: np.ndarray) -> pl.Series:
    """How many tokens, calls or seconds; null if nobody said."""
    is_tool = offered["is_tool"].to_numpy()
    tokens = pl.Series("quantity", np.where(is_tool, 1, sum(whole(offered[bucket]) for bucket in BUCKETS)))
    counted = where(~known(offered["usage_problem"]), tokens).cast(MONEY, strict=False)
    if not timed.any():
        return counted
    seconds = offered.select((pl.col("microseconds").cast(pl.Decimal(38, 0)) * MICRO).cast(MONEY)).to_series()
    return counted.zip_with(pl.Series(~timed), seconds)
