"""Cursor's Enterprise export: logs and metrics pushed by its servers, no traces.

Source: Cursor docs, enterprise/opentelemetry-export. Unverified: no recording, and whether input includes cached tokens. Records come at
least once, and `cursor.event.id` tells a repeat; points come at most once and know no conversation. Corrections of a bill are not applied.
"""

import polars as pl

from ingest.dialects.dialect import COMMON, Dialect

_REQUEST = "cursor.api.request."
_NAMES = ("api_request", "api.request", "cursor.api.request", "cursor.api_request")

DIALECT = Dialect(
    name="cursor",
    scopes=("cursor.",),
    claims=("cursor.",),
    names=("cursor.",),
    fields={
        "event_id": ("cursor.event.id",),
        "agent": ("cursor.surface",),
        "user": (*COMMON["user"], "cursor.user.id"),
        "team": (*COMMON["team"], "cursor.team.id"),
        "session": (*COMMON["session"], "cursor.conversation.id"),
        "model_served": ("cursor.model.name",),
        "tool": ("cursor.tool.name",),
        "token_type": ("cursor.token.type",),
        "reported_input": (f"{_REQUEST}input_tokens",),
        "reported_output": (f"{_REQUEST}output_tokens",),
        "cache_read_tokens": (f"{_REQUEST}cache_read_tokens",),
        "cache_write_total": (f"{_REQUEST}cache_creation_tokens",),
        "note": ("cursor.api.billable",),
    },
    kinds={f"@{name}": "model" for name in _NAMES},
    metrics={
        "cursor.token.usage": {"input": "input", "output": "output", "cache_read": "cache_read", "cache_creation": "cache_write"},
    },
    refine={
        "usage_role": pl.when(pl.col("note") == "false").then(pl.lit("free")).otherwise("usage_role"),
        "agent": pl.coalesce("agent", pl.when((pl.col("kind") == "model") | pl.col("token_type").is_not_null()).then(pl.lit("cursor"))),
        "execution": pl.col("session"),
    },
    verified=False,
)
