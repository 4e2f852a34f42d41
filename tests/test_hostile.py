"""Whatever arrives is answered as OTLP says, hurts nobody beside it, and changes no sum of money."""

import asyncio
import contextlib
import csv
import gzip
import io
import json
import math
import random
import re
import secrets
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import grpc
import httpx
import pytest
from bodies import JSON, PROTOBUF, any_value, attributes, chat, traces
from collectors import Collector, configure, running
from google.protobuf.json_format import MessageToDict, Parse
from google.rpc.code_pb2 import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAVAILABLE
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from starlette.applications import Starlette

from analytics.config import Config
from ingest import otlp_grpc, otlp_http
from ingest.access import DEFAULT_TENANT
from ingest.cli import main
from ingest.clock import Wall
from ingest.collector import _app
from ingest.intake import Intake
from ingest.service import Service, opened

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
MAX_BODY = 64 * 1024 * 1024
TEXTS = {
    "sql": "'; drop table charges; --",
    "html": "<script>alert(1)</script>",
    "prototype": "__proto__",
    "nul": "a\0b",
    "right to left": "\u202etxt.exe",
    "ansi": "\x1b[31mred\x1b[0m",
    "formula": "=cmd|'/c calc'!A1",
    "path": "../../../etc/passwd",
    "dots": "a" + ".b" * 10_000,
    "long": "k" * 1_000_000,
    "format": "%s%n{0}${jndi:ldap://x}",
    "header": "x\r\nset-cookie: a=b",
    "noncharacter": "\uffff\U0001f600",
    "empty": "",
}
NAMES = (
    "loopledger.loop", "loopledger.run.id", "loopledger.run.parent", "loopledger.role", "team.id", "user.id", "session.id",
    "gen_ai.agent.name", "gen_ai.provider.name", "gen_ai.response.model", "gen_ai.tool.name", "error.type",
)  # fmt: skip
COUNTS = {
    "negative": -1, "2^63 - 1": 2**63 - 1, "-2^63": -(2**63), "nan": math.nan, "infinity": math.inf, "-infinity": -math.inf, "huge": 1e300,
    "half": 0.5, "word": "many", "long digits": "9" * 400, "digits": "9" * 18, "bytes": b"5", "list": [5], "mapping": {"a": 5}, "empty": None,
    "true": True,
}  # fmt: skip
USAGE = tuple(
    f"gen_ai.usage.{name}"
    for name in (
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "cache_read.input_tokens",
        "cache_write.input_tokens",
        "reasoning.output_tokens",
    )
)
TIMES = {"1970": 1, "2200": 7_258_118_400 * 10**9, "2^63 - 1": 2**63 - 1, "2^63": 2**63, "2^64 - 1": 2**64 - 1, "none": 0}
IDS = {"empty": (b"", b""), "zero": (b"\0" * 16, b"\0" * 8), "short": (b"x" * 15, b"x" * 7), "long": (b"x" * 17, b"x" * 9)}
POLICY = {"name": "loop-month", "per": "loop", "limit_tokens": 1_000_000_000, "window": "month"}

Send = Callable[[bytes], int]
"""Sends a request of traces and gives the count of spans that were left out; raises Refused."""


class Refused(Exception):
    """An export that was not answered OK: the code and message of google.rpc.Status."""


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("hostile")
    with running(place / "data", configure(place / "config", [POLICY])) as collector:
        yield collector
    assert "Traceback" not in (place / "data.log").read_text()


@pytest.fixture
def client(collector: Collector):
    with collector.client() as client:
        yield client


@pytest.fixture(params=["grpc", "protobuf", "json"])
def send(request: pytest.FixtureRequest, collector: Collector, client: httpx.Client) -> Iterator[Send]:
    """Each way into the collector."""
    if request.param != "grpc":
        yield lambda body: send_http(client, body, PROTOBUF if request.param == "protobuf" else JSON)
        return
    with grpc.insecure_channel(collector.grpc, [("grpc.max_send_message_length", -1)]) as channel:
        yield lambda body: send_grpc(channel, body)


def send_grpc(channel: grpc.Channel, body: bytes) -> int:
    try:
        answer = channel.unary_unary(EXPORT)(body, timeout=30)
    except grpc.RpcError as error:
        raise Refused(error.code().value[0], error.details()) from error
    return ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans


