"""Reading in a process of its own, so that one batch is decoded while another is committed.

One interpreter would do both in turns. A reader gets bodies and gives columns back over a socket, and keeps nothing. It ends when its
collector does, and one that dies is replaced.
"""

import contextlib
import os
import pickle
import signal as process_signals
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from ingest import records
from ingest.clock import Clock, Still
from ingest.fairness import LARGE
from ingest.records import Arrivals
from ingest.redact import Redaction
from ingest.wire import Signal

_TRIES = 2  # a reader can be killed from outside; what kills two is the bodies
_LONGEST = 60.0  # seconds for one batch; the largest body takes two
_AT_ONCE = 65_536  # bytes that are read sooner than sent


class Read(Protocol):
    """What turns bodies into columns, see `records.read`."""

    def __call__(self, bodies: Sequence[bytes], signal: Signal, clock: Clock, redaction: Redaction) -> Arrivals: ...


class UnreadableError(ValueError):
    """Bodies that end whoever reads them."""


class Reader:
    """`records.read` in another process; of one thread at a time."""

    command = (sys.executable, "-m", "ingest.reader")

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    @property
    def is_started(self) -> bool:
        return self._process is not None

    def __call__(self, bodies: Sequence[bytes], signal: Signal, clock: Clock, redaction: Redaction) -> Arrivals:
        """Raises ValueError as `records.read` does, and UnreadableError when the process dies or hangs twice."""
        asked = pickle.dumps((list(bodies), signal, Still(clock.now(), clock.latest()), redaction), pickle.HIGHEST_PROTOCOL)
        for _ in range(_TRIES):
            try:
                self.start()
                return _taken(self._asked(asked))
            except (OSError, EOFError):
                self._replace()
        raise UnreadableError("reading this ends the reader")

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._process:
            self._connection.close()
            self._process.wait()
            self._process = None

    def _asked(self, question: bytes) -> bytes:
        self._connection.send_bytes(question)
        if not self._connection.poll(_LONGEST):
            raise TimeoutError
        return self._connection.recv_bytes()

    def start(self) -> None:
        """Starts the process, unless there is one; it takes a second until it answers, and nobody waits for that here."""
        if self._process:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            # A group of its own: an interrupt from the keyboard is for the collector, which still has answers to give.
            self._process = subprocess.Popen(
                [*self.command, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, process_group=0
            )
        self._connection = Connection(ours.detach())

    def _replace(self) -> None:
        self._process.kill()
        self.close()


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
            if sum(map(len, bodies)) <= _AT_ONCE or not free.acquire(blocking=max(map(len, bodies)) >= LARGE):
                return records.read(bodies, *given)
            try:
                if reader.is_started:
                    return reader(bodies, *given)
                reader.start()
                return records.read(bodies, *given)
            finally:
                free.release()

        yield read


def serve(connection: Connection) -> None:
    """What the process does: answers until the other side is gone."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send_bytes(_answer(connection.recv_bytes()))


def _answer(question: bytes) -> bytes:
    try:
        arrivals = records.read(*pickle.loads(question))
    except Exception as error:
        return pickle.dumps(error)
    columns = arrivals.records.to_arrow(compat_level=pl.CompatLevel.newest())
    return pickle.dumps((_sent(columns), _sent(arrivals.evidence), arrivals.rejected, arrivals.cut), pickle.HIGHEST_PROTOCOL)


def _taken(answer: bytes) -> Arrivals:
    told = pickle.loads(answer)
    if isinstance(told, Exception):
        raise told
    columns, evidence, rejected, cut = told
    return Arrivals(pl.DataFrame(_received(columns)), _received(evidence), np.asarray(rejected), cut)


def _sent(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _received(table: bytes) -> pa.Table:
    return pa.ipc.open_stream(table).read_all()


if __name__ == "__main__":
    process_signals.signal(process_signals.SIGTERM, process_signals.SIG_IGN)  # its collector ends it
    serve(Connection(int(sys.argv[1])))
