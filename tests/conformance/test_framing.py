"""Statements 1 to 21: transport and framing."""

import argparse
import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
import zstandard
from bodies import JSON, PROTOBUF, REQUESTS, any_value, attributes, chat, traces
from collectors import Collector, start
from exports import as_json, json_of
from google.rpc.code_pb2 import CANCELLED, INTERNAL, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE, UNIMPLEMENTED
from http2 import status_of_encoded
from test_kill import span_ids
from transports import ALL, COMPRESS, GRPC, HTTP, IN_JSON, METHODS, PLAIN, Told, Transport, told

from ingest.arguments import with_ports

MAX_BODY = 64 * 1024 * 1024
IN_PROTOBUF = [transport for transport in HTTP if transport.media == PROTOBUF]


def ways(transports: list[Transport]):
    return pytest.mark.parametrize("way", transports, ids=str)


def post(collector: Collector, body: bytes, path: str = "/v1/traces", method: str = "POST", **headers: str) -> httpx.Response:
    """A request with these headers, whose names have _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, f"{collector.http}{path}", content=body, headers=named, timeout=60)


def one_call(loop: str) -> bytes:
    return traces(chat(1), run=loop, loop=loop)


ONE, TWO = [(1, 1, "0.001000000")], [(2, 2, "0.002000000")]


@ways(GRPC)
def test_01_grpc_answers_ok_with_an_empty_response(collector, loop, way):
    answer = way.export(collector, one_call(loop))
    assert (answer.status, answer.response.HasField("partial_success"), answer.response.ByteSize()) == (0, False, 0)
    assert collector.spent(loop) == ONE


def test_01_grpc_listens_on_4317_unless_told_otherwise():
    given = with_ports(argparse.ArgumentParser()).parse_args([])
    assert (given.grpc, given.http) == ("127.0.0.1:4317", "127.0.0.1:4318")


@ways(IN_PROTOBUF)
def test_02_protobuf_answers_200_in_protobuf(collector, loop, way):
    answer = way.export(collector, one_call(loop))
    assert (answer.status, answer.headers["content-type"], answer.response.ByteSize()) == (200, PROTOBUF, 0)
    assert collector.spent(loop) == ONE


@ways(IN_JSON)
def test_03_json_answers_200_and_an_empty_object(collector, loop, way):
    body, headers = COMPRESS[way.encoding](as_json(one_call(loop))), {"content_encoding": way.encoding} if way.encoding else {}
    answer = post(collector, body, content_type=JSON, **headers)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, JSON, b"{}")
    assert collector.spent(loop) == ONE


def test_04_both_encodings_come_through_one_connection(collector, loop):
    with httpx.Client(base_url=collector.http) as client:
        for media, form in ((PROTOBUF, bytes), (JSON, as_json)) * 2:
            assert client.post("/v1/traces", content=form(one_call(loop)), headers={"content-type": media}).status_code == 200
    assert collector.spent(loop) == [(4, 4, "0.004000000")]


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON", "application/json;x=y", "APPLICATION/X-PROTOBUF"])
def test_05_parameters_and_case_of_a_content_type_do_not_matter(collector, loop, media):
    plain = media.partition(";")[0].lower()
    answer = post(collector, as_json(one_call(loop)) if plain == JSON else one_call(loop), content_type=media)
    assert (answer.status_code, answer.headers["content-type"]) == (200, plain)
    assert collector.spent(loop) == ONE


@pytest.mark.parametrize("media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/protobuf+x"])
@pytest.mark.parametrize("encoding", COMPRESS)
def test_06_another_content_type_is_415(collector, loop, media, encoding):
    answer = post(collector, COMPRESS[encoding](one_call(loop)), content_type=media, content_encoding=encoding)
    assert (answer.status_code, told(answer).error.code) == (415, INVALID_ARGUMENT)


def test_06_no_content_type_is_415(collector, loop):
    assert post(collector, one_call(loop)).status_code == 415
    assert collector.spent(loop) == []


@pytest.mark.parametrize("signal", REQUESTS)
def test_07_another_method_is_405(collector, signal):
    answers = [post(collector, b"", f"/v1/{signal}", method) for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")]
    assert {(answer.status_code, answer.headers["allow"]) for answer in answers} == {(405, "POST")}


@pytest.mark.parametrize("path", ["/v1development/profiles", "/v2/traces", "/traces", "/"])
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_07_an_unknown_path_is_404(collector, path, media):
    assert post(collector, b"", path, content_type=media).status_code == 404


def test_07_an_unknown_method_over_grpc_is_unimplemented(collector):
    with grpc.insecure_channel(collector.grpc) as channel:
        for method in (METHODS["traces"].replace("Export", "Import"), "/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(method)(b"", timeout=30)
            assert refused.value.code().value[0] == UNIMPLEMENTED


def logs(*texts: str) -> bytes:
    """A request of log records as a runtime sends them."""
    records = [{"time_unix_nano": 1, "severity_number": 9, "body": any_value(text), "attributes": attributes({"a": "b"})} for text in texts]
    return REQUESTS["logs"](resource_logs=[{"scope_logs": [{"log_records": records}]}]).SerializeToString()


def points(*numbers: int) -> bytes:
    """A request of metric points."""
    metrics = [{"name": "tokens", "unit": "1", "sum": {"data_points": [{"as_int": number, "time_unix_nano": 1}]}} for number in numbers]
    return REQUESTS["metrics"](resource_metrics=[{"scope_metrics": [{"metrics": metrics}]}]).SerializeToString()


@ways(ALL)
def test_08_logs_and_metrics_have_paths_of_their_own(collector, way):
    for signal, body in (("logs", logs("a", "b")), ("metrics", points(1, 2))):
        assert way.export(collector, body, signal).response.ByteSize() == 0


OF_EACH = {"traces": lambda: traces(chat(1, trace_id=b"\xff" * 16)), "logs": lambda: logs("a", "b"), "metrics": lambda: points(1, 2)}


@ways(ALL)
@pytest.mark.parametrize(("path", "signal"), [*permutations(OF_EACH, 2)])
def test_08_another_signal_is_refused_on_a_path(collector, way, path, signal):
    body = OF_EACH[signal]()
    answer = way.send(collector, json_of(body, signal) if way.is_json else body, path)
    assert (answer.ok, answer.error.code) == (False, INVALID_ARGUMENT)


NOTHING = {
    "nothing": REQUESTS["traces"](),
    "no scopes": REQUESTS["traces"](resource_spans=[{"resource": {"attributes": attributes({"service.name": "x"})}}]),
    "no spans": REQUESTS["traces"](resource_spans=[{"scope_spans": [{"scope": {"name": "x"}}]}, {}]),
}


@ways(ALL)
@pytest.mark.parametrize("request_", NOTHING.values(), ids=NOTHING)
def test_09_a_request_without_records_is_a_success(collector, way, request_):
    before = collector.report("runs")
    assert way.export(collector, request_.SerializeToString()).response.ByteSize() == 0
    assert collector.report("runs") == before


@pytest.mark.parametrize("name", ["gzip", "GZIP", "Gzip"])
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_10_gzip_works_in_any_case_of_its_name(collector, loop, name, media):
    body = one_call(loop) if media == PROTOBUF else as_json(one_call(loop))
    assert post(collector, gzip.compress(body), content_type=media, content_encoding=name).status_code == 200
    assert collector.spent(loop) == ONE


def test_10_gzip_works_over_grpc(collector, loop):
    with grpc.insecure_channel(collector.grpc, compression=grpc.Compression.Gzip) as channel:
        channel.unary_unary(METHODS["traces"])(traces(*[chat(1) for _ in range(200)], loop=loop), timeout=30)
    assert collector.spent(loop) == [(200, 200, "0.200000000")]


DAMAGE = {
    "plain": lambda body, packed: body,
    "cut": lambda body, packed: packed[:-5],
    "cut early": lambda body, packed: packed[:20],
    "more behind": lambda body, packed: packed + b"x",
    "nothing": lambda body, packed: b"",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_11_a_body_that_is_not_what_it_claims_is_400(collector, loop, damage, encoding, media):
    body = one_call(loop) if media == PROTOBUF else as_json(one_call(loop))
    answer = post(collector, damage(body, COMPRESS[encoding](body)), content_type=media, content_encoding=encoding)
    assert (answer.status_code, told(answer).error.code) == (400, INVALID_ARGUMENT)
    assert collector.spent(loop) == []


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_11_several_members_are_one_body(collector, loop, encoding):
    body = COMPRESS[encoding](one_call(loop)) + COMPRESS[encoding](one_call(loop))
    assert post(collector, body, content_type=PROTOBUF, content_encoding=encoding).status_code == 200
    assert collector.spent(loop) == TWO


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_12_an_unknown_encoding_is_415(collector, loop, encoding, media):
    body = one_call(loop) if media == PROTOBUF else as_json(one_call(loop))
    answer = post(collector, body, content_type=media, content_encoding=encoding)
    assert (answer.status_code, told(answer).error.code) == (415, INVALID_ARGUMENT)
    assert collector.spent(loop) == []


def in_a_window_of(bits: int, body: bytes) -> bytes:
    """The body as a zstd frame that asks for so large a window."""
    asks = zstandard.ZstdCompressionParameters.from_level(3, window_log=bits)
    packer = zstandard.ZstdCompressor(compression_params=asks).compressobj()
    return packer.compress(body) + packer.flush()


def test_13_zstd_is_taken_within_its_window(collector, loop):
    body = one_call(loop)
    answers = [post(collector, in_a_window_of(bits, body), content_type=PROTOBUF, content_encoding="zstd") for bits in (20, 23, 24, 27)]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 400]
    assert collector.spent(loop) == ONE


def test_13_zstd_over_grpc_is_refused_for_good(collector, loop):
    """gRPC's specification says UNIMPLEMENTED, its core INTERNAL before anybody is asked (grpc/grpc#36770). OTLP repeats neither."""
    assert status_of_encoded(collector.grpc, zstandard.compress(one_call(loop)), "zstd") == INTERNAL
    assert collector.spent(loop) == []


