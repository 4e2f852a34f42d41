"""OTLP over HTTP: protobuf and JSON, bounded before and after decompression, errors in the request's own encoding."""

import asyncio
import math
from dataclasses import dataclass

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from analytics.errors import LoopledgerError, Permanent, Retryable, TooLarge
from ingest import otlp_json
from ingest.otlp_answer import refusal, response, retry_delay, signal_headers
from ingest.otlp_body import UnsupportedMedia, decompressed
from ingest.otlp_grpc import MAX_BODY, Accept
from ingest.pipeline import Request
from ingest.wire import Signal

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_AT_ONCE = 16_384
"""Bytes that are read where they come; more would hold up everybody else's answers."""


class _UnknownMethod(Permanent):
    """OTLP is POST."""


class _UnknownPath(Permanent):
    """A signal that is not taken here."""


def routes(accept: Accept, tenant: str, key: bytes, max_body: int = MAX_BODY) -> list[Route]:
    """/v1/traces, /v1/logs and /v1/metrics; profiles are refused as OTLP says. `max_body` in bytes, compressed and not."""
    exports = {signal: _Export(signal, accept, tenant, key, max_body) for signal in ("traces", "logs", "metrics")}
    return [
        *(Route(f"/v1/{signal}", export, methods=_METHODS) for signal, export in exports.items()),
        Route("/v1development/{signal}", _unknown, methods=["POST"]),
    ]


async def _unknown(http: HttpRequest) -> Response:
    return _refuse(_UnknownPath(f"{http.url.path} is not served; send traces, logs or metrics", field="path"), _media(http))


@dataclass(frozen=True, slots=True)
class _Export:
    """The ASGI app of one signal."""

    signal: Signal
    accept: Accept
    tenant: str
    key: bytes
    max_body: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            answer = await self._answer(http)
        except LoopledgerError as error:
            answer = _refuse(error, _media(http))
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, http: HttpRequest) -> Response:
        media = _media(http)
        if http.method != "POST":
            raise _UnknownMethod(f"{http.method} is not allowed, send POST", field="method")
        if media not in (_PROTOBUF, _JSON):
            raise UnsupportedMedia(f"content-type {media!r} is not supported, send {_PROTOBUF} or {_JSON}", field="content-type")
        answer = await self.accept(Request(await self._protobuf(http, media), self.signal, self.tenant))
        return _respond(response(self.signal, answer), media, 200, signal_headers(answer.signals, self.key))

    async def _protobuf(self, http: HttpRequest, media: str) -> bytes:
        body, encoding = await self._received(http), http.headers.get("content-encoding", "")
        if media == _PROTOBUF and not encoding:
            return body
        if len(body) <= _AT_ONCE:
            return self._read(body, encoding, media)
        return await asyncio.to_thread(self._read, body, encoding, media)

    async def _received(self, http: HttpRequest) -> bytes:
        parts, size = [], 0
        async for part in http.stream():
            size += len(part)
            if size > self.max_body:
                raise TooLarge(f"the body is larger than {self.max_body} bytes")
            parts.append(part)
        return b"".join(parts)

    def _read(self, body: bytes, encoding: str, media: str) -> bytes:
        body = decompressed(body, encoding, self.max_body)
        return otlp_json.to_protobuf(body, self.signal) if media == _JSON else body


_STATUSES = ((Retryable, 503), (TooLarge, 413), (UnsupportedMedia, 415), (_UnknownMethod, 405), (_UnknownPath, 404))


def _media(http: HttpRequest) -> str:
    return http.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse(error: LoopledgerError, media: str) -> Response:
    """google.rpc.Status in the request's encoding, as OTLP demands of every error."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 400)
    headers = [("allow", "POST")] if status == 405 else []
    if (delay := retry_delay(error)) is not None:
        headers.append(("retry-after", str(math.ceil(delay))))
    return _respond(refusal(error), media, status, headers)


def _respond(message: Message, media: str, status: int, headers: list[tuple[str, str]]) -> Response:
    in_json = media == _JSON
    content = MessageToJson(message, indent=None).encode() if in_json else message.SerializeToString()
    answer = Response(content, status, media_type=_JSON if in_json else _PROTOBUF)
    answer.raw_headers += [(name.encode(), value.encode()) for name, value in headers]
    return answer
