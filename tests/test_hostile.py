"""Whatever arrives is answered as OTLP says, hurts nobody beside it, and changes no sum of money."""

import csv
import io
import math
import secrets
from collections.abc import Callable, Iterator
from urllib.parse import quote

import grpc
import httpx
import pytest
from bodies import JSON, PROTOBUF, any_value, attributes, chat, traces
from collectors import Collector
from exports import send_grpc, send_http
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

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
    "half": 0.5, "word": "many", "long digits": "9" * 400, "digits": "9" * 18, "bytes": b"5", "list": [5], "mapping": {"a": 5},
    "empty": None, "true": True,
}  # fmt: skip
_KINDS = ("input_tokens", "output_tokens", "total_tokens", "cache_read.input_tokens", "cache_write.input_tokens", "reasoning.output_tokens")
USAGE = tuple(f"gen_ai.usage.{kind}" for kind in _KINDS)
TIMES = {"1970": 1, "2200": 7_258_118_400 * 10**9, "2^63 - 1": 2**63 - 1, "2^63": 2**63, "2^64 - 1": 2**64 - 1, "none": 0}

Send = Callable[[bytes], int]
"""Sends a request of traces and gives the count of spans that were left out; raises Refused."""


@pytest.fixture(params=["grpc", "protobuf", "json"])
def send(request: pytest.FixtureRequest, collector: Collector, client: httpx.Client) -> Iterator[Send]:
    """Each way into the collector."""
    if request.param != "grpc":
        yield lambda body: send_http(client, body, PROTOBUF if request.param == "protobuf" else JSON)
        return
    with grpc.insecure_channel(collector.grpc, [("grpc.max_send_message_length", -1)]) as channel:
        yield lambda body: send_grpc(channel, body)


# Attributes


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_is_only_a_text(send: Send, collector: Collector, loop: str, text: str):
    spans = [chat(1, more={text: text}), chat(1, more=dict.fromkeys(NAMES[2:], text)), chat(1, name=text), chat(1, events=[{"name": text}])]
    assert send(traces(*spans, run=loop, loop=loop, more={"team": text, text: text})) == 0
    assert send(traces(chat(1, more=dict.fromkeys(NAMES, text)))) == 0
    assert collector.spent(loop) == [(4, 4, "0.004000000")]


NO_NAMES = ("long", "dots", "header")
"""Prose and lines are content: what stands in the place of a name is a note."""


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in NO_NAMES])
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
    assert collector.spent(loop) == [(2, 1, "0.002000000")]


def test_ten_thousand_attributes_and_events_are_taken(send: Send, collector: Collector, loop: str):
    span = chat(1, more={f"key {n}": n for n in range(10_000)}, events=[{"name": f"event {n}"} for n in range(10_000)])
    assert send(traces(span, run=loop, loop=loop)) == 0
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


# Ids, ancestry and times


def test_a_parent_that_is_itself_or_a_circle_is_no_trap(send: Send, collector: Collector, loop: str):
    own, one, other = chat(1), chat(1), chat(1)
    own.parent_span_id = own.span_id
    other.trace_id = one.trace_id
    one.parent_span_id, other.parent_span_id = other.span_id, one.span_id
    assert send(traces(own, one, other, run=loop, loop=loop)) == 0
    assert collector.spent(loop) == [(3, 3, "0.003000000")]


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
    assert collector.spent(loop) == []
