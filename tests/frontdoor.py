"""A server in front of a collector, over HTTP and gRPC: it answers the first export "come again" and hands every other one on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import httpx
from bodies import JSON
from collectors import Collector
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from google.rpc.code_pb2 import UNAVAILABLE
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

_ON = ("content-type", "content-encoding")


class FrontDoor:
    """Where it listens, and what came. With `loses` even the first export reaches the collector, and only its answer is lost."""

    def __init__(self, collector: Collector, loses: bool):
        self.collector, self._loses, self._lock = collector, loses, threading.Lock()
        self.came: list[dict[str, str]] = []
        """Headers of each export in turn."""
        self.web = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http = f"http://127.0.0.1:{self.web.server_port}"
        self.server = grpc.server(ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers([_Exports(self)])
        self.grpc = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"

    def is_first(self, headers: dict[str, str]) -> bool:
        """Notes an export."""
        with self._lock:
            self.came.append(headers)
            return len(self.came) == 1

    def may_pass(self, first: bool) -> bool:
        return self._loses or not first

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body, headers = self._body(), {name.lower(): value for name, value in self.headers.items()}
                first = door.is_first(headers)
                status, said = 503, {"retry-after": "1", "content-type": headers["content-type"]}
                content = _come_again(headers["content-type"])
                if door.may_pass(first):
                    on = {name: headers[name] for name in _ON if name in headers}
                    answer = httpx.post(f"{door.collector.http}{self.path}", content=body, headers=on)
                    if not first:
                        status, said, content = answer.status_code, {"content-type": answer.headers["content-type"]}, answer.content
                self.send_response(status)
                for name, value in {**said, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def _body(self) -> bytes:
                if "content-length" in self.headers:
                    return self.rfile.read(int(self.headers["content-length"]))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def log_message(self, *args) -> None:
                pass

        return Handler


def _come_again(media: str) -> bytes:
    status = Status(code=UNAVAILABLE, message="come again")
    return MessageToJson(status).encode() if media == JSON else status.SerializeToString()


class _Exports(grpc.GenericRpcHandler):
    def __init__(self, door: FrontDoor):
        self._door = door

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            first, answer = self._door.is_first(dict(details.invocation_metadata)), b""
            if self._door.may_pass(first):
                with grpc.insecure_channel(self._door.collector.grpc) as channel:
                    answer = channel.unary_unary(details.method)(body, timeout=30)
            if first:
                status = Status(code=UNAVAILABLE, message="come again")
                status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=1)))
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "come again")
            return answer

        return grpc.unary_unary_rpc_method_handler(export)


@contextmanager
def front_door(collector: Collector, *, loses: bool) -> Iterator[FrontDoor]:
    """A front door for as long as the context lasts."""
    door = FrontDoor(collector, loses)
    thread = threading.Thread(target=door.web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    door.server.start()
    try:
        yield door
    finally:
        door.server.stop(None).wait()
        door.web.shutdown()
        door.web.server_close()
        thread.join()
