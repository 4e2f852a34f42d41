"""OTLP answers: responses, partial success, refusals and the signal header, the same for gRPC and HTTP.

Records left out are a partial success even when nothing is left: the request was read, and to send it again would change nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.code_pb2 import INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNAVAILABLE
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from analytics.errors import Forbidden, LoopledgerError, Permanent, RateLimited, Retryable, TooLarge, Unauthenticated
from ingest.pipeline import Answer
from ingest.wire import Signal

SIGNAL_HEADER = "x-loopledger-signal"
_MOST_SIGNALS = 8
_MOST_MODELS = 5
_MOST_TEXT = 1000
"""Characters of a reason: senders hold answers in memory and headers are bounded."""
_RETRY_SECONDS = 1.0
_RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}


def response(signal: Signal, answer: Answer) -> Message:
    """The export response: empty, or a partial success with the count of records that were left out, none where it is only a warning."""
    kind, field = _RESPONSES[signal]
    told = []
    if answer.rejected:
        told.append(f"{answer.rejected} without a valid trace id and span id were left out")
    if answer.foreign:
        told.append(f"{answer.foreign} name a team or loop that this credential may not: they count for its own team, or for nobody's")
    if answer.unpriced:
        told.append(f"no price is known for {', '.join(answer.unpriced[:_MOST_MODELS])}: these calls are counted without cost")
    if answer.cut:
        told.append(f"{answer.cut} attributes were counted from, and are too many or too long to be kept whole")
    return kind(partial_success={field: answer.rejected, "error_message": "; ".join(told)[:_MOST_TEXT]}) if told else kind()


def refusal(error: LoopledgerError) -> Status:
    """What a sender is told of an error: with a RetryInfo when it should come again, with a BadRequest when its bytes are at fault."""
    message = str(error)[:_MOST_TEXT]
    if (delay := retry_delay(error)) is not None:
        code = RESOURCE_EXHAUSTED if isinstance(error, RateLimited) else UNAVAILABLE
        return _status(code, message, RetryInfo(retry_delay=Duration(nanos=round(delay * 1e9) % 10**9, seconds=int(delay))))
    for kind, code in _PLAIN.items():
        if isinstance(error, kind):
            return _status(code, message)
    field = error.field if isinstance(error, Permanent) else "body"
    return _status(INVALID_ARGUMENT, message, BadRequest(field_violations=[{"field": field[:_MOST_TEXT], "description": message}]))


_PLAIN = {TooLarge: RESOURCE_EXHAUSTED, Unauthenticated: UNAUTHENTICATED, Forbidden: PERMISSION_DENIED}
"""Refusals that are no fault of the bytes."""


def retry_delay(error: LoopledgerError) -> float | None:
    """Seconds after which the same request may succeed; None when it never will."""
    if not isinstance(error, Retryable):
        return None
    return _RETRY_SECONDS if error.retry_after is None else error.retry_after


def _status(code: int, message: str, *details: Message) -> Status:
    status = Status(code=code, message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def signal_headers(signals: Sequence[dict], key: bytes) -> list[tuple[str, str]]:
    """One header for each signal, at most eight, each signed."""
    return [(SIGNAL_HEADER, _signed(signal, key)) for signal in signals[:_MOST_SIGNALS]]


def _signed(signal: dict, key: bytes) -> str:
    expires = signal["expires_at"].replace(tzinfo=UTC).isoformat(timespec="seconds") if signal["expires_at"] else ""
    text = f"v1;run={_plain(signal['run_id'])};signal={signal['id']};action={signal['action']};epoch={signal['epoch']};expires={expires}"
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{text};sig={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _plain(value: str) -> str:
    """A run id may hold anything; a header may not. Where headers of one name are joined, a comma stands between them."""
    return "".join(
        c if c.isascii() and c.isprintable() and c not in ",;%" else "".join(f"%{byte:02X}" for byte in c.encode()) for c in value
    )
