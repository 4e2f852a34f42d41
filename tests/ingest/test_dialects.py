import pkgutil
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from bodies import SAMPLES, attributes, chat, traces
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from polars.testing import assert_frame_equal

from analytics.model import BUCKETS, KINDS
from ingest import dialects, wire
from ingest.dialects import DIALECTS, translate
from ingest.dialects.buckets import settle

USED = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
KIND = "openinference.span.kind"


def rows(*spans: Any, resource: Mapping[str, Any] | None = None) -> list[dict]:
    return translate(wire.decode([traces(*spans, more=resource)], "traces")).to_dicts()


def row(said: Mapping[str, Any], resource: Mapping[str, Any] | None = None, name: str = "step") -> dict:
    """What a span with these attributes is taken for."""
    return rows(chat(name=name, attributes=attributes(said)), resource=resource)[0]


def shown(found: dict, *names: str) -> tuple:
    return tuple(found[name] for name in names)


# gen_ai: OpenTelemetry's conventions, old names and new


@pytest.mark.parametrize(
    ("column", "keys"),
    [
        ("provider", ["gen_ai.provider.name", "gen_ai.system"]),
        ("model_requested", ["gen_ai.request.model"]),
        ("model_served", ["gen_ai.response.model"]),
        ("response_id", ["gen_ai.response.id"]),
        ("agent", ["gen_ai.agent.name"]),
        ("tool", ["gen_ai.tool.name"]),
        ("tool_call_id", ["gen_ai.tool.call.id", "gen_ai.tool.call_id"]),
        ("session", ["session.id", "gen_ai.conversation.id"]),
        ("error_type", ["error.type"]),
    ],
)
def test_each_fact_is_read_from_its_keys_the_best_first(column, keys):
    for place, key in enumerate(keys):
        assert row({"gen_ai.x": 1, **{worse: worse for worse in reversed(keys[place:])}})[column] == key


@pytest.mark.parametrize(
    ("said", "buckets"),
    [
        (USED, (10, None, None, None, None, 5, None)),
        ({"gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 5}, (10, None, None, None, None, 5, None)),
        ({**USED, "gen_ai.usage.prompt_tokens": 99, "gen_ai.usage.completion_tokens": 99}, (10, None, None, None, None, 5, None)),
        ({**USED, "gen_ai.usage.cache_read.input_tokens": 4}, (6, 4, None, None, None, 5, None)),
        ({**USED, "gen_ai.usage.cache_read_input_tokens": 4}, (6, 4, None, None, None, 5, None)),
        ({**USED, "gen_ai.usage.cached_input_tokens": 4}, (6, 4, None, None, None, 5, None)),
        ({**USED, "gen_ai.usage.cache_write.input_tokens": 3}, (7, None, 3, None, None, 5, None)),
        ({**USED, "gen_ai.usage.cache_creation.input_tokens": 3}, (7, None, 3, None, None, 5, None)),
        ({**USED, "gen_ai.usage.cache_creation_input_tokens": 3}, (7, None, 3, None, None, 5, None)),
        ({**USED, "gen_ai.usage.reasoning.output_tokens": 2}, (10, None, None, None, None, 3, 2)),
        ({**USED, "gen_ai.usage.reasoning_tokens": 2}, (10, None, None, None, None, 3, 2)),
        (
            {
                **USED,
                "gen_ai.usage.cache_creation.input_tokens": 6,
                "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 1,
                "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 2,
            },
            (4, None, 3, 1, 2, 5, None),
        ),
        ({"gen_ai.operation.name": "chat"}, (None,) * 7),
        ({"gen_ai.usage.output_tokens": 5}, (None, None, None, None, None, 5, None)),
        ({"gen_ai.usage.cache_read.input_tokens": 4}, (None,) * 7),
    ],
)
def test_usage_becomes_disjoint_buckets(said, buckets):
    assert shown(row(said), *BUCKETS) == buckets


@pytest.mark.parametrize("count", [7, "7", 7.0, "007", 0, "0", 0.0, 10**12])
def test_a_count_may_come_as_any_whole_number(count):
    assert row({**USED, "gen_ai.usage.input_tokens": count})["input_uncached_tokens"] == int(count)


@pytest.mark.parametrize(
    "count", [-7, 7.5, "7.0", "-7", " 7", "7\n", "1e3", "", "seven", True, [7], 10**12 + 1, 2**63 - 1, "9" * 18, "9" * 30, 1e300]
)
def test_a_count_that_is_none_is_unknown(count):
    assert shown(row({**USED, "gen_ai.usage.input_tokens": count}), "input_uncached_tokens", "output_text_tokens") == (None, 5)


@pytest.mark.parametrize("count", [float("nan"), float("inf"), float("-inf")])
def test_a_count_that_is_no_number_is_unknown(count):
    assert row({**USED, "gen_ai.usage.input_tokens": count})["input_uncached_tokens"] is None


def test_of_duplicates_the_first_is_taken():
    said = [*attributes({"gen_ai.request.model": "first"}), *attributes({"gen_ai.request.model": "second"})]
    assert rows(chat(attributes=said))[0]["model_requested"] == "first"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"gen_ai.operation.name": "chat"}, "model"),
        ({"gen_ai.operation.name": "Generate_Content"}, "model"),
        ({"gen_ai.operation.name": "text_completion"}, "model"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"gen_ai.operation.name": "invoke_agent"}, "agent"),
        ({"gen_ai.operation.name": "create_agent"}, "agent"),
        ({"gen_ai.operation.name": "invoke_workflow"}, "chain"),
        ({"gen_ai.operation.name": "juggle"}, "other"),
        ({"gen_ai.system": "mint"}, "other"),
        ({"gen_ai.request.model": "gold"}, "other"),
        ({"gen_ai.request.model": "gold", "gen_ai.usage.input_tokens": 1}, "model"),
        ({"gen_ai.response.model": "gold", "gen_ai.usage.output_tokens": 1}, "model"),
        ({"gen_ai.usage.input_tokens": 1}, "other"),
        ({**USED, "gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gold"}, "agent"),
    ],
)
def test_a_word_of_the_runtime_says_the_kind(said, kind):
    assert shown(row(said), "dialect", "kind") == ("gen_ai", kind)


