"""Which price set holds for each call: of those that its names may mean, the first whose terms the call fits."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import polars as pl

from analytics.masks import known, microseconds, whole
from analytics.model import BUCKETS
from analytics.prices.names import Meaning

_INPUT = BUCKETS[:5]
_DAY = 86_400_000_000  # microseconds
_ALWAYS, _NEVER = -(2**63), 2**63 - 1
_BOUNDS = [
    pl.col("valid_from").to_physical().fill_null(_ALWAYS),
    pl.col("valid_to").to_physical().fill_null(_NEVER),
    pl.col("daily_from").to_physical().fill_null(_ALWAYS),
    pl.col("daily_to").to_physical().fill_null(_NEVER),
    pl.when(pl.col("above_input_tokens") > 0).then("above_input_tokens").otherwise(_ALWAYS).alias("above"),
    pl.col("up_to_input_tokens").fill_null(_NEVER).alias("up_to"),
]


class Offers:
    """The price sets of some calls, in the order in which they may price them: pairs of places, of a call and of a set."""

    def __init__(self, call: np.ndarray, price_set: np.ndarray):
        self._call, self._set = call, price_set

    @classmethod
    def of(cls, meanings: Sequence[Meaning], meaning: np.ndarray) -> "Offers":
        """`meaning`: of each call its place among the meanings."""
        sets = np.fromiter(chain.from_iterable(one.sets for one in meanings), np.int64)
        counts = np.array([len(one.sets) for one in meanings], np.int64)
        begins, each = np.cumsum(counts) - counts, counts[meaning]
        call = np.repeat(np.arange(len(meaning)), each)
        within = np.arange(len(call)) - np.repeat(np.cumsum(each) - each, each)
        return cls(call, sets[begins[meaning[call]] + within])

    def where(self, holds: np.ndarray) -> "Offers":
        return Offers(self._call[holds], self._set[holds])

    def among(self, sets: np.ndarray) -> "Offers":
        """Those of some sets, given as a mask over all."""
        return self.where(sets[self._set])

    def first(self, calls: int, none: int) -> np.ndarray:
        """Of each call the place of its first set."""
        chosen = np.full(calls, none)
        chosen[self._call[::-1]] = self._set[::-1]  # the last write wins
        return chosen


class Terms:
    """When each price set of a table holds: from when until when, at what time of the day, for how much input and for whom."""

    def __init__(self, table: pl.DataFrame):
        self._bounds = [column.to_numpy() for column in table.select(_BOUNDS).get_columns()]
        self._teams = table["teams"].to_list() if table["teams"].null_count() < table.height else None

    def in_force(self, offers: Offers, calls: pl.DataFrame) -> Offers:
        """The offers whose terms their calls fit; contracts come first, and at most one of a call's is from the list."""
        call, price_set = offers._call, offers._set
        at = microseconds(calls["happened_at"])[call]
        put = sum(whole(calls[bucket]) for bucket in _INPUT)[call]
        since, until, daily_since, daily_until, above, up_to = (bound[price_set] for bound in self._bounds)
        time = at % _DAY * 1000
        holds = known(calls["happened_at"])[call] & (at >= since) & (at < until) & (time >= daily_since) & (time < daily_until)
        holds &= (put > above) & (put <= up_to)
        return offers.where(holds & self._for_team(offers, calls["team"]) if self._teams else holds)

    def _for_team(self, offers: Offers, named: pl.Series) -> np.ndarray:
        asked = zip(offers._call.tolist(), offers._set.tolist(), strict=True)
        teams = named.to_list()
        return np.array([self._teams[one] is None or teams[call] in self._teams[one] for call, one in asked], bool)
