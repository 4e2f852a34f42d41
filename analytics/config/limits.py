"""`limits.yaml`: how much a collector takes at once, from whomever, and how long it waits."""

from typing import Annotated

from pydantic import Field

from analytics.config.base import Entry
from analytics.config.values import Count

_MIB = 1 << 20
Bytes = Annotated[int, Field(ge=1, lt=2**40, strict=True)]
Seconds = Annotated[int, Field(gt=0, le=86_400, strict=True)]
Share = Annotated[int, Field(ge=1, le=99, strict=True)]


class CollectorLimits(Entry):
    """Bounds of one collector; each is counted in /metrics when it bites."""

    queue_bytes: Bytes = 256_000_000
    """Bodies that wait for their commit, of all tenants."""
    tenant_queue_percent: Share = 80
    """Of the queue that one tenant alone may hold; where several want more, each gets the same, and something is left for the next one."""
    body_bytes: Annotated[int, Field(ge=1024, le=1 << 30, strict=True)] = 64 * _MIB
    """One request, as it comes and after decompression."""
    receiving_bytes: Bytes = 256 * _MIB
    """Requests that are being received, decompressed or translated, together."""
    header_bytes: Annotated[int, Field(ge=1024, le=_MIB, strict=True)] = 16 * 1024
    """The head of a request; over gRPC its metadata."""
    header_count: Annotated[int, Field(ge=16, le=10_000, strict=True)] = 100
    """Lines in the head of a request over HTTP."""
    connections: Annotated[int, Field(ge=8, le=100_000, strict=True)] = 1024
    """Of each port; over HTTP the one idle longest makes room for the next."""
    streams_per_connection: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 256
    """Requests at once on one gRPC connection."""
    header_seconds: Seconds = 10
    """From a connection, or the first byte of a request, until its head is there."""
    body_seconds: Seconds = 60
    """From the head of a request until its body is there."""
    idle_seconds: Seconds = 60
    """Without a request until a connection is closed; over gRPC five times as long."""
    connection_age_seconds: Seconds = 3600
    """Until a gRPC connection is asked to open anew, so that load spreads after a change."""
    attributes_per_record: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 1024
    """Kept as evidence; what comes after them is counted from and then left out."""
    attribute_keys: Annotated[int, Field(ge=100, le=1_000_000, strict=True)] = 10_000
    """Different keys kept of requests that are read together; attributes under further ones are counted from and then left out."""
    attribute_bytes: Annotated[int, Field(ge=64, le=64 * _MIB, strict=True)] = 64 * 1024
    """Of one value, kept as evidence; a longer one is counted from and then cut."""
    waiting_traces: Annotated[int, Field(ge=100, le=10_000_000, strict=True)] = 100_000
    """Of each tenant, whose usage waits for calls below it; the oldest beyond them are settled at once."""
    running_runs: Annotated[int, Field(ge=100, le=10_000_000, strict=True)] = 100_000
    """Runs that are watched as going on; the one silent longest beyond them is taken for idle."""
    guard_behind_commits: Count = 100
    """Commits that the guard may owe before the collector says that it is not ready."""
    stuck_seconds: Seconds = 120
    """For one commit, or for reading what comes into one, before the collector says that it is not alive."""


DEFAULT_LIMITS = CollectorLimits()
