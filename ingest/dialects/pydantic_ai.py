"""Pydantic AI: its own instrumentation.

Source: pydantic-ai 2.68 and 1.107, models/instrumented.py and capabilities/instrumentation.py; 2.x recorded. 2.x reports what a run spent
itself under `gen_ai.aggregated_usage.*`; 1.x a sum of everything below under the keys of a call.
"""

import polars as pl

from ingest.dialects import gen_ai
from ingest.dialects.dialect import Dialect

_AGGREGATED = pl.col("note").is_not_null()

DIALECT = Dialect(
    name="pydantic_ai",
    scopes=("pydantic-ai",),
    base=gen_ai.DIALECT,
    input_includes_cache=True,
    fields={
        "agent": ("gen_ai.agent.name", "agent_name"),
        "model_requested": ("gen_ai.request.model", "model_name"),
        "reported_input": ("gen_ai.usage.input_tokens", "gen_ai.aggregated_usage.input_tokens"),
        "note": ("gen_ai.aggregated_usage.output_tokens",),
        "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.aggregated_usage.cache_read.input_tokens"),
        "cache_write_total": ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.aggregated_usage.cache_creation.input_tokens"),
        "reasoning_tokens": ("gen_ai.usage.details.reasoning_tokens", "gen_ai.aggregated_usage.details.reasoning_tokens"),
        "reported_usd": ("operation.cost",),
    },
    kinds={"@agent run": "agent", "@running tool": "tool"},
    refine={
        "reported_output": pl.coalesce("reported_output", pl.col("note").cast(pl.Int64, strict=False)),
        "usage_role": pl.when(_AGGREGATED).then(pl.lit("own")).otherwise(gen_ai.FREE),
    },
)
