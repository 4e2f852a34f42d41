"""Which time it is: the wall's, or for history the latest end seen."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

_AHEAD = timedelta(minutes=5)


class Clock(Protocol):
    """What the collector asks for the time; UTC without a zone everywhere."""

    def now(self) -> datetime: ...

    def latest(self) -> datetime:
        """The latest end a sender may claim; beyond it receive time stands instead."""
        ...

    def see(self, end: datetime | None) -> None:
        """Takes note of the end of a record."""
        ...


class Wall:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    def latest(self) -> datetime:
        return self.now() + _AHEAD

    def see(self, end: datetime | None) -> None:
        pass


class Replay:
    """The latest end seen, never going back: history is judged as if it were live."""

    def __init__(self, start: datetime | None = None):
        self._now = start or datetime(1970, 1, 1)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def latest(self) -> datetime:
        return datetime.max

    def see(self, end: datetime | None) -> None:
        with self._lock:
            self._now = max(self._now, end or self._now)


@dataclass(frozen=True, slots=True)
class Still:
    """One moment, as another clock showed it."""

    at: datetime
    end: datetime

    def now(self) -> datetime:
        return self.at

    def latest(self) -> datetime:
        return self.end

    def see(self, end: datetime | None) -> None:
        pass


CLOCKS = {"wall": Wall, "replay": Replay}
