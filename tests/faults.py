"""Faults, and what became of what was acknowledged: the table of it.

    python tests/faults.py [--points 300] [--bodies 1000000] [--seed 1]

`--points` are shared out among kills and damaged files; `--bodies` are mutated recordings through every decoder. Exits 1 when anything
that was acknowledged is lost or there twice without a word.
"""

import argparse
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from collectors import configure, running, start
from test_kill import CLIENTS, TOKENS, Load, killed_under_load, span_ids

from analytics.config import Config
from analytics.errors import LoopledgerError, Permanent
from analytics.reports import REPORTS, Question
from ingest import otlp_json
from ingest.access import DEFAULT_TENANT
from ingest.clock import Wall
from ingest.pipeline import Request
from ingest.replay import recordings
from ingest.service import opened

SAMPLES = Path(__file__).parent.parent / "sample_traces"
FILES = ("ledger.duckdb", "ledger.duckdb.wal", "control.sqlite", "ledger.mark")
_BATCH = 16  # fuzzed bodies read together, as the intake does


@dataclass
class Row:
    """One kind of fault over all its points."""

    fault: str
    points: int = 0
    acknowledged: int = 0
    found: int = 0
    lost: int = 0
    doubled: int = 0
    refused: int = 0
    """Starts that were refused with a reason."""
    told: int = 0
    """Bodies that were answered with an error, and came again or not."""

    def add(self, **counts: int) -> None:
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)

    @property
    def holds(self) -> bool:
        return not self.lost and not self.doubled


def kills(points: int, chance: random.Random) -> Row:
    """kill -9 after a random number of answers."""
    row = Row("kill -9 under load")
    for _ in range(points):
        with tempfile.TemporaryDirectory(prefix="loopledger-kill-") as place:
            out = killed_under_load(Path(place), chance.randint(1, 400))
        row.add(points=1, acknowledged=out.acknowledged, found=out.acknowledged - out.lost, lost=out.lost, doubled=out.twice)
    return row


def kills_while_stopping(points: int, chance: random.Random) -> Row:
    """kill -9 in a clean stop, whose last act is a checkpoint: when the ledger's file is being written for the first to the sixth time."""
    row = Row("kill -9 in the checkpoint of a stop")
    for _ in range(points):
        with tempfile.TemporaryDirectory(prefix="loopledger-stop-") as place:
            data = Path(place) / "data"
            load = _killed_while_stopping(data, chance.randint(1, 6))
            with running(data):
                pass
            _compare(row, load.acknowledged, span_ids(data))
    return row


def _killed_while_stopping(data: Path, writes: int) -> Load:
    collector = start(data)
    load = Load(collector)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(load.work) for _ in range(CLIENTS)]
        try:
            load.wait_for(60)
            collector.process.send_signal(signal.SIGTERM)
            _wait_for_writes(data / "ledger.duckdb", writes, collector.process)
        finally:
            collector.kill()
        for client in clients:
            client.result()
    return load


def _wait_for_writes(path: Path, writes: int, process: subprocess.Popen) -> None:
    """Returns as soon as the file has changed so many times, or the process has ended."""
    before = path.stat().st_mtime_ns
    while writes and process.poll() is None:
        now = path.stat().st_mtime_ns
        writes, before = writes - (now != before), now


def _compare(row: Row, acknowledged: set[bytes], stored: list[bytes]) -> None:
    lost = len(acknowledged - set(stored))
    doubled = len(stored) - len(set(stored))
    row.add(points=1, acknowledged=len(acknowledged), found=len(acknowledged) - lost, lost=lost, doubled=doubled)


def damages(points: int, chance: random.Random) -> Iterator[Row]:
    """A bit flipped or the end cut off, in each file of a killed collector's directory."""
    with tempfile.TemporaryDirectory(prefix="loopledger-damage-") as place:
        whole = Path(place) / "data"
        acknowledged = _left_behind(whole, Path(place) / "config")
        for name in FILES:
            for how in ("flipped bit", "cut short"):
                row = Row(f"{how} in {name}")
                for _ in range(max(1, points // (2 * len(FILES)))):
                    _damaged(row, whole, Path(place), name, how, acknowledged, chance)
                yield row


def _left_behind(data: Path, config: Path) -> set[bytes]:
    """A directory as a kill leaves it: a checkpointed file with a log of later commits; the acknowledged spans."""
    configure(config, [])
    acknowledged = set()
    for ends in (lambda collector: collector.stop(), lambda collector: collector.kill()):
        collector = start(data, config)
        load = Load(collector)
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(load.work) for _ in range(CLIENTS)]
            try:
                load.wait_for(80)
            finally:
                ends(collector)
            for client in clients:
                client.result()
        acknowledged |= load.acknowledged
    return acknowledged


def _damaged(row: Row, whole: Path, place: Path, name: str, how: str, acknowledged: set[bytes], chance: random.Random) -> None:
    copy = place / "copy"
    shutil.copytree(whole, copy)
    (copy / "collector.json").unlink(missing_ok=True)
    path = copy / name
    bytes_ = bytearray(path.read_bytes())
    at = chance.randrange(len(bytes_))
    if how == "flipped bit":
        bytes_[at] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes_ if how == "flipped bit" else bytes_[:at])
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # a damaged file may bring its reader down
        try:
            stored = pool.submit(_stored, copy).result()
        except BrokenProcessPool:
            stored = "the process ended"
    if isinstance(stored, str):
        row.add(points=1, acknowledged=len(acknowledged), refused=1)
    else:
        _compare(row, acknowledged, stored)
    shutil.rmtree(copy)


