"""The control API: signals to runs by long poll and stream, and the runs' answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from analytics.control import Control
from analytics.ledger import Ledger
from analytics.signals import Signals, state_of
from ingest.clock import Clock
from ingest.doors import PRINCIPAL
from ingest.problems import problem

_LONGEST_WAIT = 30.0  # seconds
_LAST_OF_ALL = 2**63 - 1  # no event has a greater id
_HEARTBEAT = 15.0  # seconds between comments on a silent stream


class ControlApi:
    """Routes under /v1 over one control store."""

    def __init__(self, ledger: Ledger, control: Control, signals: Signals, clock: Clock, stopping: asyncio.Event):
        self._ledger, self._control, self._signals, self._clock, self._stopping = ledger, control, signals, clock, stopping

    def routes(self) -> list[Route]:
        return [
            Route("/v1/signals", self.poll),
            Route("/v1/signals/stream", self.stream),
            Route("/v1/signals/{id}/ack", self.acknowledge, methods=["POST"]),
            Route("/v1/signals/{id}/confirm", self.confirm, methods=["POST"]),
        ]

    async def poll(self, request: Request) -> Response:
        """Signals of a run. With `wait` (seconds) what it has still to obey, as soon as there is any; without it all of them."""
        names = [value for key in ("run_id", "session_id", "trace_id") for value in request.query_params.getlist(key)]
        if not names:
            return problem(400, "run-missing", "Which run?", "Give run_id, session_id or trace_id.")
        try:
            wait = min(float(request.query_params.get("wait", 0)), _LONGEST_WAIT)
        except ValueError:
            return problem(400, "wait-not-a-number", "wait is a number of seconds", f"At most {_LONGEST_WAIT:g}.")
        tenant = _tenant(request)
        runs = await run_in_threadpool(self._runs, tenant, names)
        rows = await self._open(tenant, runs, wait) if wait > 0 else await run_in_threadpool(self._control.signals_of, tenant, runs)
        return JSONResponse({"signals": await run_in_threadpool(self._handed_over, rows, "poll")})

    async def stream(self, request: Request) -> Response:
        """Every signal as a server-sent event, from Last-Event-ID on."""
        try:
            last = min(int(request.headers.get("last-event-id", 0)), _LAST_OF_ALL)
        except ValueError:
            return problem(400, "last-event-id", "Last-Event-ID is the id of an event of this stream")
        return StreamingResponse(
            self._events(_tenant(request), last, set(request.query_params.getlist("run_id"))), media_type="text/event-stream"
        )

    async def acknowledge(self, request: Request) -> Response:
        """The run has seen the order."""
        row = await run_in_threadpool(self._signals.acknowledged, _tenant(request), request.path_params["id"], self._clock.now())
        return await self._one(row)

    async def confirm(self, request: Request) -> Response:
        """The run has ended or paused; the body may say how: {"evidence": "process_exit"}."""
        try:
            body = json.loads(await request.body() or b"{}")
        except (ValueError, RecursionError):
            return problem(400, "not-json", "The body is not JSON")
        evidence = str(body.get("evidence", "stated")) if isinstance(body, dict) else "stated"
        told = (_tenant(request), request.path_params["id"], evidence[:256], self._clock.now())
        row = await run_in_threadpool(self._signals.confirmed, *told)
        return await self._one(row)

    async def _one(self, row: dict | None) -> Response:
        if row is None:
            return problem(404, "no-such-signal", "There is no such signal")
        return JSONResponse({"signal": (await run_in_threadpool(self._shown, [row]))[0]})

    def _runs(self, tenant: str, names: list[str]) -> list[str]:
        """The runs that these run, session or trace ids are names of."""
        aliases = self._ledger.query("queries/runs_named", tenant=tenant, names=names)
        return list({*names, *aliases["run"]})

    async def _open(self, tenant: str, runs: list[str], wait: float) -> list[dict]:
        """What these runs have still to obey, as soon as there is any or the wait is over."""
        deadline = asyncio.get_running_loop().time() + wait
        with self._woken() as issued:
            while not self._stopping.is_set():
                issued.clear()
                rows = await run_in_threadpool(self._signals.open_for, tenant, runs, self._clock.now())
                left = deadline - asyncio.get_running_loop().time()
                if rows or left <= 0:
                    return rows
                await self._either(issued, left)
        return []

    async def _events(self, tenant: str, last: int, runs: set[str]) -> AsyncIterator[str]:
        with self._woken() as issued:
            while not self._stopping.is_set():
                issued.clear()
                rows = await run_in_threadpool(self._control.signals_after, tenant, last)
                wanted = [row for row in rows if not runs or row["run_id"] in runs]
                for row, shown in zip(wanted, await run_in_threadpool(self._handed_over, wanted, "stream"), strict=True):
                    yield f"id: {row['seq']}\nevent: signal\ndata: {json.dumps(shown)}\n\n"
                last = rows[-1]["seq"] if rows else last
                if not rows and not await self._either(issued, _HEARTBEAT):
                    yield ": still here\n\n"

    async def _either(self, issued: asyncio.Event, seconds: float) -> bool:
        """Waits until signals are issued or the server stops; false when the time passed first."""
        waits = [asyncio.ensure_future(event.wait()) for event in (issued, self._stopping)]
        done, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return bool(done)

    @contextmanager
    def _woken(self):
        loop, issued = asyncio.get_running_loop(), asyncio.Event()
        end: Callable[[], None] = self._signals.listen(lambda: loop.call_soon_threadsafe(issued.set))
        try:
            yield issued
        finally:
            end()

    def _handed_over(self, rows: list[dict], channel: str) -> list[dict]:
        now = self._clock.now()
        undelivered = [row for row in rows if row["superseded_at"] is None]
        self._signals.delivered(undelivered, channel, now)
        return self._shown([row if row["delivered_at"] or row["superseded_at"] else {**row, "delivered_at": now} for row in rows])

    def _shown(self, rows: list[dict]) -> list[dict]:
        now = self._clock.now()
        return [
            {**{name: _text(row[name]) for name in _SHOWN}, "state": state_of(row, now), "spend_after_delivery_usd": self._after(row)}
            for row in rows
        ]

    def _after(self, row: dict) -> str | None:
        """What the run spent on calls that ended after the order was handed over; None before it was, or if no such call is priced."""
        if row["delivered_at"] is None:
            return None
        spent = self._ledger.query("queries/spent_after", tenant=row["tenant"], run=row["run_id"], since=row["delivered_at"])
        return _text(spent.item())


_SHOWN = (
    "id", "run_id", "loop", "action", "reason", "policy", "incident_id", "epoch", "issued_at", "expires_at", "delivered_at",
    "acknowledged_at", "confirmed_at",
)  # fmt: skip


def _tenant(request: Request) -> str:
    return request.scope[PRINCIPAL].tenant


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else value
