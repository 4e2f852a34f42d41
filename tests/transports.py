"""Every way OTLP can come: gRPC, HTTP with protobuf and HTTP with JSON, each under the encodings it may have."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import httpx
import zstandard
from bodies import JSON, PROTOBUF
from collectors import Collector
from exports import json_of
from google.protobuf.json_format import Parse
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
RESPONSES = {"traces": ExportTraceServiceResponse, "logs": ExportLogsServiceResponse, "metrics": ExportMetricsServiceResponse}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}
_BIG = [("grpc.max_send_message_length", -1)]


@dataclass(frozen=True)
class Told:
    """What an export was answered: 0 or 200 and a response, or a status of the protocol and a google.rpc.Status."""

    status: int
    response: Message | None = None
    error: Status | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """All or a part was taken."""
        return self.response is not None

    @property
    def rejected(self) -> int:
        """Records that were left out of what was taken."""
        return next((value for name, value in self.response.partial_success.ListFields() if name.name.startswith("rejected")), 0)

    def detail(self, kind: type[Message]) -> Message | None:
        """The error's detail of that type."""
        for packed in self.error.details:
            if packed.Is(kind.DESCRIPTOR):
                packed.Unpack(found := kind())
                return found
        return None

    @property
    def retry_seconds(self) -> float | None:
        """After which the sender is asked to come again; None if it is not."""
        info = self.detail(RetryInfo)
        return None if info is None else info.retry_delay.ToMilliseconds() / 1000

    @property
    def wrong_fields(self) -> list[str]:
        """What the request is told is wrong with it."""
        detail = self.detail(BadRequest)
        return [violation.field for violation in detail.field_violations] if detail else []


@dataclass(frozen=True)
class Transport:
    """One protocol under one encoding; `media` is empty for gRPC."""

    media: str
    encoding: str

    def __str__(self) -> str:
        return f"{'json' if self.media == JSON else 'protobuf' if self.media else 'grpc'}-{self.encoding or 'plain'}"

    @property
    def is_json(self) -> bool:
        return self.media == JSON

    def export(self, collector: Collector, body: bytes, signal: str = "traces") -> Told:
        """Sends a request, given as protobuf, in the transport's own form."""
        return self.send(collector, json_of(body, signal) if self.is_json else body, signal)

    def send(self, collector: Collector, body: bytes, signal: str = "traces") -> Told:
        """Sends these bytes."""
        if not self.media:
            return _call(collector, body, signal, self.encoding)
        headers = {"content-type": self.media, **({"content-encoding": self.encoding} if self.encoding else {})}
        return told(httpx.post(f"{collector.http}/v1/{signal}", content=COMPRESS[self.encoding](body), headers=headers, timeout=60), signal)


def told(answer: httpx.Response, signal: str = "traces") -> Told:
    """An answer over HTTP, in the encoding that it claims."""
    assert answer.headers["content-type"] in (JSON, PROTOBUF)
    kind = RESPONSES[signal] if answer.status_code == 200 else Status
    said = Parse(answer.content, kind()) if answer.headers["content-type"] == JSON else kind.FromString(answer.content)
    return Told(answer.status_code, **{"response" if answer.status_code == 200 else "error": said}, headers=dict(answer.headers))


def _call(collector: Collector, body: bytes, signal: str, encoding: str) -> Told:
    compression = grpc.Compression.Gzip if encoding else grpc.Compression.NoCompression
    with grpc.insecure_channel(collector.grpc, _BIG, compression) as channel:
        try:
            answer = channel.unary_unary(METHODS[signal])(body, timeout=60)
        except grpc.RpcError as error:
            return refused(error)
    return Told(0, response=RESPONSES[signal].FromString(answer))


def refused(error: grpc.RpcError) -> Told:
    """A refusal over gRPC with its details."""
    code, details = error.code().value[0], dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return Told(code, error=Status.FromString(details) if details else Status(code=code, message=error.details()))


GRPC = [Transport("", encoding) for encoding in ("", "gzip")]
HTTP = [Transport(media, encoding) for media in (PROTOBUF, JSON) for encoding in COMPRESS]
ALL = [*GRPC, *HTTP]
PLAIN = [transport for transport in ALL if not transport.encoding]
"""One of each protocol."""
IN_JSON = [transport for transport in HTTP if transport.is_json]
