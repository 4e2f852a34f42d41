"""Real collectors: `loopledger collector` in a process of its own, on free ports."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

LOOPLEDGER = (sys.executable, "-m", "ingest")
SECRET = "whsec_bG9vcGxlZGdlciB0ZXN0IHNlY3JldCwgMzIgYnl0ZXM="
MODEL = "metered-model"
"""Costs INPUT_USD and OUTPUT_USD a token, under `configure`."""
INPUT_USD, OUTPUT_USD = "0.001", "0.002"
_START_SECONDS = 30
_PRICES = [{"model": MODEL, "input_mtok": "1000", "output_mtok": "2000"}]


@dataclass(frozen=True)
class Collector:
    """A collector that serves, and where."""

    process: subprocess.Popen
    data: Path
    grpc: str
    """HOST:PORT."""
    http: str
    """http://HOST:PORT."""

    @property
    def token(self) -> str:
        """Of the control routes."""
        return (self.data / "token").read_text().strip()

    def client(self) -> httpx.Client:
        """A client with the control token."""
        return httpx.Client(base_url=self.http, headers={"authorization": f"Bearer {self.token}"}, timeout=40)

    def report(self, name: str, **query: str | list[str]) -> list[dict]:
        """The rows of a report, as the read API gives them."""
        return httpx.get(f"{self.http}/api/v1/reports/{name}", params=query).raise_for_status().json()["rows"]

    def spent(self, loop: str) -> list[tuple[int, int, str]]:
        """Calls of a loop, those with usage, and US dollars: one row, or none when it has no call."""
        rows = self.report("spend", by="loop", loop=loop)
        return [(row["calls"], row["calls"] - row["unknown_calls"], row["cost_usd"]) for row in rows]

    def stop(self) -> int:
        """A clean stop; the exit code. Of one that has ended, its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=_START_SECONDS)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=_START_SECONDS)


def start(data: Path, config: Path | None = None, *options: str | Path) -> Collector:
    """A collector that answers. Raises RuntimeError with what it said when it ends before, TimeoutError when it takes too long."""
    said = data.with_name(f"{data.name}.log")
    ports = ("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
    command = [*LOOPLEDGER, "collector", "--data", data, *ports, *(("--config", config) if config else ()), *options]
    with said.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        told = _announced(data / "collector.json", process)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if told is None:
        raise RuntimeError(f"the collector ended with {process.returncode}: {said.read_text()}")
    return Collector(process, data, told["grpc"], told["http"])


@contextmanager
def running(data: Path, config: Path | None = None) -> Iterator[Collector]:
    """A collector for as long as the context lasts."""
    collector = start(data, config)
    try:
        yield collector
    finally:
        collector.stop()


def configure(directory: Path, policies: Sequence[Mapping[str, Any]], webhook: str | None = None) -> Path:
    """A config directory with these policies, the price of MODEL and, given its URL, the webhook channel `ops`."""
    (directory / "policies").mkdir(parents=True)
    (directory / "prices").mkdir()
    (directory / "secret").write_text(SECRET)
    channels = [{"name": "ops", "type": "webhook", "url": webhook, "secret_file": "secret"}] if webhook else []
    files = {
        "policies/all.yaml": {"policies": list(policies)},
        "prices/all.yaml": {"prices": _PRICES},
        "channels.yaml": {"channels": channels},
    }
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))  # JSON is YAML
    if not webhook:
        (directory / "secret").unlink()
    return directory


def report(data: Path, name: str, *options: str) -> list[dict]:
    """The rows of `loopledger report NAME` for a data directory, whether a collector holds it or not."""
    command = [*LOOPLEDGER, "report", name, "--data", data, "--format", "json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _announced(file: Path, process: subprocess.Popen) -> dict | None:
    """What the collector says of itself once it serves; None when it has ended instead."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            told = json.loads(file.read_text()) if file.exists() else {}
            if told.get("pid") == process.pid:  # else it is what a killed one left behind
                return told
        else:
            return None
    raise TimeoutError(f"the collector did not serve within {_START_SECONDS} seconds")
