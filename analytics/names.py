"""By what stored records may be found that concern an arriving one: ids, twins' totals, moments of a process. Fingerprints for an index."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics import fingerprint
from analytics.index import Index
from analytics.masks import among, rows
from analytics.model import BUCKETS, MODEL_KINDS
from analytics.usage.told import says_usage

_RESPONSE, _REQUEST, _TOTALS, _SILENT, _TELLING, _SOURCE = (np.uint64(number) for number in range(11, 17))
_MINUTE = 60_000_000
_READ = ["response_key", "request_key", "process", "to_us", "source", "in_tokens", "out_tokens", *BUCKETS]


@dataclass(frozen=True, slots=True)
class Names:
    """Fingerprints of some call records: under which they are kept, and under which others that concern them may be."""

    kept: np.ndarray
    wanted: np.ndarray


class Sources:
    """Which sources write calls in each process: twins need two."""

    def __init__(self):
        self._known: list[np.uint64] = []
        self._seen = Index()

    def several(self, process: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Takes note of these calls; whether the process of each has more than one source now."""
        pairs = np.unique(fingerprint.combine(np.full(len(process), _SOURCE), process, source))
        self._known += [one for one in np.unique(source) if one not in self._known]
        fresh = pairs[~self._seen.lookup(pairs)[0]] if len(pairs) else pairs
        self._seen.add(fresh, 0)
        if len(self._known) < 2:
            return np.zeros(len(process), bool)
        distinct, place = np.unique(process, return_inverse=True)
        held = [
            self._seen.lookup(fingerprint.combine(np.full(len(distinct), _SOURCE), distinct, np.full(len(distinct), one)))[0]
            for one in self._known
        ]
        return (np.sum(held, axis=0) > 1)[place]


def names_of(records: pl.DataFrame, sources: Sources) -> Names:
    """The names of the call records among these `prepared` ones."""
    is_call = may_be_call(records)
    if not is_call.any():
        return Names(np.empty(0, np.uint64), np.empty(0, np.uint64))
    calls = rows(records[_READ], is_call)
    ids = [_ids(calls[column], kind) for column, kind in (("response_key", _RESPONSE), ("request_key", _REQUEST))]
    process = fingerprint.of_column(calls["process"])
    minute = calls["to_us"].to_numpy() // _MINUTE
    said = says_usage(calls)
    several = sources.several(process, calls["source"].to_numpy())
    totals = (process, calls["in_tokens"].to_numpy(), calls["out_tokens"].to_numpy())
    kept = [*ids, _at(_TOTALS, said, minute // 10, *totals), _at(_SILENT, ~said, minute, process), _at(_TELLING, said, minute, process)]
    near = (-1, 0, 1)
    wanted = [
        *ids,
        *(_at(_TOTALS, said & several, minute // 10 + step, *totals) for step in near),
        *(_at(_SILENT, several, minute + step, process) for step in near),
        *(_at(_TELLING, several & ~said, minute + step, process) for step in near),
    ]
    return Names(np.unique(np.concatenate(kept)), np.unique(np.concatenate(wanted)))


def may_be_call(records: pl.DataFrame) -> np.ndarray:
    """Model calls, log records of them, and spans that may be presumed to be one."""
    kind, said = records["kind"], says_usage(records)
    return (among(kind, MODEL_KINDS) & (among(records["signal"], ("span",)) | said)) | (among(kind, ("other",)) & said)


def _ids(values: pl.Series, kind: np.uint64) -> np.ndarray:
    said = values.to_numpy()
    said = said[said != 0]
    return fingerprint.combine(np.full(len(said), kind), said)


def _at(kind: np.uint64, where: np.ndarray, moment: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(where)
    return fingerprint.combine(np.full(len(rows), kind), moment[rows].astype(np.uint64), *(column[rows] for column in columns))
