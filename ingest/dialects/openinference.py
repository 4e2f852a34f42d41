"""OpenInference (Arize): spans with `openinference.span.kind` and `llm.*` attributes.

Source: Arize-ai/openinference, spec/semantic_conventions.md; many of its instrumentations recorded. Prompt counts include cached tokens and
completion counts reasoning ones. There is no attribute for the provider's response id; most instrumentations leave it inside the JSON of
`output.value`. LangGraph's agents are chains, named in `metadata` or by the node they are. What stands on the span of the Claude Agent SDK
is the main agent's alone.
"""

import polars as pl

from ingest.dialects import inside
from ingest.dialects.dialect import Dialect

_INNER_NODES = ("agent", "call_model", "model", "tools")
"""Nodes that LangGraph's ready-made agents are built of: parts of an agent and none themselves."""

_metadata = pl.col("metadata")
_in_langgraph = (pl.col("kind") == "chain") & _metadata.str.contains(r'"ls_integration":\s*"langgraph"')
_is_node = (inside.text("metadata", "langgraph_node") == pl.col("name")) & ~pl.col("name").is_in(_INNER_NODES)
_is_graph = ~_metadata.str.contains("langgraph_", literal=True)
_of_langgraph = pl.when(_in_langgraph & (_is_node.fill_null(False) | _is_graph)).then("name")
_of_claude = (pl.col("kind") == "agent") & pl.col("runtime").str.contains("claude_agent_sdk", literal=True)

DIALECT = Dialect(
    name="openinference",
    claims=("openinference.span.kind",),
    input_includes_cache=True,
    fields={
        "word": ("openinference.span.kind",),
        "provider": ("llm.provider", "llm.system"),
        "model_requested": ("llm.request.model_name",),
        "model_served": ("llm.response.model_name", "llm.model_name", "embedding.model_name", "reranker.model_name"),
        "response_id": ("gen_ai.response.id",),
        "agent": ("agent.name", "graph.node.name", "graph.node.id"),
        "tool": ("tool.name",),
        "tool_call_id": ("tool_call.id", "tool.id"),
        "reported_input": ("llm.token_count.prompt",),
        "reported_output": ("llm.token_count.completion",),
        "reported_total": ("llm.token_count.total",),
        "cache_read_tokens": ("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
        "cache_write_total": ("llm.token_count.prompt_details.cache_write",),
        "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
        "audio_input_tokens": ("llm.token_count.prompt_details.audio",),
        "audio_output_tokens": ("llm.token_count.completion_details.audio",),
        "reported_usd": ("llm.cost.total",),
        "output": ("output.value",),
        "metadata": ("metadata",),
    },
    kinds={
        "llm": "model",
        "embedding": "embedding",
        "reranker": "rerank",
        "agent": "agent",
        "chain": "chain",
        "tool": "tool",
        "retriever": "retrieval",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
    },
    refine={
        "agent": pl.coalesce("agent", inside.text("metadata", "lc_agent_name"), _of_langgraph),
        "team": pl.coalesce("team", inside.text("metadata", "team")),
        "user": pl.coalesce("user", inside.text("metadata", "user_id")),
        "session": pl.coalesce("session", inside.text("metadata", "thread_id|session_id")),
        "response_id": inside.response_id(),
        "usage_role": pl.when(_of_claude).then(pl.lit("own")).otherwise("usage_role"),
    },
)
