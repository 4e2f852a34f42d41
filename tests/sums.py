"""What was sent to a collector through every port, beside what its /metrics say of it.

    python tests/sums.py

Exits 1 when a row differs.
"""

import gzip
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from bodies import JSON, PROTOBUF, chat, split, traces
from collectors import Collector, configure, running
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from transports import GRPC, HTTP, PLAIN

from ingest.replay import recordings

_SAMPLES = Path(__file__).parent.parent / "sample_traces"
_LATEST = 10.0
"""Seconds until the collector has heard of everything: gRPC refuses what is too large before."""
_BODY_BYTES = 200_000
_LINE = re.compile(r"loopledger_(\w+?)(_total)?(?:{(.*)})? ([\d.e+-]+)")
Counted = Counter[tuple[str, ...]]
"""(name, signal, reason or nothing) -> count."""


@dataclass(frozen=True)
class Row:
    """One counter: what was sent, and what is said of it."""

    name: str
    sent: int
    told: int

    @property
    def holds(self) -> bool:
        return self.sent == self.told


def told(collector: Collector) -> Counted:
    """The counters of /metrics."""
    lines = httpx.get(f"{collector.http}/metrics").raise_for_status().text.splitlines()
    found = Counter()
    for name, is_total, labels, value in (match.groups() for line in lines if (match := _LINE.fullmatch(line))):
        if is_total or name == "requests_open":
            found[name, *re.findall('="(.*?)"', labels or "")] = int(value)
    return found


def mixed(collector: Collector) -> Counted:
    """Sends a bit of everything; what a careful reader would count."""
    sent = Counter()
    for part in (_good, _recorded, _wrong):
        sent += part(collector)
    return sent


def _good(collector: Collector) -> Counted:
    """New spans, repeated ones, revised ones, spans without ids and old ones, over each protocol and encoding."""
    sent = Counter()
    for way in (*GRPC, *HTTP):
        spans = [chat(1) for _ in range(7)]
        late, nameless = chat(1, ended_at=1_700_000_000), chat(1, span_id=b"")
        assert way.export(collector, traces(*spans, late, nameless)).rejected == 1
        assert way.export(collector, traces(*spans[:3])).ok
        spans[0].attributes.add(key="more", value=AnyValue(string_value="said later"))
        assert way.export(collector, traces(spans[0], spans[1])).ok
        sent += _of("traces", requests=3, answered=3, received=9 + 3 + 2, stored=8, repeated=3 + 1, revised=1, late=1)
        sent["rejected", "traces", "ids"] += 1
    return sent


def _recorded(collector: Collector) -> Counted:
    """Log records and points of real runtimes, each twice: over one way, then over another."""
    sent = Counter()
    for place in ("claude-code-basic-grpc", "codex-basic-grpc"):
        for number, one in enumerate(recordings([_SAMPLES / place])):
            if one.signal == "traces":
                continue
            body = one.protobuf()
            records = sum(1 for _ in split(body, one.signal))
            for way in (PLAIN[number % 3], PLAIN[(number + 1) % 3]):
                assert way.export(collector, body, one.signal).ok
            sent += _of(one.signal, requests=2, answered=2, received=2 * records, stored=records, repeated=records, late=2 * records)
    return sent


def _wrong(collector: Collector) -> Counted:
    """Bodies that are refused, each for its own reason."""
    sent, good = Counter(), traces(chat(1))
    plain = {"content-type": PROTOBUF}
    over_http = {
        "malformed": [(plain, b"\xff" * 9), ({"content-type": JSON}, b"{"), ({**plain, "content-encoding": "gzip"}, b"no gzip")],
        "media": [({"content-type": "text/plain"}, good), ({**plain, "content-encoding": "br"}, good)],
        "too_large": [(plain, bytes(_BODY_BYTES + 1)), ({**plain, "content-encoding": "gzip"}, gzip.compress(bytes(_BODY_BYTES + 1)))],
    }
    for reason, requests in over_http.items():
        for headers, body in requests:
            assert httpx.post(f"{collector.http}/v1/logs", content=body, headers=headers).status_code >= 400
            sent += _refused("logs", reason)
    assert httpx.get(f"{collector.http}/v1/metrics").status_code == 405
    sent += _refused("metrics", "method")
    for way in GRPC:
        assert not way.send(collector, b"\xff" * 9).ok
        assert not way.send(collector, bytes(_BODY_BYTES + 1)).ok
        sent += _refused("traces", "malformed") + _refused("traces", "cut_off")  # by gRPC itself
    assert way.export(collector, traces(Span(name="nobody"))).rejected == 1
    sent["rejected", "traces", "ids"] += 1
    return sent + _of("traces", requests=1, answered=1, received=1)


def _open(said: Counted) -> int:
    return sum(count for (name, *_), count in said.items() if name == "requests_open")


def _requests(said: Counted) -> int:
    return sum(count for (name, *_), count in said.items() if name == "requests")


def _of(signal: str, **counts: int) -> Counted:
    return Counter({(name, signal): count for name, count in counts.items()})


def _refused(signal: str, reason: str) -> Counted:
    return Counter({("requests", signal): 1, ("refused", signal, reason): 1})


def rows(sent: Counted, said: Counted) -> Iterator[Row]:
    """Each counter by signal and reason, then the sums that have to hold by themselves."""
    about = {"requests", "answered", "refused", "received", "stored", "repeated", "revised", "rejected", "late"}
    for key in sorted({key for key in (*sent, *said) if key[0] in about}):
        yield Row(" ".join(key), sent[key], said[key])
    for signal in ("traces", "logs", "metrics"):
        yield Row(f"{signal}: requests = answered + refused", said["requests", signal], _sum(said, signal, "answered", "refused"))
        parts = ("stored", "repeated", "revised", "rejected")
        yield Row(f"{signal}: received = {' + '.join(parts)}", said["received", signal], _sum(said, signal, *parts))


def _sum(counted: Counted, signal: str, *names: str) -> int:
    return sum(count for (name, *labels), count in counted.items() if name in names and labels[:1] == [signal])


def compared(place: Path) -> list[Row]:
    """All rows of one run on a collector of its own."""
    config = configure(place / "config", [])
    (config / "limits.yaml").write_text(f"body_bytes: {_BODY_BYTES}\n")
    with running(place / "data", config) as collector:
        sent = mixed(collector)
        said, until = told(collector), time.monotonic() + _LATEST
        while (_open(said) or _requests(said) < _requests(sent)) and time.monotonic() < until:
            said = told(collector)
        return list(rows(sent, said))


def main() -> int:
    """Prints the table; 1 when a row differs."""
    with tempfile.TemporaryDirectory(prefix="loopledger-sums-") as place:
        found = compared(Path(place))
    print("| counter | sent | /metrics |\n|---|---|---|")
    for row in found:
        print(f"| {row.name} | {row.sent} | {row.told} |{'' if row.holds else ' DIFFERS'}")
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
