"""Telemetry with known truth: the records that an invented run exports, and what its provider would bill for it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bodies import REQUESTS, attributes
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECOND = 10**9
MONDAY = 1_795_000_000 * SECOND
DELTA, CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA, AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE

_UNFINISHED = 0.1
"""How many spans are exported before they end as well."""

Said = Mapping[str, Any]


@dataclass(frozen=True)
class Used:
    """The tokens of one call; input includes cache reads, output includes reasoning."""

    model: str
    input: int
    output: int
    cache_read: int = 0
    reasoning: int = 0

    def __add__(self, other: "Used") -> "Used":
        names = ("input", "output", "cache_read", "reasoning")
        return Used(self.model, *(getattr(self, name) + getattr(other, name) for name in names))

    def gen_ai(self, *, splits: bool = True, model: bool = True) -> dict[str, Any]:
        """As OpenTelemetry says it."""
        said = {"gen_ai.usage.input_tokens": self.input, "gen_ai.usage.output_tokens": self.output}
        if splits:
            said |= {"gen_ai.usage.cache_read.input_tokens": self.cache_read, "gen_ai.usage.reasoning.output_tokens": self.reasoning}
        return said | ({"gen_ai.request.model": self.model} if model else {})

    def chat(self, **more: Any) -> dict[str, Any]:
        return {"gen_ai.operation.name": "chat", **self.gen_ai(**more)}

    def openinference(self, *, splits: bool = True) -> dict[str, Any]:
        """As OpenInference says it."""
        said = {"llm.model_name": self.model, "llm.token_count.prompt": self.input, "llm.token_count.completion": self.output}
        if splits:
            said["llm.token_count.prompt_details.cache_read"] = self.cache_read
            said["llm.token_count.completion_details.reasoning"] = self.reasoning
        return {"openinference.span.kind": "LLM", **said}


def total(calls: list[Used]) -> Used:
    """What calls come to."""
    first, *rest = calls
    return sum(rest, first)


@dataclass
class Node:
    """A span on its way; it ends after everything below it."""

    trace: bytes
    id: bytes
    name: str
    within: "Node | None"
    start: int
    end: int
    scope: str
    process: str
    said: dict[str, Any]
    failed: bool


@dataclass
class Scene:
    """One run being invented. Its clock goes forward; each has a process and a model of its own."""

    chance: random.Random
    name: str
    bill: list[Used] = field(default_factory=list)
    unknown: int = 0
    """Calls that are billed but that no telemetry tells the usage of."""
    counts_calls: bool = True
    """False where telemetry cannot tell how many calls there were."""
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self):
        self.now = MONDAY + self.chance.randrange(3600) * SECOND
        self.key = f"{self.name} {self.chance.getrandbits(32):x}"
        """Of this run alone."""
        self.process, self.model = self.key, f"model-of-{self.key}".replace(" ", "-")

    def join(self, other: "Scene") -> None:
        """Runs in the process of another scene, on its model and at its time."""
        self.process, self.model, self.now = other.process, other.model, other.now + self.chance.randrange(3 * SECOND)

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def some(self, least: int = 1, most: int = 3) -> range:
        """A few times."""
        return range(self.chance.randint(least, most))

    def used(self, *, billed: bool = True, splits: bool = True) -> Used:
        """A call that happens; tokens of different calls are often equal. Without `splits` nothing is cached or reasoned."""
        cached, reasoned = (self.chance.choice((0, 3, 64)), self.chance.choice((0, 2, 32))) if splits else (0, 0)
        call = Used(self.model, cached + self.chance.choice((1, 10, 700)), reasoned + self.chance.choice((1, 5, 90)), cached, reasoned)
        if billed:
            self.bill.append(call)
        return call

    def span(
        self, name: str, said: Said | None = None, *, within: Node | None = None, scope: str = "acme", seconds: float = 0,
        process: str | None = None, failed: bool = False,
    ) -> Node:  # fmt: skip
        """A span from now on for some seconds, in the trace of the one it is within."""
        trace = within.trace if within else self.chance.randbytes(16)
        end = self.now + int(seconds * SECOND)
        node = Node(trace, self.chance.randbytes(8), name, within, self.now, end, scope, process or self.process, dict(said or {}), failed)
        self.nodes.append(node)
        return node

    def call(self, name: str, said: Said, **more: Any) -> Node:
        """A span that takes a second or two; then a moment passes."""
        node = self.span(name, said, **{"seconds": self.chance.choice((1, 2)), **more})
        self.now = node.end + SECOND // 5
        return node

    def log(self, event: str, said: Said, *, within: Node | None = None, scope: str = "acme") -> None:
        """A log record of now, or of the end of the span it is written in."""
        moment = within.end if within else self.now
        record = {"time_unix_nano": moment, "attributes": attributes(said), "event_name": event}
        if within:
            record |= {"trace_id": within.trace, "span_id": within.id}
        self._export("logs", "resource_logs", "scope_logs", "log_records", scope, self.process, record)

    def metric(
        self, name: str, amount: int, said: Said, *, since: int, temporality: int = DELTA, scope: str = "acme", histogram: bool = True
    ):
        """A point of a metric, collected now: some microseconds after the point before, as in recordings."""
        self.now += self.chance.randrange(1, 9) * 1000
        place = {"attributes": attributes(said), "start_time_unix_nano": since, "time_unix_nano": self.now}
        metric = Metric(name=name)
        if histogram:
            metric.histogram.aggregation_temporality = temporality
            metric.histogram.data_points.add(**place, count=1, sum=amount)
        else:
            metric.sum.aggregation_temporality = temporality
            metric.sum.data_points.add(**place, as_int=amount)
        self._export("metrics", "resource_metrics", "scope_metrics", "metrics", scope, self.process, metric)

    def exported(self) -> list[tuple[str, bytes]]:
        """(signal, body) of every record, each in a request of its own; of some spans an earlier state too."""
        for node in reversed(self.nodes):
            if node.within:
                node.within.end = max(node.within.end, node.end + 1_000_000)
        for node in self.nodes:
            states = [_span(node), _unfinished(node, self.chance)] if self.chance.random() < _UNFINISHED else [_span(node)]
            for span in states:
                self._export("traces", "resource_spans", "scope_spans", "spans", node.scope, node.process, span)
        self.nodes = []
        return self.bodies

    def _export(self, signal: str, outer: str, inner: str, leaf: str, scope: str, process: str, record: Any) -> None:
        resource = {"attributes": attributes({"service.name": "scenes", "service.instance.id": process})}
        body = REQUESTS[signal](**{outer: [{"resource": resource, inner: [{"scope": {"name": scope}, leaf: [record]}]}]})
        self.bodies.append((signal, body.SerializeToString()))


def _span(node: Node) -> Span:
    parent = {"parent_span_id": node.within.id} if node.within else {}
    times = {"start_time_unix_nano": node.start, "end_time_unix_nano": node.end}
    status = {"status": {"code": 2}} if node.failed else {}
    return Span(trace_id=node.trace, span_id=node.id, name=node.name, attributes=attributes(node.said), **parent, **times, **status)


def _unfinished(node: Node, chance: random.Random) -> Span:
    """A span as it was before: without an end, and not everything said."""
    span = _span(node)
    span.end_time_unix_nano = 0
    del span.attributes[chance.randint(0, len(span.attributes)) :]
    return span