def send_http(client: httpx.Client, body: bytes, media: str) -> int:
    answer = client.post("/v1/traces", content=body if media == PROTOBUF else as_json(body), headers={"content-type": media})
    assert answer.headers["content-type"] == media
    if answer.status_code != 200:
        raise Refused(*status_of(answer))
    kind = ExportTraceServiceResponse
    response = kind.FromString(answer.content) if media == PROTOBUF else Parse(answer.content, kind())
    return response.partial_success.rejected_spans


def status_of(answer: httpx.Response) -> tuple[int, str]:
    """Code and message of an error, in the encoding that it claims."""
    assert 400 <= answer.status_code <= 503
    is_json = answer.headers["content-type"] == JSON
    status = Parse(answer.content, Status()) if is_json else Status.FromString(answer.content)
    return status.code, status.message


def as_json(body: bytes) -> bytes:
    """The request in OTLP/JSON, whose ids are hex."""
    document = MessageToDict(ExportTraceServiceRequest.FromString(body))
    request = ExportTraceServiceRequest.FromString(body)
    for resource, said in zip(request.resource_spans, document.get("resourceSpans", ()), strict=True):
        for scope, told in zip(resource.scope_spans, said.get("scopeSpans", ()), strict=True):
            for span, shown in zip(scope.spans, told.get("spans", ()), strict=True):
                shown |= {
                    "traceId": span.trace_id.hex(),
                    "spanId": span.span_id.hex(),
                    "parentSpanId": span.parent_span_id.hex(),
                    "kind": 1,
                }
    return json.dumps(document).encode()


def spent(collector: Collector, loop: str) -> list[tuple]:
    """What a loop spent: calls, known ones, dollars."""
    return [(row["calls"], row["calls"] - row["unknown_calls"], row["cost_usd"]) for row in collector.report("spend", by="loop", loop=loop)]


@pytest.fixture
def loop(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name} {secrets.token_hex(4)}"


# Attributes


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_is_only_a_text(send: Send, collector: Collector, loop: str, text: str):
    spans = [chat(1, more={text: text}), chat(1, more=dict.fromkeys(NAMES[2:], text)), chat(1, name=text), chat(1, events=[{"name": text}])]
    assert send(traces(*spans, run=loop, loop=loop, more={"team": text, text: text})) == 0
    assert send(traces(chat(1, more=dict.fromkeys(NAMES, text)))) == 0
    assert spent(collector, loop) == [(4, 4, "0.004000000")]


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("long", "dots")])
def test_a_run_of_any_name_can_be_read_again(collector: Collector, client: httpx.Client, name: str):
    run, loop = f"{TEXTS[name]} {secrets.token_hex(4)}/1", secrets.token_hex(4)
    send_http(client, traces(chat(1), run=run, loop=loop), PROTOBUF)
    (shown,), (step,) = collector.report("runs", run=run), collector.report("run_trace", run=run)
    assert (shown["run"], shown["loop"], step["cost_usd"]) == (run, loop, "0.001000000")
    if name != "header":  # a path cannot hold a line break
        assert client.get(f"/api/v1/runs/{quote(run, safe='')}").json()["rows"] == [shown]
        assert client.get(f"/api/v1/runs/{quote(run, safe='')}/trace").json()["rows"] == [step]
    assert client.get("/v1/signals", params={"run_id": run}).json() == {"signals": []}


def test_a_sheet_holds_no_formula(collector: Collector, client: httpx.Client, loop: str):
    formulas = ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1"]
    for formula in formulas:
        send_http(client, traces(chat(1, more={"gen_ai.agent.name": formula}), loop=loop), PROTOBUF)
    answer = client.get("/api/v1/reports/spend", params={"by": "agent", "loop": loop}, headers={"accept": "text/csv"})
    agents = [row["agent"] for row in csv.DictReader(io.StringIO(answer.text, newline=""))]
    assert sorted(agents) == sorted(f"'{formula}" for formula in formulas)


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
def test_a_count_that_is_none_is_unknown_and_not_money(send: Send, collector: Collector, loop: str, count):
    assert send(traces(chat(7, more=dict.fromkeys(USAGE, count)), chat(2), run=loop, loop=loop)) == 0
    assert spent(collector, loop) == [(2, 1, "0.002000000")]


