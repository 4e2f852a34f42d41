"""OTLP/JSON by name: each trap of the encoding has one defined answer."""

import math

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from analytics.errors import Permanent
from ingest.otlp_json import REQUESTS, to_protobuf


def request(*spans: str) -> bytes:
    return f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{", ".join(spans)}]}}]}}]}}'.encode()


def valued(value: str) -> str:
    return f'{{"attributes": [{{"key": "k", "value": {value}}}]}}'


def span(text: str) -> Span:
    return REQUESTS["traces"].FromString(to_protobuf(request(text), "traces")).resource_spans[0].scope_spans[0].spans[0]


def any_value(text: str) -> AnyValue:
    return span(valued(text)).attributes[0].value


def refusal(body: bytes, signal="traces") -> str:
    with pytest.raises(Permanent) as refused:
        to_protobuf(body, signal)
    return str(refused.value)


def misfit(text: str) -> str:
    """What is said of a span, with the common head of its path taken off."""
    return refusal(request(text)).removeprefix("resourceSpans[0].scopeSpans[0].spans[0]")


def value_misfit(member: str, text: str) -> str:
    return misfit(valued(f'{{"{member}": {text}}}')).removeprefix(f".attributes[0].value.{member}: ")


def test_a_refusal_names_the_whole_path():
    bad = request("{}", "{}", "{}", '{"traceId": 5}')
    assert refusal(bad) == "resourceSpans[0].scopeSpans[0].spans[3].traceId: expected 32 hex digits"


@pytest.mark.parametrize(
    "text", ["5b8efff798038103d269b633813fc60c", "5B8EFFF798038103D269B633813FC60C", "5b8EFFf798038103d269b633813FC60c"]
)
def test_ids_are_hex_in_any_case(text):
    assert span(f'{{"traceId": "{text}"}}').trace_id == bytes.fromhex("5b8efff798038103d269b633813fc60c")


@pytest.mark.parametrize("text", ["", "00", "0" * 31, "0" * 33, "g" * 32, "0 " * 16, "٣" * 32, "W47/95gDgQPSabYzgT/GDA=="])
def test_a_trace_id_that_is_not_32_hex_digits_names_nothing(text):
    assert span(f'{{"traceId": "{text}", "name": "x"}}') == Span(name="x")


@pytest.mark.parametrize("text", ["7", "[]", "{}", "true"])
def test_an_id_that_is_no_string_is_refused(text):
    assert misfit(f'{{"traceId": {text}}}') == ".traceId: expected 32 hex digits"


@pytest.mark.parametrize("field", ["spanId", "parentSpanId"])
def test_a_span_id_has_16_digits(field):
    assert span(f'{{"{field}": "{"0" * 32}", "name": "x"}}') == Span(name="x")


def test_an_empty_parent_is_an_absent_one():
    assert span('{"parentSpanId": "", "name": "root"}') == Span(name="root")


def test_a_log_record_outside_any_span_has_empty_ids():
    body = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "", "spanId": "", "severityText": "INFO"}]}]}]}'
    record = REQUESTS["logs"].FromString(to_protobuf(body, "logs")).resource_logs[0].scope_logs[0].log_records[0]
    assert (record.trace_id, record.span_id, record.severity_text) == (b"", b"", "INFO")


@pytest.mark.parametrize("kind", [3, 99, -1])
def test_an_enum_is_a_number_and_an_unknown_one_is_kept(kind):
    assert span(f'{{"kind": {kind}}}').kind == kind


@pytest.mark.parametrize("kind", ['"SPAN_KIND_CLIENT"', '"3"', "3.5", "true", str(2**31)])
def test_an_enum_by_name_is_refused(kind):
    assert misfit(f'{{"kind": {kind}}}') == ".kind: expected the number of an enum value"


@pytest.mark.parametrize("number", [9007199254740993, 9223372036854775807, -9223372036854775808, 0])
def test_an_integer_is_exact_as_number_and_as_string(number):
    assert any_value(f'{{"intValue": {number}}}') == any_value(f'{{"intValue": "{number}"}}') == AnyValue(int_value=number)


