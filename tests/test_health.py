"""Alive and ready mean what they say: each is asked while the fault it is about is there, and again when it has gone."""

import asyncio
import contextlib
import ctypes
import os
import sqlite3
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import faults
import httpx
import psutil
import pytest
from bodies import PROTOBUF, chat, traces
from collectors import Collector, configure, running
from exports import send_http

from analytics.config import CollectorLimits, Config
from ingest.clock import Wall
from ingest.gate import Gate
from ingest.health import Health
from ingest.intake import Intake
from ingest.pipeline import Request
from ingest.service import opened

HEADERS = {"content-type": PROTOBUF}


def export(collector: Collector) -> int:
    return httpx.post(f"{collector.http}/v1/traces", content=traces(chat(1)), headers=HEADERS, timeout=60).status_code


def asked(collector: Collector, path: str) -> tuple[int, str]:
    """Status and what is told."""
    answer = httpx.get(f"{collector.http}{path}", timeout=60)
    if answer.status_code == 200:
        return 200, ""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def test_a_collector_that_works_is_alive_and_ready(collector: Collector):
    assert export(collector) == 200
    assert (asked(collector, "/healthz"), asked(collector, "/readyz")) == ((200, ""), (200, ""))


def test_reports_give_way_to_what_is_stored(collector: Collector):
    collector.report("spend")
    threads = psutil.Process(collector.process.pid).threads()
    steps_back = Counter(os.getpriority(os.PRIO_PROCESS, thread.id) for thread in threads)
    assert steps_back[10] in (1, 2)
    assert steps_back[0] == len(threads) - steps_back[10]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A directory on a file system that fills up quickly."""
    place = Path(tempfile.mkdtemp(prefix="loopledger-full-"))
    if not faults._mounted(place, "size=24m"):
        place.rmdir()
        pytest.skip("no small file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)
    place.rmdir()


def test_a_collector_on_a_full_disk_is_not_ready_until_there_is_room(small_disk: Path):
    with running(small_disk / "data") as collector:
        assert export(collector) == 200
        ballast = small_disk / "ballast"
        faults._fill(ballast)
        while export(collector) == 200:
            pass
        status, told = asked(collector, "/readyz")
        assert (status, "the ledger cannot be written" in told, "No space left" in told) == (503, True, True)
        assert asked(collector, "/healthz") == (200, "")
        ballast.unlink()
        assert asked(collector, "/readyz") == (200, "")
        assert export(collector) == 200


def test_a_guard_that_cannot_write_makes_a_collector_unready(tmp_path: Path):
    config = configure(tmp_path / "config", [{"name": "day", "limit_tokens": 1, "window": "day"}])
    (config / "limits.yaml").write_text("guard_behind_commits: 1\n")
    with running(tmp_path / "data", config) as collector:
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "control.sqlite", isolation_level=None)) as other:
            other.execute("begin immediate")  # nobody else writes now
            assert [export(collector) for _ in range(3)] == [200] * 3
            status, told = asked(collector, "/readyz")
            assert status == 503
            assert "the guard is behind by" in told
        assert export(collector) == 200
        assert asked(collector, "/readyz") == (200, "")


class Held(Wall):
    """A clock that stands still while it is held, and with it whoever reads records."""

    def __init__(self):
        self.go, self.asked = threading.Event(), threading.Event()

    def latest(self) -> datetime:
        self.asked.set()
        self.go.wait(30)
        return super().latest()


@contextlib.asynccontextmanager
async def inside(data: Path, clock: Wall, limits: CollectorLimits) -> AsyncIterator[tuple[Intake, Health]]:
    """An intake that works, and what is told of its health."""
    with opened(data, Config(limits=limits), clock) as service:
        intake = Intake(service.pipeline, limits)
        intake.start()
        yield intake, Health(service, intake, [Gate(1, service.pipeline.tally)], intake.threads, lambda: True)
        await intake.stop()


async def full(data: Path) -> tuple[list[str], list[str]]:
    clock, body = Held(), traces(chat(1))
    async with inside(data, clock, CollectorLimits(queue_bytes=1)) as (intake, health):
        taken = asyncio.create_task(intake.accept(Request(body, "traces", "default")))
        await asyncio.to_thread(clock.asked.wait)
        during = health.obstacles()
        clock.go.set()
        await taken
        return during, health.obstacles()


def test_a_full_queue_makes_a_collector_unready(tmp_path: Path):
    assert asyncio.run(full(tmp_path)) == (["the queue is full"], [])


async def stuck(data: Path) -> tuple[list[str], list[str]]:
    clock = Held()
    async with inside(data, clock, CollectorLimits.model_construct(stuck_seconds=0)) as (intake, health):
        taken = asyncio.create_task(intake.accept(Request(traces(chat(1)), "traces", "default")))
        await asyncio.to_thread(clock.asked.wait)
        during = [ailment for ailment in health.ailments() if "decoder" in ailment]
        clock.go.set()
        await taken
        return during, [ailment for ailment in health.ailments() if "decoder" in ailment]


def test_a_thread_that_is_stuck_is_not_alive(tmp_path: Path):
    assert asyncio.run(stuck(tmp_path)) == (["the decoder of small requests has been at it for 0 seconds"], [])


async def dead(data: Path) -> tuple[list[str], list[str]]:
    async with inside(data, Wall(), CollectorLimits()) as (intake, health):
        before, committer = health.ailments(), intake.threads[-1]
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(committer.ident), ctypes.py_object(SystemExit))
        await asyncio.to_thread(committer.join)
        return before, health.ailments()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is meant to
def test_a_thread_that_has_ended_is_not_alive(tmp_path: Path):
    assert asyncio.run(dead(tmp_path)) == ([], ["the thread committer has ended"])


def test_a_stop_is_clean_while_the_control_store_is_locked(tmp_path: Path):
    """What it would have noted costs the next start some time, and nothing else."""
    store = tmp_path / "data" / "control.sqlite"
    with running(tmp_path / "data") as collector, contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
        with collector.client() as client:
            assert send_http(client, traces(chat()), PROTOBUF) == 0
        other.execute("begin immediate")
        assert collector.stop() == 0
