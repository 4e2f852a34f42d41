"""What an OTLP/HTTP request carries, without its content-encoding: never more than the limit in memory, whatever it would become."""

import zlib
from collections.abc import Callable

import zstandard

from analytics.errors import Permanent, TooLarge

ENCODINGS = ("identity", "gzip", "zstd")
_MOST_MEMBERS = 1000
"""Of one body: millions of empty ones would cost a minute."""
_GZIP_SLICE, _GZIP_PART = 1 << 16, 1 << 20
"""Bytes of gzip read at once, and the most that one step makes of them."""
_ZSTD_WINDOW = 8 << 20
"""Bytes a zstd frame may ask its reader to remember, as RFC 8878 recommends."""
_ZSTD_SLICE = 512
"""Bytes of zstd read at once: each four may stand for 128 KiB, so this is 16 MiB beyond the limit at most."""

Member = Callable[[memoryview, int, Callable[[int], None]], tuple[bytes, memoryview]]
"""(compressed bytes, room left, what hears of each part) -> what the first member holds, at most a little more than the room; and the
bytes after the member."""


class UnsupportedMedia(Permanent):
    """A content type or encoding that OTLP does not know."""

    reason = "media"


def decompressed(body: bytes, encoding: str, limit: int, hold: Callable[[int], None] = lambda size: None) -> bytes:
    """The body without its content-encoding; several members are read as one. `hold` hears of every further part's bytes and may refuse.

    Raises UnsupportedMedia for an encoding that is not known, TooLarge over `limit` bytes, Permanent for damaged bytes.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _MEMBERS:
        raise UnsupportedMedia(f"content-encoding {encoding!r} is not supported, send gzip, zstd or none", field="content-encoding")
    parts, left, rest = [], limit, memoryview(body)
    while rest or not parts:
        part, rest = _member(encoding, rest, left, hold)
        left -= len(part)
        if left < 0:
            raise TooLarge(f"the body decompresses to more than {limit} bytes")
        if len(parts) == _MOST_MEMBERS:
            raise Permanent(f"the body has more than {_MOST_MEMBERS} {encoding} members")
        parts.append(part)
    return b"".join(parts)


def _member(encoding: str, body: memoryview, room: int, hold: Callable[[int], None]) -> tuple[bytes, memoryview]:
    try:
        return _MEMBERS[encoding](body, room, hold)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Permanent(f"the body is not {encoding}: {error}") from error


def _gzip(body: memoryview, room: int, hold: Callable[[int], None]) -> tuple[bytes, memoryview]:
    member, parts, place = zlib.decompressobj(wbits=31), [], 0
    while place < len(body) and room >= 0 and not member.eof:
        slice_, place = body[place : place + _GZIP_SLICE], place + _GZIP_SLICE
        while slice_ and room >= 0 and not member.eof:
            parts.append(member.decompress(slice_, min(_GZIP_PART, room + 1)))
            hold(len(parts[-1]))
            room, slice_ = room - len(parts[-1]), member.unconsumed_tail
    _refuse_cut("gzip", member.eof or room < 0)
    return b"".join(parts), body[min(place, len(body)) - len(member.unused_data) :]


def _zstd(body: memoryview, room: int, hold: Callable[[int], None]) -> tuple[bytes, memoryview]:
    member, parts, place = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj(), [], 0
    while place < len(body) and room >= 0 and not member.eof:
        parts.append(member.decompress(body[place : place + _ZSTD_SLICE]))
        hold(len(parts[-1]))
        room, place = room - len(parts[-1]), place + _ZSTD_SLICE
    _refuse_cut("zstd", member.eof or room < 0)
    return b"".join(parts), body[min(place, len(body)) - len(member.unused_data) :]


def _refuse_cut(encoding: str, is_whole: bool) -> None:
    if not is_whole:
        raise Permanent(f"the {encoding} body ends too early")


_MEMBERS: dict[str, Member] = {"gzip": _gzip, "zstd": _zstd}