def test_an_integer_may_have_an_exponent_while_it_is_exact():
    assert any_value('{"intValue": 1e3}') == AnyValue(int_value=1000)


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775808",
        '"9223372036854775808"',
        '"-9223372036854775809"',
        "1.5",
        "1e17",
        "true",
        '" 1"',
        '"1_0"',
        '"1.0"',
        '""',
        '"٣"',
    ],
)
def test_an_integer_out_of_range_or_inexact_is_refused(text):
    assert value_misfit("intValue", text) == "expected an integer from -9223372036854775808 to 9223372036854775807"


def test_an_unsigned_time_reaches_to_its_last_bit_and_not_below_zero():
    assert span('{"endTimeUnixNano": "18446744073709551615"}').end_time_unix_nano == 2**64 - 1
    assert misfit('{"endTimeUnixNano": -1}') == ".endTimeUnixNano: expected an integer from 0 to 18446744073709551615"


DOUBLES = {'"Infinity"': math.inf, '"-Infinity"': -math.inf, "1": 1.0, '"1.5e3"': 1500.0, "-0.0": -0.0}


@pytest.mark.parametrize(("text", "number"), DOUBLES.items())
def test_a_double_is_a_number_or_a_name(text, number):
    assert any_value(f'{{"doubleValue": {text}}}') == AnyValue(double_value=number)


def test_nan_is_a_name():
    assert math.isnan(any_value('{"doubleValue": "NaN"}').double_value)


@pytest.mark.parametrize("text", ["1e999", "9" * 400, '"1e999"', '"inf"', '"nan"', '"1_0"', "true", "{}"])
def test_a_double_beyond_its_range_or_by_another_name_is_refused(text):
    assert value_misfit("doubleValue", text) == "expected a double"


@pytest.mark.parametrize("text", ["-_8=", "-_8", "+/8="])
def test_bytes_are_base64_of_either_alphabet(text):
    assert any_value(f'{{"bytesValue": "{text}"}}') == AnyValue(bytes_value=b"\xfb\xff")


@pytest.mark.parametrize("text", ['"A"', '"!!!!"', '"é"', "1"])
def test_other_bytes_are_refused(text):
    assert value_misfit("bytesValue", text) == "expected base64"


SHAPES = {
    "[]": ": expected an object",
    "null": ": expected an object",
    '{"status": 1}': ".status: expected an object",
    '{"attributes": {}}': ".attributes: expected an array",
    '{"attributes": [null]}': ".attributes[0]: expected an object",
    '{"name": 1}': ".name: expected a string",
    '{"attributes": [{"value": {"boolValue": 1}}]}': ".attributes[0].value.boolValue: expected true or false",
}


@pytest.mark.parametrize(("text", "said"), SHAPES.items())
def test_a_value_of_another_shape_is_refused(text, said):
    assert misfit(text) == said


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"'])
def test_a_body_is_an_object(body):
    assert refusal(body) == "body: expected an object"


def test_snake_case_keys_are_unknown():
    assert span('{"name": "x", "trace_id": "zz", "start_time_unix_nano": "1"}') == Span(name="x")


def test_unknown_fields_are_ignored_at_every_level():
    extra = '"__proto__": {"a": [1]}, "future": null'
    body = f'{{{extra}, "resourceSpans": [{{{extra}, "resource": {{{extra}}}, "scopeSpans": [{{{extra}, "spans": [{{{extra}}}]}}]}}]}}'
    decoded = REQUESTS["traces"].FromString(to_protobuf(body.encode(), "traces"))
    assert decoded == REQUESTS["traces"](resource_spans=[{"resource": {}, "scope_spans": [{"spans": [{}]}]}])


def test_null_is_unset():
    assert span('{"name": null, "status": null, "attributes": null, "kind": null, "traceId": null}') == Span()
    assert to_protobuf(b'{"resourceSpans": null}', "traces") == b""


