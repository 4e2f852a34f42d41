"""What waits for its commit, bounded in bytes and fair between tenants.

A tenant may hold as much as is still free times a factor. Alone it comes to its share of the queue; where several flood it, each comes to
the same, and room is left for the next one. Whoever takes draws one request of each tenant in turn. Requests wait in lanes by their size,
so that a small one need not wait until larger ones are read, nor for more than one commit of each other lane.
"""

import math
import threading
from collections import Counter, OrderedDict, deque
from typing import Any

from analytics.config import CollectorLimits
from analytics.errors import QueueFull, RateLimited
from ingest.tally import Tally

LANES = {"small": 65_536, "medium": 1_000_000, "large": math.inf}
"""Bytes below which a request is in that lane."""
LARGE = LANES["medium"]
"""Bytes from which a request is large."""


def lane_of(size: int) -> str:
    """Where a request of so many bytes waits."""
    return next(lane for lane, most in LANES.items() if size < most)


class FairQueue:
    """Requests by tenant. The bytes of one are held from `put` to `release`, for they are in memory until it is answered."""

    def __init__(self, limits: CollectorLimits, tally: Tally):
        self._most, self._tally = limits.queue_bytes, tally
        self._factor = limits.tenant_queue_percent / (100 - limits.tenant_queue_percent)
        self._held: Counter[str] = Counter()
        self._bytes = self._requests = 0
        self._waiting: dict[str, OrderedDict[str, deque]] = {lane: OrderedDict() for lane in LANES}
        self._ended = False
        self._lock = threading.Lock()
        self._changed = {lane: threading.Condition(self._lock) for lane in LANES}

    @property
    def held(self) -> tuple[int, int]:
        """Requests and bytes that are not answered yet."""
        return self._requests, self._bytes

    @property
    def is_full(self) -> bool:
        """Whether even a tenant that holds nothing would be refused."""
        return self._bytes >= self._most

    def put(self, tenant: str, size: int, item: Any) -> None:
        """Adds a request of so many bytes. Raises QueueFull, or RateLimited when it is this tenant alone that has to wait."""
        lane = lane_of(size)
        with self._lock:
            self._refuse(tenant, size)
            self._held[tenant] += size
            self._bytes, self._requests = self._bytes + size, self._requests + 1
            self._waiting[lane].setdefault(tenant, deque()).append(item)
            self._changed[lane].notify()

    def take(self, timeout: float | None = None, lane: str = "small") -> Any:
        """The next request; None when there is none within so many seconds, or ever again."""
        waiting, changed = self._waiting[lane], self._changed[lane]
        with changed:
            if not changed.wait_for(lambda: waiting or self._ended, timeout) or not waiting:
                return None
            tenant, items = waiting.popitem(last=False)
            item = items.popleft()
            if items:
                waiting[tenant] = items
            return item

    def release(self, tenant: str, size: int) -> None:
        """A request has been answered."""
        with self._lock:
            self._held[tenant] -= size
            if not self._held[tenant]:
                del self._held[tenant]
            self._bytes, self._requests = self._bytes - size, self._requests - 1

    def end(self) -> None:
        """Nothing more will come."""
        with self._lock:
            self._ended = True
            for changed in self._changed.values():
                changed.notify_all()

    def is_over(self, lane: str) -> bool:
        """Whether nothing waits there and nothing more will come."""
        return self._ended and not self._waiting[lane]

    def _refuse(self, tenant: str, size: int) -> None:
        """Whatever is larger than the queue itself is taken when nothing else is there."""
        if not self._bytes:
            return
        if self._bytes + size > self._most:
            self._tally.limited("queue_bytes")
            raise QueueFull("the intake queue is full")
        factor = self._factor / 2 if size >= LARGE else self._factor  # a tenant's own small requests find room beside its large ones
        if self._held[tenant] + size > factor * (self._most - self._bytes) and self._held[tenant]:
            self._tally.limited("tenant_queue_percent")
            raise RateLimited("too much of this tenant waits to be stored: send slower")


class Turns:
    """At most one thing of each lane that waits to be taken: the lane that was served longest ago comes first."""

    def __init__(self):
        self._waiting: dict[str, Any] = {}
        self._order = list(LANES)
        self._changed = threading.Condition()

    def has(self, lane: str) -> bool:
        """Whether something of that lane waits."""
        return lane in self._waiting

    def put(self, lane: str, item: Any, timeout: float) -> bool:
        """Waits until the place of that lane is free; false when it is not within so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: lane not in self._waiting, timeout):
                return False
            self._waiting[lane] = item
            self._changed.notify_all()
            return True

    def take(self, timeout: float) -> Any:
        """What is next; None when nothing comes within so many seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, timeout):
                return None
            lane = next(lane for lane in self._order if lane in self._waiting)
            self._order.append(self._order.pop(self._order.index(lane)))
            self._changed.notify_all()
            return self._waiting.pop(lane)
