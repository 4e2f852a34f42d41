"""A body that is damaged or too large hurts nobody beside it. What OTLP says of each kind: tests/conformance."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from bodies import PROTOBUF, chat, traces
from clocks import Held
from collectors import Collector
from exports import EXPORT, Refused, send_grpc, status_of
from google.rpc.code_pb2 import RESOURCE_EXHAUSTED, UNAVAILABLE
from starlette.applications import Starlette

from analytics.config import CollectorLimits, Config
from ingest import otlp_grpc, otlp_http
from ingest.access import Credentials
from ingest.conversion import converting
from ingest.doors import Doors
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


def post_gzip(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF, "content-encoding": "GZIP"})


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


# A full queue


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
            credentials, gate = Credentials(data, Config()), Gate(limits.receiving_bytes, tally)
            convert = stack.enter_context(converting())
            app = Doors(Starlette(routes=otlp_http.routes(intake.accept, convert, b"key", limits, gate, tally)), credentials, tally)
            server, port = await otlp_grpc.serve("127.0.0.1:0", intake.accept, credentials, b"key", limits, gate, tally)
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
