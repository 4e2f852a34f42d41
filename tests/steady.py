"""Good clients in a process of their own: small exports one after the other, over HTTP each on a new connection, and on one over gRPC.

    python tests/steady.py HTTP GRPC TOKEN

Prints a line for each export: which client, when it began by the monotonic clock, how many seconds it took, and its answer. Ends with its
standard input.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
from bodies import PROTOBUF, chat, traces
from collectors import Collector
from transports import METHODS

_LONGEST = 120.0
"""Seconds for one export."""


@dataclass(frozen=True)
class Export:
    """One export of a good client."""

    client: str
    began: float
    """By the monotonic clock, which all processes of a machine share."""
    seconds: float
    answer: str
    """OK, or what else it was."""


class Clients:
    """What the clients have done so far."""

    def __init__(self, lines: Iterator[str]):
        self._exports: list[Export] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()

    def between(self, began: float, ended: float) -> list[Export]:
        """The exports that were under way in that time, once both clients have come beyond it."""
        with self._more:
            self._more.wait_for(lambda: {one.client for one in self._exports if one.began > ended} == {"http", "grpc"}, 2 * _LONGEST)
            return [one for one in self._exports if one.began <= ended and one.began + one.seconds >= began]

    def join(self) -> None:
        """Waits for their last exports."""
        self._reader.join()

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            client, began, seconds, answer = line.split()
            with self._more:
                self._exports.append(Export(client, float(began), float(seconds), answer))
                self._more.notify_all()


@contextlib.contextmanager
def exporting(collector: Collector, token: str) -> Iterator[Clients]:
    """Both clients at work for as long as the context lasts."""
    command = [sys.executable, Path(__file__), collector.http, collector.grpc, token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        clients = Clients(process.stdout)
        clients.between(0, 0)
        try:
            yield clients
        finally:
            process.stdin.close()
            clients.join()


def over_http(address: str, token: str) -> str:
    """One export on a connection of its own."""
    headers = {"content-type": PROTOBUF, "authorization": f"Bearer {token}"}
    try:
        answer = httpx.post(f"{address}/v1/traces", content=traces(chat(1)), headers=headers, timeout=_LONGEST)
    except httpx.HTTPError as error:
        return type(error).__name__
    return "OK" if answer.status_code == 200 else str(answer.status_code)


def over_grpc(channel: grpc.Channel, token: str) -> str:
    """One export over a connection that stays."""
    try:
        channel.unary_unary(METHODS["traces"])(traces(chat(1)), timeout=_LONGEST, metadata=[("authorization", f"Bearer {token}")])
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def main(http: str, address: str, token: str) -> None:
    """Exports until standard input ends."""
    over, lock = threading.Event(), threading.Lock()

    def work(client: str, send: Callable[[], str]) -> None:
        while not over.is_set():
            began = time.monotonic()
            answer = send()
            with lock:
                print(client, began, time.monotonic() - began, answer, flush=True)

    with grpc.insecure_channel(address) as channel:
        sends = {"http": lambda: over_http(http, token), "grpc": lambda: over_grpc(channel, token)}
        threads = [threading.Thread(target=work, args=one) for one in sends.items()]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        over.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
