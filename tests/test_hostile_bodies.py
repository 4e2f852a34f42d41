"""A body that is damaged, too large or of another kind is refused as OTLP says, and hurts nobody beside it."""

import asyncio
import contextlib
import gzip
import random
import threading
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import grpc
import httpx
import pytest
from bodies import JSON, PROTOBUF, chat, traces
from collectors import Collector
from exports import EXPORT, Refused, as_json, send_grpc, status_of
from google.rpc.code_pb2 import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE
from starlette.applications import Starlette

from analytics.config import CollectorLimits, Config
from ingest import otlp_grpc, otlp_http
from ingest.access import DEFAULT_TENANT
from ingest.clock import Wall
from ingest.gate import Gate
from ingest.intake import Intake
from ingest.service import Service, opened

MAX_BODY = 64 * 1024 * 1024


def test_a_malformed_body_is_refused_and_those_beside_it_are_not(collector: Collector, loop: str):
    good = [traces(chat(1), run=loop, loop=loop) for _ in range(20)]
    bodies = [body for pair in zip(good, [good[0][:-3], b"\xff" * 9, b"{}", b"\x0a\xff\xff\xff\xff\x0f"] * 5, strict=True) for body in pair]
    with grpc.insecure_channel(collector.grpc) as channel:
        calls = [channel.unary_unary(EXPORT).future(body, timeout=30) for body in bodies]
        codes = [call.code() for call in calls]
    assert codes == [grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT] * 20
    assert collector.spent(loop) == [(20, 20, "0.020000000")]


@pytest.mark.parametrize("seed", range(4))
def test_a_body_with_flipped_bits_is_taken_or_refused(client: httpx.Client, seed: int):
    chance, good = random.Random(seed), traces(chat(1), chat(1))
    for media, body in ((PROTOBUF, good), (JSON, as_json(good))):
        for _ in range(25):
            flipped = bytearray(body)
            for place in chance.choices(range(len(body)), k=chance.choice((1, 1, 3, 20))):
                flipped[place] ^= 1 << chance.randrange(8)
            assert client.post("/v1/traces", content=bytes(flipped), headers={"content-type": media}).status_code in (200, 400)


@pytest.mark.parametrize("body", [b"\xff" * 9, b'{"resourceSpans": 5}', b"[]", b"null", b"{", b'{"resourceLogs": []}'])
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_what_is_no_request_is_told_so_in_its_own_encoding(client: httpx.Client, media: str, body: bytes):
    answer = client.post("/v1/traces", content=body, headers={"content-type": f"{media}; charset=utf-8"})
    code, message = status_of(answer)
    assert (answer.status_code, answer.headers["content-type"], code, bool(message)) == (400, media, INVALID_ARGUMENT, True)


@pytest.mark.parametrize(("media", "body"), [(PROTOBUF, b""), (JSON, b"{}"), (PROTOBUF, traces()), (JSON, as_json(traces()))])
def test_a_request_without_spans_is_a_success(client: httpx.Client, media: str, body: bytes):
    assert client.post("/v1/traces", content=body, headers={"content-type": media}).status_code == 200


@pytest.mark.parametrize("media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/protobuf+x"])
def test_another_content_type_is_refused(client: httpx.Client, media: str):
    answer = client.post("/v1/traces", content=traces(chat(1)), headers={"content-type": media})
    assert (answer.status_code, status_of(answer)[0]) == (415, INVALID_ARGUMENT)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
def test_another_content_encoding_is_refused(client: httpx.Client, encoding: str):
    headers = {"content-type": PROTOBUF, "content-encoding": encoding}
    assert client.post("/v1/traces", content=traces(chat(1)), headers=headers).status_code == 415


def post_gzip(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF, "content-encoding": "GZIP"})


def test_gzip_is_taken_in_one_part_or_several(collector: Collector, client: httpx.Client, loop: str):
    one, other = (traces(chat(1), run=loop, loop=loop) for _ in range(2))
    assert post_gzip(client, gzip.compress(one)).status_code == 200
    assert post_gzip(client, gzip.compress(one) + gzip.compress(other)).status_code == 200
    assert collector.spent(loop) == [(2, 2, "0.002000000")]


