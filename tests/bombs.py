"""Hostile load on a real collector, while good clients send one small export after the other.

    python tests/bombs.py [--short] [BOMB ...]

One row for each bomb: what it was answered, the collector's peak memory with its other processes, and how long a good export took. Exits 1
when a good export was not OK.
"""

import argparse
import math
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from collectors import configure, running
from doors import Keys
from payloads import BOMBS, FULL, SHORT, Size, Target
from steady import Clients, exporting

LIMITS = "header_seconds: 2\nbody_seconds: 8\nidle_seconds: 4\nconnections: 500\n"
_MIB = 1 << 20
_MANY, _LONGEST = 100, 30.0  # good exports, seconds


@dataclass
class Row:
    """What became of one bomb, and of the good exports meanwhile."""

    bomb: str
    answered: Counter = field(default_factory=Counter)
    rss_mib: int = 0
    """At most, before the next bomb."""
    good: list[float] = field(default_factory=list)
    """Seconds of each good export."""
    failed: Counter = field(default_factory=Counter)
    """Good exports that were not OK."""

    @property
    def p99(self) -> float:
        return sorted(self.good)[math.ceil(len(self.good) * 0.99) - 1] if self.good else math.nan


@contextmanager
def measured(target: Target, row: Row) -> Iterator[None]:
    """Notes the most memory that the collector and its reader have together."""
    over, process = threading.Event(), psutil.Process(target.collector.process.pid)

    def watch() -> None:
        while True:
            with suppress(psutil.NoSuchProcess):
                row.rss_mib = max(row.rss_mib, sum(one.memory_info().rss for one in (process, *process.children())) // _MIB)
            if over.wait(0.02):
                return

    with ThreadPoolExecutor(1) as pool:
        pool.submit(watch)
        try:
            yield
        finally:
            over.set()


def thrown(target: Target, clients: Clients, bomb: Callable[[Target, Size], Counter], size: Size) -> Row:
    """One bomb among good clients, at full length again and again until there are enough good exports to speak of their 99th percentile."""
    row, began, exports = Row(bomb.__name__), time.monotonic(), []
    with measured(target, row):
        while not exports or (size is FULL and len(exports) < _MANY and time.monotonic() - began < _LONGEST):
            row.answered += bomb(target, size)
            exports = clients.between(began, time.monotonic())
    row.good = [export.seconds for export in exports]
    row.failed = Counter(export.answer for export in exports if export.answer != "OK")
    return row


@contextmanager
def aimed(place: Path) -> Iterator[tuple[Target, Clients]]:
    """A collector with short times, so that nobody waits a minute for a slow client to be closed; and its good clients."""
    keys = Keys(place / "data", configure(place / "config", []))
    (keys.config / "limits.yaml").write_text(LIMITS)
    tokens = {tenant: keys.add(tenant, "ingest", "read", tenant=tenant) for tenant in ("loud", "quiet")}
    with running(keys.data, keys.config) as collector, exporting(collector, tokens["quiet"]) as clients:
        yield Target(collector, tokens), clients


def main() -> int:
    """Prints the table; 1 when a good export was not OK."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("bombs", nargs="*", metavar="BOMB", help=", ".join(bomb.__name__ for bomb in BOMBS))
    given, held = parser.parse_args(), True
    print("| bomb | answered | peak RSS, MiB | good exports | not OK | p99, s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="loopledger-bombs-") as place, aimed(Path(place)) as (target, clients):
        for bomb in BOMBS:
            if given.bombs and bomb.__name__ not in given.bombs:
                continue
            row = thrown(target, clients, bomb, SHORT if given.short else FULL)
            said = ", ".join(f"{answer} {count}" for answer, count in sorted(row.answered.items()))
            print(f"| {row.bomb} | {said} | {row.rss_mib} | {len(row.good)} | {dict(row.failed) or 0} | {row.p99:.3f} |", flush=True)
            held &= not row.failed
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
