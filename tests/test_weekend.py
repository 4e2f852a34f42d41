"""The recorded weekend holds what its story says: what it costs, when, and that nothing in it is there twice."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

WEEKEND = Path(__file__).parents[1] / "sample_traces" / "weekend"
BODIES = sorted(WEEKEND.glob("*.pb"))
PRICES = {  # US dollars per million: uncached input, cache read, cache write, output
    "claude-sonnet-4-5": (Decimal("3"), Decimal("0.30"), Decimal("3.75"), Decimal("15")),
    "gpt-5-mini": (Decimal("0.25"), Decimal("0.025"), Decimal(0), Decimal("2")),
}


@pytest.fixture(scope="module")
def runs() -> list[list[Span]]:
    """The spans of each run; every body holds one resource and one scope."""
    requests = [ExportTraceServiceRequest.FromString(path.read_bytes()) for path in BODIES]
    return [list(scope.spans) for request in requests for resource in request.resource_spans for scope in resource.scope_spans]


def said(span: Span) -> dict:
    return {kv.key: getattr(kv.value, kv.value.WhichOneof("value")) for kv in span.attributes}


def chats(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.name.startswith("chat ")]


def billed(span: Span) -> dict:
    """What a call's span reports, under a bill's names; a bill writes 0 for what is not reported."""
    usage = {name.removeprefix("gen_ai.usage."): value for name, value in said(span).items() if name.startswith("gen_ai.usage.")}
    return {
        "model": said(span)["gen_ai.request.model"],
        "served": said(span)["gen_ai.response.model"],
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "cache_read_tokens": usage["cache_read.input_tokens"],
        "cache_write_tokens": usage.get("cache_write.input_tokens", 0),
        "reasoning_tokens": usage.get("reasoning.output_tokens", 0),
    }


def cost(span: Span) -> Decimal:
    call = billed(span)
    uncached = call["input_tokens"] - call["cache_read_tokens"] - call["cache_write_tokens"]
    tokens = (uncached, call["cache_read_tokens"], call["cache_write_tokens"], call["output_tokens"])
    return sum(count * price for count, price in zip(tokens, PRICES[call["model"]], strict=True)) / 10**6


def test_the_generator_writes_what_is_recorded():
    check = subprocess.run([sys.executable, WEEKEND / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert (check.returncode, check.stderr) == (0, "the recorded files agree\n")


def test_the_check_names_a_file_that_differs_is_missing_or_left_over(tmp_path):
    subprocess.run([sys.executable, WEEKEND / "generate.py", "--out", tmp_path], capture_output=True, check=True)
    (tmp_path / "0002-traces.pb").write_bytes(b"")
    (tmp_path / "0003-traces.pb").unlink()
    (tmp_path / "0621-traces.pb").write_bytes(b"")
    check = subprocess.run(
        [sys.executable, WEEKEND / "generate.py", "--out", tmp_path, "--check"], capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr.split()[1::2]) == (1, ["0002-traces.pb", "0003-traces.pb", "0621-traces.pb"])


def test_ids_are_unique(runs):
    spans = [span for run in runs for span in run]
    repeated = Counter(span.span_id for span in spans) + Counter(said(span)["gen_ai.response.id"] for span in chats(spans))
    assert max(repeated.values()) == 1
    assert len({span.trace_id for span in spans}) == len(runs) == 620


def test_every_run_carries_the_identity_contract_and_its_own_run_id():
    resources = [ExportTraceServiceRequest.FromString(path.read_bytes()).resource_spans[0].resource for path in BODIES]
    identities = [{kv.key: kv.value.string_value for kv in resource.attributes} for resource in resources]
    run_ids = [identity.pop("loopledger.run.id") for identity in identities]
    assert (run_ids[0], run_ids[-1], len(set(run_ids))) == ("bump-20261113T180000Z", "bump-20261116T075400Z", 620)
    assert {tuple(identity) for identity in identities} == {
        ("service.name", "service.instance.id", "loopledger.loop", "team.id", "user.id")
    }


def test_runs_take_minutes_and_never_overlap(runs):
    bounds = [(min(span.start_time_unix_nano for span in run), max(span.end_time_unix_nano for span in run)) for run in runs]
    assert all(60 <= (end - start) / 10**9 <= 240 for start, end in bounds)
    assert all(end < following for (_, end), (following, _) in pairwise(bounds))


def test_every_run_is_small_nested_and_failed(runs):
    assert all(8 <= len(run) <= 14 for run in runs)
    assert max(path.stat().st_size for path in BODIES) < 6_000
    for run in runs:
        (root,) = (span for span in run if not span.parent_span_id)
        assert (root.name, root.status.code) == ("invoke_agent bump-fixer", Status.STATUS_CODE_ERROR)
        assert {span.parent_span_id for span in run} - {b""} <= {span.span_id for span in run}


def test_every_model_call_has_usage_and_is_on_the_bill(runs):
    bill = json.loads((WEEKEND / "bill.json").read_bytes())["calls"]
    calls = [billed(span) for run in runs for span in chats(run)]
    assert calls == [{name: call[name] for name in calls[0]} for call in bill]
    assert min(min(call["input_tokens"], call["output_tokens"]) for call in calls) > 0


def test_input_grows_with_every_turn_of_the_maker(runs):
    for run in runs:
        tokens = [said(span)["gen_ai.usage.input_tokens"] for span in chats(run) if span.name == "chat claude-sonnet-4-5"]
        assert tokens == sorted(set(tokens))


def test_agents_repeat_the_sum_of_the_calls_below_them(runs):
    for run in runs:
        (root,) = (span for span in run if not span.parent_span_id)
        assert said(root)["gen_ai.usage.input_tokens"] == sum(billed(span)["input_tokens"] for span in chats(run))


def test_a_run_costs_ten_to_twenty_cents_and_the_weekend_what_its_readme_says(runs):
    costs = [sum(map(cost, chats(run))) for run in runs]
    assert Decimal("0.10") < min(costs) < max(costs) < Decimal("0.20")
    assert sum(costs) == Decimal("92.53339295")


@pytest.mark.parametrize(("limit", "crossed"), [("18", "06:01:27.226"), ("25", "10:49:00.083"), ("40", "20:50:44.040")])
def test_a_weekly_budget_is_crossed_on_saturday(runs, limit, crossed):
    spent = Decimal(0)
    for span in (span for run in runs for span in chats(run)):
        spent += cost(span)
        if spent >= Decimal(limit):
            break
    ended = datetime.fromtimestamp(span.end_time_unix_nano // 10**6 / 1000, UTC)
    assert ended.isoformat(timespec="milliseconds") == f"2026-11-14T{crossed}+00:00"
