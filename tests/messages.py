"""OTLP messages of any content, and what they are in OTLP/JSON."""

import base64
import math

from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import strategies as st

DEPTH = 9
ID_BYTES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}


def of_field(field: Field, depth: int) -> st.SearchStrategy:
    if field.message_type:
        return of_message(field.message_type, depth - 1)
    if field.name in ID_BYTES:
        return st.binary(min_size=ID_BYTES[field.name], max_size=ID_BYTES[field.name])
    return {
        Field.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        Field.CPPTYPE_ENUM: st.integers(-(2**31), 2**31 - 1),
        Field.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        Field.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        Field.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        Field.CPPTYPE_DOUBLE: st.floats(allow_nan=False) | st.just(math.nan),
        Field.CPPTYPE_BOOL: st.booleans(),
        Field.CPPTYPE_STRING: st.binary(max_size=5) if field.type == Field.TYPE_BYTES else st.text(max_size=5),
    }[field.cpp_type]


def of_message(descriptor, depth: int = DEPTH) -> st.SearchStrategy:
    """The fields of any message of this type, at most `depth` messages deep; of a oneof the class keeps the last.

    Only the outermost three levels always hold something, so that examples reach records and their values.
    """
    always, sometimes = {}, {}
    for field in descriptor.fields:
        if field.message_type and not depth:
            continue
        strategy = of_field(field, depth)
        outer = bool(field.message_type) and depth > DEPTH - 3
        (always if outer else sometimes)[field.name] = st.lists(strategy, min_size=outer, max_size=2) if field.is_repeated else strategy
    return st.fixed_dictionaries(always, optional=sometimes)


def encoded(message) -> dict:
    """The message as OTLP/JSON, in both spellings of hex and of 64-bit integers."""
    return {
        field.json_name: [encoded_value(field, item) for item in value] if field.is_repeated else encoded_value(field, value)
        for field, value in message.ListFields()
    }


def encoded_value(field: Field, value):
    if field.message_type:
        return encoded(value)
    if field.name in ID_BYTES:
        return value.hex().upper() if value[0] % 2 else value.hex()
    if field.type == Field.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if field.cpp_type == Field.CPPTYPE_DOUBLE and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if field.cpp_type in (Field.CPPTYPE_INT64, Field.CPPTYPE_UINT64):
        return value if value % 2 else str(value)
    return value
