"""Google's Agent Development Kit.

Source: google-adk 2.13, telemetry/; recorded with Gemini models. In its first schema `call_llm` wraps `generate_content` and repeats its
usage. It adds reasoning to the output of every model; only Gemini leaves it out of there, so for others it is taken off again. Points of
metrics carry the same mistake and no model to tell by.
"""

import polars as pl

from ingest.dialects import gen_ai
from ingest.dialects.dialect import COMMON, Dialect

_served_by = pl.coalesce("model_served", "model_requested", "provider").str.to_lowercase()
_is_other = ~_served_by.str.contains("gemini|gemma|gcp")
_once = pl.col("reported_output") - pl.col("reasoning_tokens").fill_null(0)

DIALECT = Dialect(
    name="google_adk",
    scopes=("gcp.vertex.agent",),
    claims=("gcp.vertex.agent.",),
    base=gen_ai.DIALECT,
    input_includes_cache=True,
    fields={
        "session": (*COMMON["session"], "gcp.vertex.agent.session_id"),
        "mcp_server": ("gcp.mcp.server.destination.id",),
    },
    kinds={"@call_llm": "model", "@invocation": "chain"},
    refine={"reported_output": pl.when(_is_other).then(_once).otherwise("reported_output")},
)