# openinference


def test_openinference_reads_its_own_names():
    said = {
        KIND: "LLM", "llm.model_name": "gold-2026", "llm.provider": "mint", "llm.system": "other", "llm.token_count.prompt": 10,
        "llm.token_count.completion": 5, "llm.token_count.total": 15, "llm.token_count.prompt_details.cache_read": 4,
        "llm.token_count.prompt_details.cache_write": 3, "llm.token_count.completion_details.reasoning": 2, "session.id": "s",
    }  # fmt: skip
    found = row(said)
    assert shown(found, "dialect", "kind", "provider", "model_requested", "model_served", "session") == (
        "openinference", "model", "mint", None, "gold-2026", "s",
    )  # fmt: skip
    assert shown(found, *BUCKETS, "usage_settled") == (3, 4, 3, None, None, 3, 2, "exact")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("LLM", "model"), ("EMBEDDING", "embedding"), ("RERANKER", "rerank"), ("AGENT", "agent"), ("CHAIN", "chain"), ("TOOL", "tool"),
        ("RETRIEVER", "retrieval"), ("GUARDRAIL", "guardrail"), ("EVALUATOR", "evaluator"), ("llm", "model"), ("PROMPT", "other"),
    ],
)  # fmt: skip
def test_openinference_has_words_for_kinds(word, kind):
    assert row({KIND: word})["kind"] == kind


OUTPUT = '{"id": "chatcmpl-1", "choices": [{"message": {"content": "{\\"id\\": \\"msg_0\\"}"}}]}'


@pytest.mark.parametrize(
    ("said", "response_id"),
    [
        ({KIND: "LLM", "output.value": OUTPUT}, "chatcmpl-1"),
        ({KIND: "LLM", "output.value": '{"type":"message","id":"msg_7"}'}, "msg_7"),
        ({KIND: "LLM", "output.value": '{"response":{"id":"resp_8"}}'}, "resp_8"),
        ({KIND: "LLM", "output.value": OUTPUT, "gen_ai.response.id": "named"}, "named"),
        ({KIND: "LLM", "input.value": OUTPUT}, None),
        ({KIND: "LLM", "input.value": OUTPUT, "output.value": '{"id": "call_3"}'}, None),
        ({KIND: "LLM", "output.value": "the id is chatcmpl-1"}, None),
        ({KIND: "AGENT", "output.value": OUTPUT}, None),
        ({KIND: "TOOL", "output.value": OUTPUT}, None),
    ],
)
def test_openinference_finds_the_response_id_in_what_a_model_answered(said, response_id):
    assert row(said)["response_id"] == response_id