def padded(body: bytes, size: int, media: str) -> bytes:
    """The same request with so many bytes: with blanks, or with a field that nobody knows."""
    if media == JSON:
        return body + b" " * (size - len(body))
    tag, left = b"\xfa\x7f", size - len(body)  # field 2047
    for digits in range(1, 6):
        length = left - len(tag) - digits
        if len(encoded := _varint(length)) == digits:
            return body + tag + encoded + bytes(length)
    raise ValueError(size)


def _varint(number: int) -> bytes:
    return bytes((number,)) if number < 128 else bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)


@ways(ALL)
def test_14_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(collector, loop, way):
    body = as_json(one_call(loop)) if way.is_json else one_call(loop)
    assert way.send(collector, padded(body, MAX_BODY, way.media)).ok
    assert collector.spent(loop) == ONE
    answer = way.send(collector, padded(body, MAX_BODY + 1, way.media))
    assert (answer.status, answer.error.code, answer.retry_seconds) == (413 if way.media else 8, RESOURCE_EXHAUSTED, None)


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_14_a_body_may_come_without_its_length(collector, loop, media):
    body = one_call(loop) if media == PROTOBUF else as_json(one_call(loop))
    pieces = iter([body[:10], body[10:11], body[11:]])
    assert httpx.post(f"{collector.http}/v1/traces", content=pieces, headers={"content-type": media}).status_code == 200
    assert collector.spent(loop) == ONE
    endless = (bytes(1 << 20) for _ in range(65))
    answer = httpx.post(f"{collector.http}/v1/traces", content=endless, headers={"content-type": media})
    assert (answer.status_code, told(answer).error.code) == (413, RESOURCE_EXHAUSTED)


