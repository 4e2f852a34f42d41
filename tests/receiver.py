"""A real receiver of webhooks, in a thread."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import standardwebhooks


@dataclass(frozen=True)
class Hook:
    """One request as it came."""

    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        """The same at every try."""
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict:
        """What the message says, unchecked."""
        return json.loads(self.body)["data"]

    def verified(self, secret: str) -> dict:
        """The message, checked as a receiver checks it. Raises WebhookVerificationError."""
        return standardwebhooks.Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Takes whatever is posted to `url` and answers it with `status`."""

    def __init__(self):
        self.status = 204
        self.hooks: list[Hook] = []
        self._come = threading.Condition()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def wait_for(self, is_wanted: Callable[[Hook], bool], timeout: float = 20) -> Hook:
        """The first request that is wanted; raises TimeoutError when none comes in time."""
        with self._come:
            if not self._come.wait_for(lambda: any(map(is_wanted, self.hooks)), timeout):
                raise TimeoutError(f"no such webhook among {len(self.hooks)}")
            return next(filter(is_wanted, self.hooks))

    def _take(self, hook: Hook) -> int:
        with self._come:
            self.hooks.append(hook)
            self._come.notify_all()
        return self.status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self.send_response(take(Hook({name.lower(): value for name, value in self.headers.items()}, body)))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args) -> None:
                pass

        return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for as long as the context lasts."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()
