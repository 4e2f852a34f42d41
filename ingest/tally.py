"""Counts since start, by labels, for /metrics. Any thread may add; nothing else is shared.

Two sums hold at any time, per signal, whatever was sent:
  requests received = answered + refused (by reason) + those still open
  records received  = stored + repeated + revised + rejected (by reason)
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from analytics.errors import LoopledgerError

CUT_OFF, HUNG_UP = "cut_off", "hung_up"
"""The sender left before its body was there (over gRPC also: the body was larger than the limit); it left before the answer, and what it
sent may be stored."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""(name, labels with their values)."""


def key(name: str, **labels: str) -> Key:
    """The key of one counter."""
    return name, tuple(labels.items())


class Coming:
    """A request on its way in."""

    is_there = False
    """Whether its body is."""

    def received(self, body: bytes) -> bytes:
        """The body, which is there now."""
        self.is_there = True
        return body


class Tally:
    """Counters that only grow."""

    def __init__(self):
        self._counts: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, count: int = 1, **labels: str) -> None:
        """Adds to one counter."""
        if count:
            with self._lock:
                self._counts[key(name, **labels)] += count

    def merge(self, more: Mapping[Key, int]) -> None:
        """Adds to several counters at once, so that their sums hold at any time."""
        with self._lock:
            self._counts.update(more)

    def limited(self, limit: str, count: int = 1) -> None:
        """One of the limits has bitten."""
        self.add("limited", count, limit=limit)

    def total(self, name: str, **labels: str) -> int:
        """The sum of all counters of that name that carry these labels."""
        wanted = set(labels.items())
        return sum(count for (one, said), count in self.counts().items() if one == name and wanted <= set(said))

    def counts(self) -> Mapping[Key, int]:
        """All counters as of one moment."""
        with self._lock:
            return dict(self._counts)

    @contextmanager
    def admission(self, signal: str) -> Iterator[None]:
        """Counts an export that is refused before it is a request of anybody."""
        try:
            yield
        except LoopledgerError as error:
            self.merge({key("requests", signal=signal): 1, key("refused", signal=signal, reason=error.reason): 1})
            raise

    @contextmanager
    def request(self, signal: str) -> Iterator["Coming"]:
        """Counts one export and its end."""
        self.add("requests", signal=signal)
        coming = Coming()
        try:
            yield coming
        except LoopledgerError as error:
            self.add("refused", signal=signal, reason=error.reason)
            raise
        except BaseException as error:
            gone = HUNG_UP if not isinstance(error, Exception) else "failed"
            self.add("refused", signal=signal, reason=gone if coming.is_there else CUT_OFF)
            raise
        self.add("answered", signal=signal)
