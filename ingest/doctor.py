"""Is this installation and its data directory sound? One line per check."""

import importlib.metadata
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from analytics.config import Config
from analytics.errors import LoopledgerError, StoreError
from analytics.ledger import Ledger
from analytics.verification import adding_up
from ingest.ask import ask, find_collector, remembered_config

_PACKAGES = ("loopledger", "duckdb", "polars", "pyarrow", "ptars", "grpcio", "streamlit", "genai-prices")
_PORTS = {"OTLP/gRPC": 4317, "OTLP/HTTP": 4318, "dashboard": 8501}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    holds: bool
    said: str


def examine(data: Path) -> Iterator[Finding]:
    """Versions, ports, ledger, last ingest, and policies that cannot be enforced."""
    yield Finding("versions", True, ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES))
    collector = find_collector(data)
    yield Finding("collector", True, f"running at {collector}" if collector else "none is running on this directory")
    if not collector:
        yield from (_port(name, port) for name, port in _PORTS.items())
    ledger = _ledger(data)
    yield ledger
    if ledger.holds and (data / "ledger.duckdb").exists():
        yield _ingest(data)
    yield from _policies(data)


def accept_loss(data: Path, reason: str) -> int:
    """Lets a ledger below its high-water mark serve again; how many commits are missing."""
    with closing(Ledger(data, below_mark=True)) as ledger:
        return ledger.accept_loss(datetime.now(UTC).replace(tzinfo=None), reason)


def _port(name: str, port: int) -> Finding:
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    return Finding("port", not taken, f"{port} for {name} is {'taken by another program: choose another one' if taken else 'free'}")


def _ledger(data: Path) -> Finding:
    if not (data / "ledger.duckdb").exists():
        return Finding("ledger", True, f"{data} holds no ledger yet")
    if find_collector(data):
        return Finding("ledger", True, "held by the running collector")
    try:
        with closing(Ledger(data)) as ledger:
            broken = [text for verdict in adding_up(ledger) for text in verdict.broken]
            said = f"but {'; '.join(broken)}: see loopledger verify" if broken else "as its mark says"
            return Finding("ledger", not broken, f"{ledger.path} holds {ledger.commit_no} commits, {said}")
    except StoreError as error:
        return Finding("ledger", False, str(error))


def _ingest(data: Path) -> Finding:
    rows = ask(data, "inventory", {})
    last = rows["last_seen"].max()
    return Finding("last ingest", True, f"newest record ended {last:%Y-%m-%d %H:%M:%S} UTC" if last else "no span has arrived yet")


def _policies(data: Path) -> Iterator[Finding]:
    try:
        config: Config = remembered_config(data)
    except LoopledgerError as error:
        yield Finding("config", False, str(error))
        return
    for policy in config.policies:
        if policy.mode == "enforce" and not policy.notify:
            yield Finding("policy", True, f"{policy.name}: stops runs, but notifies nobody (no channel under notify)")
    if not config.policies:
        yield Finding("policy", True, "no policies: nothing is enforced (see sample_traces/config/policies)")
