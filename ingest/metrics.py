"""What the collector says of itself as Prometheus text."""

from collections.abc import Iterator, Mapping

from ingest.state import COMMIT_SECONDS, State
from ingest.tally import Key, key

_SIGNALS = ("traces", "logs", "metrics")
_OF_REQUESTS = {
    "requests": "Export requests that came: requests = answered + refused (of every reason) + requests_open, per signal.",
    "answered": "Export requests answered with OK: what they hold is durable and counted.",
}
_OF_RECORDS = {
    "received": "Spans, log records and points of requests that were committed: received = stored + repeated + revised + rejected.",
    "stored": "Records stored for the first time.",
    "repeated": "Records that were stored before with the same content.",
    "revised": "Records whose key was known with other content.",
    "foreign": "Records that named a team or loop which their credential may not; they are among the other counts.",
    "late": "Records received more than an hour after they ended; they are among the other counts.",
}
_BY_REASON = {
    "refused": "Export requests answered with an error, by reason; none of their records is received.",
    "rejected": "Records left out of a request that was answered, by reason.",
    "limited": "How often a limit of limits.yaml has bitten.",
    "guard_failures": "Times that the guard could not act at once on what was stored.",
}
COUNTERS = _OF_REQUESTS | _OF_RECORDS | _BY_REASON
GAUGES = {
    "queue_requests": "Requests that are not answered yet.",
    "queue_bytes": "Bytes of their bodies.",
    "receiving_bytes": "Bytes of requests that are being received or decompressed.",
    "commit_number": "Number of the newest commit.",
    "newest_data_age_seconds": "Since the latest end of a record that came after the start; absent until one has.",
    "guard_behind_commits": "Commits that the guard could not act on yet.",
    "outbox_pending": "Messages that no receiver has taken yet.",
}
_UNLABELLED = ("guard_failures",)


def exposition(counts: Mapping[Key, int], gauges: Mapping[str, float | None], state: State, resident_bytes: int) -> str:
    """Counters, gauges, commit times and memory in Prometheus' text format; a gauge that is None is left out."""
    at_zero = {key(name, signal=signal): 0 for name in (*_OF_REQUESTS, *_OF_RECORDS) for signal in _SIGNALS}
    at_zero |= {key(name): 0 for name in _UNLABELLED}
    counted = at_zero | counts
    lines = [line for name, told in COUNTERS.items() for line in _family(f"{name}_total", "counter", told, _of(counted, name))]
    open_ = {(("signal", signal),): _open(counted, signal) for signal in _SIGNALS}
    lines += _family("requests_open", "gauge", "Export requests that are neither answered nor refused yet.", open_)
    for name, told in GAUGES.items():
        if (value := gauges.get(name)) is not None:
            lines += _family(name, "gauge", told, {(): value})
    lines += _commit_seconds(state)
    lines += [
        "# HELP process_resident_memory_bytes Resident memory of the collector's process.",
        "# TYPE process_resident_memory_bytes gauge",
    ]
    return "\n".join([*lines, f"process_resident_memory_bytes {resident_bytes}"]) + "\n"


def _of(counts: Mapping[Key, int], name: str) -> dict[tuple, int]:
    return {labels: count for (one, labels), count in sorted(counts.items()) if one == name}


def _open(counts: Mapping[Key, int], signal: str) -> int:
    ended = sum(count for (name, labels), count in counts.items() if name in ("answered", "refused") and ("signal", signal) in labels)
    return counts[key("requests", signal=signal)] - ended


def _family(name: str, kind: str, told: str, values: Mapping[tuple, float]) -> Iterator[str]:
    yield f"# HELP loopledger_{name} {told}"
    yield f"# TYPE loopledger_{name} {kind}"
    for labels, value in values.items():
        yield f"loopledger_{name}{_braced(labels)} {value}"


def _braced(labels: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""


def _commit_seconds(state: State) -> Iterator[str]:
    yield "# HELP loopledger_commit_seconds From a decoded batch to its synced commit."
    yield "# TYPE loopledger_commit_seconds histogram"
    below = 0
    for end, count in zip((*map(str, COMMIT_SECONDS), "+Inf"), list(state.commit_seconds), strict=True):
        below += count
        yield f'loopledger_commit_seconds_bucket{{le="{end}"}} {below}'
    yield f"loopledger_commit_seconds_sum {state.seconds:.6f}"
    yield f"loopledger_commit_seconds_count {below}"
