"""Langfuse's SDKs.

Source: langfuse 5.0.4, _client/attributes.py; langfuse/langfuse, OtelIngestionProcessor.ts. Unverified: no recording. Usage and cost are
JSON, with buckets that do not overlap unless a caller hands on OpenAI's own object, which its total tells. Its processor writes trace
attributes on everybody's spans, so only the type of an observation claims one.
"""

import polars as pl

from ingest.dialects import gen_ai, inside
from ingest.dialects.dialect import COMMON, Dialect

_counts = {
    "reported_input": "input|input_tokens|prompt_tokens",
    "reported_output": "output|output_tokens|completion_tokens",
    "reported_total": "total|total_tokens",
    "cache_read_tokens": "input_cached_tokens|input_cache_read|cache_read_input_tokens|cached_tokens",
    "cache_write_total": "input_cache_creation|cache_creation_input_tokens",
    "reasoning_tokens": "output_reasoning_tokens|output_reasoning|reasoning_tokens",
}

DIALECT = Dialect(
    name="langfuse",
    claims=("langfuse.observation.type",),
    base=gen_ai.DIALECT,
    input_includes_cache=False,
    output_includes_reasoning=False,
    fields={
        "word": ("langfuse.observation.type",),
        "user": (*COMMON["user"], "langfuse.user.id"),
        "session": (*COMMON["session"], "langfuse.session.id"),
        "model_served": ("gen_ai.response.model", "langfuse.observation.model.name"),
        "details": ("langfuse.observation.usage_details",),
        "metadata": ("langfuse.observation.cost_details",),
        "output": ("langfuse.observation.output",),
    },
    kinds={
        "generation": "model",
        "embedding": "embedding",
        "agent": "agent",
        "tool": "tool",
        "chain": "chain",
        "span": "chain",
        "retriever": "retrieval",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
    },
    refine={
        **{column: pl.coalesce(inside.count("details", key), column) for column, key in _counts.items()},
        "tool": pl.coalesce("tool", pl.when(pl.col("kind") == "tool").then("name")),
        "reported_usd": pl.coalesce(inside.amount("metadata", "total"), "reported_usd"),
        "response_id": inside.response_id(),
    },
    verified=False,
)
