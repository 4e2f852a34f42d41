"""Signals on their way to runs: which are open, who has seen them, and waking those who wait."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from analytics.control import Control


class Signals:
    """The open signals of a control store. Safe to use from several threads."""

    def __init__(self, control: Control, now: datetime):
        self._control = control
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.reload(now)

    def reload(self, now: datetime) -> None:
        """Begins anew with what the store holds."""
        self._runs = {(row["tenant"], row["run_id"]) for row in self._control.unanswered(now)}

    def any_open(self) -> bool:
        """Whether any run may have something to obey."""
        return bool(self._runs)

    def issued(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """New signals are in the control store: everybody who waits looks again."""
        with self._lock:
            self._runs |= {(row["tenant"], row["run_id"]) for row in rows}
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` (from any thread) whenever signals are issued; answers how to end it."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def open_for(self, tenant: str, runs: Iterable[str], now: datetime) -> list[dict]:
        """What these runs have still to obey, severest and newest first."""
        ordered = [run for run in runs if (tenant, run) in self._runs]
        return self._control.signals_of(tenant, ordered, only_open_at=now) if ordered else []

    def delivered(self, rows: Sequence[Mapping[str, Any]], channel: str, now: datetime) -> None:
        """A channel has handed these over; the first time stands."""
        self._control.mark([row["id"] for row in rows if row["delivered_at"] is None], "delivered_at", now, delivered_by=channel)

    def acknowledged(self, tenant: str, signal_id: str, now: datetime) -> dict | None:
        """The run says it has seen the order; the signal as it is then, None if there is none."""
        if self._control.signal(tenant, signal_id) is not None:
            self._control.mark([signal_id], "delivered_at", now, delivered_by="acknowledgement")
            self._control.mark([signal_id], "acknowledged_at", now)
        return self._control.signal(tenant, signal_id)

    def confirmed(self, tenant: str, signal_id: str, evidence: str, now: datetime) -> dict | None:
        """Somebody saw the order carried out; the signal as it is then, None if there is none."""
        if self.acknowledged(tenant, signal_id, now) is not None:
            self._control.mark([signal_id], "confirmed_at", now, evidence=evidence)
        return self._control.signal(tenant, signal_id)


def state_of(signal: Mapping[str, Any], now: datetime) -> str:
    """How far a signal has come: pending, delivered, acknowledged, confirmed, superseded or expired."""
    for state in ("confirmed", "acknowledged", "superseded"):
        if signal[f"{state}_at"] is not None:
            return state
    if signal["expires_at"] is not None and signal["expires_at"] <= now:
        return "expired"
    return "delivered" if signal["delivered_at"] is not None else "pending"
