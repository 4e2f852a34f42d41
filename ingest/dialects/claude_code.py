"""Claude Code and the CLI inside the Claude Agent SDK.

Source: code.claude.com docs, monitoring-usage.md; 2.1.197 recorded. One request is a span (tree, sub-agent), a log record (cost) and points
of metrics, all with the same counts; `request_id` joins the first two. Input excludes cached tokens. Names of own agents are hidden as
"custom" but on the span of the tool that calls them. `user.id` is a hash of the device and nobody's name.
"""

import polars as pl

from ingest.dialects.dialect import COMMON, Dialect

_AGENT = "claude-code"
_HIDDEN = ("custom", "third-party")

_is_request = pl.col("kind") == "model"
_unanswered = _is_request & pl.col("note").is_not_null() & pl.col("reported_output").is_null()
_source = pl.col("metadata")
_of_another = _source.str.contains("^agent:") | (_source == "subagent") | pl.col("details").is_not_null()
_counts_tokens = pl.col("token_type").is_not_null()
_is_prompt = pl.col("word").is_in(["interaction", "claude_code.interaction", "invoke_agent"])
_is_main = _is_prompt | ((_is_request | _counts_tokens) & ~_of_another.fill_null(False))
_named = pl.when(~pl.col("agent").is_in(_HIDDEN)).then("agent")

DIALECT = Dialect(
    name="claude_code",
    scopes=("com.anthropic.claude_code",),
    names=("claude_code.",),
    input_includes_cache=False,
    fields={
        "speed": ("speed",),
        "word": ("span.type", "gen_ai.operation.name"),
        "agent": ("agent.name", "subagent_type"),
        "user": ("user.email", "user.id", "enduser.id", "user.account_uuid", "user.account_id"),
        "provider": ("gen_ai.system", "gen_ai.provider.name"),
        "model_requested": ("gen_ai.request.model",),
        "model_served": ("model",),
        "request_id": ("request_id",),
        "tool": ("tool_name", "mcp_tool.name"),
        "tool_call_id": ("tool_use_id", "gen_ai.tool.call.id"),
        "mcp_server": ("mcp_server.name",),
        "error_type": (*COMMON["error_type"], "error_type"),
        "token_type": ("type",),
        "execution": ("prompt.id",),
        "reported_input": ("input_tokens",),
        "reported_output": ("output_tokens",),
        "cache_read_tokens": ("cache_read_tokens",),
        "cache_write_total": ("cache_creation_tokens",),
        "reported_usd": ("cost_usd",),
        "reported_micro_usd": ("cost_usd_micros",),
        "metadata": ("query_source", "query_source_safe"),
        "details": ("agent_id",),
        "note": ("status_code", "error"),
    },
    kinds={
        "interaction": "chain",  # a prompt of an agent, and no boundary between it and its calls
        "invoke_agent": "chain",
        "llm_request": "model",
        "tool": "tool",
        "execute_tool": "tool",
        "tool.execution": "chain",
        "tool.blocked_on_user": "approval",
        "claude_code.interaction": "chain",
        "claude_code.llm_request": "model",
        "claude_code.tool": "tool",
        "claude_code.tool.execution": "chain",
        "claude_code.tool.blocked_on_user": "approval",
        "@api_request": "model",
        "@tool_decision": "approval",
        "@tool_result": "tool",
    },
    metrics={
        "claude_code.token.usage": {
            "input": "input_uncached",
            "output": "output",
            "cacheRead": "cache_read",
            "cacheCreation": "cache_write",
        },
    },
    refine={
        "kind": pl.when(_unanswered).then(pl.lit("other")).otherwise("kind"),
        "agent": pl.coalesce(_named, pl.when(_is_main).then(pl.lit(_AGENT))),
        "user": pl.when(~pl.col("user").str.contains("^[0-9a-f]{64}$")).then("user"),
        "mcp_server": pl.when(~pl.col("mcp_server").is_in(_HIDDEN)).then("mcp_server"),
        "execution": pl.when(~pl.col("traced")).then("execution"),
    },
)
