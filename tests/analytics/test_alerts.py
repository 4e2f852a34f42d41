"""Alert channels against a real receiver: what it gets, and what its answers mean."""

import json
import logging
import pkgutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

import pytest
import standardwebhooks
from pydantic import BaseModel, ValidationError

from analytics import alerts
from analytics.alerts import CHANNELS, Channel, deliver, webhook
from analytics.alerts.webhook import MAX_RETRY_AFTER_SECONDS, Webhook
from analytics.errors import Permanent, Retryable

SECRET = "whsec_" + "Q" * 43 + "="
BODY = {"type": "incident.opened", "data": {"policy": "cap \u2014 \ud800", "spent_usd": "40.01"}}
OUTCOMES = {
    **dict.fromkeys((200, 201, 202, 204), None),
    **dict.fromkeys((301, 302, 303, 307, 308), Retryable),
    **dict.fromkeys((408, 429, 500, 502, 503, 504, 599), Retryable),
    **dict.fromkeys((400, 401, 403, 404, 405, 409, 410, 413, 422, 425), Permanent),
}
"""What every HTTP channel makes of a status."""


class Receiver(ThreadingHTTPServer):
    """Answers every POST with `status` and `headers`, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?token=t0p"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch) -> Iterator[Receiver]:
    monkeypatch.setenv("OPS_SECRET", SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def line(monkeypatch) -> Iterator[socket.socket]:
    """A bound address that nobody answers at, for a test to listen on."""
    monkeypatch.setenv("OPS_SECRET", SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def channel(url: str) -> Webhook:
    return Webhook(name="ops", url=url, secret_env="OPS_SECRET")


def channels(url: str) -> list[BaseModel]:
    """One channel of every type that speaks HTTP."""
    return [channel(url)]


def at(line: socket.socket) -> Webhook:
    return channel(f"http://127.0.0.1:{line.getsockname()[1]}/hook?token=t0p")


def test_every_channel_file_is_registered():
    assert {module.name for module in pkgutil.iter_modules(alerts.__path__)} == set(CHANNELS)


def test_every_registered_module_is_a_channel_of_that_name():
    for name, module in CHANNELS.items():
        assert module.__name__ == f"analytics.alerts.{name}"
        assert get_args(module.MODEL.model_fields["type"].annotation) == (name,)
        assert callable(module.send)


def test_every_channel_takes_the_shared_test_of_statuses(receiver):
    assert {type(channel) for channel in channels(receiver.url)} == {module.MODEL for module in CHANNELS.values()}


def test_a_channel_entry_is_a_union_of_every_model():
    union, _ = get_args(Channel)
    assert set(get_args(union) or (union,)) == {module.MODEL for module in CHANNELS.values()}


@pytest.mark.parametrize(("status", "outcome"), OUTCOMES.items())
def test_every_channel_makes_the_same_of_a_status(receiver, status, outcome):
    receiver.status = status
    receiver.headers = {"location": receiver.url, "content-length": "0"}
    for channel in channels(receiver.url):
        if outcome is None:
            deliver(channel, "msg_1", BODY)
        else:
            with pytest.raises(outcome) as raised:
                deliver(channel, "msg_1", BODY)
            assert type(raised.value) is outcome
            assert str(raised.value) == f"{channel.type} 'ops' answered {status}"
    assert len(receiver.got) == len(channels(receiver.url)), "a redirect was followed"


def test_the_receiver_can_verify_what_it_got(receiver):
    deliver(channel(receiver.url), "msg_1", BODY)
    ((path, headers, body),) = receiver.got
    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == json.loads(body) == BODY
    assert (path, headers["content-type"], headers["webhook-id"]) == ("/hook?token=t0p", "application/json", "msg_1")


def test_another_secret_does_not_verify(receiver):
    deliver(channel(receiver.url), "msg_1", BODY)
    ((_, headers, body),) = receiver.got
    with pytest.raises(standardwebhooks.WebhookVerificationError, match="No matching signature"):
        standardwebhooks.Webhook("whsec_" + "R" * 43 + "=").verify(body, headers)


def test_a_retry_carries_the_same_id(receiver):
    receiver.status = 503
    for _ in range(2):
        with pytest.raises(Retryable):
            deliver(channel(receiver.url), "msg_1", BODY)
    assert [headers["webhook-id"] for _, headers, _ in receiver.got] == ["msg_1", "msg_1"]


@pytest.mark.parametrize(("said", "seconds"), [("0", 0.0), ("7", 7.0), ("9" * 400, MAX_RETRY_AFTER_SECONDS)])
def test_retry_after_in_seconds_is_passed_on(receiver, said, seconds):
    receiver.status, receiver.headers = 429, {"retry-after": said}
    with pytest.raises(Retryable) as raised:
        deliver(channel(receiver.url), "msg_1", BODY)
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize(("ahead", "low", "high"), [(timedelta(hours=1), 3500, 3600), (timedelta(-1), 0, 0), (timedelta(9), 86400, 86400)])
def test_retry_after_as_a_date_becomes_seconds_from_now(receiver, ahead, low, high):
    receiver.status, receiver.headers = 503, {"retry-after": format_datetime(datetime.now(UTC) + ahead, usegmt=True)}
    with pytest.raises(Retryable) as raised:
        deliver(channel(receiver.url), "msg_1", BODY)
    assert low <= raised.value.retry_after <= high


@pytest.mark.parametrize(
    "said", [None, "", "soon", "-5", "1.5", "\u00b2", "Fri, 31 Dec 99999 23:59:59 GMT", "Mon, 01 Jan 2029 00:00:00 +9999999999"]
)
def test_retry_after_that_says_nothing_readable_is_none(receiver, said):
    receiver.status, receiver.headers = 503, {} if said is None else {"retry-after": said}
    with pytest.raises(Retryable) as raised:
        deliver(channel(receiver.url), "msg_1", BODY)
    assert raised.value.retry_after is None


def test_nobody_listening_may_be_retried(line):
    with pytest.raises(Retryable, match=r"^webhook 'ops': no answer \(ConnectError\)$") as raised:
        deliver(at(line), "msg_1", BODY)
    assert raised.value.retry_after is None


def test_a_receiver_that_hangs_up_may_be_retried(line):
    line.listen()
    impatient = threading.Thread(target=_hang_up, args=(line,))
    impatient.start()
    with pytest.raises(Retryable, match="no answer"):
        deliver(at(line), "msg_1", BODY)
    impatient.join()


def _hang_up(line: socket.socket) -> None:
    connection, _ = line.accept()
    connection.close()


def test_a_silent_receiver_is_given_up_at_the_deadline(line, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.1)
    line.listen()
    with pytest.raises(Retryable, match=r"^webhook 'ops': no answer \(TimeoutError\)$"):
        deliver(at(line), "msg_1", BODY)


def test_a_receiver_that_trickles_headers_is_given_up_at_the_deadline(line, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.2)
    line.listen()
    done = threading.Event()
    trickle = threading.Thread(target=_trickle, args=(line, done))
    trickle.start()
    with pytest.raises(Retryable, match="TimeoutError"):
        deliver(at(line), "msg_1", BODY)
    done.set()
    trickle.join()


def _trickle(line: socket.socket, done: threading.Event) -> None:
    connection, _ = line.accept()
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while not done.wait(0.01):
            connection.sendall(b"y")


def test_a_body_without_end_is_not_read(line):
    line.listen()
    sent = []
    pour = threading.Thread(target=lambda: sent.append(_pour(line)))
    pour.start()
    deliver(at(line), "msg_1", BODY)
    pour.join()
    assert sent[0] < 100_000_000


def _pour(line: socket.socket) -> int:
    """Answers 200 and then sends for as long as the other side keeps the connection open; how many bytes it got rid of."""
    connection, _ = line.accept()
    sent = 0
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 100_000_000:
            sent += connection.send(b"x" * 65536)
    return sent


@pytest.mark.parametrize("status", [200, 404, 503])
def test_neither_errors_nor_logs_show_the_secret_or_the_query(receiver, caplog, status):
    caplog.set_level(logging.INFO)
    receiver.status = status
    shown = ""
    try:
        deliver(channel(receiver.url), "msg_1", BODY)
    except (Retryable, Permanent) as error:
        shown = f"{error!r} {error.__cause__!r}"
    assert not any(hidden in shown + caplog.text for hidden in ("t0p", SECRET, "QQQQ"))


def test_a_number_that_json_does_not_know_is_an_error_before_anything_is_sent(receiver):
    with pytest.raises(ValueError, match="JSON"):
        deliver(channel(receiver.url), "msg_1", {"spent_usd": float("nan")})
    assert receiver.got == []


def test_a_channel_cannot_be_changed_after_it_was_made(receiver):
    with pytest.raises(ValidationError, match="frozen"):
        channel(receiver.url).url = "http://127.0.0.1/other"
