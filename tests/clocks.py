"""Clocks that tests hold in their hands."""

import threading
from datetime import datetime

from ingest.clock import Wall


class Held(Wall):
    """A clock that stands still while it is held, and with it whoever asks the time."""

    def __init__(self):
        self.go = threading.Event()

    def latest(self) -> datetime:
        self.go.wait(30)
        return super().latest()