def test_gzip_over_grpc_is_taken(collector: Collector, loop: str):
    with grpc.insecure_channel(collector.grpc, compression=grpc.Compression.Gzip) as channel:
        assert send_grpc(channel, traces(chat(1), run=loop, loop=loop)) == 0
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@pytest.mark.parametrize("damage", [lambda body: body[:-5], lambda body: body[:20], lambda body: body + b"x", lambda body: b"plain"])
def test_damaged_gzip_is_refused(client: httpx.Client, damage: Callable[[bytes], bytes]):
    answer = post_gzip(client, damage(gzip.compress(traces(chat(1)))))
    assert (answer.status_code, status_of(answer)[0]) == (400, INVALID_ARGUMENT)


def test_a_gzip_bomb_is_refused_before_it_goes_off(client: httpx.Client):
    bomb = gzip.compress(bytes(MAX_BODY + 1), 9)
    assert len(bomb) < 100_000
    answer = post_gzip(client, bomb)
    assert (answer.status_code, status_of(answer)[0]) == (413, RESOURCE_EXHAUSTED)
    answer = post_gzip(client, gzip.compress(bytes(MAX_BODY // 2)) * 3)
    assert (answer.status_code, status_of(answer)[0]) == (413, RESOURCE_EXHAUSTED)


def test_a_body_over_the_limit_is_refused(collector: Collector, client: httpx.Client):
    answer = client.post("/v1/traces", content=bytes(MAX_BODY + 1), headers={"content-type": PROTOBUF})
    assert (answer.status_code, status_of(answer)[0]) == (413, RESOURCE_EXHAUSTED)
    bomb = grpc.insecure_channel(collector.grpc, [("grpc.max_send_message_length", -1)], compression=grpc.Compression.Gzip)
    with bomb as channel, pytest.raises(Refused) as refused:
        send_grpc(channel, bytes(MAX_BODY + 1))
    assert refused.value.args[0] == RESOURCE_EXHAUSTED


def test_unknown_ways_in_are_answered_as_such(collector: Collector, client: httpx.Client):
    assert {client.request(method, "/v1/traces").status_code for method in ("GET", "PUT", "DELETE")} == {405}
    assert client.post("/v2/traces", content=b"").status_code == 404
    with grpc.insecure_channel(collector.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Import")(b"", timeout=30)
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


# A full queue


class Held(Wall):
    """A clock that stands still while it is held, and with it whoever asks the time."""

    def __init__(self):
        self.go = threading.Event()

    def latest(self) -> datetime:
        self.go.wait(30)
        return super().latest()


@contextlib.asynccontextmanager
async def intake_of(service: Service, limits: CollectorLimits) -> AsyncIterator[Intake]:
    intake = Intake(service.pipeline, limits)
    intake.start()
    try:
        yield intake
    finally:
        await intake.stop()


async def full_queue(data: Path) -> tuple[httpx.Response, grpc.StatusCode, list[httpx.Response]]:
    """An answer over HTTP and one over gRPC while another request fills the queue, then those that follow when it has gone."""
    clock, headers = Held(), {"content-type": PROTOBUF}
    with opened(data, Config(), clock) as service:
        async with contextlib.AsyncExitStack() as stack:
            limits, tally = CollectorLimits(queue_bytes=1), service.pipeline.tally
            intake = await stack.enter_async_context(intake_of(service, limits))
            of_server = (intake.accept, DEFAULT_TENANT, b"key", limits, Gate(limits.receiving_bytes, tally), tally)
            app = Starlette(routes=otlp_http.routes(*of_server))
            server, port = await otlp_grpc.serve("127.0.0.1:0", *of_server)
            stack.push_async_callback(server.stop, 0)
            transport = httpx.ASGITransport(app)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
            stack.callback(clock.go.set)
            both = [asyncio.create_task(client.post("/v1/traces", content=traces(chat(1)), headers=headers)) for _ in range(2)]
            (refused,), (taken,) = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            with pytest.raises(grpc.aio.AioRpcError) as busy:
                await channel.unary_unary(EXPORT)(traces(chat(1)), timeout=30)
            clock.go.set()
            later = [await taken, await client.post("/v1/traces", content=traces(chat(1)), headers=headers)]
            return refused.result(), busy.value.code(), later


def test_a_full_queue_asks_to_come_again(tmp_path: Path):
    refused, code, later = asyncio.run(full_queue(tmp_path))
    assert (refused.status_code, refused.headers["retry-after"], status_of(refused)[0]) == (503, "1", UNAVAILABLE)
    assert code == grpc.StatusCode.UNAVAILABLE
    assert [answer.status_code for answer in later] == [200, 200]
