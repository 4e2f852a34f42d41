"""Usage that waits for something better: sums without calls below them, and metric points."""

from datetime import datetime, timedelta
from itertools import islice, takewhile

import polars as pl

from analytics.history import History

PATIENCE = timedelta(seconds=120)
"""After the last record of a trace, or a point's arrival, until what waits counts all the same."""


class Waiting:
    """One tenant's traces and processes with usage that waits, rebuilt from the ledger."""

    def __init__(self, history: History, now: datetime):
        rows = history.waiting()
        self._traces = dict.fromkeys(rows.filter("waits")["trace_id"].drop_nulls(), now)
        self._processes = dict.fromkeys(rows.filter("waits")["process"].drop_nulls(), now)
        self._metered = set(rows.filter(~pl.col("waits"))["process"].drop_nulls())

        self.crowded_out = 0
        """How many were settled sooner because there were too many."""

    def __len__(self) -> int:
        return len(self._traces) + len(self._processes)

    def due(self, now: datetime, most: int, everything: bool = False) -> tuple[pl.Series, set[str]]:
        """The traces and processes whose patience is over, and of each the oldest beyond so many."""
        traces, processes = (self._over(of, now, most, everything) for of in (self._traces, self._processes))
        return pl.Series("trace_id", traces, pl.Binary), set(processes)

    def _over(self, waiting: dict, now: datetime, most: int, everything: bool) -> list:
        over = list(takewhile(lambda key: everything or now - waiting[key] >= PATIENCE, waiting))  # oldest first
        if (crowded := len(waiting) - most - len(over)) <= 0:
            return over
        self.crowded_out += crowded
        return list(islice(waiting, len(waiting) - most))

    def contradicted(self, processes: pl.Series) -> set[str]:
        """Of these processes those whose points count although their calls are here now."""
        return self._metered & set(processes.fill_null("").unique()) if self._metered else set()

    def note(self, touched: pl.Series, waits: pl.Series, points: pl.Series, now: datetime) -> None:
        """Of the touched traces some wait from now on; the processes of fresh points do."""
        for trace in touched if self._traces else ():
            self._traces.pop(trace, None)  # and in again at the end, so that the dict stays in the order of time
        self._traces |= dict.fromkeys(waits, now)
        for process in points.fill_null("").unique() if len(points) else ():
            self._processes.setdefault(process, now)

    def settled(self, processes: set[str], counting: pl.Series) -> None:
        """The points of these processes are decided, and those of some of them count."""
        for process in processes:
            self._processes.pop(process, None)
        self._metered = (self._metered - processes) | set(counting.fill_null("").unique())
