"""What every dialect reads, and the two conventions that many runtimes share."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from bodies import SAMPLES, any_value, attributes, chat, traces
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from polars.testing import assert_frame_equal

from analytics.model import BUCKETS
from ingest import wire
from ingest.dialects import translate

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


@pytest.mark.parametrize(
    ("values", "model"), [(("first", "second"), "first"), ((7, "text"), "text"), (("", "text"), "text"), (("", ""), None)]
)
def test_of_duplicates_the_first_text_is_taken(values, model):
    said = [pair for value in values for pair in attributes({"gen_ai.request.model": value})]
    assert rows(chat(attributes=said))[0]["model_requested"] == model


def test_an_empty_text_says_nothing_and_hides_nothing():
    assert row({"gen_ai.provider.name": "", "gen_ai.system": "mint"})["provider"] == "mint"


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ("strands-agents", None), ("LangChain", None), ("github", None), ("OpenAI", "openai"), ("openai.responses", "openai"),
        ("vertex_ai", "gcp.vertex_ai"), ("google.generative-ai", "google.generative-ai"), ("gcp.gen_ai", "gcp.gen_ai"),
    ],
)  # fmt: skip
def test_a_framework_is_no_provider(said, provider):
    assert row({"gen_ai.system": said})["provider"] == provider


@pytest.mark.parametrize(
    ("name", "agent"),
    [
        ("invoke_agent maker", "maker"), ("maker.run", "maker"), ("maker._execute_core", "maker"), ("maker.agent", "maker"),
        ("invoke_agent", None), ("agent run", None), ("maker", "maker"),
    ],
)  # fmt: skip
def test_an_agent_without_a_name_is_called_what_its_span_is_called(name, agent):
    assert row({"gen_ai.operation.name": "invoke_agent"}, name=name)["agent"] == agent


def test_the_name_of_a_tool_may_say_its_server():
    assert row({"gen_ai.tool.name": "mcp__git_hub__search"})["mcp_server"] == "git_hub"


def test_a_cost_in_another_currency_is_none_in_dollars():
    cost = {"gen_ai.usage.cost.amount": 0.5}
    currencies = (None, "USD", "usd", "EUR")
    found = [row({**cost, **({"gen_ai.usage.cost.currency": currency} if currency else {})})["reported_usd"] for currency in currencies]
    assert [amount is not None for amount in found] == [True, True, True, False]


def test_fetching_a_response_again_is_free():
    assert row({**USED, "gen_ai.operation.name": "fetch_response"})["usage_role"] == "free"


@pytest.mark.parametrize("key", ["gen_ai.user", "llm.user", "metadata.user_api_key_end_user_id", "litellm.end_user.id"])
def test_a_customer_of_the_caller_is_no_user(key):
    assert row({**USED, key: "customer"})["user"] is None


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
        ({"gen_ai.request.model": "gold", "gen_ai.usage.input_tokens": 1}, "other"),
        ({"gen_ai.operation.name": "juggle", "gen_ai.request.model": "gold", "gen_ai.usage.output_tokens": 1}, "other"),
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
        ({KIND: "LLM", "output.value": OUTPUT[:30]}, "chatcmpl-1"),
        ({KIND: "LLM", "output.value": "{'id': 'msg_9', 'type': 'message'}"}, "msg_9"),
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
        ({KIND: "LLM", "metadata": '{"langgraph_node": "model", "lc_agent_name": "checker"}'}, "checker"),
        ({KIND: "CHAIN", "metadata": '{"ls_integration": "langgraph", "thread_id": "t"}'}, "step"),
        ({KIND: "CHAIN", "metadata": '{"ls_integration": "langgraph", "langgraph_node": "step"}'}, "step"),
        ({KIND: "CHAIN", "metadata": '{"ls_integration": "langgraph", "langgraph_node": "elsewhere"}'}, None),
        ({KIND: "CHAIN", "metadata": '{"ls_integration": "langchain_create_agent", "langgraph_node": "step"}'}, None),
        ({KIND: "LLM", "metadata": '{"ls_integration": "langgraph"}'}, None),
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


def test_a_log_record_may_be_a_call_and_a_point_counts_something():
    said = attributes({**USED, "loopledger.loop": "bump", "gen_ai.token.type": "input"})
    log = LogRecord(attributes=said, event_name="gen_ai.client.inference.operation.details")
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[log])])])
    point = Metric(name="gen_ai.client.token.usage", gauge=Gauge(data_points=[NumberDataPoint(attributes=said, as_int=3)]))
    metrics = ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[point])])])
    found = [
        translate(wire.decode([body.SerializeToString()], signal)).row(0, named=True)
        for body, signal in ((logs, "logs"), (metrics, "metrics"))
    ]
    assert [shown(one, "name", "kind", "dialect", "loop", "measure") for one in found] == [
        ("gen_ai.client.inference.operation.details", "model", "gen_ai", "bump", None),
        ("gen_ai.client.token.usage", "other", "gen_ai", "bump", "input"),
    ]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"event_name": "field", "body": "body"}, "field"),
        ({"body": "gen_ai.choice"}, "gen_ai.choice"),
        ({"body": "a.secret"}, None),
        ({"body": "A sentence about an event."}, None),
        ({"event_name": "event src/place.rs:7", "body": "gen_ai.choice"}, "gen_ai.choice"),
        ({"event_name": "event src/place.rs:7"}, "event src/place.rs:7"),
        ({"attribute": "attribute", "event_name": "field", "body": "body"}, "attribute"),
    ],
)
def test_a_log_record_is_named_by_attribute_field_or_body(said, name):
    event = attributes({"event.name": said["attribute"]} if "attribute" in said else {})
    log = LogRecord(attributes=event, event_name=said.get("event_name", ""), body=any_value(said.get("body")))
    logs = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[log])])])
    assert translate(wire.decode([logs.SerializeToString()], "logs"))["name"].to_list() == [name]


@pytest.mark.parametrize("signal", wire.REQUESTS)
def test_a_record_is_read_the_same_whatever_is_beside_it(signal):
    bodies = [path.read_bytes() for path in sorted(SAMPLES.glob(f"*/*-{signal}.pb")) if path.parent.name != "weekend"]
    alone = pl.concat([translate(wire.decode([body], signal)) for body in bodies])
    frames = wire.decode(bodies, signal)
    together = translate(frames)
    order = pl.Series(frames.records["body"].to_numpy()).arg_sort()  # points come kind by kind, body by body within each
    assert_frame_equal(together[order], alone, check_row_order=signal != "metrics")
