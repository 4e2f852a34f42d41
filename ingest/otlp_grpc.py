"""OTLP over gRPC: raw bytes in, an answer when they are durable."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import grpc

from analytics.config import CollectorLimits
from analytics.errors import LoopledgerError, TooLarge, TooSlow
from ingest.access import TENANT_HEADER, Credentials, Principal
from ingest.gate import Gate
from ingest.otlp_answer import refusal, response, signal_headers
from ingest.pipeline import Answer, Request
from ingest.tally import CUT_OFF, Tally
from ingest.tls import Tls
from ingest.wire import Signal

Accept = Callable[[Request], Awaitable[Answer]]

_METHODS: dict[str, Signal] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
}
_NAMED = ("x509_common_name", "x509_subject_alternative_name")
_SOON = 0.5
"""Seconds for a body to come before it has to hold its place at the gate: most are there in a few milliseconds."""


class _NeverThere(TooLarge):
    """gRPC gave up a body by itself, most of all because it was larger than the limit; as often it takes the call away with it."""

    reason = CUT_OFF


class _Exports(grpc.GenericRpcHandler):
    """Hands bodies on as they came; an unknown method answers UNIMPLEMENTED by itself.

    To gRPC each method takes a stream, so that a body is read when this side asks for it, and no earlier.
    """

    def __init__(self, accept: Accept, credentials: Credentials, key: bytes, limits: CollectorLimits, gate: Gate, tally: Tally):
        self._accept, self._credentials, self._key = accept, credentials, key
        self._limits, self._gate, self._tally = limits, gate, tally

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        signal = _METHODS.get(details.method)
        return None if signal is None else grpc.stream_unary_rpc_method_handler(self._export(signal))

    def _export(self, signal: Signal):
        async def export(_, context: grpc.aio.ServicerContext) -> bytes:
            try:
                with self._tally.request(signal) as coming:
                    who = self._principal(context)
                    body = coming.received(await self._body(context))
                    answer = await self._accept(Request(body, signal, who.tenant, who.teams))
            except LoopledgerError as error:
                await _abort(context, error)
            context.set_trailing_metadata(signal_headers(answer.signals, self._key))
            return response(signal, answer).SerializeToString()

        return export

    def _principal(self, context: grpc.aio.ServicerContext) -> Principal:
        """Who calls. Raises Unauthenticated and Forbidden."""
        said = {name: value for name, value in context.invocation_metadata() or () if name in ("authorization", TENANT_HEADER)}
        names = {name.decode(errors="replace") for part in _NAMED for name in context.auth_context().get(part, ())}
        return self._credentials.admit(said.get("authorization", ""), names, "ingest", said.get(TENANT_HEADER))

    async def _body(self, context: grpc.aio.ServicerContext) -> bytes:
        """The one message of a call. How large it will be is not known before it is there, so that a late one counts as the largest."""
        reading = asyncio.ensure_future(context.read())
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard, even after a refusal
        if not (await asyncio.wait((reading,), timeout=_SOON))[0]:
            with self._gate.passage() as passage:
                passage.take(self._limits.body_bytes)
                await asyncio.wait((reading,), timeout=self._limits.body_seconds)
        if not reading.done():
            self._tally.limited("body_seconds")
            raise TooSlow(f"the body was not there within {self._limits.body_seconds} seconds")
        body = reading.result()
        if body is grpc.aio.EOF:
            self._tally.limited("body_bytes")
            raise _NeverThere(f"the body is larger than {self._limits.body_bytes} bytes, or there is none")
        return body


async def serve(
    address: str,
    accept: Accept,
    credentials: Credentials,
    key: bytes,
    limits: CollectorLimits,
    gate: Gate,
    tally: Tally,
    tls: Tls | None = None,
) -> tuple[grpc.aio.Server, int]:
    """A running server and its port. Raises OSError when the port is taken."""
    server = grpc.aio.server(options=_options(limits))
    server.add_generic_rpc_handlers([_Exports(accept, credentials, key, limits, gate, tally)])
    try:
        port = server.add_secure_port(address, _secured(tls)) if tls else server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address} for gRPC: the port is taken or the address is not ours") from error
    await server.start()
    return server, port


def _secured(tls: Tls) -> grpc.ServerCredentials:
    pair = tls.key.read_bytes(), tls.certificate.read_bytes()
    asked = tls.client_ca.read_bytes() if tls.client_ca else None
    return grpc.ssl_server_credentials([pair], root_certificates=asked, require_client_auth=asked is not None)


def _options(limits: CollectorLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # without it a second collector would bind the same port and share its traffic unnoticed
        ("grpc.max_receive_message_length", limits.body_bytes),
        ("grpc.max_metadata_size", limits.header_bytes),
        ("grpc.absolute_max_metadata_size", limits.header_bytes),  # by itself it is half as much again, and between the two chance decides
        ("grpc.max_concurrent_streams", limits.streams_per_connection),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", limits.header_seconds * 1000),
        ("grpc.max_connection_idle_ms", limits.idle_seconds * 5000),
        ("grpc.max_connection_age_ms", limits.connection_age_seconds * 1000),
        ("grpc.max_connection_age_grace_ms", limits.body_seconds * 1000),
        ("grpc.keepalive_time_ms", limits.idle_seconds * 1000),  # a peer that is gone without a word
        ("grpc.keepalive_timeout_ms", limits.header_seconds * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # what usual clients send; floods are answered with GOAWAY
        ("grpc.http2.max_ping_strikes", 2),
    ]


async def _abort(context: grpc.aio.ServicerContext, error: LoopledgerError) -> NoReturn:
    """The error as a status, whose details travel beside it where gRPC's own libraries look for them."""
    status = refusal(error)
    try:
        await context.abort(_CODES[status.code], status.message, (("grpc-status-details-bin", status.SerializeToString()),))
    except grpc.aio.InternalError:  # whoever asked has gone, which is no failure of ours
        raise asyncio.CancelledError from None


_CODES = {code.value[0]: code for code in grpc.StatusCode}
