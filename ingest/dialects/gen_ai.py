"""OpenTelemetry GenAI semantic conventions, old names and new.

Source: open-telemetry/semantic-conventions v1.41.1 and open-telemetry/semantic-conventions-genai, docs/gen-ai.
`input_tokens` SHOULD include cached tokens and `output_tokens` reasoning ones; `cache_creation` was renamed `cache_write`.
"""

import polars as pl

from ingest.dialects.dialect import Dialect

_COUNTERS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read.input_tokens": "cache_read",
    "cache_write.input_tokens": "cache_write",
    "reasoning.output_tokens": "reasoning",
}

FREE = pl.when(pl.col("word") == "fetch_response").then(pl.lit("free")).otherwise("usage_role")
"""Fetching a response again is no second call, though it repeats the id of the first."""

DIALECT = Dialect(
    name="gen_ai",
    claims=("gen_ai.",),
    names=("gen_ai.",),
    fields={
        "word": ("gen_ai.operation.name",),
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "model_requested": ("gen_ai.request.model",),
        "model_served": ("gen_ai.response.model",),
        "response_id": ("gen_ai.response.id",),
        "agent": ("gen_ai.agent.name",),
        "tool": ("gen_ai.tool.name",),
        "tool_call_id": ("gen_ai.tool.call.id", "gen_ai.tool.call_id"),
        "token_type": ("gen_ai.token.type",),
        "request_id": ("anthropic.request.id",),
        "reported_input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "reported_output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "reported_total": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.cached_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
        ),
        "cache_write_total": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
        ),
        "cache_write_5m_tokens": ("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
        "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
        "reasoning_tokens": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
        ),
        "audio_input_tokens": ("gen_ai.usage.audio.input_tokens", "gen_ai.usage.details.input_audio_tokens"),
        "audio_output_tokens": ("gen_ai.usage.audio.output_tokens", "gen_ai.usage.details.output_audio_tokens"),
        "image_input_tokens": ("gen_ai.usage.image.input_tokens",),
        "reported_usd": ("gen_ai.usage.cost.amount", "gen_ai.usage.cost"),
        "currency": ("gen_ai.usage.cost.currency",),
    },
    kinds={
        "chat": "model",
        "completion": "model",
        "text_completion": "model",
        "generate_content": "model",
        "embeddings": "embedding",
        "rerank": "rerank",
        "retrieval": "retrieval",
        "execute_tool": "tool",
        "create_agent": "agent",
        "invoke_agent": "agent",
        "invoke_workflow": "chain",
        "execute_task": "chain",
        "plan": "chain",
        "execute_event_loop_cycle": "chain",
        "handoff": "chain",
        "@gen_ai.client.inference.operation.details": "model",
        "@gen_ai.evaluation.result": "evaluator",
    },
    metrics={
        "gen_ai.client.token.usage": {"input": "input", "output": "output", "completion": "output"},
        **{f"gen_ai.client.inference.usage.{name}": {None: measure} for name, measure in _COUNTERS.items()},
    },
    refine={
        "reported_usd": pl.when(pl.col("currency").str.to_uppercase().fill_null("USD") == "USD").then("reported_usd"),
        "usage_role": FREE,
    },
)