def _stored(data: Path) -> list[bytes] | str:
    """Every span of a ledger that opens and whose money is right, else why it does not."""
    try:
        with opened(data, Config(), Wall()) as service:
            spend = REPORTS["spend"](service.sources(), Question(DEFAULT_TENANT))
            ids = service.ledger._rows("select span_id from records")
    except Exception as error:  # told at once or when it is read: either way nobody is shown less
        return str(error) or type(error).__name__
    tokens = spend["input_tokens"].item() if spend.height else 0
    return [one for (one,) in ids] if tokens == TOKENS * len(ids) else []


def read_only() -> Row | None:
    """A ledger on a file system that may only be read; None where none can be mounted."""
    row = Row("directory read-only")
    with tempfile.TemporaryDirectory(prefix="loopledger-read-") as place:
        data = Path(place) / "data"
        data.mkdir()
        if not _mounted(data, "size=64m"):
            return None
        try:
            with running(data):
                pass
            _mounted(data, "remount,ro")
            row.add(points=1, refused=_refuses(data))
        finally:
            subprocess.run(["umount", data], check=True)
    return row


def _refuses(data: Path) -> bool:
    """Whether a start says why it cannot be, in a line and not in a trace of ours."""
    try:
        start(data).stop()
    except RuntimeError as error:
        return "cannot be opened" in str(error) and "Traceback" not in str(error)
    return False


def _mounted(place: Path, options: str) -> bool:
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False, capture_output=True).returncode == 0


def full_disk() -> Row | None:
    """A small file system that fills up, and gets room again; None where none can be mounted."""
    row, place = Row("disk full, then room again"), Path(tempfile.mkdtemp(prefix="loopledger-full-"))
    if not _mounted(place, "size=24m"):
        return None
    try:
        ballast = place / "ballast"
        with running(place / "data") as collector:
            load = Load(collector)
            with ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(load.work) for _ in range(CLIENTS)]
                try:
                    load.wait_for(20)
                    _fill(ballast)
                    load.wait_for_refusals(5)
                    during = len(load.acknowledged)
                    ballast.unlink()
                    load.wait_for(during // 5 + 20)
                finally:
                    collector.stop()
                for client in clients:
                    client.result()
        _compare(row, load.acknowledged, span_ids(place / "data"))
        row.add(told=load.refused)
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()
    return row


def _fill(ballast: Path) -> None:
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        except OSError:
            return


def fuzz(bodies: int, chance: random.Random) -> Counter:
    """What became of mutated bodies: read, or refused for good; anything else raises."""
    recorded = [one for one in recordings([SAMPLES]) if one.path.parent.name != "weekend"]
    told = Counter()
    with tempfile.TemporaryDirectory(prefix="loopledger-fuzz-") as place, opened(Path(place), Config(), Wall()) as service:
        while told.total() < bodies:
            requests = [request for _ in range(_BATCH) if (request := _mutant(chance, recorded, told)) is not None]
            for part in service.pipeline.decode(requests):
                told["read"] += len(part.requests)
                told["refused"] += len(part.refused)
                assert all(isinstance(error, Permanent) for error in part.refused.values())
    return told


def _mutant(chance: random.Random, recorded: list, told: Counter) -> Request | None:
    one = chance.choice(recorded)
    if one.path.suffix == ".json":
        try:
            return Request(otlp_json.to_protobuf(_mutated(one.path.read_bytes(), chance), one.signal), one.signal, DEFAULT_TENANT)
        except LoopledgerError:
            told["refused"] += 1
            return None
    return Request(_mutated(one.protobuf(), chance), one.signal, DEFAULT_TENANT)


def _mutated(body: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, a piece cut out, doubled, or moved."""
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at, size = chance.randrange(len(changed) + 1), chance.choice((1, 1, 2, 4, 64))
        piece = changed[at : at + size]
        match chance.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = piece
            case 3:
                changed[at:at] = chance.randbytes(size)
            case _:
                changed[chance.randrange(len(changed) + 1) :] = piece
        if not changed:
            break
    return bytes(changed)


def main() -> int:
    """Prints the table; 1 when something acknowledged is lost or doubled without a word."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--bodies", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance, held = random.Random(given.seed), True
    print("| fault | points | acknowledged | found | lost | doubled | refused to start, with a reason |\n|---|---|---|---|---|---|---|")
    for row in _rows(given.points, chance):
        held &= row.holds
        print(f"| {row.fault} | {row.points} | {row.acknowledged} | {row.found} | {row.lost} | {row.doubled} | {row.refused} |", flush=True)
    told = fuzz(given.bodies, chance)
    print(f"\n{told.total()} mutated bodies: {told['read']} read, {told['refused']} refused for good, no other end")
    return 0 if held else 1


def _rows(points: int, chance: random.Random) -> Iterator[Row]:
    yield kills(points // 4, chance)
    yield kills_while_stopping(points // 4, chance)
    yield from damages(points // 2, chance)
    yield from filter(None, (full_disk(), read_only()))


if __name__ == "__main__":
    sys.exit(main())
