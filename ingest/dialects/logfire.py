"""Logfire's own instrumentations: OpenAI, Anthropic, Claude Agent SDK and the user's spans.

Source: logfire 5.2 to 5.4, integrations/; OpenAI recorded. Cached and reasoning tokens stand only in `gen_ai.usage.raw`, the provider's own
object. A streamed call is a span without usage and, beside it, a record of no length with the usage. A pending span is a placeholder. Of
the Claude Agent SDK only the root has counts to be trusted: those of the main agent.
"""

import polars as pl

from ingest.dialects import gen_ai, inside
from ingest.dialects.dialect import Dialect

_is_placeholder = pl.col("note") == "pending_span"
_is_partial = pl.col("metadata").is_not_null()
_role = (
    pl.when(_is_placeholder)
    .then(pl.lit("free"))
    .when(_is_partial)
    .then(pl.lit("partial"))
    .when((pl.col("note") == "log") & (pl.col("kind") == "model"))
    .then(pl.lit("echo"))
    .otherwise(gen_ai.FREE)
)

DIALECT = Dialect(
    name="logfire",
    scopes=("logfire",),
    base=gen_ai.DIALECT,
    fields={
        "agent": ("gen_ai.agent.name", "agent_name", "agent"),
        "reported_input": ("gen_ai.usage.input_tokens", "gen_ai.usage.partial.input_tokens"),
        "reported_usd": ("operation.cost",),
        "details": ("gen_ai.usage.raw",),
        "metadata": ("gen_ai.usage.partial.output_tokens",),
        "note": ("logfire.span_type",),
    },
    usage_roles={"agent": "own"},
    refine={
        **inside.splits("details"),
        "reported_output": pl.coalesce("reported_output", pl.col("metadata").cast(pl.Int64, strict=False)),
        "reported_total": pl.coalesce("reported_total", inside.count("details", "total_tokens")),
        "kind": pl.when(_is_placeholder).then(pl.lit("other")).otherwise("kind"),
        "usage_role": _role,
    },
)
