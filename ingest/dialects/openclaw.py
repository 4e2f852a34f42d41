"""OpenClaw's gateway.

Source: openclaw/openclaw, docs/gateway/opentelemetry.md and extensions/diagnostics-otel. Unverified: no recording. `openclaw.model.usage`
accounts for what a provider was asked; the spans of the calls themselves, even when named `chat`, carry no usage and are no calls here.
`gen_ai.usage.input_tokens` includes cached tokens, `openclaw.tokens.input` does not, and neither does the metric.
"""

import polars as pl

from ingest.dialects import gen_ai
from ingest.dialects.dialect import COMMON, Dialect

_unaccounted = (pl.col("kind") == "model") & pl.col("reported_output").is_null()

DIALECT = Dialect(
    name="openclaw",
    scopes=("openclaw",),
    claims=("openclaw.",),
    names=("openclaw.",),
    base=gen_ai.DIALECT,
    fields={
        "agent": ("gen_ai.agent.name", "openclaw.agent"),
        "session": (*COMMON["session"], "langfuse.session.id", "openclaw.sessionId"),
        "provider": ("gen_ai.provider.name", "gen_ai.system", "openclaw.provider"),
        "model_requested": ("gen_ai.request.model", "openclaw.model"),
        "tool": ("gen_ai.tool.name", "openclaw.tool.name"),
        "token_type": ("openclaw.token",),
        "reported_input": ("gen_ai.usage.input_tokens", "openclaw.tokens.input"),
        "reported_output": ("gen_ai.usage.output_tokens", "openclaw.tokens.output"),
        "reported_total": ("openclaw.tokens.total",),
        "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "openclaw.tokens.cache_read"),
        "cache_write_total": ("gen_ai.usage.cache_creation.input_tokens", "openclaw.tokens.cache_write"),
    },
    kinds={
        "@openclaw.model.usage": "model",
        "@openclaw.model.call": "chain",
        "@openclaw.run": "agent",
        "@openclaw.harness.run": "agent",
        "@openclaw.tool.execution": "tool",
        "@openclaw.exec": "sandbox",
    },
    metrics={
        "openclaw.tokens": {
            "input": "input_uncached",
            "output": "output",
            "cache_read": "cache_read",
            "cache_write": "cache_write",
        },
        "gen_ai.client.token.usage": {},  # the same tokens
    },
    refine={"kind": pl.when(_unaccounted).then(pl.lit("chain")).otherwise("kind")},
    verified=False,
)
