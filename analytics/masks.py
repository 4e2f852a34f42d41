"""Columns as NumPy masks and numbers.

A batch may be one record or ten thousand: most columns of a small one are all null or have none, and cost next to nothing here, where an
expression costs the same for one row as for thousands.
"""

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_FEW = 64  # rows that are sooner looked at one by one
_NOT_A_TIME = np.iinfo(np.int64).min


def known(values: pl.Series) -> np.ndarray:
    """Where something is said."""
    nulls = values.null_count()
    if nulls in (0, len(values)):
        return np.full(len(values), nulls == 0)
    return values.is_not_null().to_numpy()


def any_known(frame: pl.DataFrame, names: Collection[str]) -> np.ndarray:
    """Where any of some columns says something."""
    found = np.zeros(frame.height, bool)
    for name in names:
        found |= known(frame[name])
    return found


def among(values: pl.Series, words: Collection[str]) -> np.ndarray:
    """Where a text is one of some words."""
    if values.null_count() == len(values):
        return np.zeros(len(values), bool)
    if len(values) <= _FEW:
        return np.array([value in words for value in values.to_list()], bool)
    coded = values.to_arrow().dictionary_encode()
    is_one = np.array([word in words for word in coded.dictionary.to_pylist()] + [False], bool)
    return is_one[pc.fill_null(coded.indices, len(is_one) - 1).to_numpy(zero_copy_only=False)]


def true(values: pl.Series) -> np.ndarray:
    """Where a truth holds; null is false."""
    nulls = values.null_count()
    if nulls == len(values):
        return np.zeros(len(values), bool)
    return (values.fill_null(False) if nulls else values).to_numpy()


def whole(values: pl.Series) -> np.ndarray:
    """Whole numbers as int64, 0 for null."""
    nulls = values.null_count()
    if nulls == len(values):
        return np.zeros(len(values), np.int64)
    return (values.fill_null(0) if nulls else values).to_numpy().astype(np.int64, copy=False)


def billionths(values: pl.Series) -> np.ndarray:
    """Decimals of nine places as whole billionths, 0 for null."""
    words = values.to_arrow()
    low = np.frombuffer(words.buffers()[1] or b"", np.int64).reshape(-1, 2)[words.offset : words.offset + len(words), 0]
    return np.where(known(values), low, 0)


def microseconds(*times: pl.Series) -> np.ndarray:
    """Unix microseconds of the first of some times that is said, 0 where none is."""
    first, *others = (one.to_numpy().astype("datetime64[us]", copy=False).view(np.int64) for one in times)
    for other in others:
        first = np.where(first == _NOT_A_TIME, other, first)
    return np.where(first == _NOT_A_TIME, 0, first)


def where(holds: np.ndarray, values: pl.Series) -> pl.Series:
    """The values where it holds, else null."""
    if holds.all() or values.null_count() == len(values):
        return values
    return values.zip_with(pl.Series(holds), nothing(values))


def always(name: str, value: object, type_: pl.DataType, count: int) -> pl.Series:
    """A column of one value."""
    return _one(name, value, type_).new_from_index(0, count)


@lru_cache(512)
def _one(name: str, value: object, type_: pl.DataType) -> pl.Series:
    return pl.Series(name, [value], type_)


def distinct(values: pl.Series) -> pl.Series:
    """Every value that is said, once."""
    said = values.drop_nulls() if values.null_count() else values
    return said if len(said) < 2 else said.unique()


def spread(values: pl.Series, places: np.ndarray) -> pl.Series:
    """What stands at each of these places."""
    is_one = len(places) and (places == places[0]).all()
    return values.new_from_index(int(places[0]), len(places)) if is_one else values[places]


def spread_rows(frame: pl.DataFrame, places: np.ndarray) -> pl.DataFrame:
    """The rows at these places."""
    is_one = len(places) and (places == places[0]).all()
    return pl.DataFrame([spread(column, places) for column in frame.get_columns()]) if is_one else frame[places]


def each(values: pl.Series, of: Callable[[str], str | None]) -> pl.Series:
    """What a function says of each text; it is asked once for every distinct one. Null stays."""
    if values.null_count() == len(values):
        return values
    coded = values.to_arrow().dictionary_encode()
    return pl.Series(values.name, pa.array([of(word) for word in coded.dictionary.to_pylist()], pa.string()).take(coded.indices))


def is_hex_of(texts: pl.Series, ids: pl.Series) -> np.ndarray:
    """Where a text is an id, spelled in hex."""
    if texts.null_count() == len(texts):
        return np.zeros(len(texts), bool)
    if len(texts) <= _FEW:
        return np.array([id_ is not None and text == id_.hex() for text, id_ in zip(texts.to_list(), ids.to_list(), strict=True)], bool)
    return true(texts == ids.bin.encode("hex"))


def having(frame: pl.DataFrame, columns: Iterable[pl.Series]) -> pl.DataFrame:
    """The frame with these columns, in the place of those of the same names, else behind all others."""
    return pl.DataFrame(list({column.name: column for column in (*frame.get_columns(), *columns)}.values()))


def without(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """The frame without some columns, as it is where there are none of these."""
    kept = [name for name in frame.columns if name not in names]
    return frame[kept] if len(kept) < frame.width else frame


def rows(frame: pl.DataFrame, holds: np.ndarray) -> pl.DataFrame:
    """The rows where it holds."""
    if holds.all():
        return frame
    return frame.filter(holds) if holds.any() else frame.head(0)


def nothing(values: pl.Series) -> pl.Series:
    """As many nulls of the same name and type."""
    return always(values.name, None, values.dtype, len(values))


def coalesced(own: pl.Series, *others: pl.Series) -> pl.Series:
    """What the first of some columns says that says anything, under the name of the first."""
    found = own
    for other in others:
        if not found.null_count():
            break
        if found.null_count() == len(found):
            found = other
        elif other.null_count() < len(other):
            found = found.zip_with(found.is_not_null(), other)
    return found.alias(own.name)