@pytest.mark.parametrize(
    ("said", "agent"),
    [
        ({KIND: "AGENT"}, "step"),
        ({KIND: "AGENT", "agent.name": "maker"}, "maker"),
        ({KIND: "CHAIN", "graph.node.name": "checker"}, "checker"),
        ({KIND: "CHAIN"}, None),
        ({KIND: "LLM"}, None),
    ],
)
def test_an_openinference_agent_is_named_by_its_span_where_nothing_else_names_it(said, agent):
    assert row(said)["agent"] == agent


def test_a_span_in_two_dialects_is_read_in_the_first():
    assert row({**USED, KIND: "LLM", "llm.token_count.prompt": 3})["dialect"] == "openinference"


# plain, and what every dialect reads


def test_anything_else_is_a_step_of_kind_other():
    found = row({"http.method": "GET", "llm.model_name": "gold"}, name="GET /")
    assert shown(found, "name", "dialect", "kind", "model_served", *BUCKETS) == ("GET /", "plain", "other", None, *(None,) * 7)


IDENTITY = {
    "loopledger.loop": "bump", "loopledger.run.id": "run-1", "loopledger.run.parent": "run-0", "loopledger.role": "maker",
    "team.id": "mint", "user.id": "ada", "session.id": "s",
}  # fmt: skip


@pytest.mark.parametrize("dialect", [{}, USED, {KIND: "LLM"}], ids=["plain", "gen_ai", "openinference"])
def test_the_identity_contract_holds_in_every_dialect_on_record_and_resource(dialect):
    names = ("loop", "run", "run_parent", "role", "team", "user", "session")
    expected = ("bump", "run-1", "run-0", "maker", "mint", "ada", "s")
    assert shown(row({**dialect, **IDENTITY}), *names) == expected
    assert shown(row({"x": 1, **dialect}, resource=IDENTITY), *names) == expected


def test_what_a_record_says_wins_over_its_resource():
    assert shown(row({"team": "mint"}, resource={"team.id": "bank", "user.email": "ada@mint"}), "team", "user") == ("mint", "ada@mint")


def test_a_name_given_as_a_number_is_a_name():
    assert shown(row({"user.id": 4711, "team": 12}), "user", "team") == ("4711", "12")


def test_the_scope_is_the_runtime_and_the_resource_names_the_service():
    assert shown(row({}), "runtime", "service") == ("tests", "tests")


def test_logs_and_points_are_no_steps():
    said = attributes({**USED, "loopledger.loop": "bump"})
    log = LogRecord(attributes=said, event_name="gen_ai.client.inference.operation.details")
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[log])])])
    point = Metric(name="gen_ai.client.token.usage", gauge=Gauge(data_points=[NumberDataPoint(attributes=said, as_int=3)]))
    metrics = ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[point])])])
    found = [
        translate(wire.decode([body.SerializeToString()], signal)).row(0, named=True)
        for body, signal in ((logs, "logs"), (metrics, "metrics"))
    ]
    assert [shown(one, "name", "kind", "dialect", "loop") for one in found] == [
        ("gen_ai.client.inference.operation.details", "other", "gen_ai", "bump"),
        ("gen_ai.client.token.usage", "other", "gen_ai", "bump"),
    ]


@pytest.mark.parametrize("signal", wire.REQUESTS)
def test_a_record_is_read_the_same_whatever_is_beside_it(signal):
    bodies = [path.read_bytes() for path in sorted(SAMPLES.glob(f"*/*-{signal}.pb")) if path.parent.name != "weekend"]
    alone = pl.concat([translate(wire.decode([body], signal)) for body in bodies])
    frames = wire.decode(bodies, signal)
    together = translate(frames)
    order = pl.Series(frames.records["body"].to_numpy()).arg_sort()  # points come kind by kind, body by body within each
    assert_frame_equal(together[order], alone, check_row_order=signal != "metrics")


# Buckets

REPORTED = ("reported_input", "reported_output", "reported_total", "cache_read_tokens", "cache_write_total", "cache_write_5m_tokens",
            "cache_write_1h_tokens", "reasoning_tokens")  # fmt: skip


