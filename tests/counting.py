"""The rules of counting, without a ledger: what some records come to, told by their names."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from bookkeeping import frame

from analytics.usage import Resolved, resolve
from analytics.usage.resolve import PricedTools, prepared
from analytics.usage.told import input_tokens, output_tokens


def no_tool(names: pl.Series) -> np.ndarray:
    """No tool has a price."""
    return np.zeros(len(names), bool)


@dataclass(frozen=True)
class Counted:
    """What `resolve` made of some records, each of which has a name of its own."""

    records: pl.DataFrame
    resolved: Resolved

    @property
    def total(self) -> tuple[int, int, int]:
        """(calls, input, output) of everything that counts."""
        sums = self.resolved.calls.select(pl.len(), input_tokens().sum().cast(pl.Int64), output_tokens().sum().cast(pl.Int64))
        return sums.row(0)

    @property
    def tokens(self) -> list[tuple[int, int]]:
        """(input, output) of each call, in order of size."""
        return sorted(self.resolved.calls.select(input_tokens().cast(pl.Int64), output_tokens().cast(pl.Int64)).rows())

    @property
    def together(self) -> set[frozenset[str]]:
        """Which records, by their names, are one call."""
        counting = self._links().join(self.resolved.calls, on="call_id", how="semi").group_by("call_id").agg("name")
        return {frozenset(names) for (names,) in counting.select("name").iter_rows()}

    @property
    def counts(self) -> set[str]:
        """The records that count."""
        return set(self._links().filter("counts")["name"])

    @property
    def reasons(self) -> dict[str, str]:
        """Record -> why it counts or not."""
        return dict(self._links().select("name", "reason").iter_rows())

    @property
    def remainders(self) -> dict[str, int]:
        """Sum -> tokens that it holds beyond the calls below it."""
        return dict(self._links().drop_nulls("remainder_tokens").select("name", "remainder_tokens").iter_rows())

    @property
    def waiting(self) -> int:
        """How many traces have usage that waits."""
        return len(self.resolved.waiting)

    def said(self, *columns: str) -> list[tuple]:
        """These facts of each call."""
        return sorted(self.resolved.calls.select(columns).rows(), key=repr)

    def _links(self) -> pl.DataFrame:
        return self.resolved.links.join(self.records.select("record_key", "name"), on="record_key")


def count(*records: dict[str, Any], over: bool = True, tools: PricedTools = no_tool, counted: tuple[str, ...] = ()) -> Counted:
    """Resolves records. `over`: their traces wait for nothing more; `counted`: names of sums that counted before."""
    arrived = frame(*records)
    before = arrived.filter(pl.col("name").is_in(counted))["record_key"]
    settled = arrived["trace_id"].drop_nulls() if over else pl.Series("trace_id", [], pl.Binary)
    return Counted(arrived, resolve(prepared(arrived), tools, before, settled))