def test_the_first_of_duplicate_keys_holds(send: Send, collector: Collector, loop: str):
    span = chat(3)
    for value in (5_000_000, "x", None):
        span.attributes.add(key="gen_ai.usage.input_tokens", value=any_value(value))
    span.attributes.add(key="gen_ai.usage.input_tokens")
    span.attributes.add()
    assert send(traces(span, run=loop, loop=loop)) == 0
    assert spent(collector, loop) == [(1, 1, "0.003000000")]


@pytest.mark.parametrize("depth", [10, 30])
def test_deep_values_are_taken(send: Send, collector: Collector, loop: str, depth: int):
    values = {"list": nested(depth, lambda value: [value]), "mapping": nested(depth, lambda value: {"__proto__": value})}
    assert send(traces(chat(1, more={**values, "gen_ai.input.messages": values["list"]}), run=loop, loop=loop)) == 0
    assert spent(collector, loop) == [(1, 1, "0.001000000")]


def nested(depth: int, wrap: Callable):
    value = "deep"
    for _ in range(depth):
        value = wrap(value)
    return value


def test_values_that_are_too_deep_are_refused_alone_in_json(collector: Collector, client: httpx.Client, loop: str):
    for deep in (
        b'{"a":' * 5_000,
        b"[" * 100_000,
        b'{"resourceSpans":[{"resource":' + b'{"attributes":[{"value":{"arrayValue":{"values":[' * 5_000,
    ):
        answer = client.post("/v1/traces", content=deep, headers={"content-type": JSON})
        assert (answer.status_code, status_of(answer)[0]) == (400, INVALID_ARGUMENT)
    assert spent(collector, loop) == []


def test_ten_thousand_attributes_and_events_are_taken(send: Send, collector: Collector, loop: str):
    span = chat(1, more={f"key {n}": n for n in range(10_000)}, events=[{"name": f"event {n}"} for n in range(10_000)])
    assert send(traces(span, run=loop, loop=loop)) == 0
    assert spent(collector, loop) == [(1, 1, "0.001000000")]


# Ids, ancestry and times


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_a_span_without_valid_ids_is_left_out_and_the_others_stay(
    collector: Collector, client: httpx.Client, loop: str, ids: tuple[bytes, bytes]
):
    trace_id, span_id = ids
    nameless = [chat(1, trace_id=trace_id), chat(1, span_id=span_id), chat(1, trace_id=trace_id, span_id=span_id)]
    body = traces(*nameless, chat(1), run=loop, loop=loop)
    with grpc.insecure_channel(collector.grpc) as channel:
        assert send_grpc(channel, body) == 3
    answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans, bool(partial.error_message)) == (200, 3, True)
    assert spent(collector, loop) == [(1, 1, "0.001000000")]


def test_a_parent_that_is_itself_or_a_circle_is_no_trap(send: Send, collector: Collector, loop: str):
    own, one, other = chat(1), chat(1), chat(1)
    own.parent_span_id = own.span_id
    other.trace_id = one.trace_id
    one.parent_span_id, other.parent_span_id = other.span_id, one.span_id
    assert send(traces(own, one, other, run=loop, loop=loop)) == 0
    assert spent(collector, loop) == [(3, 3, "0.003000000")]


@pytest.mark.parametrize("start", TIMES.values(), ids=TIMES)
def test_an_absurd_time_moves_no_spend_out_of_this_month(collector: Collector, client: httpx.Client, loop: str, start: int):
    spans = [chat(1, start_time_unix_nano=start, end_time_unix_nano=end) for end in TIMES.values()]
    send_http(client, traces(*spans, chat(1), run=loop, loop=loop), PROTOBUF)
    assert spent(collector, loop) == [(7, 7, "0.007000000")]
    happened = {row["day"] for row in collector.report("spend", by="day", loop=loop)}
    now = datetime.fromisoformat(client.get("/api/v1/reports/spend").json()["now"])
    assert happened == {f"{now:%Y-%m-%d}", "1970-01-01"}


# Logs and points


