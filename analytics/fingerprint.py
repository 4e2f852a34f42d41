"""Stable 64-bit fingerprints of keys and contents, computed a column at a time.

They are stored, so they may never depend on a library's own hash, which may change between versions. The mixing step is the
finaliser of splitmix64 (Steele, Lea and Flood, 2014).
"""

import hashlib
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

_STEP = np.uint64(0x9E3779B97F4A7C15)
_LONG = 256  # bytes; longer values are hashed one by one, where blake2b is faster than columns
_FEW, _SHORT = 8, 1024  # values, and bytes of all of them, that are hashed sooner one by one than as a column
_WORD = (1 << 64) - 1


def mix(values: np.ndarray) -> np.ndarray:
    """Scatters 64-bit values: equal in, equal out; a bit changed in, half the bits changed out."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = values ^ (values >> np.uint64(27))
    values = values * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def combine(*columns: np.ndarray) -> np.ndarray:
    """One fingerprint for each row of several columns; the order of the columns matters."""
    total = np.full(len(columns[0]), _STEP)
    for column in columns:
        total = mix((total + _STEP) ^ column.astype(np.uint64, copy=False))
    return total


def of_text(values: pa.Array) -> np.ndarray:
    """A fingerprint for each string or binary value of any length; null is 0. Repeated values are hashed once."""
    coded = pc.dictionary_encode(values)
    few = len(coded.dictionary) <= _FEW and coded.dictionary.nbytes <= _SHORT
    hashed = _of_few(coded.dictionary) if few else _of_distinct(coded.dictionary.cast(pa.large_binary()))
    hashes = np.append(hashed, np.uint64(0))
    return hashes[pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)]


def of_column(values: pl.Series) -> np.ndarray:
    """`of_text` of a column."""
    return of_text(values.to_arrow()) if values.null_count() < len(values) else np.zeros(len(values), np.uint64)


def _of_few(values: pa.Array) -> np.ndarray:
    """The same as `_of_distinct`; a batch of few records says the same names again and again."""
    return np.array([_of_one(value) for value in values.cast(pa.large_binary()).to_pylist()], np.uint64)


@lru_cache(maxsize=1 << 12)
def _of_one(value: bytes) -> int:
    if len(value) > _LONG:
        return int.from_bytes(hashlib.blake2b(value, digest_size=8).digest(), "little")
    total = _mixed(len(value) + 1)
    if not value:
        return total
    for start in range(0, max(8, 1 << (len(value) - 1).bit_length()), 8):
        total = (total ^ int.from_bytes(value[start : start + 8], "little")) * int(_STEP) & _WORD
        total ^= total >> 32
    return _mixed(total)


def _mixed(value: int) -> int:
    """`mix` of one value."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _WORD
    return value ^ value >> 31


def _of_distinct(values: pa.LargeBinaryArray) -> np.ndarray:
    if len(values) == 0:
        return np.empty(0, np.uint64)
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int64, len(values) + 1, values.offset * 8)
    body = np.append(np.frombuffer(data or b"", np.uint8), np.zeros(_LONG, np.uint8))
    lengths = np.diff(ends)
    out = mix(lengths.astype(np.uint64) + np.uint64(1))
    for width in (8, 16, 32, 64, 128, _LONG):
        rows = np.flatnonzero((lengths <= width) & (lengths > (width // 2 if width > 8 else 0)))
        if len(rows):
            out[rows] = _of_width(body, ends[rows], lengths[rows], width, out[rows])
    for row in np.flatnonzero(lengths > _LONG):
        out[row] = int.from_bytes(hashlib.blake2b(body[ends[row] : ends[row + 1]], digest_size=8).digest(), "little")
    return out


def _of_width(body: np.ndarray, starts: np.ndarray, lengths: np.ndarray, width: int, seeds: np.ndarray) -> np.ndarray:
    """Values of at most `width` bytes, padded with zeros and mixed in as words of eight bytes."""
    reach = np.arange(width)
    padded = np.where(reach < lengths[:, None], body[starts[:, None] + reach], np.uint8(0))
    total = seeds
    for word in np.ascontiguousarray(padded).view("<u8").T:
        total = (total ^ word) * _STEP
        total = total ^ (total >> np.uint64(32))
    return mix(total)


def of_ids(ids: pa.Array, width: int) -> np.ndarray:
    """A fingerprint for each id of exactly `width` bytes (a multiple of eight); null is 0."""
    filled = pc.fill_null(ids, b"\0" * width).cast(pa.binary(width))
    words = np.frombuffer(filled.buffers()[1], "<u8", len(filled) * width // 8, filled.offset * width)
    return combine(*words.reshape(len(filled), width // 8).T)


def sum_by_owner(owners: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The wrapping sum of the values of each owner 0..count-1; owners ascend. Order within an owner does not matter."""
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
    edges = np.searchsorted(owners, np.arange(count + 1))
    return running[edges[1:]] - running[edges[:-1]]
