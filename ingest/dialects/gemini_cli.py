"""Gemini CLI.

Source: google-gemini/gemini-cli, packages/core/src/telemetry; 0.61 recorded. One call is a span, two log records and points of two metrics;
only the record `gemini_cli.api_response` has it all: no output count contains thoughts, and tokens of tool prompts come on top of the
input. Every call is a trace of its own, so the session is the run. `gen_ai.agent.name` is constant; the role of a response says which
part of the CLI asked.
"""

import polars as pl

from ingest.dialects import gen_ai
from ingest.dialects.dialect import Dialect

_AGENT = "gemini-cli"

_tool_prompts = pl.col("note").cast(pl.Int64, strict=False).fill_null(0)
_asked_by = pl.col("metadata").replace("main", _AGENT)

DIALECT = Dialect(
    name="gemini_cli",
    scopes=("gemini-cli",),
    names=("gemini_cli.",),
    base=gen_ai.DIALECT,
    input_includes_cache=True,
    output_includes_reasoning=False,
    fields={
        "agent": ("agent_name",),
        "model_served": ("gen_ai.response.model", "model"),
        "tool": ("function_name",),
        "mcp_server": ("mcp_server_name",),
        "error_type": ("error_type",),
        "token_type": ("type",),
        "reported_input": ("input_token_count",),
        "reported_output": ("output_token_count",),
        "reported_total": ("total_token_count",),
        "cache_read_tokens": ("cached_content_token_count",),
        "reasoning_tokens": ("thoughts_token_count",),
        "metadata": ("role",),
        "note": ("tool_token_count",),
    },
    kinds={
        "llm_call": "model",
        "tool_call": "tool",
        "agent_call": "agent",
        "user_prompt": "chain",
        "system_prompt": "chain",
        "schedule_tool_calls": "chain",
        "@gemini_cli.api_response": "model",
        "@gemini_cli.tool_call": "tool",
    },
    metrics={
        "gemini_cli.token.usage": {"input": "input", "output": "output_text", "thought": "reasoning", "cache": "cache_read"},
        "gen_ai.client.token.usage": {},  # the same tokens, with neither thoughts nor cache
    },
    refine={
        "reported_input": pl.col("reported_input") + _tool_prompts,
        "agent": pl.coalesce(_asked_by, "agent", pl.lit(_AGENT)),
        "execution": pl.col("session"),
    },
)
