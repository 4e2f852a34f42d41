"""Ordinary OTLP/JSON -> OTLP protobuf bytes, several times as fast as `otlp_json` reads it.

msgspec reads the text straight into objects that mirror the official descriptors, and each message has a writer for its fields in their
order, so the bytes are those that protobuf's own classes write. Whatever is out of the ordinary (deep values, numbers in an odd spelling,
anything wrong) raises, and is `otlp_json`'s to read or to refuse.
"""

import struct
from collections.abc import Callable
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

Writer = Callable[[Any], bytes]
"""What JSON holds for a field -> its bytes with the tag, or for a message those within it. Raises ValueError for what is not ordinary."""

_NESTED = ("ArrayValue", "KeyValueList")
"""Read when they are written, because they hold values again."""
_MOST_LISTS = 8
"""Inside a value; fewer than would nest too deeply, and few enough to be read once for each level."""
_MOST_KEYS, _LONGEST_TEXT = 4096, 256
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
ID_DIGITS = {"trace_id": 32, "span_id": 16, "parent_span_id": 16}
INTEGERS = {
    FieldDescriptor.TYPE_ENUM: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_INT32: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_SINT32: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_UINT32: range(2**32),
    FieldDescriptor.TYPE_FIXED32: range(2**32),
    FieldDescriptor.TYPE_INT64: range(-(2**63), 2**63),
    FieldDescriptor.TYPE_SFIXED64: range(-(2**63), 2**63),
    FieldDescriptor.TYPE_UINT64: range(2**64),
    FieldDescriptor.TYPE_FIXED64: range(2**64),
}


def protobuf(text: str | bytes, message: Descriptor) -> bytes:
    """The message that the JSON says. Raises ValueError or RecursionError when it is not ordinary."""
    return _writer(message)(_decoder(message)(text))


@cache
def _decoder(message: Descriptor) -> Callable[[str | bytes], msgspec.Struct]:
    return msgspec.json.Decoder(_mirror(message)).decode


@cache
def _mirror(message: Descriptor) -> type[msgspec.Struct]:
    fields = [(field.name, _type(field) | None, None) for field in _in_order(message)]
    return msgspec.defstruct(message.name, fields, rename={field.name: field.json_name for field in message.fields}, gc=False)


def _in_order(message: Descriptor) -> list[FieldDescriptor]:
    return sorted(message.fields, key=lambda field: field.number)


def _type(field: FieldDescriptor) -> Any:
    if field.message_type is None:
        return msgspec.Raw if field.is_repeated else _SCALARS[field.type][0]
    if field.message_type.name in _NESTED:
        return msgspec.Raw
    return list[_mirror(field.message_type)] if field.is_repeated else _mirror(field.message_type)


@cache
def _writer(message: Descriptor) -> Writer:
    writers = [_field_writer(field) for field in _in_order(message)]
    choices = [_members(message, oneof.fields) for oneof in message.oneofs if len(oneof.fields) > 1]

    def write(said: msgspec.Struct) -> bytes:
        values = msgspec.structs.astuple(said)
        for members in choices:
            chosen = members(values)
            if chosen.count(None) < len(chosen) - 1:
                raise ValueError("several members of a oneof: which comes last is lost here")
        return b"".join([write_field(value) for write_field, value in zip(writers, values, strict=True) if value is not None])

    return write


def _members(message: Descriptor, fields: list[FieldDescriptor]) -> itemgetter:
    names = [field.name for field in _in_order(message)]
    return itemgetter(*(names.index(field.name) for field in fields))


def _field_writer(field: FieldDescriptor) -> Writer:
    if field.message_type is None:
        return _unwritten if field.is_repeated else _SCALARS[field.type][1](field)
    if field.message_type.name in _NESTED:
        return _nested(field)
    write, tag = _writer(field.message_type), _tag(field, _BYTES)
    if field.message_type.name == "KeyValue":
        write = _pair(field.message_type)
    if not field.is_repeated:
        return lambda item: _delimited(tag, write(item))
    return lambda items: b"".join([_delimited(tag, write(item)) for item in items])


def _pair(message: Descriptor) -> Writer:
    """An attribute. They are most of what there is to write, and of one with a text everything but the text is known beforehand."""
    key, value, *_ = _in_order(message)
    start, tag, text_tag = lru_cache(_MOST_KEYS)(_string(key)), _tag(value, _BYTES), _tag(_in_order(value.message_type)[0], _BYTES)
    heads = [tag + _varint(size + len(text_tag + _varint(size))) + text_tag + _varint(size) for size in range(_LONGEST_TEXT)]
    write, values = _writer(message), msgspec.structs.astuple

    def write_pair(pair: msgspec.Struct) -> bytes:
        key, value, *others = values(pair)
        if key and value is not None and others.count(None) == len(others):
            text, *others = values(value)
            if text is not None and others.count(None) == len(others) and len(raw := text.encode()) < _LONGEST_TEXT:
                return start(key) + heads[len(raw)] + raw
        return write(pair)

    return write_pair