def settled(*reported: int | None, includes_cache: bool = True) -> tuple:
    """(how, the seven buckets) of what was reported, in the order of REPORTED."""
    said = pl.DataFrame([(*reported, *[None] * (len(REPORTED) - len(reported)))], dict.fromkeys(REPORTED, pl.Int64), orient="row")
    said = said.with_columns(input_includes_cache=includes_cache, output=None, word=None)
    return settle(said.lazy()).select("usage_settled", *BUCKETS).collect().row(0)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        pytest.param((100, 20, None, 60, 30), ("exact", 10, 60, 30, None, None, 20, None), id="input includes the cache"),
        pytest.param((100, 20, 120, 60, 30), ("exact", 10, 60, 30, None, None, 20, None), id="and the total agrees"),
        pytest.param((100, 20, 210, 60, 30), ("derived", 100, 60, 30, None, None, 20, None), id="the total says it does not"),
        pytest.param((10, 20, None, 60, 30), ("derived", 10, 60, 30, None, None, 20, None), id="too small to include it"),
        pytest.param((10, 20, 30, 60, 30), ("derived", 10, 60, 30, None, None, 20, None), id="too small, whatever the total"),
        pytest.param((90, 20, None, 60, 30), ("exact", 0, 60, 30, None, None, 20, None), id="all of it cached"),
        pytest.param((100, 20, 777, 60, 30), ("exact", 10, 60, 30, None, None, 20, None), id="a total that fits nothing"),
        pytest.param((100, 20, None, None, 30, 10, 5), ("exact", 70, None, 15, 10, 5, 20, None), id="lifetimes of some writes"),
        pytest.param((100, 20, None, None, None, 10, 5), ("exact", 85, None, 0, 10, 5, 20, None), id="lifetimes alone"),
        pytest.param((100, 20, None, None, None, None, 5), ("exact", 95, None, 0, None, 5, 20, None), id="one lifetime alone"),
        pytest.param((100, 20, None, None, None, None, None, 20), ("exact", 100, None, None, None, None, 0, 20), id="all reasoning"),
        pytest.param((100, 20, None, None, None, None, None, 30), ("exact", 100, None, None, None, None, 20, 30), id="reasoning apart"),
        pytest.param((None, 20), ("exact", None, None, None, None, None, 20, None), id="output alone"),
        pytest.param((100,), ("exact", 100, None, None, None, None, None, None), id="input alone"),
        pytest.param((None, None, 120, 60), (None,) * 8, id="neither"),
        pytest.param((0, 0), ("exact", 0, None, None, None, None, 0, None), id="nothing used is 0 and not unknown"),
    ],
)
def test_reported_counts_become_disjoint_buckets(reported, expected):
    assert settled(*reported) == expected


def test_a_dialect_whose_input_leaves_the_cache_out():
    assert settled(100, 20, None, 60, includes_cache=False) == ("exact", 100, 60, None, None, None, 20, None)
    assert settled(100, 20, 120, 60, includes_cache=False) == ("exact", 40, 60, None, None, None, 20, None)


COUNT = st.none() | st.integers(0, 20)


@settings(max_examples=120)
@given(st.integers(0, 40), st.integers(0, 40), st.none() | st.integers(0, 120), COUNT, COUNT, COUNT, COUNT, COUNT, st.booleans())
@example(10, 0, None, None, None, None, 5, None, True)
@example(10, 0, None, None, 1, 3, 3, None, True)
def test_buckets_are_never_negative_and_sum_to_what_was_reported(put, got, total, read, write, short, long, thought, includes):
    how, *found = settled(put, got, total, read, write, short, long, thought, includes_cache=includes)
    assert min(bucket for bucket in found if bucket is not None) >= 0
    cached = (read or 0) + max(write or 0, (short or 0) + (long or 0))
    assert sum(bucket or 0 for bucket in found[:5]) in ({put} if cached == 0 else {put, put + cached})
    assert sum(bucket or 0 for bucket in found[5:]) == (got if (thought or 0) <= got else got + thought)
    assert how in ("exact", "derived")


# Wiring


def test_every_dialect_file_is_registered_and_plain_is_last():
    files = {module.name for module in pkgutil.iter_modules(dialects.__path__)} - {"dialect", "buckets"}
    assert {dialect.name for dialect in DIALECTS} == files
    assert (DIALECTS[-1].name, [dialect.claims for dialect in DIALECTS].count("")) == ("plain", 1)


def test_dialects_speak_the_vocabulary():
    assert {kind for dialect in DIALECTS for kind in dialect.kinds.values()} <= set(KINDS)
    assert all(word == word.lower() for dialect in DIALECTS for word in dialect.kinds)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_key_means_two_things_in_a_dialect(dialect):
    keys = [key for keys in dialect.fields.values() for key in keys]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("dialect", DIALECTS[:-1], ids=lambda dialect: dialect.name)
def test_every_dialect_is_spoken_in_a_sample(dialect):
    bodies = (path.read_bytes() for path in sorted(SAMPLES.glob("*/*-traces.pb")) if path.parent.name != "weekend")
    assert any(dialect.name in translate(wire.decode([body], "traces"))["dialect"].to_list() for body in bodies)
