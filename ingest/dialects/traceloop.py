"""OpenLLMetry: traceloop-sdk and its instrumentations.

Source: traceloop-sdk 0.62 and 0.47, opentelemetry-semantic-conventions-ai; both recorded. Users' own properties stand under
`traceloop.association.properties.` on every span. LangChain's agents are named there too, while the nearest `gen_ai.agent.name` is that of
the graph. Input includes cached tokens except on Bedrock. A streamed Anthropic call says one output token too many.
"""

import polars as pl

from ingest.dialects import gen_ai
from ingest.dialects.dialect import COMMON, Dialect

_PROPERTY = "traceloop.association.properties."

_entity = pl.col("note")
_on_bedrock = pl.col("runtime").str.starts_with("opentelemetry.instrumentation.bedrock")

DIALECT = Dialect(
    name="traceloop",
    scopes=("traceloop.", "opentelemetry.instrumentation.openai_agents", "opentelemetry.instrumentation.bedrock"),
    claims=("traceloop.",),
    base=gen_ai.DIALECT,
    input_includes_cache=True,
    fields={
        "word": ("traceloop.span.kind", "gen_ai.operation.name", "llm.request.type"),
        "agent": (f"{_PROPERTY}lc_agent_name", "gen_ai.agent.name"),
        "team": (*COMMON["team"], f"{_PROPERTY}team", f"{_PROPERTY}team_id"),
        "user": (*COMMON["user"], f"{_PROPERTY}user_id"),
        "session": (*COMMON["session"], f"{_PROPERTY}session_id", f"{_PROPERTY}thread_id"),
        "note": ("traceloop.entity.name",),
    },
    kinds={"workflow": "chain", "task": "chain", "agent": "agent", "tool": "tool", "embedding": "embedding"},
    refine={
        "agent": pl.coalesce("agent", pl.when(pl.col("kind") == "agent").then(_entity)),
        "tool": pl.coalesce("tool", pl.when(pl.col("kind") == "tool").then(_entity)),
        "input_includes_cache": pl.when(_on_bedrock).then(False).otherwise("input_includes_cache"),
    },
)
