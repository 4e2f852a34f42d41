"""Mastra's OpenTelemetry exporter.

Source: npm @mastra/otel-exporter 0.3.3 with core 0.24.9, recorded. A generation sums its steps, which are the requests: two requests can be
one record here. Where the steps carry usage themselves they count, and the generation above them is their sum. Resource attributes of the
environment are ignored; team, user and session stand bare on the agent's span.
"""

import polars as pl

from ingest.dialects import gen_ai
from ingest.dialects.dialect import COMMON, Dialect

_is_request = (pl.col("word") == "model_step") & pl.col("reported_output").is_not_null()

DIALECT = Dialect(
    name="mastra",
    scopes=("@mastra/",),
    claims=("mastra.",),
    base=gen_ai.DIALECT,
    input_includes_cache=True,
    fields={
        "word": ("mastra.span.type",),
        "agent": ("gen_ai.agent.name", "agent.id", "gen_ai.agent.id"),
        "user": (*COMMON["user"], "userId"),
        "session": (*COMMON["session"], "sessionId"),
        "response_id": ("gen_ai.response.id", "id"),
        "model_served": ("gen_ai.response.model", "modelId"),
    },
    kinds={
        "agent_run": "agent",
        "model_generation": "model",
        "llm_generation": "model",
        "model_step": "chain",
        "model_chunk": "chain",
        "llm_chunk": "chain",
        "tool_call": "tool",
        "mcp_tool_call": "tool",
        "generic": "chain",
        **{f"workflow_{part}": "chain" for part in ("run", "step", "conditional", "parallel", "loop", "sleep", "wait_event")},
    },
    refine={
        "kind": pl.when(_is_request).then(pl.lit("model")).otherwise("kind"),
        "response_id": pl.when(pl.col("response_id").str.contains("^(chatcmpl-|resp_|msg_|gen-)")).then("response_id"),
    },
)
