"""Load for the benchmarks: OTLP bodies with fresh random ids at the cost of a copy.

A body is built once with the official classes; every later copy gets new trace, span and response ids in the same places.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exports import as_json
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ingest.replay import recordings
from ingest.wire import REQUESTS

SAMPLES = Path(__file__).parents[2] / "sample_traces"

SPANS = 512
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_MODELS = (
    ("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07"),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
)


@dataclass(frozen=True, slots=True)
class Template:
    """A serialized request and where its ids stand in it."""

    body: np.ndarray
    spans: int
    raw: tuple[np.ndarray, ...]
    """For ids of 8 and 16 bytes: rows of (id number, position)."""
    texts: tuple[np.ndarray, ...]
    """The same for ids that are text: 24, 16 and 32 hex digits."""
    signal: str = "traces"

    def fresh(self, rng: np.random.Generator) -> bytes:
        """A copy with new ids; what shared an id still does."""
        body = self.body.copy()
        for width, places in zip((8, 16), self.raw, strict=True):
            ids = rng.integers(0, 256, (places[:, 0].max(initial=0) + 1, width), dtype=np.uint8)
            body[places[:, 1:] + np.arange(width)] = ids[places[:, 0]]
        for width, places in zip((24, 16, 32), self.texts, strict=False):
            digits = _HEX[rng.integers(0, 16, (places[:, 0].max(initial=0) + 1, width))]
            body[places[:, 1:] + np.arange(width)] = digits[places[:, 0]]
        return body.tobytes()

    def in_json(self) -> "Template":
        """The same request of traces in OTLP/JSON."""
        old, body = self.body.tobytes(), as_json(self.body.tobytes())
        ids = [_ids(old, width, places) for width, places in ((24, self.texts[0]), (8, self.raw[0]), (16, self.raw[1]))]
        texts = ids[0], *([one.hex().encode() for one in raw] for raw in ids[1:])
        return Template(np.frombuffer(body, np.uint8), self.spans, (_NO_IDS, _NO_IDS), tuple(_places(body, text) for text in texts))


def flat(seed: int, now: int) -> Template:
    """512 unrelated spans, two thirds model calls; `now` in Unix nanoseconds."""
    maker = _Maker(seed, now)
    for _ in range(SPANS):
        maker.call() if maker.rng.random() < 2 / 3 else maker.tool()
    return maker.template()


def one(seed: int, now: int) -> Template:
    """One model call."""
    maker = _Maker(seed, now)
    maker.call()
    return maker.template()


def trees(seed: int, now: int) -> Template:
    """Agent runs of about 20 spans: a root with the sum of its calls, 60 % calls, 25 % tools, a tenth of the calls seen twice (half nested,
    half in another trace), 1 % repeated spans, 1 % three days old, one from 1970."""
    maker = _Maker(seed, now)
    while len(maker.spans) < SPANS - 22:
        maker.run()
    while len(maker.spans) < SPANS:
        maker.tool()
    for span in maker.rng.sample(list(maker.spans), 5):
        span.start_time_unix_nano -= 3 * _DAY
        span.end_time_unix_nano -= 3 * _DAY
    maker.spans[-1].start_time_unix_nano, maker.spans[-1].end_time_unix_nano = 1, 2
    for _ in range(5):
        maker.spans.add().CopyFrom(maker.rng.choice(list(maker.spans)))
    return maker.template()


_NO_IDS = np.empty((0, 2), np.int64)
_TEXT_ID = re.compile(r"(chatcmpl-|resp_|msg_|req_)([A-Za-z0-9]{6,})|()([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def mix(records: int, now: int) -> Iterator[Template]:
    """Every recording of sample_traces again and again, about so many records: ids, processes and times are new in each round."""
    bodies = [(one.signal, one.protobuf(), one.path.parent.name) for one in recordings([SAMPLES]) if one.path.parent.name != "weekend"]
    sent, rounds = 0, 0
    while sent < records:
        rounds += 1
        for signal, body, folder in bodies:
            template = _again(signal, body, f"{folder}{rounds}".encode(), now)
            sent += template.spans
            yield template


def _again(signal: str, body: bytes, salt: bytes, now: int) -> Template:
    """A recorded body as another run would have sent it."""
    request = REQUESTS[signal].FromString(body)
    shift = now - (1_795_357_000 + int.from_bytes(hashlib.blake2b(salt, digest_size=2).digest(), "little") % 3600) * _SECOND
    count = 0
    for outer in getattr(request, request.DESCRIPTOR.fields[0].name):
        _renamed(outer.resource.attributes, salt)
        _put(outer.resource.attributes, {"service.instance.id": salt.decode()})  # of a key said twice the first holds
        for scope in getattr(outer, outer.DESCRIPTOR.fields_by_number[2].name):
            for record in getattr(scope, scope.DESCRIPTOR.fields_by_number[2].name):
                count += _moved(record, salt, shift)
    return Template(np.frombuffer(request.SerializeToString(), np.uint8), count, (_NO_IDS, _NO_IDS), (_NO_IDS,), signal)


def _renamed(attributes, salt: bytes) -> None:
    """New provider ids, sessions and processes in the texts of some attributes."""
    for attribute in attributes:
        text = attribute.value.string_value
        if text and _TEXT_ID.search(text):
            attribute.value.string_value = _TEXT_ID.sub(lambda found: _salted(found, salt), text)


def _salted(found: re.Match, salt: bytes) -> str:
    """The same prefix, other digits."""
    prefix, digits = found[1] or "", found[2] or found[4]
    return prefix + hashlib.shake_128(salt + digits.encode()).hexdigest(16)


def _moved(record, salt: bytes, shift: int) -> int:
    """New ids and times for a span, a log record or the points of a metric; how many records it is."""
    if record.DESCRIPTOR.name == "Metric":
        points = getattr(record, record.WhichOneof("data")).data_points if record.WhichOneof("data") else []
        for point in points:
            _renamed(point.attributes, salt)
            point.start_time_unix_nano, point.time_unix_nano = point.start_time_unix_nano + shift, point.time_unix_nano + shift
        return len(points)
    _renamed(record.attributes, salt)
    for name in ("trace_id", "span_id", "parent_span_id"):
        if old := getattr(record, name, b""):
            setattr(record, name, hashlib.blake2b(salt + old, digest_size=len(old)).digest())
    for name in ("start_time_unix_nano", "end_time_unix_nano", "time_unix_nano", "observed_time_unix_nano"):
        if old := getattr(record, name, 0):
            setattr(record, name, old + shift)
    return 1


class _Maker:
    """Builds one request."""

    def __init__(self, seed: int, now: int):
        self.rng, self.now = random.Random(seed), now
        self.request = ExportTraceServiceRequest()
        resource = self.request.resource_spans.add()
        _put(resource.resource.attributes, {
            "service.name": f"bench-{seed % 4}", "service.instance.id": f"host-{seed % 8}", "loopledger.loop": f"loop-{seed % 10}",
            "team.id": f"team-{seed % 3}",
        })  # fmt: skip
        scope = resource.scope_spans.add()
        scope.scope.name = "bench.instrumentation"
        self.spans = scope.spans
        self.ids: dict[bytes, None] = {}
        self.responses: list[str] = []

    def span(self, name: str, trace: bytes | None = None, parent: bytes = b"") -> Span:
        span = self.spans.add(name=name, kind=3)
        span.trace_id = trace or self.id(16)
        span.span_id, span.parent_span_id = self.id(8), parent
        length = self.rng.randrange(5, 20_000) * 1_000_000
        span.end_time_unix_nano = self.now - self.rng.randrange(60 * _SECOND)
        span.start_time_unix_nano = span.end_time_unix_nano - length
        return span

    def call(self, trace: bytes | None = None, parent: bytes = b"", response: str | None = None) -> Span:
        provider, requested, served = self.rng.choice(_MODELS)
        span = self.span(f"chat {requested}", trace, parent)
        response = response or self.response()
        _put(span.attributes, {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": requested,
            "gen_ai.response.model": served, "gen_ai.response.id": f"chatcmpl-{response}",
            "gen_ai.agent.name": f"agent-{self.rng.randrange(8)}", "gen_ai.conversation.id": f"conversation-{self.rng.randrange(1000)}",
            "user.id": f"user-{self.rng.randrange(50)}",
            "gen_ai.usage.input_tokens": self.rng.randrange(1000, 9000), "gen_ai.usage.output_tokens": self.rng.randrange(20, 900),
            "gen_ai.usage.cache_read.input_tokens": self.rng.randrange(1000),
            "gen_ai.usage.reasoning.output_tokens": self.rng.randrange(20),
            "server.address": "api.example.com",
        })  # fmt: skip
        return span

    def tool(self, trace: bytes | None = None, parent: bytes = b"") -> Span:
        name = f"tool_{self.rng.randrange(20)}"
        span = self.span(f"execute_tool {name}", trace, parent)
        _put(span.attributes, {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"call_{self.rng.randrange(10**9)}", "gen_ai.agent.name": f"agent-{self.rng.randrange(8)}",
            "gen_ai.conversation.id": f"conversation-{self.rng.randrange(1000)}",
            "user.id": f"user-{self.rng.randrange(50)}",
            "code.function.name": f"tools.{name}", "thread.id": self.rng.randrange(64), "network.transport": "tcp",
            "host.name": f"host-{self.rng.randrange(8)}", "process.pid": self.rng.randrange(30_000),
            "deployment.environment.name": "production",
        })  # fmt: skip
        return span

    def run(self) -> None:
        root = self.span("invoke_agent bench")
        trace, parent, sums = root.trace_id, root.span_id, [0, 0]
        for _ in range(12):
            call = self.call(trace, parent)
            usage = {a.key: a.value.int_value for a in call.attributes}
            sums[0] += usage["gen_ai.usage.input_tokens"]
            sums[1] += usage["gen_ai.usage.output_tokens"]
            if self.rng.random() < 0.1:
                self.again(call)
        for _ in range(5):
            self.tool(trace, parent)
        for _ in range(2):
            self.span("step", trace, parent)
        _put(root.attributes, {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bench", "gen_ai.usage.input_tokens": sums[0],
            "gen_ai.usage.output_tokens": sums[1],
        })  # fmt: skip

    def again(self, call: Span) -> None:
        """The same call as a second instrumentation sees it: inside the first span, or in a trace of its own."""
        nested = self.rng.random() < 0.5
        twin = self.span(call.name, call.trace_id if nested else None, call.span_id if nested else b"")
        twin.start_time_unix_nano, twin.end_time_unix_nano = call.start_time_unix_nano + 1_000_000, call.end_time_unix_nano - 1_000_000
        twin.attributes.extend(call.attributes)

    def id(self, width: int) -> bytes:
        fresh = self.rng.randbytes(width)
        self.ids[fresh] = None
        return fresh

    def response(self) -> str:
        self.responses.append(self.rng.randbytes(12).hex())
        return self.responses[-1]

    def template(self) -> Template:
        body = self.request.SerializeToString()
        raw = tuple(_places(body, [fresh for fresh in self.ids if len(fresh) == width]) for width in (8, 16))
        return Template(np.frombuffer(body, np.uint8), len(self.spans), raw, (_places(body, [text.encode() for text in self.responses]),))


def _ids(body: bytes, width: int, places: np.ndarray) -> list[bytes]:
    """The ids of a template by their number."""
    firsts = dict(places[::-1].tolist())
    return [body[place : place + width] for _, place in sorted(firsts.items())]


def _places(body: bytes, ids: list[bytes]) -> np.ndarray:
    rows = [(number, place) for number, one in enumerate(ids) for place in _occurrences(body, one)]
    return np.array(rows, np.int64).reshape(-1, 2)


def _occurrences(body: bytes, part: bytes) -> Iterator[int]:
    place = body.find(part)
    while place >= 0:
        yield place
        place = body.find(part, place + 1)


def _put(attributes, values: dict) -> None:
    for key, value in values.items():
        attribute = attributes.add(key=key)
        setattr(attribute.value, "int_value" if isinstance(value, int) else "string_value", value)
