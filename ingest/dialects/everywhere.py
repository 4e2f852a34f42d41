"""What holds in every dialect: whose names are no providers, where a tool's name says its server, and what an agent's span is called."""

import polars as pl

_FRAMEWORKS = (
    "autogen", "crewai", "gcp.vertex.agent", "github", "langchain", "langgraph", "litellm", "litellm_proxy", "microsoft.agent_framework",
    "strands-agents",
)  # fmt: skip
"""They put their own name where the provider belongs."""

_RENAMED = {"az.ai.openai": "azure.ai.openai", "gemini": "gcp.gemini", "vertex_ai": "gcp.vertex_ai", "xai": "x_ai"}
"""OpenTelemetry's former provider names -> those since v1.37."""

_INTERFACE = r"\.(?:chat|completion|completions|embedding|image|messages|responses)$"
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

_provider = pl.col("provider").str.to_lowercase().str.replace(_INTERFACE, "").replace({**dict.fromkeys(_FRAMEWORKS), **_RENAMED})
_span = pl.col("name").str.replace(_AFTER_AGENT, "").str.replace(_BEFORE_AGENT, "").replace("", None)

EVERYWHERE = (
    _provider.alias("provider"),
    pl.coalesce("mcp_server", pl.col("tool").str.extract(r"^mcp__(.+?)__")).alias("mcp_server"),
    pl.coalesce("agent", pl.when(pl.col("kind") == "agent").then(_span)).alias("agent"),
    _CONDITIONS.alias("conditions"),
)
"""After the dialect's own refinements: an agent that says no name is called what its span is called."""
