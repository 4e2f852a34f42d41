"""What is thrown at a collector: each bomb is a function that throws it and says what it was answered."""

import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat

import grpc
import httpx
import raw
import zstandard
from bodies import JSON, PROTOBUF, chat, traces
from collectors import Collector
from transports import METHODS

EXPORT = METHODS["traces"]
_MIB = 1 << 20


@dataclass(frozen=True)
class Target:
    """A collector, and a credential of each of two tenants: the bombs come from `loud`, the good exports from `quiet`."""

    collector: Collector
    tokens: Mapping[str, str]

    @property
    def http(self) -> str:
        return self.collector.http

    @property
    def grpc(self) -> str:
        return self.collector.grpc

    def of(self, who: str) -> dict[str, str]:
        """The header that says who asks."""
        return {"authorization": f"Bearer {self.tokens[who]}"}


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    bodies: int
    """Large requests at once."""
    connections: int
    streams: int
    attributes: int
    seconds: float
    """Of a flood."""


FULL, SHORT = Size(16, 4000, 10_000, 1_000_000, 10), Size(4, 600, 1000, 50_000, 2)


def gzip_bomb(target: Target, size: Size) -> Counter:
    """10 MB that would become 10 GB."""
    member = gzip.compress(bytes(100 * _MIB), 9)
    return _posts(target, size.bodies // 2, member * 100, {"content-type": PROTOBUF, "content-encoding": "gzip"})


def zstd_bomb(target: Target, size: Size) -> Counter:
    """Some kilobytes that would become 10 GB."""
    frame = zstandard.compress(bytes(100 * _MIB))
    return _posts(target, size.bodies // 2, frame * 100, {"content-type": JSON, "content-encoding": "zstd"})


def grpc_gzip_bomb(target: Target, size: Size) -> Counter:
    """Several hundred megabytes as gRPC compresses them."""
    return _calls(target, size.bodies // 4, bytes(300 * _MIB), grpc.Compression.Gzip)


def members_bomb(target: Target, size: Size) -> Counter:
    """Hundreds of thousands of empty gzip members."""
    body = gzip.compress(b"") * (5 * size.attributes // 10)
    return _posts(target, 4, body, {"content-type": PROTOBUF, "content-encoding": "gzip"})


def nesting(target: Target, size: Size) -> Counter:
    """Arrays in arrays, 60 and 5,000 deep, in both encodings and over gRPC."""
    said = Counter()
    for depth in (60, 5000):
        body = nested(depth)
        text = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"deep","value":'
        text += b'{"arrayValue":{"values":[' * depth + b"{}" + b"]}}" * depth + b"}]}]}]}]}"
        for name, answers in (
            ("protobuf", _posts(target, 1, body, {"content-type": PROTOBUF})),
            ("json", _posts(target, 1, text, {"content-type": JSON})),
            ("grpc", _calls(target, 1, body)),
        ):
            said += Counter({f"{name}: {answer}": count for answer, count in answers.items()})
    return said


def nested(depth: int) -> bytes:
    """A request whose span holds an attribute of so many arrays inside each other."""
    value = b""
    for _ in range(depth):
        inner = _field(1, value)  # ArrayValue.values
        value = _field(5, inner)  # AnyValue.array_value
    attribute = _field(1, b"deep") + _field(2, value)
    span = chat(1).SerializeToString() + _field(9, attribute)
    return _field(1, _field(2, _field(2, span)))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def attributes(target: Target, size: Size) -> Counter:
    """A million attributes on a span, all of them under other keys."""
    pairs = b"".join(_field(9, _field(1, b"key.%d" % number) + _field(2, _field(1, b"v"))) for number in range(size.attributes))
    body = _field(1, _field(2, _field(2, chat(1).SerializeToString() + pairs)))
    return _posts(target, 1, body, {"content-type": PROTOBUF})


def long_key(target: Target, size: Size) -> Counter:
    """An attribute key of a megabyte."""
    return _posts(target, size.bodies, traces(chat(1, more={"k" * _MIB: 1})), {"content-type": PROTOBUF})


def long_value(target: Target, size: Size) -> Counter:
    """A value of 60 MB."""
    return _posts(target, 1, large_body(), {"content-type": PROTOBUF})


def large_body() -> bytes:
    """A valid request of 60 MB."""
    return traces(chat(1, more={"big": "v" * (60 * _MIB)}))


def large_bodies(target: Target, size: Size) -> Counter:
    """Valid requests of 60 MB over HTTP, all at once."""
    return _posts(target, size.bodies, large_body(), {"content-type": PROTOBUF})


def large_calls(target: Target, size: Size) -> Counter:
    """The same over gRPC."""
    return _calls(target, size.bodies, large_body())


def slow_heads(target: Target, size: Size) -> Counter:
    """A byte of a head now and then."""
    connections = [raw.connected(target.http) for _ in range(min(400, size.connections))]
    for connection in connections:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\nx: ")
    return _closings(raw.dripped(connections, b"x", 15), connections)


def slow_bodies(target: Target, size: Size) -> Counter:
    """A byte of a body now and then."""
    connections = [raw.connected(target.http) for _ in range(min(400, size.connections))]
    for connection in connections:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9999\r\n"
            + f"authorization: Bearer {target.tokens['loud']}\r\n\r\n".encode()
        )
    return _closings(raw.dripped(connections, b"\n", 20), connections)


def slow_calls(target: Target, size: Size) -> Counter:
    """The first bytes of a message over gRPC, and then none."""
    connections = [raw.opened(target.grpc) for _ in range(20)]
    for connection in connections:
        connection.sendall(
            raw.frame(raw.HEADERS, raw.END_HEADERS, 1, raw.head(EXPORT, target.tokens["loud"]))
            + raw.frame(raw.DATA, 0, 1, b"\0\0\1\0\0half")
        )
    said = Counter()
    for connection in connections:
        connection.settimeout(15)
        ended = next((kind for kind in raw.kinds(connection) if kind in (raw.HEADERS, raw.RST_STREAM, raw.GOAWAY)), None)
        said["ended" if ended is not None else "closed or open"] += 1
        connection.close()
    return said


def idle_http(target: Target, size: Size) -> Counter:
    """Thousands of connections that say nothing."""
    return _idle(size, lambda: raw.connected(target.http))


def idle_grpc(target: Target, size: Size) -> Counter:
    """The same on the other port, half of them with the preface of HTTP/2."""
    return _idle(size, lambda: raw.connected(target.grpc)) + _idle(size, lambda: raw.opened(target.grpc))


def _idle(size: Size, connect: Callable) -> Counter:
    said, connections = Counter(), []
    for _ in range(size.connections // 2):
        try:
            connections.append(connect())
        except OSError:
            said["refused"] += 1
    return said + _closings(raw.dripped(connections, b"", 8), connections)


def resets(target: Target, size: Size) -> Counter:
    """Streams that are opened and reset at once."""
    block = raw.head(EXPORT, target.tokens["loud"])
    pieces = (
        raw.frame(raw.HEADERS, raw.END_HEADERS, 2 * number + 1, block) + raw.frame(raw.RST_STREAM, 0, 2 * number + 1, b"\0\0\0\x08")
        for number in range(size.streams)
    )
    return _flooded(target, pieces)


def cancels(target: Target, size: Size) -> Counter:
    """Calls that are cancelled right after their start."""
    said, body = Counter(), traces(chat(1))
    with grpc.insecure_channel(target.grpc) as channel:
        export = channel.unary_unary(EXPORT)
        for _ in range(size.streams):
            call = export.future(body, metadata=list(target.of("loud").items()))
            call.cancel()
            said["cancelled"] += 1
    return said


def pings(target: Target, size: Size) -> Counter:
    """A flood of PING."""
    return _flooded(target, repeat(raw.frame(raw.PING, 0, 0, b"12345678"), 10 * size.streams))


def headers(target: Target, size: Size) -> Counter:
    """Too many header fields, a head of a megabyte, and metadata of a megabyte."""
    said = Counter()
    for fields in ({f"x-{number}": "v" for number in range(200)}, {"x": "v" * _MIB}):
        said[_post(target, traces(chat(1)), {"content-type": PROTOBUF, **fields})] += 1
    with grpc.insecure_channel(target.grpc) as channel:
        try:
            channel.unary_unary(EXPORT)(traces(chat(1)), timeout=20, metadata=[("x", "v" * _MIB), *target.of("loud").items()])
            said["OK"] += 1
        except grpc.RpcError as error:
            said[error.code().name] += 1
    return said


def valid_load(target: Target, size: Size) -> Counter:
    """As many full requests as sixteen clients can send."""
    until, body = time.monotonic() + size.seconds, traces(*(chat(1) for _ in range(512)))

    def send(_) -> Counter:
        said = Counter()
        while time.monotonic() < until:
            said += _calls(target, 1, body)
        return said

    with ThreadPoolExecutor(16) as pool:
        return sum(pool.map(send, range(16)), Counter())


def tenant_flood(target: Target, size: Size) -> Counter:
    """More of one tenant than its share of the queue, all at once."""
    body = traces(*(chat(1) for _ in range(3000)))
    with ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [stack.enter_context(grpc.insecure_channel(target.grpc, options)) for _ in range(4)]
        exports = [channel.unary_unary(EXPORT) for channel in channels]
        said = list(target.of("loud").items())
        calls = [exports[number % 4].future(body, timeout=300, metadata=said) for number in range(40 * size.bodies)]
        return Counter(call.code().name for call in calls)


BOMBS: tuple[Callable[[Target, Size], Counter], ...] = (
    gzip_bomb, zstd_bomb, grpc_gzip_bomb, members_bomb, nesting, attributes, long_key, long_value, slow_heads, slow_bodies, slow_calls,
    idle_http, idle_grpc, resets, cancels, pings, headers, large_bodies, large_calls, valid_load, tenant_flood,
)  # fmt: skip


def _post(target: Target, body: bytes, headers: dict[str, str]) -> str:
    try:
        answer = httpx.post(f"{target.http}/v1/traces", content=body, headers={**headers, **target.of("loud")}, timeout=120)
    except httpx.HTTPError as error:
        return type(error).__name__
    return str(answer.status_code)


def _posts(target: Target, times: int, body: bytes, headers: dict[str, str]) -> Counter:
    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(lambda _: _post(target, body, headers), range(times)))


def _calls(target: Target, times: int, body: bytes, compression=grpc.Compression.NoCompression) -> Counter:
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]

    def call(_) -> str:
        with grpc.insecure_channel(target.grpc, options, compression) as channel:
            try:
                channel.unary_unary(EXPORT)(body, timeout=120, metadata=list(target.of("loud").items()))
            except grpc.RpcError as error:
                return error.code().name
        return "OK"

    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(call, range(times)))


def _closings(told: list[bytes], connections: list) -> Counter:
    for connection in connections:
        connection.close()
    return Counter("open" if said == b"open" else said[9:12].decode() if said.startswith(b"HTTP/1.1") else "closed" for said in told)


def _flooded(target: Target, pieces: Iterator[bytes]) -> Counter:
    connection = raw.opened(target.grpc)
    connection.settimeout(10)
    came = raw.flood(connection, pieces)
    connection.close()
    return Counter({"GOAWAY" if raw.GOAWAY in came else "all taken": 1})
