"""Twenty loops over a year as OTLP bodies, made up as they are asked for: a run every 630 seconds in each loop, about 20 spans a run.

Every value is a function of the seed, so that any run can be sent again months later byte for byte, and the totals a ledger must show are
known without reading it: units times list prices that are whole billionths of a dollar.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from analytics.fingerprint import combine

LOOPS, RUNS = 20, 25  # runs of one loop in a body
YEAR_RECORDS = 20_000_000
_START = 1_767_225_600  # 2026-01-01
_SECOND = 1_000_000_000
_EVERY = 630  # seconds between the starts of a loop's runs
_VARIANTS = 6
_LATE, _REPEAT, _AGE, _TOKENS, _ID, _VARIANT = range(1, 7)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
MODELS = (  # provider, requested, served, nano US dollars of a token: input, cached input, output
    ("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07", (250, 25, 2000)),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", (3000, 300, 15000)),
    ("openai", "gpt-4o", "gpt-4o-2024-08-06", (2500, 1250, 10000)),
)
_RANGES = {  # of tokens: two bytes on the wire
    "gen_ai.usage.input_tokens": (1500, 9000),
    "gen_ai.usage.cache_read.input_tokens": (130, 1400),
    "gen_ai.usage.output_tokens": (310, 3000),
    "gen_ai.usage.reasoning.output_tokens": (130, 300),
}
TEAMS = ("platform", "payments", "search", "data", "support")


@dataclass(slots=True)
class Totals:
    """What must be found of the runs sent so far."""

    stored: int = 0
    repeated: int = 0
    late: int = 0
    calls: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """One request, and how many records are in it."""

    body: bytes
    records: int


class Fleet:
    """Bodies in the order of time; `totals` are of those handed out."""

    def __init__(self, seed: int = 0):
        self._seed = seed
        self._shapes = [[_Shape(seed, loop, variant) for variant in range(_VARIANTS)] for loop in range(LOOPS)]
        self._held: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        self.totals = Totals()

    def bodies(self) -> Iterator[Body]:
        """Without end."""
        window = 0
        while True:
            for loop in range(LOOPS):
                yield self._body(loop, window)
            window += 1

    def _body(self, loop: int, window: int) -> Body:
        late = self._chance(_LATE, loop, window) % 100 == 0
        for run in np.flatnonzero(late):
            delay = 7 + int(self._chance(_AGE, loop, window)[run] % 28)  # windows of four hours: one to six days
            self._held[loop, window + delay].append((window, int(run)))
        parts = [self._first(loop, window, np.flatnonzero(~late))]
        for then, run in self._held.pop((loop, window), ()):
            parts.append(self._first(loop, then, np.array([run])))
            self.totals.late += parts[-1].records
        parts += [self._again(loop, window, int(run)) for run in np.flatnonzero(self._chance(_REPEAT, loop, window) % 100 == 0)]
        spans = b"".join(part.body for part in parts)
        return Body(_field(1, _RESOURCES[loop] + _field(2, _SCOPE + spans)), sum(part.records for part in parts))

    def _first(self, loop: int, window: int, runs: np.ndarray) -> Body:
        shape = self._shape(loop, window)
        serials = self._serials(loop, window)[runs]
        shape.count(serials, self.totals)
        return Body(shape.fill(serials, _times(loop, window, runs)), shape.spans * len(runs))

    def _again(self, loop: int, window: int, run: int) -> Body:
        """A run that was sent seconds to months ago, all ages of a kind alike."""
        age = int(np.exp(float(self._chance(_AGE, loop, window)[run] % 1_000_000) / 1e6 * np.log(window + 1))) - 1
        then = window - age
        sent = np.flatnonzero(self._chance(_LATE, loop, then) % 100 != 0)
        chosen, shape = sent[[run % len(sent)]], self._shape(loop, then)
        self.totals.repeated += shape.spans
        return Body(shape.fill(self._serials(loop, then)[chosen], _times(loop, then, chosen)), shape.spans)

    def _shape(self, loop: int, window: int) -> "_Shape":
        return self._shapes[loop][int(self._chance(_VARIANT, loop, window)[0] % _VARIANTS)]

    def _serials(self, loop: int, window: int) -> np.ndarray:
        return np.arange(RUNS, dtype=np.uint64) + np.uint64((window * LOOPS + loop) * RUNS + (self._seed << 40))

    def _chance(self, what: int, loop: int, window: int) -> np.ndarray:
        return combine(np.full(RUNS, what, np.uint64), self._serials(loop, window))


def _times(loop: int, window: int, runs: np.ndarray) -> np.ndarray:
    """Starts in Unix nanoseconds."""
    return ((_START + 17 * loop) + (window * RUNS + runs.astype(np.uint64)) * _EVERY) * _SECOND


@dataclass(slots=True)
class _Places:
    """Where in a run's bytes something stands, and which number of it."""

    at: list[int] = field(default_factory=list)
    which: list[int] = field(default_factory=list)

    def note(self, at: int, which: int) -> None:
        self.at.append(at)
        self.which.append(which)

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Writes bytes of the form (run, number, width)."""
        if self.at:
            rows[:, np.array(self.at)[:, None] + np.arange(values.shape[2])] = values[:, self.which]


class _Shape:
    """The spans of one kind of run, serialized once, with the places of all that differs between runs."""

    def __init__(self, seed: int, loop: int, variant: int):
        self._rng, self._loop = random.Random(seed * 1000 + loop * 10 + variant), loop
        self._bytes, self.spans = bytearray(), 0
        self._words, self._hex, self._moments, self._sums = _Places(), _Places(), _Places(), _Places()
        self._tokens = {key: _Places() for key in _RANGES}
        self._offsets: list[int] = []
        self._prices: list[tuple[int, int, int]] = []
        self._ids = 2  # words 0 and 1 are the trace id
        self._build()
        self._template = np.frombuffer(bytes(self._bytes), np.uint8)

    def count(self, serials: np.ndarray, totals: Totals) -> None:
        """Adds runs to the totals."""
        into, cached, out, thought = (self._drawn(serials, key) for key in _RANGES)
        price = np.array(self._prices, np.int64)
        totals.stored += self.spans * len(serials)
        totals.calls += into.size
        totals.input_tokens += int(into.sum())
        totals.cache_read_tokens += int(cached.sum())
        totals.output_tokens += int(out.sum())
        totals.reasoning_tokens += int(thought.sum())
        totals.nano_usd += int(((into - cached) * price[:, 0] + cached * price[:, 1] + out * price[:, 2]).sum())

    def fill(self, serials: np.ndarray, starts: np.ndarray) -> bytes:
        """The runs with these numbers, one after the other."""
        rows, count = np.tile(self._template, (len(serials), 1)), len(serials)
        words = self._hashed(serials, _ID, self._ids)
        self._words.put(rows, words.view(np.uint8).reshape(count, -1, 8))
        self._hex.put(rows, _HEX[(words[..., None] >> (np.arange(16, dtype=np.uint64) * np.uint64(4))) & np.uint64(15)])
        moments = starts[:, None] + np.array(self._offsets, np.uint64)
        self._moments.put(rows, moments.view(np.uint8).reshape(count, -1, 8))
        for key, places in self._tokens.items():
            places.put(rows, _varint(self._drawn(serials, key), 2))
        self._sums.put(rows, _varint(self._drawn(serials, "gen_ai.usage.input_tokens").sum(axis=1, keepdims=True), 3))
        return rows.tobytes()

    def _drawn(self, serials: np.ndarray, key: str) -> np.ndarray:
        low, high = _RANGES[key]
        chance = self._hashed(serials, _TOKENS + 10 * list(_RANGES).index(key), len(self._prices))
        return (chance % np.uint64(high - low)).astype(np.int64) + low

    def _hashed(self, serials: np.ndarray, what: int, count: int) -> np.ndarray:
        each, number = np.repeat(serials, count), np.tile(np.arange(count, dtype=np.uint64), len(serials))
        return np.ascontiguousarray(combine(np.full(len(each), what, np.uint64), each, number).reshape(len(serials), count))

    def _build(self) -> None:
        root = self._span("invoke_agent maker", 0, 500, {**self._who("maker"), "gen_ai.operation.name": "invoke_agent"}, is_sum=True)
        for number in range(self._rng.randrange(7, 12)):
            call = self._call(root, "maker", 10 + 30 * number)
            if self._rng.random() < 0.1:
                self._call(call, "maker", 11 + 30 * number, again=True)
            if self._rng.random() < 0.6:
                self._tool(root, "maker", 30 + 30 * number)
        checker = self._span("invoke_agent checker", 400, 90, {**self._who("checker"), "gen_ai.operation.name": "invoke_agent"}, root)
        for number in range(3):
            self._call(checker, "checker", 405 + 20 * number)
        self._tool(checker, "checker", 480)

    def _who(self, agent: str) -> dict:
        return {
            "gen_ai.agent.name": f"{agent}-{self._loop}", "loopledger.role": agent, "user.id": f"user-{self._rng.randrange(50)}",
            "gen_ai.conversation.id": f"conversation-{self._rng.randrange(1000)}", "code.function.name": f"{agent}.step",
            "host.name": f"host-{self._rng.randrange(8)}", "thread.id": self._rng.randrange(64), "network.transport": "tcp",
        }  # fmt: skip

    def _call(self, parent: int, agent: str, at: int, again: bool = False) -> int:
        provider, requested, served, price = self._rng.choice(MODELS) if not again else self._last
        self._last = (provider, requested, served, price)
        if not again:
            self._prices.append(price)
            self._response, self._ids = self._ids, self._ids + 1
        said = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": requested,
            "gen_ai.response.model": served, "gen_ai.response.id": "chatcmpl-0123456789abcdef", "server.address": "api.example.com",
            **dict.fromkeys(_RANGES, 1000),
        }  # fmt: skip
        return self._span(f"chat {requested}", at, 18 if not again else 15, {**self._who(agent), **said}, parent)

    def _tool(self, parent: int, agent: str, at: int) -> int:
        name = f"tool_{self._rng.randrange(20)}"
        said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": f"call_{self._rng.randrange(10**9)}"}  # fmt: skip
        return self._span(f"execute_tool {name}", at, 5, {**self._who(agent), **said}, parent)

    def _span(self, name: str, at: int, length: int, attributes: dict, parent: int | None = None, is_sum: bool = False) -> int:
        """Adds a span, `at` seconds after the run's start; the number of its id."""
        own, self._ids, self.spans = self._ids, self._ids + 1, self.spans + 1
        marks = {name: self._rng.randbytes(width) for name, width in (("trace_id", 16), ("span_id", 8), ("parent_span_id", 8))}
        span = Span(name=name, kind=3, trace_id=marks["trace_id"], span_id=marks["span_id"])
        span.parent_span_id = marks["parent_span_id"] if parent is not None else b""
        span.start_time_unix_nano, span.end_time_unix_nano = (self._rng.getrandbits(62) for _ in range(2))
        for key, value in {**attributes, **({"gen_ai.usage.input_tokens": 1 << 15} if is_sum else {})}.items():
            said = span.attributes.add(key=key).value
            setattr(said, "int_value" if isinstance(value, int) else "string_value", value)
        self._append(span, own, parent, (at, at + length), is_sum)
        return own

    def _append(self, span: Span, own: int, parent: int | None, moments: tuple[int, int], is_sum: bool) -> None:
        body = _field(2, span.SerializeToString())

        def place(part: bytes) -> int:
            return len(self._bytes) + body.index(part)

        self._words.note(place(span.trace_id), 0)
        self._words.note(place(span.trace_id) + 8, 1)
        self._words.note(place(span.span_id), own)
        if parent is not None:
            self._words.note(place(span.parent_span_id), parent)
        for mark, at in zip((span.start_time_unix_nano, span.end_time_unix_nano), moments, strict=True):
            self._moments.note(place(mark.to_bytes(8, "little")), len(self._offsets))
            self._offsets.append(at * _SECOND + self._rng.randrange(_SECOND))
        for attribute in span.attributes:
            part = attribute.SerializeToString()
            if attribute.key == "gen_ai.response.id":
                self._hex.note(place(part) + len(part) - 16, self._response)
            elif attribute.key in _RANGES and is_sum:
                self._sums.note(place(part) + len(part) - 3, 0)
            elif attribute.key in _RANGES:
                self._tokens[attribute.key].note(place(part) + len(part) - 2, len(self._prices) - 1)
        self._bytes += body


def _varint(values: np.ndarray, width: int) -> np.ndarray:
    """Protobuf varints of exactly so many bytes."""
    digits = [(values >> (7 * place)) & 127 | (128 if place < width - 1 else 0) for place in range(width)]
    return np.stack(digits, axis=-1).astype(np.uint8)


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    length, size = b"", len(payload)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload


def _resource(loop: int) -> bytes:
    resource = Resource()
    said = {"service.name": f"loop-{loop}-runner", "service.instance.id": f"pod-{loop}", "loopledger.loop": f"loop-{loop}",
            "team.id": TEAMS[loop % len(TEAMS)], "deployment.environment.name": "production"}  # fmt: skip
    for key, value in said.items():
        resource.attributes.add(key=key).value.string_value = value
    return _field(1, resource.SerializeToString())


_RESOURCES = [_resource(loop) for loop in range(LOOPS)]
_SCOPE = _field(1, InstrumentationScope(name="fleet.instrumentation").SerializeToString())
