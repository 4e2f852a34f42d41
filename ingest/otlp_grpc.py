"""OTLP over gRPC: raw bytes in, an answer when they are durable."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

import grpc

from analytics.errors import LoopledgerError
from ingest.otlp_answer import refusal, response, signal_headers
from ingest.pipeline import Answer, Request
from ingest.wire import Signal

Accept = Callable[[Request], Awaitable[Answer]]

_METHODS: dict[str, Signal] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
}
MAX_BODY = 64 * 1024 * 1024


class _Exports(grpc.GenericRpcHandler):
    """Hands bodies on as they came; an unknown method answers UNIMPLEMENTED by itself."""

    def __init__(self, accept: Accept, tenant: str, key: bytes):
        self._accept, self._tenant, self._key = accept, tenant, key

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        signal = _METHODS.get(details.method)
        return None if signal is None else grpc.unary_unary_rpc_method_handler(self._export(signal))

    def _export(self, signal: Signal):
        async def export(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
            try:
                answer = await self._accept(Request(body, signal, self._tenant))
            except LoopledgerError as error:
                await _abort(context, error)
            context.set_trailing_metadata(signal_headers(answer.signals, self._key))
            return response(signal, answer).SerializeToString()

        return export


async def serve(address: str, accept: Accept, tenant: str, key: bytes, max_body: int = MAX_BODY) -> tuple[grpc.aio.Server, int]:
    """A running server and its port; it takes bodies of `max_body` bytes. Raises OSError when the port is taken."""
    options = [
        ("grpc.so_reuseport", 0),  # without it a second collector would bind the same port and share its traffic unnoticed
        ("grpc.max_receive_message_length", max_body),
        ("grpc.max_metadata_size", 16 * 1024),
        ("grpc.max_concurrent_streams", 256),
    ]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers([_Exports(accept, tenant, key)])
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address} for gRPC: the port is taken or the address is not ours") from error
    await server.start()
    return server, port


async def _abort(context: grpc.aio.ServicerContext, error: LoopledgerError) -> NoReturn:
    """The error as a status, whose details travel beside it where gRPC's own libraries look for them."""
    status = refusal(error)
    await context.abort(_CODES[status.code], status.message, (("grpc-status-details-bin", status.SerializeToString()),))


_CODES = {code.value[0]: code for code in grpc.StatusCode}
