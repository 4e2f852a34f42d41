"""The HTTP server: uvicorn with bounds that it lacks, on how many connections there are and how long each may take.

A connection that has no request is idle. When there are too many, the one idle longest makes room, so that nobody keeps others out by
connecting; it is refused only when every connection is at work.
"""

import asyncio
import contextlib
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import h11
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from analytics.config import CollectorLimits
from ingest.tally import Tally
from ingest.tls import Tls, names_in

CLIENT_NAMES = "client_names"
"""The key of the state of a request's scope that holds the names in the client's certificate."""
_GRACE = 5.0
"""Seconds beyond the time for a body: by then it has been refused with an answer, if anybody was to read it."""
_ACCEPTED_AT_ONCE, _BACKLOG = 32, 1024
"""Connections taken before what has come on others is read: a flood of them must not push out one that is about to say something. And
connections that the system keeps until they are taken."""
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connection(H11Protocol):
    """One connection, and in which phase it is: `idle` and `head` before a request, `body` while it comes, `work` until its answer."""

    def __init__(self, *given, limits: CollectorLimits, tally: Tally, idle: "OrderedDict[Connection, None]", **more):
        super().__init__(*given, **more)
        self._most, self._tally, self._idle = limits.connections, tally, idle
        self._seconds = {"idle": limits.idle_seconds, "head": limits.header_seconds, "body": limits.body_seconds + _GRACE}
        self._phase, self._deadline = "", None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.app_state = {CLIENT_NAMES: names_in(transport.get_extra_info("peercert"))}
        if len(self.connections) > self._most:
            self._tally.limited("connections")
            if not self._idle:
                transport.write(_BUSY)
                transport.close()
                return
            next(iter(self._idle)).leave()
        self._enter("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter("work")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._enter(_PHASES.get(self.conn.their_state, "work"))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._enter("idle")

    def send_400_response(self, msg: str) -> None:
        if len(self.conn.trailing_data[0]) > self.config.h11_max_incomplete_event_size:
            self._tally.limited("header_bytes")
        super().send_400_response(msg)

    def leave(self) -> None:
        """Ends a connection that has no request at work."""
        self._enter("work")
        self.transport.abort()

    def _enter(self, phase: str) -> None:
        if phase == self._phase:
            return
        if self._deadline:
            self._deadline.cancel()
        self._phase, seconds = phase, self._seconds.get(phase)
        self._deadline = self.loop.call_later(seconds, self._expired) if seconds else None
        if phase in ("body", "work"):
            self._idle.pop(self, None)
        else:
            self._idle.setdefault(self)

    def _expired(self) -> None:
        self._tally.limited({"idle": "idle_seconds", "head": "header_seconds", "body": "body_seconds"}[self._phase])
        self.leave()


_PHASES = {h11.IDLE: "head", h11.SEND_BODY: "body"}


def _with_few_headers(app: ASGIApp, limits: CollectorLimits, tally: Tally) -> ASGIApp:
    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        if len(scope["headers"]) > limits.header_count:
            tally.limited("header_count")
            await PlainTextResponse("too many header fields", 431, {"connection": "close"})(scope, receive, send)
        else:
            await app(scope, receive, send)

    return bounded


class _Server(uvicorn.Server):
    """Leaves the signals of the process to whoever runs the collector."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def serving(app: ASGIApp, address: str, limits: CollectorLimits, tally: Tally, tls: Tls | None = None) -> AsyncIterator[int]:
    """A server for as long as the context lasts; its port. Raises OSError when that is taken."""
    config = uvicorn.Config(
        _with_few_headers(app, limits, tally),
        http=partial(Connection, limits=limits, tally=tally, idle=OrderedDict()),
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="error",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=2 * limits.idle_seconds,  # the phases end it before
        h11_max_incomplete_event_size=limits.header_bytes,
        server_header=False,
        ws="none",
        backlog=_ACCEPTED_AT_ONCE,
        **(tls.for_http() if tls else {}),
    )
    server, sock = _Server(config), bound(address, "HTTP")
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.005)
    sock.listen(_BACKLOG)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await task


def bound(address: str, protocol: str) -> socket.socket:
    """A socket that listens on HOST:PORT, a free port for 0. Raises OSError."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host.strip("[]"), int(port)), family=family)
        # Connections inherit it. Without it an answer's body waits 40 ms for the other side to confirm its head.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    except OSError as error:
        raise OSError(f"cannot listen on {address} for {protocol}: the port is taken or the address is not ours") from error
