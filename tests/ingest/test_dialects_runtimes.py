"""A case for each thing that a runtime says in its own way, in the shape of its recordings, else of its documentation."""

from collections.abc import Mapping
from typing import Any

import pytest
from bodies import REQUESTS, any_value, attributes

from analytics.model import BUCKETS
from ingest import wire
from ingest.dialects import translate

LEVELS = {"traces": ("resource_spans", "scope_spans", "spans"), "logs": ("resource_logs", "scope_logs", "log_records"),
          "metrics": ("resource_metrics", "scope_metrics", "metrics")}  # fmt: skip
TRACE = b"t" * 16
UUID = "01a203a1-06d5-73d1-84f1-8ae4a965cf53"
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
USED = {**CHAT, "gen_ai.usage.cache_read.input_tokens": 4, "gen_ai.usage.reasoning.output_tokens": 2}
AGENT = {**CHAT, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "maker"}

SPLIT = {"uncached": 6, "read": 4, "text": 3, "reasoning": 2}
"""What USED comes to."""


def row(scope: str, said: Mapping[str, Any], name: str = "", signal: str = "traces", trace: bytes = TRACE, service: str = "tests") -> dict:
    """What one record of that scope is taken for. Log records are named by their body."""
    pairs = attributes(said)
    record = {
        "traces": {"name": name, "trace_id": trace, "span_id": b"s" * 8, "attributes": pairs},
        "logs": {"trace_id": trace, "body": any_value(name), "attributes": pairs},
        "metrics": {"name": name, "gauge": {"data_points": [{"as_int": 3, "attributes": pairs}]}},
    }[signal]
    outer, inner, leaf = LEVELS[signal]
    held = {"resource": {"attributes": attributes({"service.name": service})}, inner: [{"scope": {"name": scope}, leaf: [record]}]}
    return translate(wire.decode([REQUESTS[signal](**{outer: [held]}).SerializeToString()], signal)).row(0, named=True)


def buckets(found: Mapping[str, Any]) -> dict[str, int]:
    """The buckets that are said, by the first letters of their names."""
    short = dict(zip(BUCKETS, ("uncached", "read", "write", "5m", "1h", "text", "reasoning"), strict=True))
    return {short[name]: found[name] for name in BUCKETS if found[name] is not None}


def check(found: dict, expected: Mapping[str, Any]) -> None:
    assert {name: buckets(found) if name == "buckets" else found[name] for name in expected} == expected


CLAUDE = "com.anthropic.claude_code."
CLAUDE_USED = {"input_tokens": 13, "output_tokens": 67, "cache_read_tokens": 20, "cache_creation_tokens": 5}
OF_CLAUDE = {"uncached": 13, "read": 20, "write": 5, "text": 67}
ASKED = {"span.type": "llm_request", "model": "sonnet", "request_id": "req_1", "gen_ai.response.id": "req_1", **CLAUDE_USED}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (ASKED, {"dialect": "claude_code", "kind": "model", "buckets": OF_CLAUDE, "request_id": "req_1", "response_id": None}),
        (ASKED, {"agent": "claude-code", "model_served": "sonnet", "usage_settled": "exact"}),
        ({**ASKED, "agent_id": "a1"}, {"agent": None}),
        ({"span.type": "claude_code.llm_request", **CLAUDE_USED}, {"kind": "model"}),
        ({"gen_ai.operation.name": "llm_request", **CLAUDE_USED}, {"kind": "model"}),
        ({"span.type": "llm_request"}, {"kind": "model", "buckets": {}}),
        ({"span.type": "llm_request", "status_code": 529}, {"kind": "other"}),
        ({"span.type": "interaction"}, {"kind": "chain", "agent": "claude-code"}),
        ({"span.type": "tool", "tool_name": "Agent", "subagent_type": "checker"}, {"kind": "tool", "agent": "checker", "tool": "Agent"}),
        ({"span.type": "tool", "tool_name": "mcp__hub__search", "tool_use_id": "t"}, {"mcp_server": "hub", "tool_call_id": "t"}),
        ({"span.type": "tool.execution"}, {"kind": "chain"}),
        ({"span.type": "tool.blocked_on_user"}, {"kind": "approval"}),
        ({"span.type": "interaction", "user.id": "f" * 64}, {"user": None}),
        ({"span.type": "interaction", "user.id": "f" * 64, "user.email": "ada@mint"}, {"user": "ada@mint"}),
    ],
)
def test_claude_code_spans(said, expected):
    check(row(f"{CLAUDE}tracing", said), expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"query_source": "sdk", "cost_usd": 0.5}, {"kind": "model", "agent": "claude-code", "buckets": OF_CLAUDE}),
        ({"query_source": "agent:custom", "agent.name": "custom"}, {"agent": None}),
        ({"query_source": "agent:builtin:Explore", "agent.name": "Explore"}, {"agent": "Explore"}),
        ({"mcp_server.name": "custom"}, {"mcp_server": None}),
        ({"prompt.id": "p1"}, {"run": None}),
    ],
)
def test_claude_code_requests_in_logs(said, expected):
    check(row(f"{CLAUDE}events", {"event.name": "api_request", **CLAUDE_USED, **said}, "claude_code.api_request", "logs"), expected)


