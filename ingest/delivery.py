"""Messages from the outbox to their receivers, on a thread of its own: at least once, in order, until they are taken."""

import json
import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from analytics import alerts
from analytics.control import Control
from analytics.errors import Permanent, Retryable

_LOG = logging.getLogger(__name__)
_DELAYS = (0, 1, 2, 4, 8, 15, 30, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds before each further attempt: quick at first, for a stop does not wait five minutes, then as Standard Webhooks recommends."""
_LOOK_EVERY = 1.0


class Delivery:
    """Sends what is due whenever it is woken, and once a second."""

    def __init__(self, control: Control, channels: Sequence[alerts.Channel]):
        self._control = control
        self._channels = {channel.name: channel for channel in channels}
        self._wake, self._ending = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._work, name="delivery", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def wake(self) -> None:
        """Something new may be due."""
        self._wake.set()

    def stop(self) -> None:
        """Ends after the message under way."""
        self._ending.set()
        self._wake.set()
        self.thread.join()

    def _work(self) -> None:
        while not self._ending.is_set():
            self._wake.wait(_LOOK_EVERY)
            self._wake.clear()
            try:
                self._send_due()
            except Exception:  # the outbox is durable: whatever went wrong, the next round finds it as it was
                _LOG.exception("the outbox could not be read")

    def _send_due(self) -> None:
        for message in self._control.due(_now()):
            if self._ending.is_set():
                return
            self._control.settle(message["id"], **self._attempt(message))

    def _attempt(self, message: dict) -> dict:
        """The changes to a message's row after one attempt."""
        attempts = message["attempts"] + 1
        channel = self._channels.get(message["channel"])
        if channel is None:
            return {"attempts": attempts, "state": "failed", "last_error": "the channel is no longer configured"}
        try:
            alerts.deliver(channel, message["id"], json.loads(message["body"]))
        except Permanent as error:
            return {"attempts": attempts, "state": "failed", "last_error": str(error)}
        except Retryable as error:
            if attempts >= len(_DELAYS):
                return {"attempts": attempts, "state": "failed", "last_error": str(error)}
            wait = max(_DELAYS[attempts], error.retry_after or 0)
            return {"attempts": attempts, "next_attempt_at": _now() + timedelta(seconds=wait), "last_error": str(error)}
        return {"attempts": attempts, "state": "delivered", "last_error": None}


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
