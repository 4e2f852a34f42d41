"""One call seen by two instrumentations whose records do not nest: siblings, separate traces, or a log record without its span.

Twins come from different sources in one process, say the same totals, contradict each other in no split and no id, and one of them ran
while the other did. A source appears once among twins, so that n equal parallel calls that two sources saw are n calls.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.masks import among
from analytics.usage.joins import Pairs

_SLACK = 5_000
"""Microseconds by which an inner record may end after its outer one."""
_LOG_SLACK = 2_000_000
"""The same when one of them is a log record, which is written when somebody gets round to it."""
_DATE = r"[-@](\d{4}-?\d{2}-?\d{2}|latest)$"


@dataclass(slots=True)
class _Seen:
    """What is known of one call so far."""

    process: str | None
    in_tokens: int
    out_tokens: int
    row: int
    start: int
    end: int
    key: int
    has_usage: bool
    is_log: bool
    session: str | None
    sources: set[int]
    responses: set[str]
    requests: set[str]
    cache_read: int | None
    reasoning: int | None
    models: set[str]

    def may_be(self, other: "_Seen") -> bool:
        """Whether nothing speaks against both being one call."""
        splits = _no_quarrel(self.cache_read, other.cache_read) and _no_quarrel(self.reasoning, other.reasoning)
        ids = _in_common(self.responses, other.responses) and _in_common(self.requests, other.requests)
        return not self.sources & other.sources and splits and ids and _no_quarrel(self.session, other.session)

    def holds(self, other: "_Seen") -> bool:
        """Whether the other one, which did not start earlier, ran while this one did."""
        if self.is_log or other.is_log:
            return max(other.start, other.end) <= self.end + _LOG_SLACK
        return other.start <= self.end and other.end <= self.end + _SLACK

    def take(self, other: "_Seen") -> None:
        """Goes on as both."""
        for name in ("sources", "responses", "requests", "models"):
            setattr(self, name, getattr(self, name) | getattr(other, name))
        self.cache_read, self.reasoning = self.cache_read or other.cache_read, self.reasoning or other.reasoning


def _no_quarrel(one: object, other: object) -> bool:
    return not one or not other or one == other


def _in_common(one: set[str], other: set[str]) -> bool:
    return not one or not other or bool(one & other)


def twins(nodes: pl.DataFrame, label: np.ndarray, is_call: np.ndarray, has_usage: np.ndarray, sources: np.ndarray) -> Pairs:
    """Pairs of rows of twins, among calls that `label` has told apart so far."""
    rows = _of_several_sources(nodes, is_call, sources)
    if not len(rows):
        return _NONE
    seen = nodes.select(*_READ, model=_model("model_requested"), served=_model("model_served"))[rows].with_columns(
        row=rows, call=label[rows], source=sources[rows], has_usage=has_usage[rows]
    )
    calls = _calls(_worth_a_look(seen))
    pairs = [pair for group in _grouped(calls) for pair in _among(group)]
    pairs += _silent([call for call in calls if call.row not in {other for _, other in pairs}])
    return tuple(np.array(pairs, np.int64).reshape(-1, 2).T)


def _of_several_sources(nodes: pl.DataFrame, is_call: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Rows of calls in processes that more than one source reports."""
    rows = np.flatnonzero(is_call & among(nodes["kind"], _TOKENS))
    if len(rows) < 2 or (sources[rows] == sources[rows[0]]).all():
        return rows[:0]
    seen = pl.DataFrame({"row": rows, "process": nodes["process"].gather(rows), "source": sources[rows]})
    return seen.filter(pl.col("source").n_unique().over("process") > 1)["row"].to_numpy()


def _worth_a_look(seen: pl.DataFrame) -> pl.DataFrame:
    """The records of calls that say what another source says too, and of processes where somebody says nothing."""
    several = (pl.col("source").n_unique().over(_SAME) > 1) & (pl.col("call").n_unique().over(_SAME) > 1)
    is_silent = ~pl.col("has_usage").any().over("call")
    marked = seen.with_columns(worth=(several & pl.col("has_usage")) | is_silent.any().over("process"))
    return marked.filter(pl.col("worth").any().over("call"))