def test_claude_code_logs_without_traces_run_by_their_prompt():
    assert row(f"{CLAUDE}events", {"event.name": "api_request", "prompt.id": "p1"}, "claude_code.api_request", "logs", b"")["run"] == "p1"


def test_the_last_context_of_a_claude_sub_agent_is_no_usage():
    said = {"event.name": "subagent_completed", "agent_type": "checker", "total_tokens": 3124}
    check(row(f"{CLAUDE}events", said, "claude_code.subagent_completed", "logs"), {"kind": "other", "buckets": {}})


CODEX_LOG = {"event.name": "codex.sse_event", "event.kind": "response.completed", "conversation.id": UUID, "model": "gpt"}
CODEX_COUNTS = {"input_token_count": "100", "output_token_count": "20", "cached_token_count": 60, "reasoning_token_count": 5,
                "tool_token_count": "120"}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({**CODEX_LOG, **CODEX_COUNTS}, {"kind": "model", "buckets": {"uncached": 40, "read": 60, "text": 15, "reasoning": 5}}),
        ({**CODEX_LOG, **CODEX_COUNTS}, {"agent": "codex", "session": UUID, "run": UUID, "model_served": "gpt"}),
        (CODEX_LOG, {"kind": "other", "name": "codex.sse_event"}),
        ({"event.name": "codex.tool_result", "agent_name": "/root"}, {"kind": "tool", "agent": "codex"}),
        ({"event.name": "codex.tool_result", "agent_name": "Goodall"}, {"agent": "Goodall"}),
    ],
)
def test_codex_logs(said, expected):
    check(row("codex_otel.log_only", said, "", "logs", b""), expected)


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("handle_responses", USED, {"kind": "model", "agent": "codex", "buckets": {"uncached": 6, "read": 4, "text": 5}}),
        ("handle_responses", {"tool_name": "exec", "thread.id": 5}, {"kind": "other", "session": None}),
        ("session_task.turn", {"thread.id": UUID, "codex.turn.token_usage.input_tokens": 9}, {"kind": "agent", "usage_role": "own"}),
        ("exec_command", {"codex.tool.phase": "dispatch", "call_id": "c", "tool_name": "exec"}, {"kind": "tool", "tool_call_id": "c"}),
        ("run_turn", {"thread.id": 5, "conversation.id": UUID}, {"kind": "other", "session": UUID, "run": None}),
    ],
)
def test_codex_spans(name, said, expected):
    check(row("codex_exec", said, name), {"dialect": "codex", **expected})


