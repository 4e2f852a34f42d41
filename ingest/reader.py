"""Reading in a process of its own, so that one batch is decoded while another is committed."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from ingest import records
from ingest.beside import Beside, EndedError
from ingest.clock import Clock, Still
from ingest.fairness import LANES, LARGE
from ingest.keep import Cut
from ingest.records import Arrivals
from ingest.redact import Redaction
from ingest.wire import Signal

AT_ONCE = LANES["small"]  # bytes of one or of many that are read sooner than sent


class Read(Protocol):
    """What turns bodies into columns, see `records.read`."""

    def __call__(self, bodies: Sequence[bytes], signal: Signal, clock: Clock, redaction: Redaction) -> Arrivals: ...


class UnreadableError(ValueError):
    """Bodies that end whoever reads them."""


class Reader(Beside):
    """`records.read` in another process."""

    def __call__(self, bodies: Sequence[bytes], signal: Signal, clock: Clock, redaction: Redaction) -> Arrivals:
        """Raises ValueError as `records.read` does, and UnreadableError when the process dies or hangs twice."""
        try:
            return _taken(*self.ask(_read, list(bodies), signal, Still(clock.now(), clock.latest()), redaction))
        except EndedError:
            raise UnreadableError("reading this ends the reader") from None


@contextlib.contextmanager
def reading() -> Iterator[Read]:
    """A reader where there is a core for it, from the second body on that is not small. Else, for what is small, and while a large body
    keeps the reader busy, all is read here."""
    if len(os.sched_getaffinity(0)) < 2:
        yield records.read
        return
    with contextlib.closing(Reader()) as reader:
        free = threading.Lock()

        def read(bodies: Sequence[bytes], *given) -> Arrivals:
            if sum(map(len, bodies)) <= AT_ONCE or not free.acquire(blocking=max(map(len, bodies)) >= LARGE):
                return records.read(bodies, *given)
            try:
                if reader.is_started:
                    return reader(bodies, *given)
                reader.start()
                return records.read(bodies, *given)
            finally:
                free.release()

        yield read


def _read(*given) -> tuple[bytes, bytes, np.ndarray, Cut]:
    """Arrivals as they are sent."""
    arrivals = records.read(*given)
    columns = arrivals.records.to_arrow(compat_level=pl.CompatLevel.newest())
    return _sent(columns), _sent(arrivals.evidence), arrivals.rejected, arrivals.cut


def _taken(columns: bytes, evidence: bytes, rejected: np.ndarray, cut: Cut) -> Arrivals:
    return Arrivals(pl.DataFrame(_received(columns)), _received(evidence), np.asarray(rejected), cut)


def _sent(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _received(table: bytes) -> pa.Table:
    return pa.ipc.open_stream(table).read_all()
