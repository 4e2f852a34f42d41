"""The tree that spans make: who is above whom, found for a whole batch at once by pointer jumping."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from analytics import fingerprint
from analytics.masks import known

_DEEPEST = 32  # doublings; a tree of any depth is done long before, and a ring of parents ends here


@dataclass(frozen=True)
class Tree:
    """Rows of nodes and, for each, the row of the node right above it; `count` where there is none."""

    count: int
    above: np.ndarray

    @classmethod
    def of(cls, nodes: pl.DataFrame) -> "Tree":
        """From record_key, signal, trace_id, span_id, parent_span_id. A log record lies below the span it was written in."""
        keys = nodes["record_key"].to_numpy()
        is_log = nodes["signal"] == "log"
        parents = nodes["parent_span_id"]
        if is_log.any():
            parents = nodes.select(pl.when(is_log).then("span_id").otherwise("parent_span_id")).to_series()
        return cls(len(keys), _opened(rows_of(keys, _span_keys(nodes["trace_id"], parents))))

    @cached_property
    def is_flat(self) -> bool:
        """Whether no node lies below another."""
        return bool((self.above == self.count).all())

    @cached_property
    def depth(self) -> np.ndarray:
        """How many nodes lie above each one."""
        depth, step = (self.above < self.count).astype(np.int64), np.append(self.above, self.count)
        if self.is_flat:
            return depth
        for _ in range(_DEEPEST):
            further = step[step]
            depth = depth + np.append(depth, 0)[step[:-1]]
            if np.array_equal(further, step):
                break
            step = further
        return depth

    def nearest(self, marked: np.ndarray) -> np.ndarray:
        """Row of the nearest marked node strictly above each node; `count` where there is none."""
        return np.append(self.holder(marked), self.count)[self.above]

    def holder(self, marked: np.ndarray) -> np.ndarray:
        """Row of each node itself if it is marked, else of the nearest marked node above it, else `count`."""
        # Row `count` stands for "nobody" and, like every marked row, points to itself.
        step = np.append(np.where(marked, np.arange(self.count), self.above), self.count)
        for _ in range(_DEEPEST):
            further = step[step]
            if np.array_equal(further, step):
                break
            step = further
        found = step[:-1]
        return np.where(np.append(marked, True)[found], found, self.count)

    def inherited(self, own: pl.Series) -> pl.Series:
        """Each node's own value or that of its nearest ancestor that has one, else null."""
        if self.is_flat or own.null_count() in (0, self.count):
            return own
        return own.extend_constant(None, 1)[self.holder(own.is_not_null().to_numpy())].alias(own.name)


def _opened(above: np.ndarray) -> np.ndarray:
    """The same tree with rings cut open: a node that lies above itself lies below nobody."""
    count = len(above)
    step = np.append(above, count)
    while True:
        further = step[step]
        if np.array_equal(further, step) or (step == count).all():
            break
        if np.array_equal(np.unique(further), np.unique(step)):  # what is left goes round and round
            ring = np.unique(step[step < count])
            above = above.copy()
            above[ring] = count
            break
        step = further
    return above


def _span_keys(traces: pl.Series, spans: pl.Series) -> np.ndarray:
    """The record keys of spans by their ids, 0 for none."""
    keys = fingerprint.combine(fingerprint.of_ids(traces.to_arrow(), 16), fingerprint.of_ids(spans.to_arrow(), 8))
    return np.where(known(spans), keys, np.uint64(0))


def rows_of(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Row of each wanted key; the number of keys where there is none."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    rows = order[place]
    return np.where((keys[rows] == wanted) & (wanted != 0), rows, len(keys))