GEMINI = {"input_token_count": 100, "output_token_count": 20, "cached_content_token_count": 60, "thoughts_token_count": 5,
          "tool_token_count": 7, "total_token_count": 132, "session.id": "s"}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({**GEMINI, "role": "main"}, {"agent": "gemini-cli", "buckets": {"uncached": 47, "read": 60, "text": 20, "reasoning": 5}}),
        ({**GEMINI, "role": "utility_router"}, {"kind": "model", "agent": "utility_router", "run": "s", "reasoning_apart": True}),
    ],
)
def test_gemini_cli_responses_in_logs(said, expected):
    check(row("gemini-cli", {"event.name": "gemini_cli.api_response", **said}, "API response.", "logs"), expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({**CHAT, "gen_ai.operation.name": "llm_call", "gen_ai.agent.name": "gemini-cli"}, {"kind": "model", "agent": "gemini-cli"}),
        ({"gen_ai.operation.name": "agent_call", "gen_ai.agent.name": "codebase"}, {"kind": "agent", "agent": "codebase"}),
        ({"gen_ai.operation.name": "tool_call", "gen_ai.tool.call_id": "c"}, {"kind": "tool", "tool_call_id": "c"}),
    ],
)
def test_gemini_cli_spans(said, expected):
    check(row("gemini-cli", said), {"dialect": "gemini_cli", "reasoning_apart": True, **expected})


@pytest.mark.parametrize("name", ["ai.streamText", "ai.streamText.doStream"])
def test_opencode_is_known_by_its_service(name):
    said = {"ai.operationId": name, "ai.telemetry.functionId": "session.llm", "ai.telemetry.metadata.userId": "unknown"}
    check(row("ai", said, name, service="opencode"), {"dialect": "opencode", "agent": "opencode", "user": None})


def test_cursor_tells_repeats_by_its_own_id():
    said = {"cursor.event.id": "e", "cursor.api.request.input_tokens": 10, "cursor.api.request.output_tokens": 5, "cursor.user.id": 7}
    found = row("cursor.telemetry", said, "api_request", "logs", b"")
    check(found, {"dialect": "cursor", "kind": "model", "event_id": "e", "user": "7", "agent": "cursor"})


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("openclaw.model.usage", {**USED, "openclaw.tokens.input": 6, "openclaw.tokens.total": 15}, {"kind": "model", "buckets": SPLIT}),
        (
            "openclaw.model.usage",
            {"openclaw.tokens.input": 6, "openclaw.tokens.output": 5, "openclaw.tokens.cache_read": 4, "openclaw.tokens.total": 15},
            {"buckets": {"uncached": 6, "read": 4, "text": 5}},
        ),
        ("openclaw.model.call", {}, {"kind": "chain"}),
        ("chat gpt", {"gen_ai.operation.name": "chat"}, {"kind": "chain"}),
    ],
)
def test_openclaw(name, said, expected):
    check(row("openclaw", said, name), {"dialect": "openclaw", **expected})


@pytest.mark.parametrize(
    ("scope", "name", "said", "measure"),
    [
        ("com.anthropic.claude_code", "claude_code.token.usage", {"type": "input"}, "input_uncached"),
        ("com.anthropic.claude_code", "claude_code.token.usage", {"type": "cacheCreation"}, "cache_write"),
        ("com.anthropic.claude_code", "claude_code.cost.usage", {}, None),
        ("codex_otel", "codex.turn.token_usage", {"token_type": "cached_input"}, "cache_read"),
        ("codex_otel", "codex.turn.token_usage", {"token_type": "total"}, None),
        ("gemini-cli", "gemini_cli.token.usage", {"type": "thought"}, "reasoning"),
        ("gemini-cli", "gemini_cli.token.usage", {"type": "tool"}, None),
        ("gemini-cli", "gen_ai.client.token.usage", {"gen_ai.token.type": "input"}, None),
        ("strands.telemetry", "strands.event_loop.cache_write.input.tokens", {}, "cache_write"),
        ("cursor.telemetry", "cursor.token.usage", {"cursor.token.type": "cache_creation"}, "cache_write"),
        ("openclaw", "openclaw.tokens", {"openclaw.token": "input"}, "input_uncached"),
        ("openclaw", "openclaw.tokens", {"openclaw.token": "prompt"}, None),
        ("any", "gen_ai.client.token.usage", {"gen_ai.token.type": "output"}, "output"),
        ("any", "gen_ai.client.inference.usage.reasoning.output_tokens", {}, "reasoning"),
    ],
)
def test_points_count_what_they_say(scope, name, said, measure):
    assert row(scope, said, name, "metrics")["measure"] == measure


# Frameworks and instrumentations

