"""Anthropic's own Python SDK, which traces by itself as soon as a global tracer provider is set.

Source: anthropic 2.12.0, `_tracing.py`; recorded. One span per call, retries inside. Input includes cached tokens; the only flat split of
cache writes by lifetime that any runtime has. Counting tokens is free and has no operation name, so such a span stays "other".
"""

from ingest.dialects import gen_ai
from ingest.dialects.dialect import Dialect

DIALECT = Dialect(name="anthropic_sdk", scopes=("com.anthropic.sdk",), base=gen_ai.DIALECT, input_includes_cache=True)
