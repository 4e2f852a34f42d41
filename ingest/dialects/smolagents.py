"""smolagents through OpenInference's instrumentation.

Source: openinference-instrumentation-smolagents 0.1.43 with smolagents 1.26; recorded. `NAME.run` sums the agent's own calls: those of an
agent that it manages are not in it. Every tool's span is called `SimpleTool`.
"""

from ingest.dialects import openinference
from ingest.dialects.dialect import Dialect

DIALECT = Dialect(
    name="smolagents",
    scopes=("openinference.instrumentation.smolagents",),
    base=openinference.DIALECT,
    input_includes_cache=True,
    usage_roles={"agent": "own"},
)