@pytest.mark.parametrize("wrong_by", [-7, 7])
def test_14_a_wrong_length_hurts_nobody(collector, loop, wrong_by):
    body, at = one_call(loop), urlsplit(collector.http)
    head = f"POST /v1/traces HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {len(body) + wrong_by}\r\n\r\n"
    with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        if wrong_by > 0:
            connection.shutdown(socket.SHUT_WR)
        said = connection.recv(65536)
    assert said == b"" if wrong_by > 0 else said.startswith(b"HTTP/1.1 400 ")
    assert collector.spent(loop) == []
    assert post(collector, body, content_type=PROTOBUF).status_code == 200


@ways(PLAIN)
def test_17_an_answer_stays_small_whatever_was_left_out(collector, way):
    if way.is_json:
        body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * 99_999 + b"{}]}]}]}"
    else:
        body = _within(1, _within(2, b"\x12\x00" * 100_000))
    answer = way.send(collector, body)
    assert (answer.rejected, answer.response.ByteSize() < 1000) == (100_000, True)


def _within(number: int, inner: bytes) -> bytes:
    """A message under a field number."""
    return bytes((number << 3 | 2,)) + _varint(len(inner)) + inner


class Steady:
    """Clients of one transport that export until their collector is gone, and what they were told."""

    def __init__(self, collector: Collector, way: Transport):
        self._collector, self._way, self._come = collector, way, threading.Condition()
        self.acknowledged: set[bytes] = set()
        self.others: list[Told] = []
        self.broken = 0
        """Exports without any answer."""

    def work(self) -> None:
        while True:
            span = chat(1)
            try:
                answer = self._way.export(self._collector, traces(span))
            except httpx.TransportError:
                self.broken += 1
                return
            with self._come:
                if answer.ok:
                    self.acknowledged.add(span.span_id)
                    self._come.notify_all()
                else:
                    self.others.append(answer)
                    return

    def wait_for(self, exports: int) -> None:
        with self._come:
            assert self._come.wait_for(lambda: len(self.acknowledged) >= exports, 30)


@ways(PLAIN)
def test_21_a_stop_answers_what_is_in_flight_and_loses_nothing(tmp_path: Path, way):
    collector = start(tmp_path / "data")
    steady = Steady(collector, way)
    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(steady.work) for _ in range(8)]
        try:
            steady.wait_for(40)
        finally:
            code = collector.stop()
        for client in clients:
            client.result()
    assert code == 0
    assert {answer.error.code for answer in steady.others} <= {UNAVAILABLE, CANCELLED}  # what came too late, to be sent again
    stored = span_ids(tmp_path / "data")
    assert (len(stored), steady.acknowledged - set(stored)) == (len(set(stored)), set())
    assert set(stored) == steady.acknowledged  # nothing was stored without an answer either
