"""Edge 1, what a runtime talks to: bytes, ports, protocols. Owns no meaning."""

import os

# Read when polars is imported. Batches are small and the decoder and the committer share the cores already: on two of them one thread
# reached 32 k spans/s where two reached 23 k.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
