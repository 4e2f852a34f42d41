"""Edge 1, what a runtime talks to: bytes, ports, protocols. Owns no meaning."""

import os

# Batches are small and two threads already share them: more threads per batch cost more than they bring. Read when polars is imported.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