PYDANTIC_OWN = {"gen_ai.operation.name": "invoke_agent", "agent_name": "maker", "gen_ai.aggregated_usage.input_tokens": 30,
                "gen_ai.aggregated_usage.output_tokens": 8, "gen_ai.aggregated_usage.cache_read.input_tokens": 10}  # fmt: skip
RAW = '{"prompt_tokens":10,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"more":{"reasoning_tokens":2}}'
CLAUDE_RAW = '{"cache_creation":{"ephemeral_1h_input_tokens":2,"ephemeral_5m_input_tokens":1},"cache_creation_input_tokens":3,"x":0}'
LITE = "{'completion_tokens': 5, 'completion_tokens_details': {'reasoning_tokens': 2}, 'prompt_tokens_details': {'cached_tokens': 4}}"
LITE_TAGS = "{'tags': ['team:mint', 'agent:maker'], 'session_id': 'c1', 'hea"


@pytest.mark.parametrize(
    ("scope", "said", "expected"),
    [
        ("github.copilot", {"gen_ai.operation.name": "invoke_agent"}, {"dialect": "copilot", "kind": "agent", "agent": "copilot"}),
        ("github.copilot", {**USED, "github.copilot.cost": 0.0}, {"kind": "model", "reported_usd": None, "buckets": SPLIT}),
        ("com.anthropic.sdk.python", USED, {"dialect": "anthropic_sdk", "buckets": SPLIT, "usage_settled": "exact"}),
        ("com.anthropic.sdk.python", {**CHAT, "traceloop.workflow.name": "w", "anthropic.request.id": "r"}, {"request_id": "r"}),
        ("com.anthropic.sdk.python", {"anthropic.message.count_tokens.input_tokens": 9}, {"kind": "other", "buckets": {}}),
        ("pydantic-ai", PYDANTIC_OWN, {"usage_role": "own", "agent": "maker", "buckets": {"uncached": 20, "read": 10, "text": 8}}),
        ("pydantic-ai", AGENT, {"kind": "agent", "usage_role": None}),
        ("pydantic-ai", {**USED, "gen_ai.usage.details.input_tokens": 1}, {"kind": "model", "usage_role": None, "buckets": SPLIT}),
        ("gcp.vertex.agent", {**USED, "gen_ai.request.model": "gemini-2.5-pro"}, {"dialect": "google_adk", "buckets": SPLIT}),
        ("gcp.vertex.agent", {**USED, "gen_ai.request.model": "openai/gpt"}, {"buckets": {**SPLIT, "text": 1}}),
        ("gcp.vertex.agent", {**USED, "gen_ai.provider.name": "gcp.gemini"}, {"buckets": SPLIT}),
        ("strands.telemetry.tracer", AGENT, {"dialect": "strands", "usage_role": "lifetime"}),
        ("strands.telemetry.tracer", {**CHAT, "gen_ai.system": "strands-agents"}, {"provider": None, "usage_role": None}),
        ("agent_framework", AGENT, {"dialect": "agent_framework", "usage_role": "own"}),
        ("@mastra/otel", {"mastra.span.type": "agent_run", "agent.id": "maker", "userId": "u"}, {"agent": "maker", "user": "u"}),
        ("@mastra/otel", {**CHAT, "mastra.span.type": "model_generation", "gen_ai.system": "openai.chat"}, {"provider": "openai"}),
        ("@mastra/otel", {"mastra.span.type": "model_step", "id": "chatcmpl-1"}, {"kind": "chain", "response_id": "chatcmpl-1"}),
        ("@mastra/otel", {**CHAT, "mastra.span.type": "model_step", "id": "x"}, {"kind": "model", "response_id": None}),
        ("logfire.openai", {**CHAT, "gen_ai.usage.raw": RAW}, {"buckets": SPLIT, "usage_settled": "exact"}),
        ("logfire.anthropic", {**CHAT, "gen_ai.usage.raw": CLAUDE_RAW}, {"cache_write_5m_tokens": 1, "cache_write_1h_tokens": 2}),
        ("logfire.openai", {**CHAT, "logfire.span_type": "log"}, {"kind": "model", "usage_role": "echo"}),
        ("logfire.openai", {**CHAT, "logfire.span_type": "pending_span"}, {"kind": "other", "usage_role": "free"}),
        ("logfire", {"agent": "maker", "logfire.span_type": "span"}, {"agent": "maker", "usage_role": None}),
        ("logfire", AGENT, {"usage_role": "own"}),
        ("logfire", {"gen_ai.operation.name": "chat", "gen_ai.usage.partial.output_tokens": 3}, {"usage_role": "partial"}),
        ("litellm", {**CHAT, "gen_ai.operation.name": "acompletion", "metadata.usage_object": LITE}, {"kind": "model", "buckets": SPLIT}),
        ("litellm", {"metadata.requester_metadata": LITE_TAGS}, {"agent": "maker", "team": "mint", "session": "c1"}),
        ("litellm", {"metadata.user_api_key_user_id": "default_user_id", "llm.user": "x"}, {"user": None}),
        ("litellm", {"metadata.user_api_key_team_alias": "", "metadata.user_api_key_team_id": "t1"}, {"team": "t1"}),
        ("litellm", {**CHAT, "gen_ai.response.id": "376eb246-d886-4330-8eea-bc593f6ddd06"}, {"response_id": None}),
        ("litellm", {**CHAT, "litellm.cache_hit": True}, {"usage_role": "free"}),
        ("litellm", {"llm.openai.usage": LITE, "llm.openai.id": "chatcmpl-1"}, {"kind": "other", "buckets": {}}),
        ("openinference.instrumentation.smolagents", {"openinference.span.kind": "AGENT"}, {"dialect": "smolagents", "usage_role": "own"}),
        ("openinference.instrumentation.claude_agent_sdk", {"openinference.span.kind": "AGENT"}, {"usage_role": "own"}),
        ("openinference.instrumentation.crewai", {"openinference.span.kind": "AGENT"}, {"usage_role": None}),
        ("opentelemetry.instrumentation.crewai", AGENT, {"dialect": "crewai", "usage_role": "lifetime"}),
    ],
)  # fmt: skip
def test_libraries(scope, said, expected):
    check(row(scope, said), expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"traceloop.span.kind": "agent", "traceloop.entity.name": "maker", "gen_ai.operation.name": "invoke_agent"}, {"agent": "maker"}),
        ({"traceloop.span.kind": "tool", "traceloop.entity.name": "search"}, {"kind": "tool", "tool": "search"}),
        ({"traceloop.span.kind": "task", "gen_ai.operation.name": "invoke_agent"}, {"kind": "chain"}),
        ({"llm.request.type": "chat", "gen_ai.usage.prompt_tokens": 3, "traceloop.workflow.name": "w"}, {"kind": "model"}),
        ({"traceloop.association.properties.lc_agent_name": "maker", "gen_ai.agent.name": "graph"}, {"agent": "maker"}),
        (
            {f"traceloop.association.properties.{key}": key for key in ("team", "user_id")},
            {"team": "team", "user": "user_id"},
        ),
    ],
)
def test_traceloop(said, expected):
    check(row("opentelemetry.instrumentation.openai.v1", said), {"dialect": "traceloop", **expected})


