"""What an OTLP/HTTP request carries, without its content-encoding: never more than the limit in memory, whatever it would become."""

import zlib
from collections.abc import Callable

import zstandard

from analytics.errors import Permanent, TooLarge

ENCODINGS = ("identity", "gzip", "zstd")
_ZSTD_WINDOW = 8 << 20
"""Bytes a zstd frame may ask its reader to remember, as RFC 8878 recommends."""
_ZSTD_SLICE = 512
"""Bytes of zstd read at once: each four may stand for 128 KiB, so this is 16 MiB beyond the limit at most."""

Member = Callable[[bytes, int], tuple[bytes, bytes]]
"""(compressed bytes, room left) -> what the first member holds, at most a little more than the room; and the bytes after the member."""


class UnsupportedMedia(Permanent):
    """A content type or encoding that OTLP does not know."""


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content-encoding; several members are read as one.

    Raises UnsupportedMedia for an encoding that is not known, TooLarge over `limit` bytes, Permanent for damaged bytes.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _MEMBERS:
        raise UnsupportedMedia(f"content-encoding {encoding!r} is not supported, send gzip, zstd or none", field="content-encoding")
    parts, left = [], limit
    while body or not parts:
        part, body = _member(encoding, body, left)
        left -= len(part)
        if left < 0:
            raise TooLarge(f"the body decompresses to more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _member(encoding: str, body: bytes, room: int) -> tuple[bytes, bytes]:
    try:
        return _MEMBERS[encoding](body, room)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Permanent(f"the body is not {encoding}: {error}") from error


def _gzip(body: bytes, room: int) -> tuple[bytes, bytes]:
    member = zlib.decompressobj(wbits=31)
    part = member.decompress(body, room + 1)
    _refuse_cut("gzip", member.eof or len(part) > room)
    return part, member.unused_data


def _zstd(body: bytes, room: int) -> tuple[bytes, bytes]:
    member, parts, place = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj(), [], 0
    while place < len(body) and room >= 0 and not member.eof:
        parts.append(member.decompress(body[place : place + _ZSTD_SLICE]))
        room, place = room - len(parts[-1]), place + _ZSTD_SLICE
    _refuse_cut("zstd", member.eof or room < 0)
    return b"".join(parts), member.unused_data + body[place:]


def _refuse_cut(encoding: str, is_whole: bool) -> None:
    if not is_whole:
        raise Permanent(f"the {encoding} body ends too early")


_MEMBERS: dict[str, Member] = {"gzip": _gzip, "zstd": _zstd}
