"""Vercel AI SDK 5, 6 and 7.

Source: npm ai 6.0.326, generate-text.ts, and @ai-sdk/otel 1.0.173; 6 recorded. Up to 6 the outer span of a call sums its `doGenerate` or
`doStream` spans, which are the requests; 7 has `invoke_agent`, steps and `chat`. A stream that its caller aborts leaves only the outer
span, without usage and without a reason why it finished: it stands for the request. Unverified: 7, and what 5 counts as input.
"""

import polars as pl

from ingest.dialects import gen_ai, inside
from ingest.dialects.dialect import COMMON, Dialect

_METADATA = "ai.telemetry.metadata."
_STREAMS = ("ai.streamText", "ai.streamObject")
_WRAPPERS = ("ai.generatetext", "ai.streamtext", "ai.generateobject", "ai.streamobject", "ai.embed", "ai.embedmany", "ai.rerank")
_REQUESTS = (
    "ai.generatetext.dogenerate",
    "ai.streamtext.dostream",
    "ai.generateobject.dogenerate",
    "ai.streamobject.dostream",
)

_never_finished = pl.col("word").is_in(_STREAMS) & pl.col("note").is_null() & pl.col("reported_output").is_null()
_kind = (
    pl.when(_never_finished)
    .then(pl.lit("model"))
    .when(pl.col("word").is_null() & pl.col("name").str.contains(r"^step \d+$"))
    .then(pl.lit("chain"))
    .otherwise("kind")
)


def _lifetime(column: str, key: str) -> pl.Expr:
    return pl.coalesce(column, inside.count("details", key))


DIALECT = Dialect(
    name="vercel_ai",
    scopes=("gen_ai",),
    claims=("ai.operationId", "ai.model.", "ai.usage.", "ai.telemetry."),
    base=gen_ai.DIALECT,
    fields={
        "word": ("ai.operationId",),
        "agent": ("gen_ai.agent.name", "ai.telemetry.functionId", f"{_METADATA}agent"),
        "loop": (*COMMON["loop"], f"{_METADATA}loop.name"),
        "team": (*COMMON["team"], f"{_METADATA}team.id", f"{_METADATA}team", f"{_METADATA}teamId"),
        "user": (*COMMON["user"], f"{_METADATA}userId"),
        "session": (*COMMON["session"], f"{_METADATA}sessionId"),
        "provider": ("ai.model.provider",),
        "model_requested": ("gen_ai.request.model", "ai.model.id"),
        "model_served": ("gen_ai.response.model", "ai.response.model"),
        "response_id": ("gen_ai.response.id", "ai.response.id"),
        "tool": ("ai.toolCall.name",),
        "tool_call_id": ("ai.toolCall.id",),
        "reported_input": ("gen_ai.usage.input_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "reported_output": ("gen_ai.usage.output_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens"),
        "reported_total": ("ai.usage.totalTokens",),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
        ),
        "cache_write_total": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "ai.usage.inputTokenDetails.cacheWriteTokens",
        ),
        "reasoning_tokens": (
            "gen_ai.usage.reasoning.output_tokens",
            "ai.usage.outputTokenDetails.reasoningTokens",
            "ai.usage.reasoningTokens",
        ),
        "details": ("ai.response.providerMetadata",),
        "note": ("ai.response.finishReason",),
    },
    kinds={
        **dict.fromkeys(_WRAPPERS, "chain"),
        **dict.fromkeys(_REQUESTS, "model"),
        "ai.embed.doembed": "embedding",
        "ai.embedmany.doembed": "embedding",
        "ai.rerank.dorerank": "rerank",
        "ai.toolcall": "tool",
    },
    refine={
        "kind": _kind,
        "cache_write_5m_tokens": _lifetime("cache_write_5m_tokens", "ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": _lifetime("cache_write_1h_tokens", "ephemeral_1h_input_tokens"),
    },
)
