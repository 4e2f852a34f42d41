"""What holds in every dialect: whose names are no providers, where a tool's name says its server, and what an agent's span is called."""

import re
from functools import lru_cache

import polars as pl

from analytics.masks import always, among, any_known, each, having, known

_FRAMEWORKS = (
    "autogen", "crewai", "gcp.vertex.agent", "github", "langchain", "langgraph", "litellm", "litellm_proxy", "microsoft.agent_framework",
    "strands-agents",
)  # fmt: skip
"""They put their own name where the provider belongs."""

_RENAMED = {"az.ai.openai": "azure.ai.openai", "gemini": "gcp.gemini", "vertex_ai": "gcp.vertex_ai", "xai": "x_ai"}
"""OpenTelemetry's former provider names -> those since v1.37."""

_INTERFACE = re.compile(r"\.(?:chat|completion|completions|embedding|image|messages|responses)$")
"""`openai.responses`: some SDKs name the interface too."""

_AFTER_AGENT = r"(?:\.(?:agent|kickoff|run|workflow|_execute_core)| run)$"
_BEFORE_AGENT = r"^(?:agent|create_agent|invoke_agent|invoke_graph|invoke_swarm)(?:[ .]|$)"

_ORDINARY = ("", "standard", "default", "auto", "on_demand")
"""Tiers that mean the list's ordinary price."""

_tier = pl.col("service_tier").str.to_lowercase().replace(dict.fromkeys(_ORDINARY))
_is_batch = _tier == "batch"
_conditions = (
    pl.when(_is_batch).then(pl.lit("processing=batch")).otherwise(pl.lit("service_tier=") + _tier),
    pl.lit("speed=") + pl.col("speed").str.to_lowercase().replace(dict.fromkeys(("", "standard", "normal"))),
)
_CONDITIONS = pl.concat_str(*_conditions, separator=",", ignore_nulls=True).replace("", None)
"""What a price list prices apart, of the tier that answered: providers may serve a lower one than was asked for."""

_span = pl.col("name").str.replace(_AFTER_AGENT, "").str.replace(_BEFORE_AGENT, "").replace("", None)

_NAMED_IN_TOOL = pl.coalesce("mcp_server", pl.col("tool").str.extract(r"^mcp__(.+?)__"))
_NAMED_BY_SPAN = pl.coalesce("agent", pl.when(pl.col("kind") == "agent").then(_span))
"""An agent that says no name is called what its span is called."""


def everywhere(said: pl.DataFrame) -> pl.DataFrame:
    """What the dialect's own refinements have left, refined; columns of which nobody says anything cost nothing."""
    asked = {
        "mcp_server": (_NAMED_IN_TOOL, known(said["tool"])),
        "agent": (_NAMED_BY_SPAN, among(said["kind"], ("agent",))),
        "conditions": (_CONDITIONS, any_known(said, ("service_tier", "speed"))),
    }
    found = said.select(expression.alias(name) for name, (expression, is_asked) in asked.items() if is_asked.any())
    provider = each(said["provider"], _provider)
    return having(said, [always("conditions", None, pl.String(), said.height), provider, *found.get_columns()])


@lru_cache(maxsize=4096)
def _provider(word: str) -> str | None:
    name = _INTERFACE.sub("", word.lower(), 1)
    return None if name in _FRAMEWORKS else _RENAMED.get(name, name)
