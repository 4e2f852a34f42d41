"""Statement 38, and of 39 what a request looks like on the wire."""

import gzip
import secrets
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from bodies import PROTOBUF, chat, traces
from collectors import LOOPLEDGER, Collector, configure, running
from google.rpc.code_pb2 import RESOURCE_EXHAUSTED, UNAVAILABLE
from transports import METHODS, Told, refused, told


@dataclass(frozen=True)
class Guarded:
    """A collector with access.yaml, and tokens for it."""

    collector: Collector
    tokens: dict[str, str]

    def http(self, token: str | None, body: bytes, media: str = PROTOBUF, **headers: str) -> Told:
        said = {"content-type": media, **({"authorization": f"Bearer {token}"} if token is not None else {}), **headers}
        return told(httpx.post(f"{self.collector.http}/v1/traces", content=body, headers=said, timeout=60))

    def grpc(self, token: str | None, body: bytes) -> Told:
        said = [("authorization", f"Bearer {token}")] if token is not None else []
        with grpc.insecure_channel(self.collector.grpc) as channel:
            try:
                channel.unary_unary(METHODS["traces"])(body, metadata=said, timeout=60)
            except grpc.RpcError as error:
                return refused(error)
        return Told(0)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Tenants loud and quiet may send, a reader may only read, and the queue is small."""
    place = tmp_path_factory.mktemp("guarded")
    config, tokens = configure(place / "config", []), {}
    (config / "limits.yaml").write_text("queue_bytes: 3_000_000\n")
    for name, scope in (("loud", "ingest"), ("quiet", "ingest"), ("reader", "read")):
        words = ["token", "create", name, "--scope", scope, "--tenant", name, "--config", config, "--data", place / "data"]
        done = subprocess.run([*LOOPLEDGER, *words], check=True, capture_output=True, text=True)
        tokens[name] = done.stdout.strip()
    with running(place / "data", config) as collector:
        yield Guarded(collector, tokens)


def large() -> bytes:
    return traces(*[chat(1, more={"n": n, "note": secrets.token_hex(100)}) for n in range(1000)], run="flood", loop="flood")


def flood(guarded: Guarded, over_grpc: bool) -> Told:
    """The first refusal of a tenant that sends more than its share."""
    sends, token = guarded.grpc if over_grpc else guarded.http, guarded.tokens["loud"]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(20):
            answers = list(pool.map(lambda body: sends(token, body), [large()] * 16))
            if over := [answer for answer in answers if answer.error]:
                return over[0]
    raise AssertionError("nobody was told to slow down")


@pytest.mark.parametrize("over_grpc", [False, True], ids=["http", "grpc"])
def test_38_a_tenant_over_its_share_is_told_to_slow_down_and_others_pass(guarded: Guarded, over_grpc):
    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(flood, guarded, over_grpc)
        quiet = [(guarded.http(guarded.tokens["quiet"], traces(chat(1)))).status for _ in range(5)]
        over = flooding.result()
    assert quiet == [200] * 5
    assert over.retry_seconds > 0
    if over_grpc:
        assert over.error.code in (RESOURCE_EXHAUSTED, UNAVAILABLE)
    else:
        assert (over.status, int(over.headers["retry-after"]) > 0) == (429, True)


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION", "aUTHORIZATION"])
def test_39_the_name_of_the_header_is_in_any_case(guarded: Guarded, name):
    token = guarded.tokens["quiet"]
    answer = guarded.http(None, traces(chat(1)), **{name: f"Bearer {token}"})
    assert answer.status == 200
    assert guarded.grpc(token, traces(chat(1))).status == 0


def test_39_it_is_decided_before_the_body_is_read(guarded: Guarded):
    bomb = gzip.compress(bytes(80_000_000))
    assert guarded.http(None, bomb, **{"content-encoding": "gzip"}).status == 401
    at = urlsplit(guarded.collector.http)
    head = f"POST /v1/traces HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 1000000\r\n\r\n"
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        connection.sendall(head.encode())  # and not a byte of its body
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
