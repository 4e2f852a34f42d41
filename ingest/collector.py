"""The composition root: opens the stores, starts the servers, and stops everything in reverse order."""

import asyncio
import contextlib
import gc
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from analytics.config import Config
from ingest import otlp_grpc, otlp_http
from ingest.access import DEFAULT_TENANT, Doors, control_token, require_loopback
from ingest.clock import Clock, Replay
from ingest.control_api import ControlApi
from ingest.delivery import Delivery
from ingest.intake import Intake
from ingest.keeping_api import KeepingApi
from ingest.metrics import exposition
from ingest.reader import reading
from ingest.report_api import ReportApi
from ingest.service import Service, opened


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a collector listens; also what DIR/collector.json says."""

    pid: int
    grpc: str
    http: str
    started_at: str


@asynccontextmanager
async def running(data: Path, config: Config, clock: Clock, grpc_at: str, http_at: str) -> AsyncIterator[Addresses]:
    """A collector that serves as long as the context lasts. Raises OSError for a taken port, StoreError and AccessError."""
    require_loopback(grpc_at)
    require_loopback(http_at)
    with reading() as read, opened(data, config, clock, read=read) as service:
        stopping = asyncio.Event()
        intake, delivery = Intake(service.pipeline), Delivery(service.control, config.channels)
        key = (token := control_token(data)).encode()
        app = _app(service, intake, stopping, token)
        async with contextlib.AsyncExitStack() as stack:
            service.signals.listen(delivery.wake)
            delivery.start()
            stack.callback(delivery.stop)
            intake.start()
            stack.callback(_settle_history, service)
            stack.push_async_callback(intake.stop)
            http_port = await stack.enter_async_context(_http(app, http_at))
            grpc_port = await stack.enter_async_context(_grpc(grpc_at, intake, key))
            stack.callback(stopping.set)
            hosts = (grpc_at.rpartition(":")[0], http_at.rpartition(":")[0])
            addresses = Addresses(
                os.getpid(), f"{hosts[0]}:{grpc_port}", f"http://{hosts[1]}:{http_port}", datetime.now(UTC).isoformat(timespec="seconds")
            )
            stack.enter_context(_announced(data, addresses))
            gc.freeze()  # what is there now stays: looking through it again and again halves the speed of OTLP/JSON
            yield addresses


def _settle_history(service: Service) -> None:
    """Under the replay clock nobody waits for more once the collector stops."""
    if isinstance(service.clock, Replay):
        service.pipeline.settle(everything=True)


def _app(service: Service, intake: Intake, stopping: asyncio.Event, token: str) -> Starlette:
    control = ControlApi(service.ledger, service.control, service.signals, service.clock, stopping)
    routes = [
        *otlp_http.routes(intake.accept, DEFAULT_TENANT, token.encode()),
        *control.routes(),
        *KeepingApi(service).routes(),
        *ReportApi(service.sources).routes(),
        Route("/healthz", _alive),
        Route("/readyz", _alive),
        Route("/metrics", _metrics(service)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Doors, token=token)])


async def _alive(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok\n")


def _metrics(service: Service):
    async def metrics(request: Request) -> PlainTextResponse:
        return PlainTextResponse(exposition(asdict(service.pipeline.counts) | {"commits": service.ledger.commit_no}))

    return metrics


class _Server(uvicorn.Server):
    """Leaves the signals of the process to whoever runs the collector."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def _http(app: Starlette, address: str) -> AsyncIterator[int]:
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="warning", timeout_graceful_shutdown=5, server_header=False)
    server, sock = _Server(config), _bound(address, "HTTP")
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def _bound(address: str, protocol: str) -> socket.socket:
    """A socket that listens on HOST:PORT, a free port for 0. Raises OSError."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family)
    except OSError as error:
        raise OSError(f"cannot listen on {address} for {protocol}: the port is taken or the address is not ours") from error


@asynccontextmanager
async def _grpc(address: str, intake: Intake, key: bytes) -> AsyncIterator[int]:
    _bound(address, "gRPC").close()  # gRPC finds a port taken too, but not without a line of its own on stderr
    server, port = await otlp_grpc.serve(address, intake.accept, DEFAULT_TENANT, key)
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
