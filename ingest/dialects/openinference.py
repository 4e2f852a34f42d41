"""OpenInference (Arize): spans with `openinference.span.kind` and `llm.*` attributes.

Source: Arize-ai/openinference, spec/semantic_conventions.md. Prompt counts include cached tokens and completion counts reasoning ones.
There is no attribute for the provider's response id; most instrumentations leave it inside the JSON of `output.value`.
"""

import polars as pl

from analytics.model import MODEL_KINDS
from ingest.dialects.dialect import Dialect

_RESPONSE_ID = r'"id":\s*"((?:chatcmpl-|resp_|msg_|gen-)[^"]+)"'


_named_by_span = pl.when(pl.col("kind") == "agent").then(pl.col("name"))
_answered = pl.when(pl.col("kind").is_in(MODEL_KINDS)).then(pl.col("output").str.extract(_RESPONSE_ID))


DIALECT = Dialect(
    name="openinference",
    claims="openinference.span.kind",
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
        "output": ("output.value",),
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
        "agent": pl.coalesce("agent", _named_by_span),
        "response_id": pl.coalesce("response_id", _answered),
    },
)
