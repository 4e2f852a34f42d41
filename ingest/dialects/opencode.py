"""opencode: the Vercel AI SDK inside, beside some thousand spans of its own a run.

Source: opencode 1.18, session/llm.ts; runs recorded, none of them kept here. Unverified: the last call of a run never arrives. Its
`functionId` is one constant for everything, and a user without a name is "unknown".
"""

import polars as pl

from ingest.dialects import vercel_ai
from ingest.dialects.dialect import Dialect

_calls = pl.col("kind").is_in(["model", "chain"])

DIALECT = Dialect(
    name="opencode",
    scopes=("opencode", "@opencode-ai/"),
    services=("opencode",),
    base=vercel_ai.DIALECT,
    refine={
        "agent": pl.when(_calls).then(pl.lit("opencode")),
        "user": pl.when(pl.col("user") != "unknown").then("user"),
    },
    verified=False,
)