def test_hostile_logs_and_points_are_taken_and_cost_nothing(collector: Collector, client: httpx.Client, loop: str):
    identity = {"attributes": attributes({"loopledger.loop": loop, "team": TEXTS["sql"]})}
    values = [*TEXTS.values(), *COUNTS.values(), [None, {"": b"\xff"}]]
    shared = [
        {"attributes": attributes({"gen_ai.prompt": value, USAGE[0]: value}), "time_unix_nano": time}
        for value in values
        for time in TIMES.values()
    ]
    logs = [{**record, "body": any_value(value), "severity_number": 21} for record, value in zip(shared, values * len(TIMES), strict=True)]
    points = [[{**record, **number} for record in shared] for number in ({"as_int": -(2**63)}, {"as_double": math.nan}, {})]
    metrics = [{"name": "gen_ai.client.token.usage", "sum": {"data_points": part}} for part in points]
    bodies = {
        "logs": ExportLogsServiceRequest(resource_logs=[{"resource": identity, "scope_logs": [{"log_records": logs}]}]),
        "metrics": ExportMetricsServiceRequest(resource_metrics=[{"resource": identity, "scope_metrics": [{"metrics": metrics}]}]),
    }
    for signal, body in bodies.items():
        answer = client.post(f"/v1/{signal}", content=body.SerializeToString(), headers={"content-type": PROTOBUF})
        assert (answer.status_code, answer.content) == (200, b"")
    assert spent(collector, loop) == []


@pytest.mark.parametrize("signal", ["logs", "metrics"])
def test_spans_sent_to_the_wrong_place_cost_nothing(collector: Collector, client: httpx.Client, loop: str, signal: str):
    for body, media in ((traces(chat(1), loop=loop), PROTOBUF), (as_json(traces(chat(1), loop=loop)), JSON)):
        assert client.post(f"/v1/{signal}", content=body, headers={"content-type": media}).status_code in (200, 400)
    assert spent(collector, loop) == []


# Bodies


def test_a_malformed_body_is_refused_and_those_beside_it_are_not(collector: Collector, loop: str):
    good = [traces(chat(1), run=loop, loop=loop) for _ in range(20)]
    bodies = [body for pair in zip(good, [good[0][:-3], b"\xff" * 9, b"{}", b"\x0a\xff\xff\xff\xff\x0f"] * 5, strict=True) for body in pair]
    with grpc.insecure_channel(collector.grpc) as channel:
        calls = [channel.unary_unary(EXPORT).future(body, timeout=30) for body in bodies]
        codes = [call.code() for call in calls]
    assert codes == [grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT] * 20
    assert spent(collector, loop) == [(20, 20, "0.020000000")]


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


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "x"])
def test_another_content_encoding_is_refused(client: httpx.Client, encoding: str):
    headers = {"content-type": PROTOBUF, "content-encoding": encoding}
    assert client.post("/v1/traces", content=traces(chat(1)), headers=headers).status_code == 415


def post_gzip(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF, "content-encoding": "GZIP"})


def test_gzip_is_taken_in_one_part_or_several(collector: Collector, client: httpx.Client, loop: str):
    one, other = (traces(chat(1), run=loop, loop=loop) for _ in range(2))
    assert post_gzip(client, gzip.compress(one)).status_code == 200
    assert post_gzip(client, gzip.compress(one) + gzip.compress(other)).status_code == 200
    assert spent(collector, loop) == [(2, 2, "0.002000000")]


def test_gzip_over_grpc_is_taken(collector: Collector, loop: str):
    with grpc.insecure_channel(collector.grpc, compression=grpc.Compression.Gzip) as channel:
        assert send_grpc(channel, traces(chat(1), run=loop, loop=loop)) == 0
    assert spent(collector, loop) == [(1, 1, "0.001000000")]


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
async def intake_of(service: Service, queue_bytes: int) -> AsyncIterator[Intake]:
    intake = Intake(service.pipeline, queue_bytes)
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
            intake = await stack.enter_async_context(intake_of(service, queue_bytes=1))
            app = Starlette(routes=otlp_http.routes(intake.accept, DEFAULT_TENANT, b"key"))
            server, port = await otlp_grpc.serve("127.0.0.1:0", intake.accept, DEFAULT_TENANT, b"key")
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


