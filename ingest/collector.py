"""The composition root: opens the stores, starts the servers, and stops everything in reverse order."""

import asyncio
import contextlib
import gc
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
from starlette.applications import Starlette
from starlette.middleware import Middleware

from analytics.config import Config
from ingest import http_server, otlp_grpc, otlp_http
from ingest.access import Credentials, control_token, reached_at, require_loopback
from ingest.clock import Clock, Replay
from ingest.control_api import ControlApi
from ingest.conversion import Converter, converting
from ingest.delivery import Delivery
from ingest.doors import Doors
from ingest.gate import Gate
from ingest.health import Health
from ingest.intake import Intake
from ingest.keeping_api import KeepingApi
from ingest.reader import reading
from ingest.report_api import ReportApi
from ingest.service import Service, opened
from ingest.tls import Tls

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a collector listens; also what DIR/collector.json says."""

    pid: int
    grpc: str
    http: str
    started_at: str
    certificate: str | None = None
    """Of TLS: a file that whoever connects from this machine may trust."""


@asynccontextmanager
async def running(data: Path, config: Config, clock: Clock, grpc_at: str, http_at: str, tls: Tls | None = None) -> AsyncIterator[Addresses]:
    """A collector that serves as long as the context lasts. Raises OSError for a taken port, StoreError and AccessError."""
    if config.access is None:
        require_loopback(grpc_at)
        require_loopback(http_at)
    with reading() as read, converting() as convert, opened(data, config, clock, read=read) as service:
        stopping = asyncio.Event()
        intake, delivery = Intake(service.pipeline, config.limits), Delivery(service.control, config.channels)
        # Of each port its own gate: what is late over one must not keep others out of the other.
        gates = [Gate(config.limits.receiving_bytes, service.pipeline.tally) for _ in range(2)]
        credentials, key = Credentials(data, config), control_token(data).encode()
        ready = asyncio.Event()
        health = Health(service, intake, gates, [*intake.threads, delivery.thread], lambda: ready.is_set() and not stopping.is_set())
        credentials.hosts = (reached_at(http_at).strip("[]"),)
        app = _app(service, intake, convert, stopping, credentials, key, health)
        async with contextlib.AsyncExitStack() as stack:
            service.signals.listen(delivery.wake)
            delivery.start()
            stack.callback(delivery.stop)
            intake.start()
            stack.callback(service.pipeline.keep_up)
            stack.callback(_settle_history, service)
            stack.push_async_callback(intake.stop)
            http_port = await stack.enter_async_context(http_server.serving(app, http_at, config.limits, service.pipeline.tally, tls))
            of_grpc = (credentials, key, config.limits, gates[1], service.pipeline.tally, tls)
            grpc_port = await stack.enter_async_context(_grpc(grpc_at, intake, *of_grpc))
            stack.callback(stopping.set)
            hosts = (reached_at(grpc_at), reached_at(http_at))
            addresses = Addresses(
                pid=os.getpid(),
                grpc=f"{hosts[0]}:{grpc_port}",
                http=f"{'https' if tls else 'http'}://{hosts[1]}:{http_port}",
                started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                certificate=str(tls.certificate.resolve()) if tls else None,
            )
            ready.set()
            stack.enter_context(_announced(data, addresses))
            gc.freeze()  # what is there now stays: looking through it again and again halves the speed of OTLP/JSON
            _LOG.info("serving", extra={"fields": asdict(addresses)})
            yield addresses
            _LOG.info("stopping")
    _LOG.info("stopped")


def _settle_history(service: Service) -> None:
    """Under the replay clock nobody waits for more once the collector stops."""
    if isinstance(service.clock, Replay):
        service.pipeline.settle(everything=True)


def _app(
    service: Service, intake: Intake, convert: Converter, stopping: asyncio.Event, credentials: Credentials, key: bytes, health: Health
) -> Starlette:
    control = ControlApi(service.ledger, service.control, service.signals, service.clock, stopping)
    routes = [
        *otlp_http.routes(intake.accept, convert, key, service.config.limits, health.gates[0], service.pipeline.tally),
        *control.routes(),
        *KeepingApi(service).routes(),
        *ReportApi(service.sources).routes(),
        *health.routes(),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Doors, credentials=credentials, tally=service.pipeline.tally)])


@asynccontextmanager
async def _grpc(address: str, intake: Intake, *given) -> AsyncIterator[int]:
    http_server.bound(address, "gRPC").close()  # gRPC finds a port taken too, but not without a line of its own on stderr
    server, port = await otlp_grpc.serve(address, intake.accept, *given)
    try:
        yield port
    finally:
        await _stop(server)


async def _stop(server: grpc.aio.Server) -> None:
    await server.stop(grace=5)


@contextlib.contextmanager
def _announced(data: Path, addresses: Addresses):
    """DIR/collector.json while the collector serves."""
    path = data / "collector.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(addresses)) + "\n")
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
