"""What the intake promises about speed, memory and disk, measured one after the other on this machine, as a table.

    python tests/benchmarks/promises.py [--seconds 15] [--preload 100000] [--only WORD]

Each row is a run of its own against a fresh collector. `bare` is the share of what decoding the same bytes alone reaches in the same run.
With --preload 10000000 the row `later` is about a ledger of ten million records. Exit code 1 when a promise does not hold.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

sys.path[0] = str(Path(__file__).parents[1])  # this file's own folder would make it shadow the package it measures
from benchmarks import load
from benchmarks.ingest import POLICY, measure

from analytics import config
from ingest.access import DEFAULT_TENANT
from ingest.clock import Wall
from ingest.pipeline import Request
from ingest.service import opened

CLIENTS = 48
BATCHES = 300


@dataclass(frozen=True)
class Row:
    """One promise and what was found."""

    name: str
    found: float
    bound: float
    unit: str
    is_least: bool = True
    bare: float | None = None

    @property
    def holds(self) -> bool:
        return self.found >= self.bound if self.is_least else self.found <= self.bound


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--preload", type=int, default=100_000, metavar="SPANS")
    parser.add_argument("--only", default="", metavar="WORD", help="rows of runs with this in their name")
    args = parser.parse_args()
    runs: dict[str, Callable[[float, int], Iterator[Row]]] = {"batch": _batch, "flat": _flat, "trees": _trees, "one": _one, "json": _json}
    runs |= {"readers": _readers, "later": _later}
    print(f"{'promise':<44} {'found':>12} {'bound':>12}  {'unit':<9} {'bare':>6}")
    rows = [_printed(row) for name, run in runs.items() if args.only in name for row in run(args.seconds, args.preload)]
    return 0 if all(row.holds for row in rows) else 1


def _printed(row: Row) -> Row:
    bare, bound = "" if row.bare is None else f"{row.bare:.3f}", f"{'>=' if row.is_least else '<='} {row.bound:,g}"
    print(f"{row.name:<44} {row.found:>12,.1f} {bound:>12}  {row.unit:<9} {bare:>6}  {'' if row.holds else 'NOT HELD'}", flush=True)
    return row


def _speed(name: str, bound: float, told: dict) -> Row:
    return Row(name, told["spans_per_second"], bound, "spans/s", bare=told["spans_per_second"] / told["bare_decode_spans_per_second"])


def _batch(seconds: float, preload: int) -> Iterator[Row]:
    yield Row("a batch of one span, receipt to commit, median", one_span_batch(), 25, "ms", is_least=False)


def _flat(seconds: float, preload: int) -> Iterator[Row]:
    told = measure("flat", 4 * seconds, CLIENTS)
    yield _speed("flat over gRPC", 60_000, told)
    yield Row("both processes at their peak, flat", told["collector_peak_rss_mb"], 1024**3 / 1e6, "MB", is_least=False)
    yield Row("disk, requests of 512 spans", told["disk_bytes_per_span"], 220, "B/span", is_least=False)


def _trees(seconds: float, preload: int) -> Iterator[Row]:
    yield _speed("trees over gRPC", 40_000, measure("trees", seconds, CLIENTS))


def _one(seconds: float, preload: int) -> Iterator[Row]:
    told = measure("one", 4 * seconds, 64)
    yield _speed("requests of one span from 64 clients", 1500, told)
    yield Row("disk, requests of one span", told["disk_bytes_per_span"], 600, "B/span", is_least=False)


def _json(seconds: float, preload: int) -> Iterator[Row]:
    yield _speed("flat over HTTP/JSON", 10_000, measure("flat", seconds, CLIENTS, encoding="http-json"))


def _readers(seconds: float, preload: int) -> Iterator[Row]:
    alone, beside = (measure("flat", seconds, CLIENTS, readers=readers)["spans_per_second"] for readers in (0, 1))
    yield Row("flat beside a reader of reports, to alone", beside / alone, 0.8, "ratio")


def _later(seconds: float, preload: int) -> Iterator[Row]:
    early, late = (measure("flat", seconds, CLIENTS, spans)["spans_per_second"] for spans in (0, preload))
    yield Row(f"flat after {preload:,} records, to before", late / early, 0.8, "ratio")


def one_span_batch() -> float:
    """Median milliseconds from a decompressed body to its commit, everything on, in one process."""
    rng, templates, spent = np.random.default_rng(), [load.one(seed, time.time_ns()) for seed in range(16)], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config" / "policies").mkdir(parents=True)
        (Path(folder) / "config" / "policies" / "bench.yaml").write_text(POLICY)
        with opened(Path(folder) / "data", config.load(Path(folder) / "config"), Wall()) as service:
            for number in range(BATCHES):
                request = Request(templates[number % 16].fresh(rng), "traces", DEFAULT_TENANT)
                begun = time.perf_counter()
                service.pipeline.commit(service.pipeline.decode([request]))
                spent.append(1000 * (time.perf_counter() - begun))
    return median(spent)


if __name__ == "__main__":
    sys.exit(main())
