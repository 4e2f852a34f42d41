"""CrewAI: its native tracing, and OpenLLMetry's instrumentation of it.

Source: crewai 1.15.30, telemetry/tracing/semantic_conventions.py; opentelemetry-instrumentation-crewai 0.62.4. Unverified: no recording of
either. OpenLLMetry writes what the agent's LLM object used since it was made on every agent span. OpenInference's instrumentation of it is
read, and verified, as openinference.
"""

from ingest.dialects import traceloop
from ingest.dialects.dialect import Dialect

DIALECT = Dialect(
    name="crewai",
    scopes=("opentelemetry.instrumentation.crewai", "crewai"),
    claims=("crewai.",),
    base=traceloop.DIALECT,
    fields={"agent": ("gen_ai.agent.name", "crewai.agent.role")},
    usage_roles={"agent": "lifetime"},
    verified=False,
)