def test_traceloop_on_bedrock_leaves_the_cache_out_of_its_input():
    assert buckets(row("opentelemetry.instrumentation.bedrock", USED)) == {"uncached": 10, "read": 4, "text": 3, "reasoning": 2}


AI_USED = {"ai.usage.inputTokens": 10, "ai.usage.outputTokens": 5, "ai.usage.totalTokens": 15, "ai.usage.cachedInputTokens": 4,
           "ai.usage.outputTokenDetails.reasoningTokens": 2}  # fmt: skip
AI_NAMED = {"ai.telemetry.functionId": "maker", "ai.model.provider": "openai.responses", "ai.model.id": "gpt"}
WRITES = '{"anthropic":{"usage":{"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2}}}}'


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("ai.generateText.doGenerate", {**AI_USED, **AI_NAMED}, {"buckets": SPLIT, "agent": "maker", "provider": "openai"}),
        ("ai.generateText", {**AI_USED, "ai.response.finishReason": "stop"}, {"kind": "chain", "buckets": SPLIT}),
        ("ai.streamText", {**AI_USED, "ai.response.finishReason": "stop"}, {"kind": "chain"}),
        ("ai.streamText", AI_NAMED, {"kind": "model", "buckets": {}, "model_requested": "gpt"}),
        ("ai.generateText", AI_NAMED, {"kind": "chain"}),
        ("ai.generateObject.doGenerate", {"ai.usage.promptTokens": 3, "ai.usage.completionTokens": 2}, {"kind": "model"}),
        ("ai.embed.doEmbed", {"ai.usage.tokens": 3}, {"kind": "embedding", "buckets": {"uncached": 3}}),
        ("ai.toolCall", {"ai.toolCall.name": "lookup", "ai.toolCall.id": "c"}, {"kind": "tool", "tool": "lookup", "tool_call_id": "c"}),
        ("ai.streamText.doStream", {**AI_USED, "ai.response.providerMetadata": WRITES}, {"cache_write_1h_tokens": 2}),
        ("ai.toolCall", {"ai.telemetry.metadata.userId": "u", "ai.telemetry.metadata.team": "t"}, {"user": "u", "team": "t"}),
    ],
)  # fmt: skip
def test_vercel_ai_up_to_6(name, said, expected):
    check(row("ai", {"ai.operationId": name, **said}, name), {"dialect": "vercel_ai", **expected})


