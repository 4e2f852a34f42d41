"""One collector as a user runs it: real exporters, real sockets, a budget that is crossed, and everything that follows from it."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import grpc
import httpx
import pytest
from bodies import JSON, PROTOBUF, SAMPLES, chat, traces
from collectors import MODEL, SECRET, Collector, configure, running
from exports import EXPORT
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from receiver import Receiver, receiving

from ingest.cli import main

POLICY = {
    "name": "loop-month",
    "per": "loop",
    "limit_usd": "10.00",
    "window": "month",
    "thresholds": [{"percent": 80, "action": "warn"}, {"percent": 100, "action": "kill"}],
    "notify": ["ops"],
}
Report = Callable[..., list[dict]]
"""Rows of `loopledger report`, for a data directory and the rest of the command line."""
BELOW, ABOVE = 5_000, 6_000  # input tokens at $0.001: the limit is crossed by the second


@pytest.fixture(scope="module")
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def collector(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("end-to-end")
    with running(place / "data", configure(place / "config", [POLICY], receiver.url)) as collector:
        yield collector


def export(client: httpx.Client, tokens: int, run: str, loop: str, **span) -> httpx.Response:
    answer = client.post("/v1/traces", content=traces(chat(tokens, **span), run=run, loop=loop), headers={"content-type": PROTOBUF})
    assert answer.status_code == 200
    return answer


def export_raw(collector: Collector, tokens: int, run: str, loop: str) -> dict[str, str]:
    """Over gRPC; the trailing metadata of the answer."""
    with grpc.insecure_channel(collector.grpc) as channel:
        answer, call = channel.unary_unary(EXPORT).with_call(traces(chat(tokens), run=run, loop=loop), timeout=20)
    assert not ExportTraceServiceResponse.FromString(answer).HasField("partial_success")
    return dict(call.trailing_metadata())


def crossed(client: httpx.Client, loop: str, run: str = "night-1") -> dict:
    """The kill signal of a loop that has just spent its budget; nobody has taken it yet but the answer of the export."""
    export(client, BELOW, run, loop)
    export(client, ABOVE, run, loop)
    return polled(client, run)


def polled(client: httpx.Client, run: str, **params) -> dict:
    signals = client.get("/v1/signals", params={"run_id": run, **params}).json()["signals"]
    return next(signal for signal in signals if signal["action"] == "kill")


def parts(header: str) -> dict[str, str]:
    version, *fields = header.split(";")
    return {"version": version} | dict(field.split("=", 1) for field in fields)


@pytest.mark.parametrize("over", ["grpc", "http"])
def test_what_the_opentelemetry_sdk_exports_is_spend(collector: Collector, loop: str, over: str):
    exporters = {
        "grpc": lambda: GrpcExporter(endpoint=f"http://{collector.grpc}", insecure=True),
        "http": lambda: HttpExporter(endpoint=f"{collector.http}/v1/traces"),
    }
    exported = export_with_sdk(exporters[over](), loop)
    assert exported is SpanExportResult.SUCCESS
    (row,) = collector.report("spend", by="loop,run,agent,model", loop=loop)
    assert row == {
        "loop": loop,
        "run": f"{loop}-run",
        "agent": "fixer",
        "model": MODEL,
        "calls": 1,
        "unknown_calls": 0,
        "unpriced_calls": 0,
        "input_tokens": 1200,
        "cache_read_tokens": None,
        "cache_write_tokens": None,
        "output_tokens": 30,
        "reasoning_tokens": None,
        "cost_usd": "1.260000000",
    }


def export_with_sdk(exporter: SpanExporter, loop: str) -> SpanExportResult:
    provider = TracerProvider(
        resource=Resource.create({"loopledger.loop": loop, "loopledger.run.id": f"{loop}-run"}), shutdown_on_exit=False
    )
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("invoke_agent fixer") as agent:
        agent.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "fixer"})
        with tracer.start_as_current_span("chat") as call:
            usage = {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 30}
            call.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL, **usage})
    try:
        return exporter.export([call, agent])
    finally:
        exporter.shutdown()


def test_a_recorded_json_body_is_spend(collector: Collector, client: httpx.Client):
    sample = SAMPLES / "pydantic-ai-otlp-json"
    answer = client.post("/v1/traces", content=(sample / "0001-traces.json").read_bytes(), headers={"content-type": JSON})
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (200, JSON, {})
    bill = Counter(call["model"] for call in json.loads((sample / "bill.json").read_text())["calls"])
    rows = collector.report("usage", by="model", model=list(bill))
    assert {row["model"]: row["calls"] for row in rows} == bill


@pytest.mark.parametrize("over", ["grpc", "http"])
def test_the_answer_of_the_crossing_export_carries_the_signal(collector: Collector, client: httpx.Client, loop: str, over: str):
    run = f"{loop}; run %"
    first = export(client, BELOW, run, loop)
    assert "x-loopledger-signal" not in first.headers
    header = (
        export(client, ABOVE, run, loop).headers["x-loopledger-signal"]
        if over == "http"
        else export_raw(collector, ABOVE, run, loop)["x-loopledger-signal"]
    )
    told, signal = parts(header), polled(client, run)
    signed, _, signature = header.rpartition(";sig=")
    digest = hmac.new(collector.token.encode(), signed.encode(), hashlib.sha256).digest()
    assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert {**told, "sig": ""} == {
        "version": "v1",
        "run": run.replace("%", "%25").replace(";", "%3B"),
        "signal": signal["id"],
        "action": "kill",
        "epoch": str(signal["epoch"]),
        "expires": told["expires"],
        "sig": "",
    }
    assert datetime.fromisoformat(told["expires"]) == datetime.fromisoformat(signal["expires_at"])


def test_the_webhook_of_the_crossing_verifies(client: httpx.Client, receiver: Receiver, loop: str):
    signal = crossed(client, loop)
    hook = receiver.wait_for(lambda hook: hook.data["scope"] == loop and hook.data["threshold"] == 100)
    message = hook.verified(SECRET)
    assert message["type"] == "budget.crossed"
    told = {
        name: message["data"][name] for name in ("incident_id", "policy", "action", "mode", "limit_usd", "spent_usd", "run_id", "signals")
    }
    assert told == {
        "incident_id": signal["incident_id"],
        "policy": "loop-month",
        "action": "kill",
        "mode": "enforce",
        "limit_usd": "10.000000000",
        "spent_usd": "11.000000000",
        "run_id": "night-1",
        "signals": [signal["id"]],
    }


def test_a_run_that_waits_is_told_when_the_crossing_comes(client: httpx.Client, collector: Collector, loop: str):
    export(client, BELOW, loop, loop)
    with ThreadPoolExecutor(1) as pool, collector.client() as waiting:
        waiting.timeout = 20  # less than the wait: the answer must come before the wait is over
        answer = pool.submit(waiting.get, "/v1/signals", params={"run_id": loop, "wait": 25})
        export(client, ABOVE, loop, loop)
        (signal,) = [signal for signal in answer.result().json()["signals"] if signal["action"] == "kill"]
    assert (signal["run_id"], signal["loop"], signal["action"], signal["policy"]) == (loop, loop, "kill", "loop-month")
    assert (signal["state"], signal["acknowledged_at"], signal["confirmed_at"]) == ("delivered", None, None)


def test_a_poll_of_a_run_without_signals_answers_empty(client: httpx.Client):
    assert client.get("/v1/signals", params={"run_id": "quiet", "wait": 0.01}).json() == {"signals": []}


def test_a_poll_finds_a_run_by_its_trace_and_session(client: httpx.Client, loop: str):
    span = chat(11_000, more={"session.id": f"{loop}-session"})
    client.post("/v1/traces", content=traces(span, run=loop, loop=loop), headers={"content-type": PROTOBUF})
    for name in ({"trace_id": span.trace_id.hex()}, {"session_id": f"{loop}-session"}):
        assert {signal["run_id"] for signal in client.get("/v1/signals", params=name).json()["signals"]} == {loop}


def test_the_stream_delivers_and_resumes_after_the_last_event_seen(client: httpx.Client, loop: str):
    first = crossed(client, loop, run=f"{loop}-1")
    ((seen, event),) = events(client, 1, run=f"{loop}-1", action="kill")
    assert (event["id"], event["state"]) == (first["id"], "delivered")
    export(client, BELOW, f"{loop}-2", loop)
    ((_, following),) = events(client, 1, last=seen, action="kill")
    assert following["run_id"] == f"{loop}-2"


def events(client: httpx.Client, count: int, action: str, last: str = "0", run: str | None = None) -> list[tuple[str, dict]]:
    """Id and data of the first signals of that action in the stream."""
    found, params = [], {"run_id": run} if run else {}
    with client.stream("GET", "/v1/signals/stream", params=params, headers={"last-event-id": last}) as stream:
        lines = stream.iter_lines()
        while len(found) < count:
            event = dict(line.split(": ", 1) for line in iter(lambda: next(lines), ""))
            data = json.loads(event.get("data", "{}"))
            found += [(event["id"], data)] if data.get("action") == action else []
    return found


def test_an_acknowledged_signal_is_not_repeated_and_a_confirmed_one_is_done(client: httpx.Client, loop: str):
    signal = crossed(client, loop, loop)
    acknowledged = client.post(f"/v1/signals/{signal['id']}/ack").json()["signal"]
    assert (acknowledged["state"], acknowledged["confirmed_at"]) == ("acknowledged", None)
    assert "x-loopledger-signal" not in export(client, 1, loop, loop).headers
    confirmed = client.post(f"/v1/signals/{signal['id']}/confirm", json={"evidence": "process_exit"}).json()["signal"]
    assert confirmed["state"] == "confirmed"
    times = [confirmed[f"{step}_at"] for step in ("issued", "delivered", "acknowledged", "confirmed")]
    assert times == sorted(times)


def test_a_signal_knows_what_the_run_spent_after_its_delivery(client: httpx.Client, loop: str):
    signal = crossed(client, loop, loop)
    assert (signal["state"], signal["spend_after_delivery_usd"]) == ("delivered", "0.000000000")
    export(client, 250, loop, loop, ended_at=time.time() + 5)
    assert polled(client, loop)["spend_after_delivery_usd"] == "0.250000000"


def test_a_run_that_starts_in_a_stopped_loop_is_told_with_its_first_export(client: httpx.Client, loop: str):
    first = crossed(client, loop, f"{loop}-1")
    told = parts(export(client, 1, f"{loop}-2", loop).headers["x-loopledger-signal"])
    assert (told["run"], told["action"]) == (f"{loop}-2", "kill")
    assert told["signal"] != first["id"]
    assert "x-loopledger-signal" not in export(client, 1, f"{loop}-3", f"{loop}-other").headers


@pytest.fixture
def report(capsys: pytest.CaptureFixture) -> Report:
    def report(data: Path, *question: str) -> list[dict]:
        assert main(["report", *question, "--data", str(data), "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    return report


def test_reports_of_incidents_and_budgets_agree_with_the_charges(collector: Collector, client: httpx.Client, loop: str, report: Report):
    crossed(client, loop, loop)
    export(client, 700, loop, loop)
    assert collector.spent(loop) == [(3, 3, "11.700000000")]
    incidents = [row for row in report(collector.data, "incidents") if row["scope"] == loop]
    assert [(row["threshold"], row["action"], row["spent_usd"], row["run"], row["state"]) for row in incidents] == [
        (100, "kill", "11.000000000", loop, "open"),
        (80, "warn", "11.000000000", loop, "open"),
    ]
    by_loop = {row["loop"]: row["cost_usd"] for row in report(collector.data, "spend", "--by", "loop")}
    budgets = report(collector.data, "budgets")
    assert {row["scope"]: row["spent_usd"] for row in budgets if row["window"] == f"{datetime.now(UTC):%Y-%m}"}.items() <= by_loop.items()
    (budget,) = [row for row in budgets if row["scope"] == loop]
    assert (budget["spent_usd"], budget["percent"], budget["state"], budget["action"]) == ("11.700000000", "117.00", "breached", "kill")


def test_reports_are_the_same_from_the_stores_when_the_collector_has_stopped(tmp_path: Path, report: Report):
    questions = (("spend", "--by", "loop,run,day"), ("runs",), ("incidents",), ("signals",), ("budgets",), ("inventory",))
    config = configure(tmp_path / "config", [{**POLICY, "notify": []}])
    with running(tmp_path / "data", config) as collector, collector.client() as client:
        crossed(client, "loop")
        live = [report(collector.data, *question) for question in questions]
    assert not (tmp_path / "data" / "collector.json").exists()
    assert [report(collector.data, *question) for question in questions] == live


def test_a_collector_stops_cleanly_while_a_run_waits_and_a_stream_is_open(tmp_path: Path):
    with ThreadPoolExecutor(1) as pool, running(tmp_path / "data") as collector, collector.client() as client:
        waiting = pool.submit(client.get, "/v1/signals", params={"run_id": "any", "wait": 30})
        with client.stream("GET", "/v1/signals/stream") as stream:
            assert collector.stop() == 0
            assert list(stream.iter_lines()) == []
        assert waiting.result().json() == {"signals": []}


def test_the_black_box_script_finds_everything_in_order():
    script = Path(__file__).with_name("blackbox.py")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
