"""How much of all requests together may be on its way in, before any of them is in the queue."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from analytics.errors import QueueFull
from ingest.tally import Tally

_SMALL = 65_536
"""Bytes that every request may hold, so that small ones pass while large ones wait."""


class Gate:
    """Bytes that requests hold while they are received, decompressed or translated. Any thread may ask."""

    def __init__(self, most: int, tally: Tally):
        self._most, self._tally = most, tally
        self._lock = threading.Lock()
        self.held = 0
        """Bytes."""

    @contextmanager
    def passage(self) -> Iterator["Passage"]:
        """The way in of one request; what it holds is free again in the end."""
        passage = Passage(self)
        try:
            yield passage
        finally:
            self._change(-passage.counted)

    def _change(self, size: int) -> None:
        """Raises QueueFull when it would be too much; whatever comes first is let in."""
        with self._lock:
            if size > 0 and self.held and self.held + size > self._most:
                self._tally.limited("receiving_bytes")
                raise QueueFull("too many large requests are on their way in")
            self.held += size


class Passage:
    """What one request holds of a gate."""

    def __init__(self, gate: Gate):
        self._gate = gate
        self._held = self.counted = 0

    def take(self, size: int) -> None:
        """Holds so many bytes more. Raises QueueFull."""
        if (more := max(0, self._held + size - _SMALL) - self.counted) > 0:
            self._gate._change(more)
            self.counted += more
        self._held += size
