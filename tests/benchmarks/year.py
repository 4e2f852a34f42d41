"""A year of twenty loops through the pipeline as fast as it goes: exact totals, speed and memory by tenths, and the size on disk.

    python tests/benchmarks/year.py [--records 20000000] [--data DIR] [--minutes M]

1 % of the records come again, seconds to months later; 1 % come for the first time days late. Fewer records are the year's beginning, not a
thinner year. One thread decodes and one commits, as intake does. Speed is told by the clock and by CPU time, for a machine
that does other things too. Exit code 1 when the ledger shows anything but what was sent, or when the last tenth is out of bounds.
"""

import argparse
import queue
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from statistics import median

import duckdb

sys.path[0] = str(Path(__file__).parents[1])  # this file's own folder would make it shadow the package it measures
from benchmarks.fleet import LOOPS, TEAMS, YEAR_RECORDS, Body, Fleet

from analytics import config
from analytics.reports import REPORTS, Question
from ingest.access import DEFAULT_TENANT
from ingest.clock import Replay
from ingest.intake import BATCH_BYTES
from ingest.lean import lean
from ingest.pipeline import Answer, Request
from ingest.reader import reading
from ingest.service import Service, opened

SLOWEST, LARGEST = 0.8, 1.1  # of the last tenth to the first
_CYCLE = 40  # commits, two or more checkpoints: memory rises between them and falls with them, so that one moment tells little
POLICIES = """policies:
  - {name: loop-day, per: loop, limit_usd: "100000000", window: day}
  - {name: run, per: run, limit_usd: "100000", window: run}
  - {name: team-month, per: team, limit_usd: "100000000", window: month}
"""
LOOP = """name: loop-{number}
team: {team}
owner: owner@example.com
agent: maker-{number}
role: maker
tools: ["tool_*"]
subagents:
  - {{name: checker-{number}, role: checker, tools: ["tool_*"]}}
trigger: {{schedule: "*/10 * * * *"}}
"""


def main() -> int:
    lean()  # as a collector is
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=YEAR_RECORDS)
    parser.add_argument("--data", type=Path, help="an empty directory to leave the stores in; else a temporary one")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop early, and say how far it came")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data, fleet = args.data or Path(scratch) / "data", Fleet()
        settings = _config(Path(scratch) / "config")
        with reading() as read, opened(data, settings, Replay(), delivers=False, read=read) as service:
            tenths = list(_told(_fed(service, fleet, args.records, time.monotonic() + 60 * args.minutes), args.records, data))
            service.pipeline.settle(everything=True)
            service.pipeline.guard.keep_up()
            found = _found(service)
        size = _size(data)
        print(f"closed: {size / 1e9:.3f} GB, {size / fleet.totals.stored:.0f} bytes a stored record")
        is_exact = _compared(fleet, {"stored": _stored(data), **found})
        begun = time.perf_counter()
        with opened(data, config.load(Path(scratch) / "config"), Replay(), delivers=False):
            print(f"opened again in {time.perf_counter() - begun:.1f} s, {_memory('VmRSS')} MB")
    return 0 if is_exact and _in_bounds(tenths) else 1


def _config(directory: Path) -> config.Config:
    for folder in ("policies", "loops"):
        (directory / folder).mkdir(parents=True)
    (directory / "policies" / "year.yaml").write_text(POLICIES)
    for number in range(LOOPS):
        (directory / "loops" / f"loop-{number}.yaml").write_text(LOOP.format(number=number, team=TEAMS[number % len(TEAMS)]))
    return config.load(directory)


def _fed(service: Service, fleet: Fleet, records: int, until: float) -> Iterator[int]:
    """Commits everything; after each commit, how many records were sent."""
    decoded: queue.Queue = queue.Queue(maxsize=1)

    def decode() -> None:
        for batch in _batches(fleet, records, until):
            requests = [Request(one.body, "traces", DEFAULT_TENANT) for one in batch]
            decoded.put((sum(one.records for one in batch), service.pipeline.decode(requests)))
        decoded.put(None)

    threading.Thread(target=decode, daemon=True).start()
    sent = 0
    while taken := decoded.get():
        if not all(isinstance(answer, Answer) for answer in service.pipeline.commit(taken[1]).values()):
            raise SystemExit("a body was refused")
        service.pipeline.trim()
        sent += taken[0]
        yield sent


