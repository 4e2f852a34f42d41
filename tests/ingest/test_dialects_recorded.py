"""Recorded runs whose bill is known: every call that reached its caller is read, to the token, and nothing else is taken for a call."""

import json
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from bodies import SAMPLES

from analytics.model import BUCKETS, MODEL_KINDS
from ingest import wire
from ingest.dialects import translate
from ingest.otlp_json import to_protobuf

UNLIKE_THE_BILL = {
    "claude-code-max-budget-usd": "the last call is only in the metric",
    "crewai-only": "no usage at all",
    "mastra-http-json": "one record for two calls",
    "openai-otel-v2": "the Responses API emits nothing",
    "traceloop-sdk-llm-instrumentor-failed": "no usage at all",
    "weekend": "too many calls for here",
}
RECORDED = sorted(path.parent.name for path in SAMPLES.glob("*/bill.json") if path.parent.name not in UNLIKE_THE_BILL)
OF_AGENTS = ("claude", "codex", "copilot", "gemini", "pydantic", "vercel")
WRITES, OUTPUT = BUCKETS[2:5], BUCKETS[5:]


def body(path: Path, signal: str) -> bytes:
    return to_protobuf(path.read_bytes(), signal) if path.suffix == ".json" else path.read_bytes()


@cache
def records(name: str) -> pl.DataFrame:
    """Spans and log records of a recording, with their totals."""
    paths = [(signal, path) for signal in ("traces", "logs") for path in sorted((SAMPLES / name).glob(f"*-{signal}.*"))]
    read = pl.concat([translate(wire.decode([body(path, signal)], signal)) for signal, path in paths])
    totals = {"put": BUCKETS[:5], "got": OUTPUT, "written": WRITES}
    return read.with_columns(pl.sum_horizontal(pl.col(columns).fill_null(0)).alias(total) for total, columns in totals.items())


def calls(name: str) -> pl.DataFrame:
    used = pl.any_horizontal(pl.col(BUCKETS).is_not_null())
    return records(name).filter(used & pl.col("kind").is_in(MODEL_KINDS))


def billed(name: str) -> list[dict]:
    return [call for call in json.loads((SAMPLES / name / "bill.json").read_text())["calls"] if call["reported"]]


@pytest.mark.parametrize("name", RECORDED)
def test_every_call_that_was_reported_is_read_to_the_token(name):
    read = set(calls(name).select("put", "got").iter_rows())
    assert {(call["input_tokens"], call["output_tokens"]) for call in billed(name)} - read == set()


@pytest.mark.parametrize("name", RECORDED)
def test_nothing_else_is_taken_for_a_call_and_no_split_is_wrong(name):
    bill = {(call["input_tokens"], call["output_tokens"]): call for call in billed(name)}
    bill |= {(call["input_tokens"], call["output_tokens"] - call["reasoning_tokens"]): call for call in billed(name)}
    for call in calls(name).iter_rows(named=True):
        paid = bill[call["put"], call["got"]]
        assert call["cache_read_tokens"] in (None, paid["cache_read_tokens"])
        assert call["written"] in (0, paid["cache_write_tokens"])
        assert call["reasoning_tokens"] in (None, paid["reasoning_tokens"])


@pytest.mark.parametrize(
    "name", [name for name in RECORDED if name.startswith(("claude", "codex", "copilot", "gemini", "pydantic", "vercel"))]
)
def test_calls_know_their_model_and_session_but_where_the_runtime_leaves_them_out(name):
    read = calls(name)
    assert read.filter(pl.coalesce("model_served", "model_requested").is_null() & (pl.col("name") != "handle_responses")).is_empty()
    assert read["session"].null_count() == read.filter(pl.col("name").is_in(["handle_responses", "anthropic.messages.create"])).height