@pytest.mark.parametrize(
    ("name", "said", "kind"), [("invoke_agent gpt", AGENT, "agent"), ("step 2", AI_USED, "chain"), ("chat gpt", USED, "model")]
)
def test_vercel_ai_7(name, said, kind):
    check(row("gen_ai", said, name), {"dialect": "vercel_ai", "kind": kind})


MLFLOW = {
    "mlflow.spanType": '"CHAT_MODEL"',
    "mlflow.llm.model": '"gpt-2026"',
    "model": '"gpt"',
    "mlflow.spanOutputs": '{"id": "resp_1", "c',
}
MLFLOW_USED = '{"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cache_read_input_tokens": 4}'
GENERATION = {"langfuse.observation.type": "generation"}
LANGFUSE_USED = '{"input": 6, "input_cached_tokens": 4, "output": 3, "output_reasoning_tokens": 2, "total": 15}'
OPENAI_USED = '{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 4}}'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({**MLFLOW, "mlflow.chat.tokenUsage": MLFLOW_USED}, {"kind": "model", "buckets": {"uncached": 6, "read": 4, "text": 5}}),
        (MLFLOW, {"dialect": "mlflow", "model_served": "gpt-2026", "model_requested": "gpt", "response_id": "resp_1"}),
        ({"mlflow.spanType": '"AGENT"'}, {"kind": "agent", "agent": "step"}),
        ({"mlflow.spanType": '"TOOL"'}, {"kind": "tool", "tool": "step"}),
        ({"mlflow.spanType": '"CHAT_MODEL"', "mlflow.chat.tokenUsage": '{"input_tokens": 16'}, {"buckets": {}}),
        ({**GENERATION, "langfuse.observation.usage_details": LANGFUSE_USED}, {"kind": "model", "buckets": SPLIT}),
        (
            {**GENERATION, "langfuse.observation.usage_details": OPENAI_USED},
            {"dialect": "langfuse", "buckets": {"uncached": 6, "read": 4, "text": 5}},
        ),
        ({"langfuse.observation.type": "agent"}, {"kind": "agent", "agent": "step"}),
        (
            {**CHAT, "langsmith.span.kind": "llm", "gen_ai.system": "langchain", "gen_ai.usage.total_tokens": 15,
             "gen_ai.usage.input_token_details": "{'cache_read': 4}", "gen_ai.usage.output_token_details": "{'reasoning': 2}"},
            {"dialect": "langsmith", "kind": "model", "provider": None, "buckets": SPLIT},
        ),
        ({**CHAT, "langsmith.span.kind": "chain"}, {"kind": "chain", "usage_role": None}),
    ],
)  # fmt: skip
def test_facts_inside_texts(said, expected):
    check(row("somewhere", said, "step"), expected)
