"""How much of what was said is kept as evidence. By then everything has been read, so that no limit here changes what is counted."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analytics.config import CollectorLimits
from analytics.config.limits import DEFAULT_LIMITS

_BYTES = ("array_value", "kvlist_value", "bytes_value")


@dataclass(slots=True)
class Cut:
    """What was left out or cut."""

    bodies: np.ndarray
    """Attributes of each body."""
    by_limit: dict[str, int] = field(default_factory=dict)

    def note(self, limit: str, bodies: np.ndarray) -> None:
        """Attributes that a limit has bitten, by the place of their body."""
        if len(bodies):
            self.by_limit[limit] = self.by_limit.get(limit, 0) + len(bodies)
            self.bodies += np.bincount(bodies, minlength=len(self.bodies))


def within(owner: np.ndarray, most: int) -> np.ndarray | None:
    """Which rows are among the first so many of their owner; None when all are. Equal owners stand together."""
    if len(owner) <= most or not (owner[most:] == owner[:-most]).any():
        return None
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    return np.arange(len(owner)) - np.repeat(starts, np.diff(np.append(starts, len(owner)))) < most


def under_known_keys(rows: pa.StructArray, most: int) -> tuple[pa.StructArray, np.ndarray | None]:
    """The same rows, and which of them stand under one of the first so many keys; None when all do."""
    if len(rows) <= most:
        return rows, None
    coded = rows.field("key").dictionary_encode()
    columns = {one.name: rows.field(one.name) for one in rows.type} | {"key": coded}
    rows = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
    return rows, coded.indices.to_numpy(zero_copy_only=False) < most if len(coded.dictionary) > most else None


def shortened(rows: pa.StructArray, most: int) -> tuple[pa.StructArray, np.ndarray]:
    """Rows whose texts have at most so many bytes, and no structure of more; and the places of those that had."""
    columns = {one.name: rows.field(one.name) for one in rows.type}
    long = dict(_long(columns, most))
    if not long:
        return rows, np.empty(0, np.int64)
    for name, mask in long.items():
        short = _first_bytes(columns[name], mask, most) if name == "string_value" else pa.nulls(int(mask.sum()), columns[name].type)
        columns[name] = pc.replace_with_mask(columns[name], pa.array(mask), short)
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns)), np.flatnonzero(np.logical_or.reduce([*long.values()]))


def _long(columns: dict[str, pa.Array], most: int) -> Iterator[tuple[str, np.ndarray]]:
    for name in ("string_value", *_BYTES):
        mask = pc.fill_null(pc.greater(pc.binary_length(columns[name]), most), False).to_numpy(zero_copy_only=False)
        if mask.any():
            yield name, mask


def _first_bytes(texts: pa.Array, mask: np.ndarray, most: int) -> pa.Array:
    """A character that the limit would cut in two goes as well."""
    return pa.array([text.encode()[:most].decode(errors="ignore") for text in texts.filter(pa.array(mask)).to_pylist()], pa.string())


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of what is kept."""

    attributes: int
    keys: int
    bytes: int

    @classmethod
    def of(cls, limits: CollectorLimits) -> "Keep":
        return cls(limits.attributes_per_record, limits.attribute_keys, limits.attribute_bytes)


KEEP = Keep.of(DEFAULT_LIMITS)