MEMBERS = {
    "{}": None,
    '{"stringValue": null}': None,
    '{"stringValue": ""}': "string_value",
    '{"arrayValue": {"values": null}}': "array_value",
}


@pytest.mark.parametrize(("text", "member"), MEMBERS.items())
def test_an_empty_value_and_an_unset_one_stay_different(text, member):
    assert any_value(text).WhichOneof("value") == member


def test_the_last_of_several_members_or_equal_keys_wins():
    assert any_value('{"stringValue": "a", "intValue": 1}') == AnyValue(int_value=1)
    assert any_value('{"intValue": 1, "stringValue": "a"}') == AnyValue(string_value="a")
    assert span('{"name": "a", "name": "b"}').name == "b"
    assert span('{"name": "a", "name": null}').name == ""


ARRAY = ('{"arrayValue": {"values": [', "]}}")
KVLIST = ('{"kvlistValue": {"values": [{"key": "k", "value": ', "}]}}")


def nested(levels: int, before: str, after: str) -> str:
    return valued(before * levels + '{"stringValue": "x"}' + after * levels)


@pytest.mark.parametrize(("levels", "shape"), [(47, ARRAY), (31, KVLIST)])
def test_a_value_nests_as_deep_as_protobuf_reads(levels, shape):
    assert span(nested(levels, *shape)).attributes[0].value.ByteSize() > levels


@pytest.mark.parametrize(("levels", "shape"), [(48, ARRAY), (51, ARRAY), (32, KVLIST), (51, KVLIST), (200, ARRAY)])
def test_a_value_that_nests_deeper_is_refused(levels, shape):
    assert misfit(nested(levels, *shape)).endswith(": nested too deeply")


@pytest.mark.parametrize("body", [request(nested(5000, *ARRAY)), b"[" * 100_000, b'{"unknown": ' + b"[" * 5000 + b"]" * 5000 + b"}"])
def test_json_too_deep_to_parse_is_refused(body):
    assert refusal(body) == "body: JSON nested too deeply"


SYNTAX = [b"", b"{", b'{"a": 1,}', b'{"resourceSpans": [],}', b"{'a': 1}", b"{} {}", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": "\n"}']
ENCODING = [b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', "{}".encode("utf-16"), b"\x1f\x8b\x08", b"\n\x00"]


@pytest.mark.parametrize("body", [*SYNTAX, *ENCODING, b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_is_not_json_in_utf8_is_refused(body):
    assert refusal(body).startswith("body: not JSON in UTF-8: ")


def test_a_lone_surrogate_is_refused_and_a_pair_is_a_character():
    assert misfit('{"name": "a\\ud800"}') == ".name: expected Unicode text, found a lone surrogate"
    assert span('{"name": "\\ud83d\\ude00"}').name == "😀"


def test_nul_long_keys_and_a_byte_order_mark_are_data_like_any_other():
    assert span('{"name": "a\\u0000b"}').name == "a\0b"
    assert span(f'{{"attributes": [{{"key": "{"k" * 1_000_000}"}}]}}').attributes[0].key == "k" * 1_000_000
    assert to_protobuf(b"\xef\xbb\xbf{}", "traces") == b""


def test_a_refusal_never_repeats_what_was_sent():
    assert "secret" not in misfit('{"startTimeUnixNano": "secret"}') + misfit('{"kind": "secret"}') + refusal(b'{"a": "secret",}')


@pytest.mark.parametrize(("root", "signal"), [("resourceLogs", "traces"), ("resourceSpans", "logs"), ("resourceSpans", "metrics")])
def test_a_body_of_another_signal_is_refused_not_lost(root, signal):
    assert refusal(f'{{"{root}": []}}'.encode(), signal).startswith(f"{root}: expected resource")


@pytest.mark.parametrize("signal", REQUESTS)
def test_an_empty_request_is_an_empty_message(signal):
    assert to_protobuf(b"{}", signal) == b""
