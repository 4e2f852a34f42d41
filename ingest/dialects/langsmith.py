"""LangSmith's OpenTelemetry exporter, by which LangChain and LangGraph runs leave natively.

Source: langsmith 0.15, _internal/otel/_otel_exporter.py. Unverified: no recording. Splits are the repr of a dict. A chain whose output
holds a message repeats that message's usage. What it calls a session is a project; the conversation is in the metadata.
"""

import polars as pl

from ingest.dialects import gen_ai, inside
from ingest.dialects.dialect import COMMON, Dialect

_METADATA = "langsmith.metadata."

_splits = {
    "cache_read_tokens": inside.count("details", "cache_read"),
    "cache_write_total": inside.count("details", "cache_creation"),
    "cache_write_5m_tokens": inside.count("details", "ephemeral_5m_input_tokens"),
    "cache_write_1h_tokens": inside.count("details", "ephemeral_1h_input_tokens"),
    "audio_input_tokens": inside.count("details", "audio"),
    "reasoning_tokens": inside.count("note", "reasoning"),
    "audio_output_tokens": inside.count("note", "audio"),
}

DIALECT = Dialect(
    name="langsmith",
    claims=("langsmith.span.kind",),
    base=gen_ai.DIALECT,
    fields={
        "word": ("langsmith.span.kind",),
        "agent": (f"{_METADATA}lc_agent_name", "gen_ai.agent.name"),
        "team": (*COMMON["team"], f"{_METADATA}team"),
        "user": (*COMMON["user"], f"{_METADATA}user_id"),
        "session": (*COMMON["session"], *(f"{_METADATA}{name}" for name in ("thread_id", "session_id", "conversation_id"))),
        "provider": (f"{_METADATA}ls_provider", "gen_ai.provider.name", "gen_ai.system"),
        "model_requested": ("gen_ai.request.model", f"{_METADATA}ls_model_name"),
        "details": ("gen_ai.usage.input_token_details",),
        "note": ("gen_ai.usage.output_token_details",),
    },
    kinds={
        "llm": "model",
        "embedding": "embedding",
        "chain": "chain",
        "tool": "tool",
        "retriever": "retrieval",
        "prompt": "chain",
        "parser": "chain",
    },
    refine={
        **{column: pl.coalesce(column, found) for column, found in _splits.items()},
        "tool": pl.coalesce("tool", pl.when(pl.col("kind") == "tool").then("name")),
    },
    verified=False,
)
