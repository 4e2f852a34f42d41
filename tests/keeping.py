"""What is kept and what goes, on disk and in money: a ledger of 500 days before and after expiry, erasure and compaction, as a table.

    python tests/keeping.py [--records 100000] [--days 500]

Exits 1 when money or calls move, when an erased user's id is found in any file after compaction, or when the ledger does not verify.
"""

import argparse
import contextlib
import io
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
from bodies import chat, traces
from collectors import configure

from analytics.config import Config, load
from analytics.reports import REPORTS, Question
from analytics.verification import verified
from ingest.access import DEFAULT_TENANT
from ingest.cli import main
from ingest.clock import Replay
from ingest.pipeline import Request
from ingest.service import opened

USERS = [f"person-{number:02}@mint.example" for number in range(20)]
ERASED = USERS[7]
_END = datetime(2026, 11, 26)
_BODIES = 2  # a day


@dataclass(frozen=True)
class State:
    """A data directory after a step."""

    step: str
    ledger: int
    """Bytes, like the next two."""
    control: int
    index: int
    cost_usd: Decimal
    calls: int
    users: int
    """Names that spend is told by, and `unattributed`."""
    records: int
    evidence: int
    """Blobs."""
    files_with_id: int
    """Files in which the erased user's id stands, in bytes or in a row."""
    verified: bool

    def row(self) -> str:
        sizes = " | ".join(f"{size:,}" for size in (self.ledger, self.control, self.index))
        counts = " | ".join(f"{count:,}" for count in (self.calls, self.users, self.records, self.evidence, self.files_with_id))
        return f"| {self.step} | {sizes} | {self.cost_usd} | {counts} | {'yes' if self.verified else 'NO'} |"


def filled(place: Path, records: int, days: int, every: int = 1, seed: int = 1) -> Path:
    """A data directory of so many calls, which come every so many days; users say their id in attributes, names and runs too."""
    chance, config = random.Random(seed), load(configure(place / "config", []))
    each = max(1, records * every // (days * _BODIES))
    with opened(place / "data", config, Replay(_END - timedelta(days=days)), delivers=False) as service:
        for day in range(every - 1, days, every):
            bodies = [_body(chance, _END - timedelta(days=days - 1 - day), each) for _ in range(_BODIES)]
            requests = [Request(body, "traces", DEFAULT_TENANT) for body in bodies]
            service.pipeline.commit(service.pipeline.decode(requests))
        service.pipeline.settle(everything=True)
    return place / "data"


def _body(chance: random.Random, day: datetime, spans: int) -> bytes:
    user, moment = chance.choice(USERS), day.timestamp()
    said = [
        {
            "user.id": user,
            "step": chance.randrange(100),
            "note": f"{chance.getrandbits(64):x} for {user}",
            "gen_ai.response.id": f"chatcmpl-{chance.getrandbits(96):x}",
        }
        for _ in range(spans)
    ]
    calls = [
        chat(
            chance.randrange(1, 9000),
            chance.randrange(900),
            more=more,
            ended_at=moment + second,
            trace_id=chance.randbytes(16),
            span_id=chance.randbytes(8),
        )
        for second, more in enumerate(said)
    ]
    return traces(*calls, run=f"run {chance.randrange(10**6)} of {user}", loop=f"loop-{chance.randrange(5)}", more={"owner": user})


def state(step: str, data: Path) -> State:
    """What is there after a step."""
    with opened(data, Config(), Replay(), delivers=False) as service:
        spend = REPORTS["spend"]
        total = spend(service.sources(), Question(DEFAULT_TENANT)).row(0, named=True)
        users = spend(service.sources(), Question(DEFAULT_TENANT, by=("user",))).height
        counts = [service.ledger._rows(f"select count(*) from {table}")[0][0] for table in ("records", "evidence")]
        holds = all(verdict.holds for verdict in verified(service.ledger, service.control))
    sizes = _size(data, "ledger.duckdb*"), _size(data, "control.sqlite*"), _size(data, "**/*") - _size(data, "*")
    return State(step, *sizes, total["cost_usd"], total["calls"], users, *counts, len(holding(data, ERASED)), holds)


def _size(data: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in data.glob(pattern) if path.is_file())


def holding(data: Path, text: str) -> list[str]:
    """Files in whose bytes a text stands, and tables in whose rows it does: strings may be packed on disk."""
    found = [path.name for path in data.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    with contextlib.closing(duckdb.connect(data / "ledger.duckdb", read_only=True)) as ledger:
        for (table,) in ledger.execute("select table_name from information_schema.tables").fetchall():
            (rows,) = ledger.execute(f'select count(*) from "{table}" t where contains(t::text, ?)', [text]).fetchone()
            found += [table] if rows else []
    return found


STEPS: dict[str, list[str]] = {
    "expire": ["expire"],
    "erase --user": ["erase", "--user", ERASED, "--reason", "their request", "--yes"],
    "compact after it": ["compact"],
    "erase --tenant": ["erase", "--tenant", DEFAULT_TENANT, "--reason", "end of contract", "--yes"],
    "compact": ["compact"],
}


def states(place: Path, records: int, days: int, every: int = 1) -> Iterator[State]:
    """The ledger as it was filled, and after each step."""
    data = filled(place, records, days, every)
    yield state("filled", data)
    for step, words in STEPS.items():
        with contextlib.redirect_stdout(io.StringIO()):
            code = main([*words, "--data", str(data)])
        assert code == 0, f"loopledger {step} ended with {code}"
        yield state(step, data)


def broken(seen: list[State]) -> list[str]:
    """What does not hold of the steps."""
    first, *later = seen
    wrong = [f"{one.step}: money or calls moved" for one in later if (one.cost_usd, one.calls) != (first.cost_usd, first.calls)]
    wrong += [f"{one.step}: does not verify" for one in seen if not one.verified]
    erased = [one for one in later if one.step.startswith(("compact", "erase --tenant"))]
    return wrong + [f"{one.step}: the erased id stands in {one.files_with_id} files" for one in erased if one.files_with_id]


def table() -> int:
    """Prints the table; 1 when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=500)
    given, seen = parser.parse_args(), []
    print("| step | ledger | control | index | US dollars | calls | users | records | evidence | files with the erased id | verified |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="loopledger-keeping-") as place:
        for one in states(Path(place), given.records, given.days):
            seen.append(one)
            print(one.row(), flush=True)
    print(json.dumps(broken(seen)) if broken(seen) else "money and calls never moved, and the erased id is gone")
    return int(bool(broken(seen)))


if __name__ == "__main__":
    sys.exit(table())
