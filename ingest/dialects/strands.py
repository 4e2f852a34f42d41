"""AWS Strands Agents: its own telemetry.

Source: strands-agents 1.62, telemetry/tracer.py and metrics.py; recorded. Each count is written in several spellings. What stands on an
agent span was spent by the agent object since it was made, earlier runs included. Whether input includes cached tokens changed between
releases, so the total decides.
"""

from ingest.dialects import gen_ai
from ingest.dialects.dialect import Dialect

_COUNTERS = {"input": "input", "output": "output", "cache_read.input": "cache_read", "cache_write.input": "cache_write"}

DIALECT = Dialect(
    name="strands",
    scopes=("strands.",),
    names=("strands.",),
    base=gen_ai.DIALECT,
    kinds={"invoke_swarm": "agent", "invoke_graph": "agent"},
    usage_roles={"agent": "lifetime"},
    metrics={f"strands.event_loop.{name}.tokens": {None: measure} for name, measure in _COUNTERS.items()},
)