# Doors


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Method and path of every route of the application that a collector serves."""
    with opened(tmp_path_factory.mktemp("routes"), Config(), Wall()) as service:
        app = _app(service, Intake(service.pipeline), asyncio.Event(), "token")
    paths = [(route, re.sub(r"{[^}]*}", "x", route.path)) for route in app.routes]
    return [(method, path) for route, path in paths for method in sorted(route.methods - {"HEAD"})]


def is_otlp(path: str) -> bool:
    return path in ("/v1/traces", "/v1/logs", "/v1/metrics")


def is_control(path: str) -> bool:
    return path.startswith("/v1/") and not is_otlp(path)


def statuses(client: httpx.Client, routes: list[tuple[str, str]], **request) -> set[int]:
    return {client.request(method, path, **request).status_code for method, path in routes}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "169.254.169.254", "evil.example:4318", "[::", ""]
)
def test_a_host_that_is_not_this_machine_is_refused(client: httpx.Client, routes: list, host: str):
    guarded = [(method, path) for method, path in routes if not is_otlp(path)]
    assert statuses(client, guarded, headers={"host": host}) == {421}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1@evil.example", "file://"]
)
def test_a_page_from_elsewhere_is_refused(client: httpx.Client, routes: list, origin: str):
    guarded = [(method, path) for method, path in routes if not is_otlp(path)]
    assert statuses(client, guarded, headers={"origin": origin}) == {403}


@pytest.mark.parametrize("credential", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer x{token}"])
def test_a_control_route_wants_the_token(collector: Collector, client: httpx.Client, routes: list, credential: str):
    headers = {"authorization": credential.format(token=collector.token)}
    assert statuses(client, [(method, path) for method, path in routes if is_control(path)], headers=headers) == {401}


def test_a_control_route_takes_no_form(client: httpx.Client, routes: list):
    writes = [(method, path) for method, path in routes if is_control(path) and method == "POST"]
    assert len(writes) >= 2
    for media in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""):
        assert statuses(client, writes, content=b"evidence=x", headers={"content-type": media}) == {415}
        assert statuses(client, writes, content=iter([b"evidence=x"]), headers={"content-type": media}) == {415}


def test_telemetry_and_reading_need_no_token_on_loopback(collector: Collector, routes: list):
    opened_routes = [(method, path) for method, path in routes if not is_control(path)]
    with httpx.Client(base_url=collector.http) as nobody:
        assert statuses(nobody, opened_routes, headers={"content-type": PROTOBUF}) == {200, 404}


def test_the_token_is_the_owners_alone_and_in_no_answer(collector: Collector, client: httpx.Client, routes: list):
    assert stat.S_IMODE((collector.data / "token").stat().st_mode) == 0o600
    reading = [path for method, path in routes if method == "GET" and not is_control(path)]
    assert not [path for path in reading if collector.token in client.get(path).text]


@pytest.mark.parametrize("query", ["from=x", "from=9999-12-31T23:59:59-14:00", "to=0001-01-01T00:00:00%2b14:00", "by=x", "by=run,run", "limit=0",
                                   "limit=%C2%B2", "limit=99999999999999999999", "cursor=-1", "cursor=99999999999999999999", "cursor=x"])  # fmt: skip
def test_a_question_that_makes_no_sense_is_told_so(client: httpx.Client, query: str):
    answer = client.get(f"/api/v1/reports/runs?{query}")
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (400, "application/problem+json", "bad-question")


@pytest.mark.parametrize(
    "query", ["run=';drop table charges;--", "team=%00", "by=", "from=0001-01-01", "to=9999-12-31", "loop=&loop=%FF", "x=1"]
)
def test_a_question_about_nothing_is_answered(client: httpx.Client, query: str):
    for name in ("spend", "usage", "runs", "budgets", "incidents", "signals", "inventory"):
        assert client.get(f"/api/v1/reports/{name}?{query}").status_code == 200


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_control_body_that_is_no_json_is_told_so(client: httpx.Client, body: bytes):
    answer = client.post("/v1/signals/x/confirm", content=body, headers={"content-type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (400, "not-json")


@pytest.mark.parametrize("option", ["--http", "--grpc"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0", ":0"])
def test_an_address_that_others_can_reach_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture, option: str, address: str):
    ports = {"--http": "127.0.0.1:0", "--grpc": "127.0.0.1:0", option: address}
    code = main(["collector", "--data", str(tmp_path / "data"), *(word for pair in ports.items() for word in pair)])
    assert (code, "loopback" in capsys.readouterr().err) == (3, True)
    assert not (tmp_path / "data" / "ledger.duckdb").exists()
