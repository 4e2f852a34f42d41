"""Edge 1, what a runtime talks to: bytes, ports, protocols. Owns no meaning."""

import os

# Read when polars is imported. Each of its steps is handed to a pool: with one thread in it the decoder and the committer queue for each
# other, with one per core they queue for the reports too.
os.environ.setdefault("POLARS_MAX_THREADS", "4")
