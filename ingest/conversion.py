"""OTLP/JSON -> protobuf, in a process beside the collector where it would hold up everybody else's answers."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from analytics.errors import Permanent
from ingest import otlp_json
from ingest.beside import Beside, EndedError
from ingest.wire import Signal

_AT_ONCE = 16_384
"""Bytes that are read where they come."""
_LARGE = 4_000_000
"""Bytes that are read apart from others, in a process that ends then: they take many times their size in memory."""


class Converter:
    """Two processes, started when there is something for them, for what is large and for what is not."""

    def __init__(self) -> None:
        self._lanes = [(ThreadPoolExecutor(1, f"{name}-json"), Beside()) for name in ("some", "large")]

    async def __call__(self, body: bytes, signal: Signal) -> bytes:
        """Raises Permanent as `otlp_json.to_protobuf` does."""
        if len(body) <= _AT_ONCE:
            return otlp_json.to_protobuf(body, signal)
        is_large = len(body) > _LARGE
        thread, beside = self._lanes[is_large]
        return await asyncio.get_running_loop().run_in_executor(thread, _converted, beside, is_large, body, signal)

    def close(self) -> None:
        """Ends both processes, when they are done."""
        for thread, beside in self._lanes:
            thread.shutdown(cancel_futures=True)
            beside.close()


def _converted(beside: Beside, is_large: bool, body: bytes, signal: Signal) -> bytes:
    try:
        return beside.ask(otlp_json.to_protobuf, body, signal)
    except EndedError:
        raise Permanent("body: reading this ends the reader") from None
    finally:
        if is_large:
            beside.close()


@contextlib.contextmanager
def converting() -> Iterator[Converter]:
    """A converter for as long as the context lasts."""
    with contextlib.closing(Converter()) as converter:
        yield converter
