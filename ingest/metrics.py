"""Counters as Prometheus text."""

from collections.abc import Mapping

_HELP = {
    "bodies": "Export requests received.",
    "malformed": "Requests that were not OTLP.",
    "records": "Spans, log records and points received.",
    "stored": "Records stored for the first time.",
    "repeated": "Records that had been stored with the same content.",
    "revised": "Records whose key was known with other content.",
    "rejected": "Records without valid ids.",
    "guard_failures": "Commits the guard could not act on at once.",
    "commits": "Number of the newest commit.",
}


def exposition(counts: Mapping[str, int]) -> str:
    """The counters in Prometheus' text format."""
    lines = []
    for name, value in counts.items():
        metric = f"loopledger_{name}_total" if name != "commits" else "loopledger_commit_number"
        lines += [f"# HELP {metric} {_HELP[name]}", f"# TYPE {metric} {'gauge' if name == 'commits' else 'counter'}", f"{metric} {value}"]
    return "\n".join(lines) + "\n"
