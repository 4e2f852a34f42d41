"""OTLP/JSON -> OTLP protobuf bytes, so that both encodings take one path from here on.

protobuf's own `json_format` does the opposite of what OTLP asks for: it reads hex ids as base64, refuses unknown fields, and
takes snake_case keys and enum names. This module walks the same official descriptors with OTLP's rules.

Source: opentelemetry-proto docs/specification.md, "JSON Protobuf Encoding"; protobuf.dev, "ProtoJSON Format".
Where both are silent: a byte order mark is skipped, of a repeated key and of several members of a oneof the last one wins.
"""

import base64
import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NoReturn

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from analytics.errors import Permanent
from ingest.otlp_json_plain import ID_DIGITS, INTEGERS, protobuf

REQUESTS = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest, "metrics": ExportMetricsServiceRequest}
ROOTS = {signal: request.DESCRIPTOR.fields[0].json_name for signal, request in REQUESTS.items()}

MAX_DEPTH = 100
"""Messages inside messages, the request included: protobuf's parser refuses more. An array costs two, a key-value list three."""

WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
STANDARD_BASE64 = str.maketrans("-_", "+/")

Reader = Callable[[Any, int], Any]
"""(JSON value, depth of the message that holds it) -> what the message class takes for the field."""


def to_protobuf(body: bytes, signal: Literal["traces", "logs", "metrics"]) -> bytes:
    """The official request message of `signal`, serialized, that this OTLP/JSON body says.

    Raises Permanent for a body that is not OTLP/JSON. Its text names the path of the first value that does not fit, never the value.
    """
    try:
        return protobuf(body.decode("utf-8-sig"), REQUESTS[signal].DESCRIPTOR) or _with_care(body, signal)
    except (ValueError, RecursionError):
        return _with_care(body, signal)


def _with_care(body: bytes, signal: str) -> bytes:
    document, request = _parse(body), REQUESTS[signal]
    try:
        fields = _message(request.DESCRIPTOR)(document, 0)
    except _Misfit as misfit:
        raise Permanent(f"{misfit.place}: {misfit}", field=misfit.place) from None
    _refuse_another_signal(document, signal)
    return request(**fields).SerializeToString()


class _Misfit(Exception):
    """A JSON value that its field cannot hold. `steps` lead from the value out to the body."""

    def __init__(self, expected: str):
        super().__init__(expected)
        self.steps: list[str] = []

    @property
    def place(self) -> str:
        return "".join(reversed(self.steps)).removeprefix(".") or "body"


def _parse(body: bytes) -> Any:
    try:
        return DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError:
        raise Permanent("body: JSON nested too deeply") from None
    except ValueError as error:
        raise Permanent(f"body: not JSON in UTF-8: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f'{name} is no JSON; OTLP writes "{name}"')


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _refuse_another_signal(document: dict[str, Any], signal: str) -> None:
    # Its root would be ignored as an unknown field, and everything in it lost behind a success.
    root, misplaced = ROOTS[signal], document.keys() & set(ROOTS.values())
    if misplaced and root not in misplaced:
        raise Permanent(f"{min(misplaced)}: expected {root} in a request for {signal}", field=min(misplaced))


def _message(descriptor: Descriptor) -> Reader:
    def read(value: Any, depth: int) -> dict[str, Any]:
        if type(value) is not dict:
            raise _Misfit("expected an object")
        if depth == MAX_DEPTH:
            raise _Misfit("nested too deeply")
        fields, found = _fields(descriptor), {}
        try:
            for key, item in value.items():
                if key in fields and item is not None:
                    name, read_field = fields[key]
                    found[name] = read_field(item, depth + 1)
        except _Misfit as misfit:
            misfit.steps.append(f".{key}")
            raise
        return found

    return read


@cache
def _fields(descriptor: Descriptor) -> dict[str, tuple[str, Reader]]:
    """lowerCamelCase key -> (field name, reader). Looked up when a message is read: AnyValue contains itself."""
    return {field.json_name: (field.name, _reader(field)) for field in descriptor.fields}


def _reader(field: FieldDescriptor) -> Reader:
    if field.message_type:
        read = _message(field.message_type)
    elif field.type in INTEGERS and field.enum_type is None:
        read = _integer(INTEGERS[field.type])
    elif field.name in ID_DIGITS:
        read = _hex_id(ID_DIGITS[field.name])
    else:
        read = SCALARS[field.type]
    return _array(read) if field.is_repeated else read


def _array(read_item: Reader) -> Reader:
    def read(value: Any, depth: int) -> list[Any]:
        if type(value) is not list:
            raise _Misfit("expected an array")
        items: list[Any] = []
        try:
            for item in value:
                items.append(read_item(item, depth))  # noqa: PERF401  its length is the index of the item that does not fit
        except _Misfit as misfit:
            misfit.steps.append(f"[{len(items)}]")
            raise
        return items

    return read


def _integer(allowed: range) -> Reader:
    def read(value: Any, _depth: int) -> int:
        exact = type(value) is float and value.is_integer() and abs(value) < 2**53  # 1e3; beyond, digits are already lost
        if exact or (type(value) is str and WHOLE_NUMBER.fullmatch(value)):
            value = int(value)
        if type(value) is not int or value not in allowed:
            raise _Misfit(f"expected an integer from {allowed[0]} to {allowed[-1]}")
        return value

    return read


def _hex_id(digits: int) -> Reader:
    """An id of another form becomes one that names nothing, so that its record alone is left out."""

    def read(value: Any, _depth: int) -> bytes:
        if type(value) is not str:
            raise _Misfit(f"expected {digits} hex digits")
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            return b""
        return raw if len(value) == len(raw) * 2 == digits else b""  # fromhex skips blanks

    return read


def _enum(value: Any, _depth: int) -> int:
    if type(value) is not int or value not in INTEGERS[FieldDescriptor.TYPE_ENUM]:
        raise _Misfit("expected the number of an enum value")
    return value


def _string(value: Any, _depth: int) -> str:
    if type(value) is not str:
        raise _Misfit("expected a string")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise _Misfit("expected Unicode text, found a lone surrogate")
    return value


def _bool(value: Any, _depth: int) -> bool:
    if type(value) is not bool:
        raise _Misfit("expected true or false")
    return value


def _double(value: Any, _depth: int) -> float:
    if type(value) is str and value in DOUBLES:
        return DOUBLES[value]
    if type(value) in (int, float) or (type(value) is str and NUMBER.fullmatch(value)):
        try:
            if math.isfinite(number := float(value)):
                return number
        except OverflowError:
            pass
    raise _Misfit("expected a double")


def _base64(value: Any, _depth: int) -> bytes:
    if type(value) is not str:
        raise _Misfit("expected base64")
    try:
        return base64.b64decode(value.translate(STANDARD_BASE64) + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        raise _Misfit("expected base64") from None


SCALARS: dict[int, Reader] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_BYTES: _base64,
    FieldDescriptor.TYPE_ENUM: _enum,
}
