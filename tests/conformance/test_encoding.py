"""Statements 22 to 33: what the encodings may hold."""

import contextlib
import json
import math
import random
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import faults
import httpx
import pytest
from bodies import REQUESTS, any_value, attributes, chat, traces
from collectors import Collector, running
from exports import as_json
from google.protobuf.message import Message
from google.rpc.code_pb2 import INVALID_ARGUMENT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import DEPTH, of_message
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from transports import ALL, GRPC, IN_JSON, PLAIN, Told, Transport

from analytics.ledger import Ledger

PROTOBUF_WAYS = [way for way in ALL if not way.is_json]


def ways(transports: list[Transport]):
    return pytest.mark.parametrize("way", transports, ids=str)


def document(span: Span, loop: str, **changed) -> dict:
    """A request of one span as OTLP/JSON with some members of the span replaced; None takes one away."""
    whole = json.loads(as_json(traces(span, run=loop, loop=loop)))
    own = whole["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    own.update(changed)
    for name in [name for name, value in changed.items() if value is None]:
        del own[name]
    return whole


def send(way: Transport, collector: Collector, said: dict) -> Told:
    return way.send(collector, json.dumps(said).encode())


def refused(answer: Told) -> bool:
    return (answer.ok, answer.error and answer.error.code) == (False, INVALID_ARGUMENT)


def counted(collector: Collector) -> tuple[int, int]:
    """Records that were there already, with the same content and with other."""
    text = httpx.get(f"{collector.http}/metrics").text
    sums = (re.findall(rf"^loopledger_{name}_total(?:{{.*}})? (\d+)", text, re.MULTILINE) for name in ("repeated", "revised"))
    return tuple(sum(map(int, found)) for found in sums)


def is_repeat(collector: Collector, sends: Callable[[], Told]) -> bool:
    """Whether what is sent is one record that was there already, to the last bit of its content."""
    repeated, revised = counted(collector)
    assert sends().ok
    return counted(collector) == (repeated + 1, revised)


@ways(IN_JSON)
def test_22_ids_are_hex_in_any_case(collector, loop, way):
    span = chat(1, trace_id=bytes.fromhex("abcdef" + secrets.token_hex(13)), span_id=bytes.fromhex("fedcba" + secrets.token_hex(5)))
    assert PLAIN[0].export(collector, traces(span, run=loop, loop=loop)).ok
    for case in (str.upper, str.lower, str.title):
        said = document(span, loop, traceId=case(span.trace_id.hex()), spanId=case(span.span_id.hex()))
        assert is_repeat(collector, lambda said=said: send(way, collector, said))
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


NO_IDS = ["", "0" * 32, "0" * 31, "ab" * 15, "ab" * 17, "g" * 32, "W47/95gDgQPSabYzgT/GDA==", "5b8eff f798038103d269b633813fc60c"]


@ways(IN_JSON)
@pytest.mark.parametrize("trace_id", NO_IDS)
def test_23_an_id_that_is_none_leaves_out_its_span_alone(collector, loop, way, trace_id):
    said = document(chat(1), loop, traceId=trace_id)
    said["resourceSpans"] += document(chat(1), loop)["resourceSpans"]
    answer = send(way, collector, said)
    assert (answer.rejected, bool(answer.response.partial_success.error_message)) == (1, True)
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@ways(PROTOBUF_WAYS)
@pytest.mark.parametrize(
    "ids", [(b"", b""), (b"\0" * 16, b"\0" * 8), (b"x" * 15, b"x" * 7), (b"x" * 17, b"x" * 9)], ids=["empty", "zero", "short", "long"]
)
def test_23_bytes_that_are_no_id_do_so_too(collector, loop, way, ids):
    trace_id, span_id = ids
    nameless = [chat(1, trace_id=trace_id), chat(1, span_id=span_id), chat(1, trace_id=trace_id, span_id=span_id)]
    assert way.export(collector, traces(*nameless, chat(1), run=loop, loop=loop)).rejected == 3
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@ways(IN_JSON)
def test_24_an_enum_is_a_number(collector, loop, way):
    for kind in (3, 0, 99, -1):
        assert send(way, collector, document(chat(1), loop, kind=kind)).ok
    for name in ("SPAN_KIND_CLIENT", "3", 3.5, True, 2**31):
        assert refused(send(way, collector, document(chat(1), loop, kind=name)))
    assert collector.spent(loop) == [(4, 4, "0.004000000")]


@ways(PROTOBUF_WAYS)
def test_24_an_unknown_enum_is_taken_in_protobuf_too(collector, loop, way):
    assert way.export(collector, traces(chat(1, kind=99, status={"code": 77}), loop=loop)).ok
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


EXACT = [2**53 + 1, 2**63 - 1, -(2**63), 0]


@ways(IN_JSON)
def test_25_integers_are_exact_as_number_and_as_string(collector, loop, way):
    span = chat(1, start_time_unix_nano=2**60 + 1, more={f"exact.{number}": number for number in EXACT})
    assert PLAIN[0].export(collector, traces(span, run=loop, loop=loop)).ok
    for form in (int, str):
        said = [{"key": pair.key, "value": {"intValue": form(pair.value.int_value)}} if pair.value.HasField("int_value")
                else {"key": pair.key, "value": {"stringValue": pair.value.string_value}} for pair in span.attributes]  # fmt: skip
        times = {"startTimeUnixNano": form(span.start_time_unix_nano), "endTimeUnixNano": form(span.end_time_unix_nano)}
        changed = document(span, loop, attributes=said, **times)
        assert is_repeat(collector, lambda changed=changed: send(way, collector, changed))


@ways(IN_JSON)
@pytest.mark.parametrize("number", [2**63, str(2**63), -(2**63) - 1, 1.5, "1.0", " 1", ""])
def test_25_what_is_no_64_bit_integer_is_400(collector, loop, way, number):
    said = document(chat(1), loop)
    said["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"].append({"key": "exact", "value": {"intValue": number}})
    assert refused(send(way, collector, said))
    assert refused(send(way, collector, document(chat(1), loop, endTimeUnixNano=-1 if number == 1.5 else 2**64)))
    assert collector.spent(loop) == []


@ways(IN_JSON)
def test_26_snake_case_keys_are_unknown(collector, loop, way):
    span = chat(1)
    assert send(way, collector, document(span, loop, traceId=None, trace_id=span.trace_id.hex())).rejected == 1
    wrong = document(span, loop, start_time_unix_nano="no time", parent_span_id=7, kind_={})
    assert send(way, collector, wrong).ok
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


def with_future_fields(value):
    """The JSON with members that nobody knows, in every object."""
    if isinstance(value, list):
        return [with_future_fields(item) for item in value]
    if isinstance(value, dict):
        future = {"__proto__": {"a": [1]}, "future": None, "future_field": "x"}
        return {**future, **{key: with_future_fields(item) for key, item in value.items()}}
    return value


def add_future_fields(message: Message) -> None:
    """Fields that nobody knows, of each wire type, in every message."""
    for field, value in message.ListFields():
        if field.message_type:
            for item in value if field.is_repeated else [value]:
                add_future_fields(item)
    message.MergeFromString(b"\xf8\x7f\x01" + b"\xf1\x7f" + b"12345678" + b"\xfa\x7f\x03abc" + b"\xfd\x7f" + b"1234")


@ways(ALL)
def test_27_unknown_fields_are_ignored_at_every_level(collector, loop, way):
    span = chat(1, events=[{"name": "e"}], links=[{"trace_id": b"t" * 16}], status={"code": 1}, more={"list": [{"a": [1]}]})
    body = traces(span, run=loop, loop=loop)
    if way.is_json:
        assert send(way, collector, with_future_fields(json.loads(as_json(body)))).response.ByteSize() == 0
    else:
        add_future_fields(request := REQUESTS["traces"].FromString(body))
        assert len(request.SerializeToString()) > 1.5 * len(body)
        assert way.send(collector, request.SerializeToString()).response.ByteSize() == 0
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


VALUES = {
    "text": "x", "empty text": "", "true": True, "false": False, "integer": 7, "nought": 0, "double": 0.5,
    "bytes": b"\0\xff", "no bytes": b"",
    "array": [1, "a", None, [b"\xff"]], "empty array": [], "map": {"a": {"b": [None]}, "": 1}, "empty map": {}, "empty": None,
    "nan": math.nan, "infinity": math.inf, "-infinity": -math.inf,
}  # fmt: skip


@ways(ALL)
def test_28_values_of_any_kind_are_taken_everywhere(collector, loop, way):
    span = chat(1, more=VALUES, events=[{"name": "e", "attributes": attributes(VALUES)}])
    assert way.export(collector, traces(span, run=loop, loop=loop, more=VALUES)).response.ByteSize() == 0
    logs = [{"body": any_value(value), "time_unix_nano": 1, "attributes": attributes(VALUES)} for value in VALUES.values()]
    request = REQUESTS["logs"](resource_logs=[{"scope_logs": [{"log_records": logs}]}])
    assert way.export(collector, request.SerializeToString(), "logs").response.ByteSize() == 0
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


def field(number: int, inner: bytes) -> bytes:
    """A message, text or bytes under a field number, as on the wire."""
    return bytes((number << 3 | 2,)) + varint(len(inner)) + inner


def varint(number: int) -> bytes:
    return bytes((number,)) if number < 128 else bytes((number & 0x7F | 0x80,)) + varint(number >> 7)


def deep(levels: int, kind: str, way: Transport) -> bytes:
    """An AnyValue of lists or maps within each other: protobuf's classes would not even write it."""
    value = b'{"stringValue": "deep"}' if way.is_json else field(1, b"deep")
    for _ in range(levels):
        match kind, way.is_json:
            case "list", True:
                value = b'{"arrayValue": {"values": [%b]}}' % value
            case "list", False:
                value = field(5, field(1, value))
            case _, True:
                value = b'{"kvlistValue": {"values": [{"key": "__proto__", "value": %b}]}}' % value
            case _, False:
                value = field(6, field(1, field(1, b"__proto__") + field(2, value)))
    return value


def with_value(value: bytes, loop: str, way: Transport) -> bytes:
    """A request of a span with this value under two keys: one that anybody may use, one of content."""
    request = REQUESTS["traces"].FromString(traces(chat(1), run=loop, loop=loop))
    keys = ("custom", "gen_ai.input.messages")
    if way.is_json:
        request.resource_spans[0].scope_spans[0].spans[0].attributes.extend(attributes(dict.fromkeys(keys, "HERE")))
        return as_json(request.SerializeToString()).replace(b'{"stringValue": "HERE"}', value)
    group = request.resource_spans[0]
    span = group.scope_spans[0].spans[0].SerializeToString() + b"".join(field(9, field(1, key.encode()) + field(2, value)) for key in keys)
    return field(1, field(1, group.resource.SerializeToString()) + field(2, field(2, span)))


def with_body(value: bytes, way: Transport) -> bytes:
    """A request of a log record with this body."""
    if way.is_json:
        return b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": 1, "body": %b}]}]}]}' % value
    return field(1, field(2, field(2, b"\x09" + (1).to_bytes(8, "little") + field(5, value))))


@ways(ALL)
@pytest.mark.parametrize(("kind", "levels"), [("list", 40), ("map", 30)])
def test_28_deep_values_are_taken_and_deeper_ones_are_400(collector, loop, way, kind, levels):
    """Protobuf counts two messages for a list and three for a map, and reads a hundred."""
    assert way.send(collector, with_value(deep(levels, kind, way), loop, way)).response.ByteSize() == 0
    assert collector.spent(loop) == [(1, 1, "0.001000000")]
    assert way.send(collector, with_body(deep(levels, kind, way), way), "logs").response.ByteSize() == 0
    for too_deep in (60, 2000):
        assert refused(way.send(collector, with_value(deep(too_deep, kind, way), loop, way)))
        assert refused(way.send(collector, with_body(deep(too_deep, kind, way), way), "logs"))
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@ways(IN_JSON)
@pytest.mark.parametrize(
    "body",
    [b'{"a":' * 5_000, b"[" * 100_000, b'{"resourceSpans":[{"resource":' + b'{"attributes":[{"value":{"arrayValue":{"values":[' * 5_000],
    ids=["objects", "arrays", "values"],
)
def test_28_json_without_end_is_400(collector, way, body):
    assert refused(way.send(collector, body))


@ways(ALL)
def test_29_of_duplicate_keys_the_first_holds(collector, loop, way):
    span = chat(3)
    for value in (5_000_000, "x", None):
        span.attributes.add(key="gen_ai.usage.input_tokens", value=any_value(value))
    span.attributes.add(key="gen_ai.usage.input_tokens")
    span.attributes.add()
    assert way.export(collector, traces(span, run=loop, loop=loop)).response.ByteSize() == 0
    assert collector.spent(loop) == [(1, 1, "0.003000000")]


@ways(PROTOBUF_WAYS)
@pytest.mark.parametrize("place", [b"chat", b"gen_ai.operation.name", b"metered-model", b"tests", b"in a list", b"in a map", b"event"])
def test_30_invalid_utf8_is_400(collector, loop, way, place):
    span = chat(1, more={"l": ["in a list"], "m": {"k": "in a map"}}, events=[{"name": "event"}])
    body = traces(span, loop=loop)
    assert body.count(place)
    assert refused(way.send(collector, body.replace(place, place[:-1] + b"\xff")))
    assert collector.spent(loop) == []


@ways(IN_JSON)
def test_30_a_lone_surrogate_is_400_and_a_pair_is_a_character(collector, loop, way):
    said = document(chat(1), loop, name="NAME")
    for name, status in ((b"a\\ud800", 400), (b"\\udc00\\ud800", 400), (b"\xff", 400), (b"\xed\xa0\x80", 400), (b"\\ud83d\\ude00", 200)):
        assert way.send(collector, json.dumps(said).encode().replace(b"NAME", name)).status == status
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@ways(ALL)
def test_30_nul_and_a_key_of_a_megabyte_are_data(collector, loop, way):
    span = chat(1, name="a\0b", more={"a\0b": "a\0b", "k" * 1_000_000: 1, "\uffff\U0001f600": "x"})
    assert way.export(collector, traces(span, run=loop, loop=loop)).ok
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@ways(IN_JSON)
def test_31_of_duplicate_members_the_last_holds(collector, loop, way):
    body = json.dumps(document(chat(1), loop, traceId="zz")).encode()
    real = f'"traceId": "zz", "traceId": "{secrets.token_hex(16)}"'.encode()
    assert way.send(collector, body.replace(b'"traceId": "zz"', real)).response.ByteSize() == 0
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@ways(IN_JSON)
def test_31_null_is_unset_and_a_byte_order_mark_is_skipped(collector, loop, way):
    said = document(chat(1), loop)
    said["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"events": None, "status": None, "parentSpanId": None, "kind": None}
    assert way.send(collector, b"\xef\xbb\xbf" + json.dumps(said).encode()).response.ByteSize() == 0
    assert way.send(collector, b'{"resourceSpans": null}').response.ByteSize() == 0
    assert collector.spent(loop) == [(1, 1, "0.001000000")]


@ways(IN_JSON)
@pytest.mark.parametrize("wrong", [b",}", b"}}", b"} {}", b"", b", 'a': 1}", b', "a": NaN}', b', "a": 01}', b"}\0"])
def test_31_what_is_no_json_is_400(collector, loop, way, wrong):
    body = json.dumps(document(chat(1), loop)).encode()
    assert refused(way.send(collector, body[:-1] + wrong))
    assert collector.spent(loop) == []


def any_request() -> st.SearchStrategy[Message]:
    """Requests of traces whose spans all have ids of their own, and so are taken."""
    return of_message(REQUESTS["traces"].DESCRIPTOR, DEPTH).map(_with_ids)


def _with_ids(fields: dict) -> Message:
    request = REQUESTS["traces"](**fields)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                span.trace_id, span.span_id = secrets.token_bytes(16), secrets.token_bytes(8)
    return request


def test_32_any_request_lands_as_the_same_rows(tmp_path: Path):
    """Each of three collectors is told everything over one protocol, in turns under each encoding, and their ledgers hold the same."""
    by_protocol, turns = [GRPC, [way for way in ALL if way.media and not way.is_json], IN_JSON], []

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(any_request())
    def tell(request: Message) -> None:
        turns.append(request)
        body = request.SerializeToString()
        answers = [protocol[len(turns) % len(protocol)].export(at, body) for protocol, at in zip(by_protocol, served, strict=True)]
        assert [answer.response for answer in answers] == [answers[0].response] * 3

    places = [tmp_path / str(protocol[0]) for protocol in by_protocol]
    with contextlib.ExitStack() as stack:
        served = [stack.enter_context(running(with_one_key(place))) for place in places]
        tell()
    first, *others = map(rows, places)
    assert len(first["records"]) > 40
    assert others == [first] * 2


def with_one_key(data: Path) -> Path:
    """A directory whose notes of what it does not keep are those of the others."""
    data.mkdir()
    (data / "redaction.key").write_bytes(b"the same key" * 3)
    return data


def rows(data: Path) -> dict[str, list]:
    """The records and the evidence of a ledger that no process holds; of records without a time of their own not when they came."""
    ledger = Ledger(data)
    try:
        skewed = "* exclude (commit_no) replace (case when clock_skewed then null else ended_at end as ended_at)"
        tables = {"records": f"select {skewed} from records", "record_details": "select * exclude (commit_no) from record_details"}
        found = {name: sorted(map(repr, ledger._rows(sql))) for name, sql in tables.items()}
        return {**found, "evidence": ledger._rows("select attributes from evidence order by commit_no")}
    finally:
        ledger.close()


@pytest.mark.parametrize("way", [way for way in PLAIN if way.media], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_33_a_mutated_body_is_taken_or_refused(collector, way, seed):
    """Thousands more go through the decoders alone, and a million by tests/faults.py."""
    chance, good = random.Random(seed), traces(chat(1), chat(1))
    body = as_json(good) if way.is_json else good
    statuses = {way.send(collector, faults._mutated(body, chance)).status for _ in range(60)}
    assert statuses <= {200, 400, 413, 415}
    assert len(statuses) == 2


@pytest.mark.parametrize("seed", range(2))
def test_33_a_mutated_body_over_grpc_is_taken_or_refused(collector, seed):
    chance, good = random.Random(seed), traces(chat(1), chat(1))
    statuses = {GRPC[0].send(collector, faults._mutated(good, chance)).status for _ in range(60)}
    assert statuses == {0, INVALID_ARGUMENT}
