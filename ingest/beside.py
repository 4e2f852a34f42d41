"""Work in a process of its own, so that it takes no turns with the rest at one interpreter.

The process answers one question after the other over a socket and keeps nothing. It ends when its collector does, and one that dies is
replaced.
"""

import contextlib
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from ingest.lean import lean

_TRIES = 2  # a process can be killed from outside; what kills two is the question
_LONGEST = 60.0  # seconds for one answer; the largest body takes two
Result = TypeVar("Result")


class EndedError(Exception):
    """A question that ends whoever is asked."""


class Beside:
    """Another process; of one thread at a time."""

    command = (sys.executable, "-m", "ingest.beside")

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    @property
    def is_started(self) -> bool:
        return self._process is not None

    def ask(self, function: Callable[..., Result], *given: object) -> Result:
        """What the function, which a module names, returns or raises there; EndedError when the process dies or hangs twice."""
        question = pickle.dumps((function, given), pickle.HIGHEST_PROTOCOL)
        for _ in range(_TRIES):
            try:
                self.start()
                answer = pickle.loads(self._asked(question))
            except (OSError, EOFError):
                self._replace()
                continue
            if isinstance(answer, Exception):
                raise answer
            return answer
        raise EndedError

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._process:
            self._connection.close()
            self._process.wait()
            self._process = None

    def start(self) -> None:
        """Starts the process, unless there is one; it takes a while until it answers, and nobody waits for that here."""
        if self._process:
            return
        ours, theirs = socket.socketpair()
        with theirs:
            # A group of its own: an interrupt from the keyboard is for the collector, which still has answers to give.
            self._process = subprocess.Popen(
                [*self.command, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, process_group=0
            )
        self._connection = Connection(ours.detach())

    def _asked(self, question: bytes) -> bytes:
        self._connection.send_bytes(question)
        if not self._connection.poll(_LONGEST):
            raise TimeoutError
        return self._connection.recv_bytes()

    def _replace(self) -> None:
        self._process.kill()
        self.close()


def serve(connection: Connection) -> None:
    """What the process does: answers until the other side is gone."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send_bytes(_answer(connection.recv_bytes()))


def _answer(question: bytes) -> bytes:
    try:
        function, given = pickle.loads(question)
        return pickle.dumps(function(*given), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return pickle.dumps(error)


if __name__ == "__main__":
    lean()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # its collector ends it
    serve(Connection(int(sys.argv[1])))
