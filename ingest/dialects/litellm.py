"""LiteLLM: SDK and proxy, both generations of its OpenTelemetry callback.

Source: litellm 1.106 to 1.109, integrations/opentelemetry.py and integrations/otel/; the proxy recorded. Cached and reasoning tokens stand
only in `metadata.usage_object`, the repr of a dict. The id of a failed attempt is LiteLLM's own. What a customer of the caller is called
(`llm.user`, end users) is no user here. Tags such as `agent:maker` are what a caller put into the request.
"""

import polars as pl

from ingest.dialects import gen_ai, inside
from ingest.dialects.dialect import COMMON, Dialect

_OWN_ID = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"
_CALLS = (
    "completion",
    "text_completion",
    "responses",
    "anthropic_messages",
    "generate_content",
    "image_generation",
    "transcription",
    "speech",
)


def _tag(name: str) -> pl.Expr:
    return pl.col("metadata").str.extract(rf"""['"]{name}:([^'"]+)['"]""")


DIALECT = Dialect(
    name="litellm",
    scopes=("litellm",),
    claims=("litellm.",),
    base=gen_ai.DIALECT,
    input_includes_cache=True,
    fields={
        "word": ("gen_ai.operation.name", "llm.request.type"),
        "model_served": ("gen_ai.response.model", "litellm.provider.model"),
        "team": (
            *COMMON["team"],
            "litellm.team.alias",
            "litellm.team.id",
            "metadata.user_api_key_team_alias",
            "metadata.user_api_key_team_id",
        ),
        "user": (
            *COMMON["user"],
            "litellm.metadata.user_api_key_user_email",
            "litellm.metadata.user_api_key_user_id",
            "metadata.user_api_key_user_email",
            "metadata.user_api_key_user_id",
        ),
        "mcp_server": ("litellm.mcp.server.name",),
        "reported_usd": ("gen_ai.usage.cost.amount", "litellm.cost.total", "gen_ai.cost.total_cost"),
        "details": ("metadata.usage_object",),
        "metadata": ("metadata.requester_metadata",),
        "note": ("litellm.cache_hit",),
    },
    kinds={
        **{f"{way}{name}": "model" for name in _CALLS for way in ("", "a")},
        **{f"{way}embedding": "embedding" for way in ("", "a")},
        **{f"{way}rerank": "rerank" for way in ("", "a")},
        "call_mcp_tool": "tool",
    },
    refine={
        **inside.splits("details"),
        "agent": pl.coalesce("agent", _tag("agent")),
        "team": pl.coalesce("team", _tag("team")),
        "session": pl.coalesce("session", inside.text("metadata", "session_id")),
        "user": pl.when(pl.col("user") != "default_user_id").then("user"),
        "response_id": pl.when(~pl.col("response_id").str.contains(_OWN_ID)).then("response_id"),
        "usage_role": pl.when(pl.col("note").str.to_lowercase() == "true").then(pl.lit("free")).otherwise(gen_ai.FREE),
    },
)
