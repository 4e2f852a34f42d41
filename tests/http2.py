"""gRPC by hand: frames that no library would send."""

import re
import socket
import struct

from transports import METHODS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_STATUS = re.compile(rb"grpc-status(?:\x01(\d)|\x02(\d\d))")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header(name: str, value: str) -> bytes:
    """A literal that no table keeps."""
    return b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def status_of_encoded(address: str, body: bytes, encoding: str, signal: str = "traces") -> int:
    """The gRPC status of a body under a grpc-encoding, flagged as compressed."""
    host, _, port = address.rpartition(":")
    said = {
        ":method": "POST", ":scheme": "http", ":path": METHODS[signal], ":authority": address,
        "te": "trailers", "content-type": "application/grpc", "grpc-encoding": encoding,
    }  # fmt: skip
    message = b"\1" + struct.pack(">I", len(body)) + body
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
        connection.sendall(frame(HEADERS, _END_HEADERS, 1, b"".join(header(*one) for one in said.items())))
        connection.sendall(frame(DATA, _END_STREAM, 1, message))
        return _read_status(connection)


def _read_status(connection: socket.socket) -> int:
    with connection.makefile("rb") as stream:
        while head := stream.read(9):
            kind, flags, payload = head[3], head[4], stream.read(int.from_bytes(head[:3], "big"))
            if kind == SETTINGS and not flags & _ACK:
                connection.sendall(frame(SETTINGS, _ACK, 0))
            if kind == HEADERS and (found := _STATUS.search(payload)):
                return int(found[1] or found[2])
    raise ConnectionError("the connection ended without a status")
