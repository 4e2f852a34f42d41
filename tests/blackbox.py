"""The whole promise from outside, without a test runner: python tests/blackbox.py

Starts `loopledger collector` with one policy, spends its budget, and prints one line for each thing that must follow. Exit code 0 when all
of it did, else 1.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import httpx
import zstandard
from bodies import PROTOBUF, any_value, chat, traces
from collectors import SECRET, Collector, configure, report, running
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from receiver import Receiver, receiving
from standardwebhooks import WebhookVerificationError

CANARY = "canary-5f1c sings what nobody may read"
LOOP, RUN = "nightly", "nightly-1"
POLICY = {"name": "nightly-month", "per": "loop", "limit_usd": "3.00", "window": "month", "notify": ["ops"]}
SPENT_USD = Decimal("4")
PRIVATE_KEYS = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.prompt",
    "gen_ai.prompt.0.content",
    "gen_ai.completion",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "llm.input_messages.0.message.content",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
    "input.value",
    "output.value",
    "traceloop.entity.input",
    "http.request.header.authorization",
)
SHAPES = (
    lambda text: text,
    lambda text: [text, [text]],
    lambda text: {"content": text, "deeper": {"parts": [{"text": text}]}},
    lambda text: [{"role": "user", "content": text}],
    lambda text: text.encode(),
    lambda text: json.dumps([{"role": "user", "content": text}]),
)
UNKNOWN_KEYS = {
    "app.payload": {"messages": [{"content": CANARY}]},
    "app.turns": [{"input": CANARY}],
    "app.blob": json.dumps({"prompt": CANARY}),
}


def main() -> int:
    """Prints the checks as they are made; 1 when one did not hold."""
    failed = False
    for check, holds in checks():
        print(f"{'ok  ' if holds else 'FAIL'}  {check}", flush=True)
        failed |= not holds
    return int(failed)


def checks() -> Iterator[tuple[str, bool]]:
    """Each check and whether it holds."""
    with tempfile.TemporaryDirectory(prefix="loopledger-blackbox-") as folder, receiving() as receiver:
        place = Path(folder)
        with running(place / "data", configure(place / "config", [POLICY], receiver.url)) as collector, collector.client() as client:
            yield from _signals(client, receiver)
            yield from _reports(collector)
            yield from _api_secrets(client)
        yield from _stored_secrets(place)


def _signals(client: httpx.Client, receiver: Receiver) -> Iterator[tuple[str, bool]]:
    _export(client, "logs", _private_log())
    _export(client, "traces", traces(*_private_spans(), run=RUN, loop=LOOP))
    _export(client, "traces", traces(chat(2_000), run=RUN, loop=LOOP))
    told = _export(client, "traces", traces(chat(2_000), run=RUN, loop=LOOP)).headers.get("x-loopledger-signal", "")
    yield "signal in the answer of the crossing export", f";run={RUN};" in told and ";action=stop;" in told
    signals = client.get("/v1/signals", params={"run_id": RUN, "wait": 25}).json()["signals"]
    stop = next((signal for signal in signals if signal["action"] == "stop"), None)
    yield "signal polled", stop is not None and f";signal={stop['id']};" in told and stop["state"] == "delivered"
    answer = client.post(f"/v1/signals/{stop['id']}/ack").json()["signal"] if stop else {}
    yield "signal acknowledged", answer.get("state") == "acknowledged" and answer.get("acknowledged_at") is not None
    yield "webhook verified", _is_verified(receiver)


def _is_verified(receiver: Receiver) -> bool:
    try:
        hook = receiver.wait_for(lambda hook: hook.data["threshold"] == 100)
        return hook.verified(SECRET)["data"]["scope"] == LOOP
    except (TimeoutError, WebhookVerificationError):
        return False


def _reports(collector: Collector) -> Iterator[tuple[str, bool]]:
    (charged,) = report(collector.data, "spend", "--by", "loop")
    yield "report spend has every call once", Decimal(charged["cost_usd"]) == SPENT_USD and charged["calls"] == 2 + len(_private_spans())
    incidents = report(collector.data, "incidents")
    told = {(row["threshold"], row["scope"], row["spent_usd"], row["state"]) for row in incidents}
    yield "report incidents equal to the charges", told == {(percent, LOOP, charged["cost_usd"], "open") for percent in (80, 100)}
    budgets = [(row["scope"], row["spent_usd"], row["percent"], row["state"]) for row in report(collector.data, "budgets")]
    percent = f"{SPENT_USD / 3 * 100:.2f}"
    yield "report budgets equal to the charges", budgets == [(LOOP, charged["cost_usd"], percent, "breached")]


def _api_secrets(client: httpx.Client) -> Iterator[tuple[str, bool]]:
    pages = ("/api/v1/reports/runs", "/api/v1/reports/incidents", f"/api/v1/runs/{RUN}", f"/api/v1/runs/{RUN}/trace", "/metrics")
    yield "content in no answer of the read API", not any(CANARY in client.get(page).text for page in pages)


def _stored_secrets(place: Path) -> Iterator[tuple[str, bool]]:
    files = [path for path in place.rglob("*") if path.is_file()]
    yield "content in no file", not [path for path in files if CANARY.encode() in path.read_bytes()]
    with closing(duckdb.connect(place / "data" / "ledger.duckdb", read_only=True)) as ledger:
        tables = [name for (name,) in ledger.execute("select table_name from duckdb_tables()").fetchall()]
        cells = [cell for table in tables for row in ledger.execute(f'from "{table}"').fetchall() for cell in row]
    yield "content in no cell of the ledger", not any(CANARY in str(cell) for cell in cells)
    blobs = [cell for cell in cells if isinstance(cell, bytes) and cell.startswith(zstandard.MAGIC_NUMBER.to_bytes(4, "little"))]
    found = [CANARY.encode() in zstandard.ZstdDecompressor().decompress(blob) for blob in blobs]
    yield "content in no evidence", bool(found) and not any(found)


def _private_spans() -> list:
    """One call for each shape that content takes, and one with keys nobody knows. They cost nothing."""
    spans = [chat(0, more={key: shape(CANARY) for key in PRIVATE_KEYS}) for shape in SHAPES]
    spans.append(chat(0, more=UNKNOWN_KEYS))
    for span in spans:
        span.status.message = CANARY
        for name, key in (("exception", "exception.message"), ("exception", "exception.stacktrace"), ("gen_ai.user.message", "content")):
            span.events.add(name=name).attributes.add(key=key, value=any_value(CANARY))
    return spans


def _private_log() -> bytes:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for shape in SHAPES:
        record = records.add(time_unix_nano=1, event_name="gen_ai.user.message", body=any_value(shape(CANARY)))
        record.attributes.add(key="prompt", value=any_value(shape(CANARY)))
    return request.SerializeToString()


def _export(client: httpx.Client, signal: str, body: bytes) -> httpx.Response:
    return client.post(f"/v1/{signal}", content=body, headers={"content-type": PROTOBUF}).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
