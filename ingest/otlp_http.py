"""OTLP over HTTP: protobuf and JSON, bounded before and after decompression, errors in the request's own encoding."""

import zlib

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.code_pb2 import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE
from google.rpc.status_pb2 import Status
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from analytics.errors import LoopledgerError, Permanent, Retryable, TooLarge
from ingest import otlp_json
from ingest.otlp_answer import response, signal_headers
from ingest.otlp_grpc import MAX_BODY, Accept
from ingest.pipeline import Request
from ingest.wire import Signal

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_RETRY_AFTER = "1"  # seconds


class UnsupportedMedia(Permanent):
    """A content type or encoding that OTLP does not know."""


def routes(accept: Accept, tenant: str, key: bytes) -> list[Route]:
    """POST /v1/traces, /v1/logs and /v1/metrics."""
    return [Route(f"/v1/{signal}", _export(signal, accept, tenant, key), methods=["POST"]) for signal in ("traces", "logs", "metrics")]


def _export(signal: Signal, accept: Accept, tenant: str, key: bytes):
    async def export(http: HttpRequest) -> Response:
        media = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if media not in (_PROTOBUF, _JSON):
                raise UnsupportedMedia(f"content-type {media!r} is not supported, send {_PROTOBUF} or {_JSON}")
            body = _decompressed(await _received(http), http.headers.get("content-encoding", ""))
            body = otlp_json.to_protobuf(body, signal) if media == _JSON else body
            answer = await accept(Request(body, signal, tenant))
        except LoopledgerError as error:
            return _refusal(error, media)
        except ClientDisconnect:
            return Response(status_code=400)
        return _respond(response(signal, answer), media, 200, signal_headers(answer.signals, key))

    return export


async def _received(http: HttpRequest) -> bytes:
    parts, size = [], 0
    async for part in http.stream():
        size += len(part)
        if size > MAX_BODY:
            raise TooLarge(f"the body is larger than {MAX_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


def _decompressed(body: bytes, encoding: str) -> bytes:
    """The body without its content-encoding, never more than the limit in memory."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise UnsupportedMedia(f"content-encoding {encoding!r} is not supported, send gzip or none")
    parts, left = [], MAX_BODY
    while body:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(body, left + 1)
        except zlib.error as error:
            raise Permanent(f"the body is not gzip: {error}") from error
        left -= len(part)
        if left < 0:
            raise TooLarge(f"the body decompresses to more than {MAX_BODY} bytes")
        if not member.eof:
            raise Permanent("the gzip body ends too early")
        parts.append(part)
        body = member.unused_data
    return b"".join(parts)


def _refusal(error: LoopledgerError, media: str) -> Response:
    """google.rpc.Status in the request's encoding, as OTLP demands of every error."""
    code, status = next((code, status) for kind, code, status in _CODES if isinstance(error, kind))
    headers = [("retry-after", _RETRY_AFTER)] if isinstance(error, Retryable) else []
    return _respond(Status(code=code, message=str(error)), media, status, headers)


_CODES = (
    (Retryable, UNAVAILABLE, 503),
    (TooLarge, RESOURCE_EXHAUSTED, 413),
    (UnsupportedMedia, INVALID_ARGUMENT, 415),
    (LoopledgerError, INVALID_ARGUMENT, 400),
)


def _respond(message: Message, media: str, status: int, headers: list[tuple[str, str]]) -> Response:
    in_json = media == _JSON
    content = MessageToJson(message, indent=None).encode() if in_json else message.SerializeToString()
    answer = Response(content, status, media_type=_JSON if in_json else _PROTOBUF)
    answer.raw_headers += [(name.encode(), value.encode()) for name, value in headers]
    return answer