def _batches(fleet: Fleet, records: int, until: float) -> Iterator[list[Body]]:
    batch, size, sent = [], 0, 0
    for body in fleet.bodies():
        batch.append(body)
        size, sent = size + len(body.body), sent + body.records
        if size >= BATCH_BYTES or sent >= records:
            yield batch
            batch, size = [], 0
        if sent >= records or time.monotonic() > until:
            return


def _told(progress: Iterator[int], records: int, data: Path) -> Iterator[dict]:
    """Prints and gives a row for each tenth; memory is the median at the tenth's last commits."""
    print(
        f"{'records':>11} {'spans/s':>8} {'/CPU s':>7} {'RSS MB':>7} {'anon MB':>8} {'peak MB':>8} {'disk MB':>8} {'bytes/rec':>9}",
        flush=True,
    )
    tenth, before = 1, (0, time.perf_counter(), time.process_time())
    held: deque[tuple[int, int]] = deque(maxlen=_CYCLE)
    for sent in progress:
        held.append((_memory("VmRSS"), _memory("RssAnon")))
        if sent * 10 < tenth * records and sent < records:
            continue
        now, size = (sent, time.perf_counter(), time.process_time()), _size(data)
        spans, seconds, cpu = (now[i] - before[i] for i in range(3))
        row = {
            "spans_per_second": spans / seconds,
            "spans_per_cpu_second": spans / cpu,
            "rss": median(rss for rss, _ in held),
            "anon": median(anon for _, anon in held),
        }
        numbers = (sent, *(round(value) for value in row.values()), _memory("VmHWM"), size // 1_000_000, size // sent)
        print("{:>11,} {:>8,} {:>7,} {:>7,} {:>8,} {:>8,} {:>8,} {:>9,}".format(*numbers), flush=True)
        yield row
        tenth, before = sent * 10 // records + 1, now


def _found(service: Service) -> dict:
    total = REPORTS["usage"](service.sources(), Question(DEFAULT_TENANT)).row(0, named=True)
    names = ("calls", "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "cost_usd")
    counts = {name: service.pipeline.tally.total(name) for name in ("repeated", "revised")}
    return {**counts, **{name: total[name] for name in names}}


def _stored(data: Path) -> int:
    """How many different records the closed ledger holds; -1 when it holds one twice."""
    with duckdb.connect(data / "ledger.duckdb", read_only=True) as connection:
        rows, keys = connection.sql("select count(*), count(distinct (tenant, record_key)) from records").fetchone()
    return rows if rows == keys else -1


def _compared(fleet: Fleet, found: dict) -> bool:
    totals = fleet.totals
    sent = {name: getattr(totals, name) for name in found if hasattr(totals, name)}
    sent |= {"revised": 0, "cost_usd": Decimal(totals.nano_usd).scaleb(-9)}
    for name, value in found.items():
        print(f"{name:>20} sent {sent[name]:>24,} found {value:>24,} {'' if value == sent[name] else 'WRONG'}")
    print(f"{'late by days':>20} sent {totals.late:>24,}")
    return found == sent


def _in_bounds(tenths: list[dict]) -> bool:
    first, last = tenths[0], tenths[-1]
    ratios = {name: last[name] / first[name] for name in first}
    print("last tenth to first: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    return ratios["spans_per_second"] >= SLOWEST and ratios["rss"] <= LARGEST


def _size(data: Path) -> int:
    return sum(file.stat().st_size for file in data.rglob("*") if file.is_file())


def _memory(name: str) -> int:
    """A line of /proc/self/status in MB: VmRSS, RssAnon or VmHWM."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