def _nested(field: FieldDescriptor) -> Writer:
    tag, message = _tag(field, _BYTES), field.message_type

    def write(raw: msgspec.Raw) -> bytes:
        text = bytes(raw)
        if text.count(b"[") > _MOST_LISTS:
            raise ValueError("may nest too deeply")
        return _delimited(tag, protobuf(text, message))

    return write


def _unwritten(_: Any) -> bytes:
    raise ValueError("not ordinary")


# Scalars: (type in JSON, writer of a field)


def _string(field: FieldDescriptor) -> Writer:
    tag, always = _tag(field, _BYTES), field.has_presence
    return lambda text: _delimited(tag, text.encode()) if text or always else b""


def _bytes(field: FieldDescriptor) -> Writer:
    """Of bytes only ids are ordinary: hex, where everything else in JSON is base64."""
    tag, digits = _tag(field, _BYTES), ID_DIGITS.get(field.name, 0)

    def write(text: str) -> bytes:
        if text.isalnum() and len(text) == digits:
            return _delimited(tag, bytes.fromhex(text))
        return _unwritten(text) if text or not digits else b""

    return write


def _integer(field: FieldDescriptor) -> Writer:
    tag, always, allowed = _tag(field, _VARINT), field.has_presence, INTEGERS[field.type]

    def write(said: int | str) -> bytes:
        number = _number(said, allowed)
        return tag + _varint(number & 0xFFFFFFFFFFFFFFFF) if number or always else b""

    return write


def _fixed(kind: str, wire_type: int = _FIXED64) -> Callable[[FieldDescriptor], Writer]:
    pack = struct.Struct(kind).pack

    def of(field: FieldDescriptor) -> Writer:
        tag, always, allowed = _tag(field, wire_type), field.has_presence, INTEGERS[field.type]

        def write(said: int | str) -> bytes:
            number = _number(said, allowed)
            return tag + pack(number) if number or always else b""

        return write

    return of


def _double(field: FieldDescriptor) -> Writer:
    tag, always, pack = _tag(field, _FIXED64), field.has_presence, struct.Struct("<d").pack
    return lambda number: tag + pack(number) if always or pack(number) != bytes(8) else b""


def _bool(field: FieldDescriptor) -> Writer:
    tag, always = _tag(field, _VARINT), field.has_presence
    return lambda value: tag + bytes((value,)) if value or always else b""


def _number(said: int | str, allowed: range) -> int:
    number = int(said)
    if number not in allowed or (number is not said and str(number) != said):
        raise ValueError("out of range or in an odd spelling")
    return number


def _tag(field: FieldDescriptor, wire_type: int) -> bytes:
    return _varint(field.number << 3 | wire_type)


def _delimited(tag: bytes, body: bytes) -> bytes:
    return tag + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    return _SHORT[number] if number < len(_SHORT) else bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)


_SHORT = [bytes((number,)) if number < 128 else bytes((number & 0x7F | 0x80, number >> 7)) for number in range(1 << 14)]
_SCALARS: dict[int, tuple[Any, Callable[[FieldDescriptor], Writer]]] = {
    FieldDescriptor.TYPE_STRING: (str, _string),
    FieldDescriptor.TYPE_BYTES: (str, _bytes),
    FieldDescriptor.TYPE_BOOL: (bool, _bool),
    FieldDescriptor.TYPE_DOUBLE: (float, _double),
    FieldDescriptor.TYPE_ENUM: (int, _integer),
    FieldDescriptor.TYPE_INT32: (int | str, _integer),
    FieldDescriptor.TYPE_UINT32: (int | str, _integer),
    FieldDescriptor.TYPE_INT64: (int | str, _integer),
    FieldDescriptor.TYPE_SINT32: (int | str, lambda field: _unwritten),
    FieldDescriptor.TYPE_UINT64: (int | str, _integer),
    FieldDescriptor.TYPE_FIXED32: (int | str, _fixed("<I", _FIXED32)),
    FieldDescriptor.TYPE_FIXED64: (int | str, _fixed("<Q")),
    FieldDescriptor.TYPE_SFIXED64: (int | str, _fixed("<q")),
}
