"""Connections below any client library: HTTP/1.1 by the byte, HTTP/2 by the frame."""

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_HEADERS = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def head(method: str, token: str) -> bytes:
    """The header block of a gRPC call with a token, every field literal and unindexed."""
    fields = {
        ":method": "POST", ":scheme": "http", ":path": method, ":authority": "localhost",
        "content-type": "application/grpc", "te": "trailers", "authorization": f"Bearer {token}",
    }  # fmt: skip
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode() if len(text) < 127 else bytes([127, len(text) - 127]) + text.encode()


def connected(address: str) -> socket.socket:
    """A TCP connection to HOST:PORT or http://HOST:PORT."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def opened(address: str) -> socket.socket:
    """An HTTP/2 connection."""
    connection = connected(address)
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return connection


def kinds(connection: socket.socket) -> Iterator[int]:
    """The kinds of the frames that come, until the other side closes."""
    came = b""
    while True:
        try:
            more = connection.recv(65_536)
        except OSError:
            return
        if not more:
            return
        came += more
        while len(came) >= 9 and len(came) >= (size := int.from_bytes(came[:3], "big") + 9):
            yield came[3]
            came = came[size:]


def flood(connection: socket.socket, pieces: Iterator[bytes]) -> set[int]:
    """Sends until all is sent or the other side has had enough; the kinds of the frames that came back."""
    try:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return set(kinds(connection))


def dripped(connections: list[socket.socket], byte: bytes, seconds: float) -> list[bytes]:
    """Sends a byte on each connection four times a second, until all are closed or the time is up; what each was told. Those still open
    are told b"open"."""
    told, until = dict.fromkeys(connections, b""), time.monotonic() + seconds
    with selectors.DefaultSelector() as left:
        for connection in connections:
            connection.setblocking(False)
            left.register(connection, selectors.EVENT_READ)
        while left.get_map() and time.monotonic() < until:
            for key, _ in left.select(0.25):
                more = _received(key.fileobj)
                told[key.fileobj] += more
                if not more:
                    left.unregister(key.fileobj)
            for key in list(left.get_map().values()) if byte else ():
                with contextlib.suppress(OSError):
                    key.fileobj.send(byte)
        return [b"open" if connection in left.get_map() and not said else said for connection, said in told.items()]


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except OSError:
        return b""
