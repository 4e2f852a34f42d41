"""The bounded queue between the servers and the ledger: many requests become one commit, and each is answered after it.

A thread decodes the next batch of each lane while another writes them, of each lane in turn.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from functools import partial

from analytics.config.limits import DEFAULT_LIMITS, CollectorLimits
from analytics.errors import LoopledgerError, Retryable
from ingest.fairness import LANES, FairQueue, Turns
from ingest.pipeline import Answer, Pipeline, Request
from ingest.reader import AT_ONCE

_LOG = logging.getLogger(__name__)
_LINGER = 0.003  # seconds to wait for one more request
_LONGEST = 0.02  # seconds that a batch stays open while more come, or while an earlier one is being written
_PATIENCE = 0.25  # seconds after which a batch is closed, however busy other lanes keep the committer
BATCH_BYTES = 3_000_000
"""Of requests that become one commit; larger ones are hardly cheaper by the span, and both processes hold several times as much."""
_IDLE = 0.25  # seconds without a request after which a checkpoint disturbs nobody
_END = object()


class Intake:
    """Takes requests from the event loop and commits them in groups."""

    def __init__(self, pipeline: Pipeline, limits: CollectorLimits = DEFAULT_LIMITS):
        self._pipeline = pipeline
        self.waiting = FairQueue(limits, pipeline.tally)
        self._decoded = Turns()
        self.since: dict[str, float] = {}
        """What each thread is at, and since when by the monotonic clock; nothing while it waits."""
        works = {f"decoder of {lane} requests": partial(self._decode, lane) for lane in LANES} | {"committer": self._commit}
        self.threads = [threading.Thread(target=work, name=name, daemon=True) for name, work in works.items()]

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for thread in self.threads:
            thread.start()

    async def accept(self, request: Request) -> Answer:
        """Answers when the request is durable and counted. Raises Retryable or Permanent when it is not."""
        answer = self._loop.create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard, even if the client has hung up
        self.waiting.put(request.tenant, len(request.body), (request, answer))
        # A client that hangs up must not cancel what is being committed for it.
        return await asyncio.shield(answer)

    async def stop(self) -> None:
        """Answers what is in flight, then ends."""
        self.waiting.end()
        for thread in self.threads:
            await asyncio.to_thread(thread.join)

    def _decode(self, lane: str) -> None:
        while batch := self._batch(lane):
            requests = [request for request, _ in batch]
            with self._at(f"decoder of {lane} requests"):
                decoded = _attempt(self._pipeline.decode, requests, requests)
            self._hand_over(lane, (batch, decoded))
        self._hand_over(lane, _END)

    def _hand_over(self, lane: str, taken) -> None:
        """Waits until there is room before the committer; where that has ended, nobody will make it."""
        while self.threads[-1].is_alive() and not self._decoded.put(lane, taken, timeout=1):
            pass

    def _commit(self) -> None:
        ended = 0
        while ended < len(LANES):
            if (taken := self._decoded.take(timeout=_IDLE)) is None:
                with self._at("rest"):
                    self._pipeline.rest()
            elif taken is _END:
                ended += 1
            else:
                with self._at("committer"):
                    self._commit_batch(*taken)

    def _commit_batch(self, batch: Sequence, decoded: Sequence | dict) -> None:
        answers = decoded if isinstance(decoded, dict) else _attempt(self._pipeline.commit, decoded, [one for one, _ in batch])
        self._loop.call_soon_threadsafe(self._answer, batch, answers)
        self._pipeline.trim()

    @contextmanager
    def _at(self, work: str):
        self.since[work] = time.monotonic()
        try:
            yield
        finally:
            del self.since[work]

    def _batch(self, lane: str) -> list[tuple[Request, asyncio.Future]]:
        """What comes one soon after the other, or until the committer is free, up to so many bytes; nothing when the end has come."""
        first, began = self.waiting.take(lane=lane), time.monotonic()
        until = began + _PATIENCE
        if first is None:
            return []
        batch, size, came = [first], len(first[0].body), True
        while size < BATCH_BYTES and not self.waiting.is_over(lane) and time.monotonic() < until:
            is_busy = "committer" in self.since
            if is_busy and size <= AT_ONCE:  # it is read in this process, where it would only take turns with the commit
                began = time.monotonic()
            if not self._decoded.has(lane) and (time.monotonic() - began > _LONGEST or not (came or is_busy)):
                break
            if came := self.waiting.take(_LINGER, lane):
                batch.append(came)
                size += len(came[0].body)
        return batch

    def _answer(self, batch: Sequence, answers: dict[Request, Answer | LoopledgerError]) -> None:
        for request, future in batch:
            self.waiting.release(request.tenant, len(request.body))
            if future.cancelled():
                continue
            answer = answers[request]
            if isinstance(answer, Answer):
                future.set_result(answer)
            else:
                future.set_exception(answer)


def _attempt(step, given, requests: Sequence[Request]):
    """The step's result, or the same refusal for every request: no fault of ours may leave a sender without an answer."""
    try:
        return step(given)
    except Exception as error:
        _LOG.exception("a batch of %d requests failed", len(requests))
        return {request: Retryable(f"could not be processed: {type(error).__name__}") for request in requests}
