"""Is the collector alive, and would an export be accepted and become durable now?

Alive: its threads run, and none has been at one piece of work for very long. Ready: whatever an export needs is there.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ingest.gate import Gate
from ingest.intake import Intake
from ingest.metrics import exposition
from ingest.problems import problem
from ingest.service import Service
from ingest.tally import key

_PROBE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Health:
    """What /healthz, /readyz and /metrics are answered from."""

    service: Service
    intake: Intake
    gates: Sequence[Gate]
    """Of HTTP and gRPC."""
    threads: Sequence[threading.Thread]
    """All that have to be running."""
    serving: Callable[[], bool]
    """Whether the start is over and no stop has begun."""

    def routes(self) -> list[Route]:
        return [Route("/healthz", self._healthz), Route("/readyz", self._readyz), Route("/metrics", self._metrics)]

    def ailments(self) -> list[str]:
        """Why the process should be started anew; empty when it is alive."""
        dead = [f"the thread {thread.name} has ended" for thread in self.threads if thread.ident and not thread.is_alive()]
        most, now = self.service.config.limits.stuck_seconds, time.monotonic()
        stuck = [
            f"the {work} has been at it for {now - since:.0f} seconds"
            for work, since in dict(self.intake.since).items()
            if now - since > most
        ]
        return dead + stuck

    def obstacles(self) -> list[str]:
        """Why an export would not become durable now; empty when it would. May wait for a disk."""
        return [*self._own_obstacles(), *self._of_ledger(), *self._of_control()]

    def _own_obstacles(self) -> Iterator[str]:
        if not self.serving():
            yield "the collector is starting or stopping"
        yield from self.ailments()
        if self.intake.waiting.is_full:
            yield "the queue is full"
        if (behind := self.behind()) > self.service.config.limits.guard_behind_commits:
            yield f"the guard is behind by {behind} commits"

    def behind(self) -> int:
        """Commits that the guard could not act on yet."""
        since = self.service.pipeline.state.owed_since
        return 0 if since is None else self.service.ledger.commit_no - since + 1

    def _of_ledger(self) -> Iterator[str]:
        """After a commit that failed, whether there is room for another."""
        failed = self.service.pipeline.state.unstored
        if failed and (error := _unwritable(self.service.ledger.path.parent)):
            yield f"the ledger cannot be written: {failed}, {error}"

    def _of_control(self) -> Iterator[str]:
        try:
            self.service.control.cursor()
        except Exception as error:
            yield f"the control store cannot be read: {type(error).__name__}"

    async def _healthz(self, request: Request) -> Response:
        ailments = self.ailments()
        return problem(503, "not-alive", "The collector is not alive", "; ".join(ailments)) if ailments else PlainTextResponse("ok\n")

    async def _readyz(self, request: Request) -> Response:
        obstacles = await asyncio.to_thread(self.obstacles)
        return (
            problem(503, "not-ready", "An export would not be stored now", "; ".join(obstacles)) if obstacles else PlainTextResponse("ok\n")
        )

    async def _metrics(self, request: Request) -> Response:
        return PlainTextResponse(await asyncio.to_thread(self._exposed), media_type="text/plain; version=0.0.4")

    def _exposed(self) -> str:
        pipeline, (requests, size) = self.service.pipeline, self.intake.waiting.held
        newest = pipeline.state.newest
        gauges = {
            "queue_requests": requests,
            "queue_bytes": size,
            "receiving_bytes": sum(gate.held for gate in self.gates),
            "commit_number": self.service.ledger.commit_no,
            "newest_data_age_seconds": newest and max(0.0, round((self.service.clock.now() - newest).total_seconds(), 3)),
            "guard_behind_commits": self.behind(),
            "outbox_pending": _known(self.service.control.pending),
        }
        crowded = {"waiting_traces": pipeline.books.crowded_out, "running_runs": pipeline.guard.runs.crowded_out}
        counts = pipeline.tally.counts() | {key("limited", limit=limit): count for limit, count in crowded.items() if count}
        return exposition(counts, gauges, pipeline.state, resident_bytes())


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _known(count: Callable[[], int]) -> int | None:
    try:
        return count()
    except Exception:  # the other figures are wanted most when a store is broken
        return None


def _unwritable(directory: Path) -> str | None:
    """Why a file of some size cannot be written there; None when it can."""
    probe = directory / "readyz.probe"
    try:
        with probe.open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror
    finally:
        probe.unlink(missing_ok=True)
    return None
