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

from analytics.config import CollectorLimits
from analytics.errors import Forbidden, LoopledgerError, Permanent, RateLimited, Retryable, TooLarge, TooSlow, Unauthenticated
from ingest.conversion import Converter
from ingest.gate import Gate, Passage
from ingest.otlp_answer import refusal, response, retry_delay, signal_headers
from ingest.otlp_body import UnsupportedMedia, decompressed
from ingest.otlp_grpc import Accept
from ingest.pipeline import Request
from ingest.tally import Coming, Tally
from ingest.wire import Signal

_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
SIGNALS: dict[str, Signal] = {f"/v1/{signal}": signal for signal in ("traces", "logs", "metrics")}
"""Path -> what is sent there."""
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_AT_ONCE = 4096
"""Bytes that are decompressed where they come; more would hold up everybody else's answers."""


class _UnknownMethod(Permanent):
    """OTLP is POST."""

    reason = "method"


class _UnknownPath(Permanent):
    """A signal that is not taken here."""

    reason = "path"


def routes(accept: Accept, convert: Converter, key: bytes, limits: CollectorLimits, gate: Gate, tally: Tally) -> list[Route]:
    """/v1/traces, /v1/logs and /v1/metrics; profiles are refused as OTLP says."""
    exports = {signal: _Export(signal, accept, convert, key, limits, gate, tally) for signal in SIGNALS.values()}
    return [
        *(Route(path, exports[signal], methods=_METHODS) for path, signal in SIGNALS.items()),
        Route("/v1development/{signal}", _unknown, methods=["POST"]),
    ]


async def _unknown(http: HttpRequest) -> Response:
    return _refuse(_UnknownPath(f"{http.url.path} is not served; send traces, logs or metrics", field="path"), _media(http))


@dataclass(frozen=True, slots=True)
class _Export:
    """The ASGI app of one signal."""

    signal: Signal
    accept: Accept
    convert: Converter
    key: bytes
    limits: CollectorLimits
    gate: Gate
    tally: Tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            with self.tally.request(self.signal) as coming:
                answer = await self._answer(http, coming)
        except LoopledgerError as error:
            answer = _refuse(error, _media(http))
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    async def _answer(self, http: HttpRequest, coming: Coming) -> Response:
        media = _media(http)
        if http.method != "POST":
            raise _UnknownMethod(f"{http.method} is not allowed, send POST", field="method")
        if media not in (_PROTOBUF, _JSON):
            raise UnsupportedMedia(f"content-type {media!r} is not supported, send {_PROTOBUF} or {_JSON}", field="content-type")
        with self.gate.passage() as passage:
            body = await self._protobuf(http, media, passage)
        who = http.scope["principal"]
        answer = await self.accept(Request(coming.received(body), self.signal, who.tenant, who.teams))
        return _respond(response(self.signal, answer), media, 200, signal_headers(answer.signals, self.key))

    async def _protobuf(self, http: HttpRequest, media: str, passage: Passage) -> bytes:
        body, encoding = await self._received(http, passage), http.headers.get("content-encoding", "")
        if encoding and len(body) <= _AT_ONCE:
            body = self._decompressed(body, encoding, passage)
        elif encoding:
            body = await asyncio.to_thread(self._decompressed, body, encoding, passage)
        return await self.convert(body, self.signal) if media == _JSON else body

    async def _received(self, http: HttpRequest, passage: Passage) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                async for part in http.stream():
                    size += len(part)
                    self._refuse_large(size)
                    passage.take(len(part))
                    parts.append(part)
        except TimeoutError:
            self.tally.limited("body_seconds")
            raise TooSlow(f"the body was not there within {self.limits.body_seconds} seconds") from None
        return b"".join(parts)

    def _refuse_large(self, size: int) -> None:
        if size > self.limits.body_bytes:
            self.tally.limited("body_bytes")
            raise TooLarge(f"the body is larger than {self.limits.body_bytes} bytes")

    def _decompressed(self, body: bytes, encoding: str, passage: Passage) -> bytes:
        try:
            return decompressed(body, encoding, self.limits.body_bytes, passage.take)
        except TooLarge:
            self.tally.limited("body_bytes")
            raise


_STATUSES = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (RateLimited, 429),
    (Retryable, 503),
    (TooLarge, 413),
    (UnsupportedMedia, 415),
    (_UnknownMethod, 405),
    (_UnknownPath, 404),
)


def _media(http: HttpRequest) -> str:
    return _of_type(http.headers.get("content-type", ""))


def _of_type(said: str) -> str:
    return said.partition(";")[0].strip().lower()


def refused(error: LoopledgerError, content_type: str) -> Response:
    """The answer to a request of that type that is not read."""
    answer = _refuse(error, _of_type(content_type))
    answer.raw_headers += [(b"www-authenticate", b"Bearer")] * isinstance(error, Unauthenticated)
    return answer


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
