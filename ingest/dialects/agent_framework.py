"""Microsoft Agent Framework.

Source: agent-framework-core 1.23, observability.py; recorded runs, none of them kept here. An agent's span sums its own calls: those of an
agent that it uses as a tool are not in it. Unverified: whether its Anthropic client counts cached tokens as input.
"""

from ingest.dialects import gen_ai
from ingest.dialects.dialect import Dialect

DIALECT = Dialect(
    name="agent_framework",
    scopes=("agent_framework", "microsoft.agent_framework", "Microsoft.Agents.AI"),
    base=gen_ai.DIALECT,
    kinds={"@workflow.run": "chain", "@executor.process": "chain", "@message.send": "chain"},
    usage_roles={"agent": "own"},
    verified=False,
)
