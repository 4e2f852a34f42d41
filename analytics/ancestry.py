"""What a span takes over from the nearest span above it."""

import numpy as np
import polars as pl

_DEEPEST = 32  # doublings; a tree of any depth is done long before, and a ring of parents ends here


def nearest(keys: np.ndarray, parents: np.ndarray, own: pl.DataFrame) -> pl.DataFrame:
    """For each node and each column of `own`, its own value or that of its nearest ancestor that has one, else null.

    `keys` and `parents` are fingerprints of the nodes and of their parents, 0 for none; parents need not be among the nodes.
    """
    above = _rows_of(keys, parents)
    return pl.DataFrame([_nearest(above, column) for column in own])


def _rows_of(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Row of each wanted key; the number of keys where there is none."""
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    rows = order[place]
    return np.where((keys[rows] == wanted) & (wanted != 0), rows, len(keys))


def _nearest(above: np.ndarray, own: pl.Series) -> pl.Series:
    count = len(own)
    has = own.is_not_null().to_numpy()
    # Row `count` stands for "nobody" and, like every row that has a value, points to itself.
    step = np.append(np.where(has, np.arange(count), above), count)
    for _ in range(_DEEPEST):
        further = step[step]
        if np.array_equal(further, step):
            break
        step = further
    holder = step[:count]
    return own.extend_constant(None, 1)[np.where(np.append(has, True)[holder], holder, count)].alias(own.name)
