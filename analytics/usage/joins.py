"""Which records are one call: the same id, one inside the other, a log record in its span, a report that comes after its call.

Each rule gives pairs of rows; rows that pairs connect are one call.
"""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import polars as pl

from analytics.masks import among, known
from analytics.usage.tree import Tree

_SLACK = timedelta(seconds=5)
"""Between the clocks of two records of one call. A cache may give an old response id again, hours later: that is another call."""

Pairs = tuple[np.ndarray, np.ndarray]


def components(count: int, pairs: Iterable[Pairs]) -> np.ndarray:
    """For each row the smallest row it is connected with."""
    label, pairs = np.arange(count), list(pairs)
    one, other = (np.concatenate([np.asarray(pair[side], np.int64) for pair in pairs] or [np.empty(0, np.int64)]) for side in (0, 1))
    while len(one):
        low = np.minimum(label[one], label[other])
        before = label.copy()
        np.minimum.at(label, one, low)
        np.minimum.at(label, other, low)
        label = label[label]
        if np.array_equal(before, label):
            break
    return label


def same_id(nodes: pl.DataFrame, is_call: np.ndarray, column: str) -> Pairs:
    """Calls with the same provider id that overlap in time, wherever they were seen."""
    rows = np.flatnonzero(is_call & known(nodes[column]))
    if len(rows) < 2:
        return _NONE
    rows = rows[nodes[column].gather(rows).is_duplicated().to_numpy()]
    if not len(rows):
        return _NONE
    started, ended = pl.coalesce("started_at", "ended_at"), pl.coalesce("ended_at", "started_at")
    found = nodes.select(column, "record_key", started.alias("from"), ended.alias("to"))[rows].with_columns(row=rows)
    latest = pl.col("to").cum_max().shift(1).over(column)
    follows = found.sort(column, "from", "record_key").with_columns(before=pl.col("row").shift(1).over(column), latest=latest)
    linked = follows.filter(pl.col("before").is_not_null(), pl.col("from") <= pl.col("latest") + _SLACK)
    return linked["before"].to_numpy(), linked["row"].to_numpy()


def tools(nodes: pl.DataFrame, tree: Tree, is_tool: np.ndarray) -> list[Pairs]:
    """Records of one tool call: of one id, or one inside the other by the same name, as client and server of a protocol write them."""
    if not is_tool.any():
        return []
    outer = tree.nearest(is_tool)
    names, ids = nodes["tool"].to_list(), nodes["tool_call_id"].to_list()
    inside = [
        (above, row)
        for row, above in zip(np.flatnonzero(is_tool).tolist(), outer[is_tool].tolist(), strict=True)
        if above not in (tree.count, row) and names[above] == names[row] and (not ids[above] or not ids[row] or ids[above] == ids[row])
    ]
    return [same_id(nodes, is_tool, "tool_call_id"), tuple(np.array(inside, np.int64).reshape(-1, 2).T)]


def nested(nodes: pl.DataFrame, tree: Tree, is_call: np.ndarray, has_usage: np.ndarray) -> tuple[list[Pairs], np.ndarray]:
    """Calls inside calls, with no agent or tool between them.

    Gives pairs of an outer and its only inner record that are one call, and which outer rows are none: the inner ones are the requests
    that were really made. Whether an outer and its only inner record agree is asked of their totals and ids.
    """
    is_outer = np.zeros(len(is_call), bool)
    if tree.is_flat:
        return [], is_outer
    boundary = among(nodes["kind"], BOUNDARIES)
    outer_of = tree.nearest(is_call | boundary)
    requests = is_call & ~boundary
    inside = requests & np.append(requests, False)[outer_of] & (outer_of != np.arange(len(is_call)))
    inner, outer = np.flatnonzero(inside), outer_of[inside]
    if not len(inner):
        return [], is_outer
    is_log = among(nodes["signal"], ("log",))[inner]
    agreeing = _agree(nodes, inner, outer, has_usage)
    spans = ~is_log
    told = np.bincount(outer[spans & has_usage[inner]], minlength=len(is_call))
    is_outer = told > 1
    is_outer[outer[spans & has_usage[inner] & ~agreeing & (told[outer] == 1)]] = True
    silent = spans & ~has_usage[inner] & (told[outer] == 0)
    one_call = (is_log & agreeing) | silent | (spans & has_usage[inner] & agreeing & (told[outer] == 1))
    return [(outer[one_call], inner[one_call])], _with_outer(is_outer, inner, outer, spans & (told[outer] == 1))


def _with_outer(is_outer: np.ndarray, inner: np.ndarray, outer: np.ndarray, only: np.ndarray) -> np.ndarray:
    """An outer record whose only inner one is no call itself is none either."""
    while True:
        more = outer[only & is_outer[inner] & ~is_outer[outer]]
        if not len(more):
            return is_outer
        is_outer = is_outer.copy()
        is_outer[more] = True


def _agree(nodes: pl.DataFrame, inner: np.ndarray, outer: np.ndarray, has_usage: np.ndarray) -> np.ndarray:
    """Whether two records can be one call: one says nothing, or both say the same totals or the same id."""
    said = nodes.select("in_tokens", "out_tokens", "response_id", "request_id")
    one, other = said[inner], said[outer]
    totals = (one["in_tokens"] == other["in_tokens"]) & (one["out_tokens"] == other["out_tokens"])
    same = [(one[name] == other[name]).fill_null(False) for name in ("response_id", "request_id")]
    return (totals | same[0] | same[1]).to_numpy() | ~has_usage[outer] | ~has_usage[inner]


def echoes(nodes: pl.DataFrame, tree: Tree, is_call: np.ndarray, has_usage: np.ndarray) -> Pairs:
    """A record that reports the result of a call belongs to the last call without usage before it, of the same parent and scope."""
    is_echo = is_call & among(nodes["usage_role"], ("echo",))
    if not is_echo.any():
        return _NONE
    pairs, open_calls = [], is_call & ~is_echo & ~has_usage
    places = nodes.select(pl.Series("above", tree.above), "trace_id", "parent_span_id", "runtime").rows()
    start, end, key = (nodes[name].to_physical().fill_null(0).to_numpy() for name in ("started_at", "ended_at", "record_key"))
    for echo in sorted(np.flatnonzero(is_echo), key=lambda row: (start[row], key[row])):
        before = [row for row in np.flatnonzero(open_calls) if places[row] == places[echo] and end[row] <= end[echo]]
        if before:
            call = max(before, key=lambda row: (end[row], key[row]))
            open_calls[call] = False
            pairs.append((call, echo))
    return tuple(np.array(pairs, np.int64).reshape(-1, 2).T)


BOUNDARIES = ("agent", "tool", "sandbox")
_NONE: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))
