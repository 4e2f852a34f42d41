"""OpenAI Codex CLI.

Source: openai/codex, codex-rs/otel; 0.169.0 recorded. The same tokens four times: a log record per call (model and conversation), a span
per call (neither), a span per turn, points of metrics. Of many `handle_responses` spans and two `response.completed` events per call only
one carries counts. `tool_token_count` is the total. `thread.id` is a number of the system's on most spans, and the conversation only where
it is a UUID. A sub-agent is a conversation of its own in the same trace; nothing in its records names it.
"""

import polars as pl

from ingest.dialects.dialect import COMMON, Dialect

_AGENT = "codex"
_TURN = "codex.turn.token_usage."
_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

_session = pl.when(pl.col("session").str.contains(_UUID)).then("session")
_is_call = pl.col("name").is_in(["handle_responses", "codex.sse_event"]) & pl.col("reported_input").is_not_null()
_is_codex = _is_call | (pl.col("kind") == "agent") | pl.col("token_type").is_not_null() | (pl.col("agent") == "/root")

DIALECT = Dialect(
    name="codex",
    scopes=("codex",),
    claims=("codex.",),
    names=("codex.",),
    input_includes_cache=True,
    fields={
        "word": ("codex.tool.phase",),
        "agent": ("agent_name",),
        "session": ("conversation.id", "thread.id", *COMMON["session"]),
        "user": (*COMMON["user"], "user.account_id"),
        "model_served": ("model",),
        "tool": ("tool_name",),
        "tool_call_id": ("call_id",),
        "mcp_server": ("mcp_server",),
        "token_type": ("token_type",),
        "reported_input": ("input_token_count", "gen_ai.usage.input_tokens", f"{_TURN}input_tokens"),
        "reported_output": ("output_token_count", "gen_ai.usage.output_tokens", f"{_TURN}output_tokens"),
        "reported_total": ("tool_token_count", "codex.usage.total_tokens", f"{_TURN}total_tokens"),
        "cache_read_tokens": ("cached_token_count", "gen_ai.usage.cache_read.input_tokens", f"{_TURN}cached_input_tokens"),
        "cache_write_total": ("cache_write_token_count", "gen_ai.usage.cache_write.input_tokens", f"{_TURN}cache_write_input_tokens"),
        "reasoning_tokens": ("reasoning_token_count", "codex.usage.reasoning_output_tokens", f"{_TURN}reasoning_output_tokens"),
    },
    kinds={
        "dispatch": "tool",
        "@session_task.turn": "agent",
        "@codex.tool_result": "tool",
        "@codex.tool_decision": "approval",
        "@codex.sandbox_outcome": "sandbox",
    },
    usage_roles={"agent": "own"},
    metrics={
        "codex.turn.token_usage": {
            "input": "input",
            "cached_input": "cache_read",
            "cache_write_input": "cache_write",
            "output": "output",
            "reasoning_output": "reasoning",
        },
    },
    refine={
        "kind": pl.when(_is_call).then(pl.lit("model")).otherwise("kind"),
        "agent": pl.when(_is_codex).then(pl.lit(_AGENT)).otherwise("agent"),
        "session": _session,
        "execution": pl.when(~pl.col("traced")).then(_session),
    },
)
