"""GitHub Copilot: chat in VS Code, CLI, JetBrains.

Source: microsoft/vscode-copilot-chat, docs/monitoring/agent_monitoring.md; the CLI 1.0.102 recorded. The agent's span sums the chats below.
The cost stands on both, and is 0 with a provider of one's own; units of AI are no money.
"""

import polars as pl

from ingest.dialects import gen_ai
from ingest.dialects.dialect import Dialect

_costs = (pl.col("kind") == "model") & (pl.col("reported_usd") > 0)

DIALECT = Dialect(
    name="copilot",
    scopes=("github.copilot", "copilot-chat"),
    claims=("github.copilot.", "copilot_chat."),
    base=gen_ai.DIALECT,
    input_includes_cache=True,
    fields={"reported_usd": ("github.copilot.cost",)},
    refine={
        "reported_usd": pl.when(_costs).then("reported_usd"),
        "agent": pl.coalesce("agent", pl.when(pl.col("kind") == "agent").then(pl.lit("copilot"))),
    },
)