def _calls(seen: pl.DataFrame) -> list[_Seen]:
    """One for each call, in the order of time."""
    first_told = pl.col("has_usage").cast(pl.Int8)
    said = seen.sort(first_told, descending=True, maintain_order=True).group_by("call", maintain_order=True)
    whole = said.agg(
        pl.col("process", "in_tokens", "out_tokens", "row").first(),
        pl.col("from_us").min(),
        pl.col("to_us").max(),
        pl.col("record_key").min(),
        pl.col("has_usage").any(),
        is_log=(pl.col("signal") == "log").all(),
        session=pl.when(pl.col("session").drop_nulls().n_unique() == 1).then(pl.col("session").drop_nulls().first()),
        source=pl.col("source").unique(),
        response=pl.col("response_id").drop_nulls().unique(),
        request=pl.col("request_id").drop_nulls().unique(),
        cache_read=pl.col("cache_read_tokens").drop_nulls().first(),
        reasoning=pl.col("reasoning_tokens").drop_nulls().first(),
        model=pl.concat_list(pl.col("model"), pl.col("served")).explode().drop_nulls().unique(),
    )
    calls = [_Seen(*facts[:10], *(set(one) for one in facts[10:13]), *facts[13:15], set(facts[15])) for facts in whole.drop("call").rows()]
    return sorted(calls, key=_in_time)


def _in_time(seen: _Seen) -> tuple[int, int, int]:
    return seen.start, -seen.end, seen.key


def _grouped(calls: list[_Seen]) -> list[list[_Seen]]:
    """Calls with usage by what twins have in common."""
    groups: dict[tuple, list[_Seen]] = defaultdict(list)
    for call in calls:
        if call.has_usage:
            groups[call.process, call.in_tokens, call.out_tokens].append(call)
    return [group for group in groups.values() if len(group) > 1]


def _among(group: list[_Seen]) -> list[tuple[int, int]]:
    """Twins among calls that say the same: each takes the earliest later ones of other sources that ran while it did."""
    taken, pairs = set(), []
    for place, first in enumerate(group):
        if first.row in taken:
            continue
        for other in group[place + 1 :]:
            if other.row not in taken and first.holds(other) and first.may_be(other):
                first.take(other)
                taken.add(other.row)
                pairs.append((first.row, other.row))
    return pairs


def _silent(calls: list[_Seen]) -> list[tuple[int, int]]:
    """Calls that one source saw without usage, and the call of another source that each one is: the one nearest in time."""
    start, end = (np.array([getattr(call, name) for call in calls], np.int64) for name in ("start", "end"))
    pairs, gone = [], set()
    for one in calls:
        if one.has_usage or one.row in gone:
            continue
        near = np.flatnonzero((start <= one.end + _LOG_SLACK) & (end >= one.start - _LOG_SLACK))
        others = [calls[place] for place in near if calls[place].row not in gone and _fits(one, calls[place])]
        if others:
            best = min(others, key=lambda other: (abs(other.start - one.start) + abs(other.end - one.end), other.key))
            best.take(one)
            gone.add(one.row)
            pairs.append((best.row, one.row))
    return pairs


def _fits(one: _Seen, other: _Seen) -> bool:
    first, second = sorted((one, other), key=_in_time)
    return one.process == other.process and _in_common(one.models, other.models) and one.may_be(other) and first.holds(second)


def _model(column: str) -> pl.Expr:
    """A model's name without provider and date, for comparing what two sources call it."""
    return pl.col(column).str.replace(r"^.*/", "").str.replace(_DATE, "")


_TOKENS = ("model", "embedding", "rerank", "other")
_SAME = ["process", "in_tokens", "out_tokens"]
_READ = (
    "record_key", "signal", "process", "in_tokens", "out_tokens", "from_us", "to_us", "session", "response_id", "request_id",
    "cache_read_tokens", "reasoning_tokens",
)  # fmt: skip
_NONE: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))
