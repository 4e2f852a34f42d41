"""kill -9: what was answered OK is in the ledger, once, and what follows from it happens, once.

As a script, for more rounds: python tests/test_kill.py --rounds 20
"""

import argparse
import random
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import httpx
import pytest
from bodies import PROTOBUF, chat, traces
from collectors import INPUT_USD, SECRET, Collector, configure, running, start
from receiver import Receiver

from analytics.config import load as load_config
from analytics.reports import REPORTS, Question
from ingest.access import DEFAULT_TENANT
from ingest.clock import Wall
from ingest.pipeline import Request
from ingest.service import opened

CLIENTS, SPANS, TOKENS = 4, 5, 10
_HEADERS = {"content-type": PROTOBUF}
POLICY = {
    "name": "all-month",
    "limit_usd": "10.00",
    "window": "month",
    "thresholds": [{"percent": 100, "action": "stop"}],
    "notify": ["ops"],
}


class Load:
    """Clients that post bodies of spans until their collector is gone, and what they were told."""

    def __init__(self, collector: Collector):
        self._url = f"{collector.http}/v1/traces"
        self._lock = threading.Condition()
        self.sent: list[bytes] = []
        """Every body; some were never answered."""
        self.acknowledged: set[bytes] = set()
        """Span ids of the bodies that were answered OK."""
        self.refused = 0
        """Bodies that were answered otherwise."""

    def work(self) -> None:
        """What one client does."""
        with httpx.Client(timeout=20) as client:
            while True:
                spans = [chat(TOKENS) for _ in range(SPANS)]
                body = traces(*spans, run="load")
                self.sent.append(body)
                try:
                    answer = client.post(self._url, content=body, headers=_HEADERS)
                except httpx.TransportError:
                    return
                self._note(spans, answer)

    def wait_for(self, bodies: int) -> None:
        """Returns while the clients go on, as soon as so many bodies were answered OK."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.acknowledged) >= bodies * SPANS, 30), "the load makes no progress"

    def wait_for_refusals(self, bodies: int) -> None:
        """The same for answers that were not OK."""
        with self._lock:
            assert self._lock.wait_for(lambda: self.refused >= bodies, 30), "nothing is refused"

    def _note(self, spans: list, answer: httpx.Response) -> None:
        with self._lock:
            if answer.status_code == 200:
                self.acknowledged |= {span.span_id for span in spans}
            else:
                self.refused += 1
            self._lock.notify_all()


@dataclass(frozen=True)
class Outcome:
    """What a killed collector had said, and what its ledger holds."""

    sent: int
    acknowledged: int
    stored: int
    """Before anything was sent again; more than acknowledged when the kill came between commit and answer."""
    lost: int
    twice: int
    after_resend: int
    cost_usd: Decimal

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, nothing is there twice, and sending everything again completes the ledger."""
        expected = self.sent * TOKENS * Decimal(INPUT_USD)
        return (self.lost, self.twice, self.after_resend, self.cost_usd) == (0, 0, self.sent, expected)


def killed_under_load(place: Path, bodies: int) -> Outcome:
    """One round: kill -9 after so many answers, restart, stop, look; then everything is sent again, as clients do."""
    data, config = place / "data", configure(place / "config", [])
    collector = start(data, config)
    load = Load(collector)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(load.work) for _ in range(CLIENTS)]
        try:
            load.wait_for(bodies)
        finally:
            collector.kill()
        for client in clients:
            client.result()
    with running(data, config):
        pass
    stored = span_ids(data)
    with opened(data, load_config(config), Wall()) as service:
        again = [Request(body, "traces", DEFAULT_TENANT) for body in load.sent]
        service.pipeline.commit(service.pipeline.decode(again))
        cost_usd = REPORTS["spend"](service.sources(), Question(DEFAULT_TENANT))["cost_usd"].item()
    complete = span_ids(data)
    return Outcome(
        sent=len(load.sent) * SPANS,
        acknowledged=len(load.acknowledged),
        stored=len(stored),
        lost=len(load.acknowledged - set(stored)),
        twice=len(stored) - len(set(stored)) + len(complete) - len(set(complete)),
        after_resend=len(complete),
        cost_usd=cost_usd,
    )


def span_ids(data: Path) -> list[bytes]:
    """Of every record in a ledger that no process holds."""
    with closing(duckdb.connect(data / "ledger.duckdb", read_only=True)) as ledger:
        return [span_id for (span_id,) in ledger.execute("select span_id from records").fetchall()]


@pytest.mark.parametrize("bodies", [1, 60, 150])
def test_a_kill_under_load_loses_nothing_acknowledged_and_stores_nothing_twice(tmp_path: Path, bodies: int):
    outcome = killed_under_load(tmp_path, bodies)
    assert outcome.acknowledged >= bodies * SPANS
    assert outcome.holds, outcome


@contextmanager
def control_store_held(data: Path) -> Iterator[None]:
    """Another process that writes to the control store and does not end: this one."""
    with closing(sqlite3.connect(data / "control.sqlite", isolation_level=None)) as connection:
        connection.execute("begin exclusive")
        yield


def cross(collector: Collector, run: str = "night-1") -> httpx.Response:
    return httpx.post(f"{collector.http}/v1/traces", content=traces(chat(11_000), run=run), headers=_HEADERS, timeout=20)


def effects(data: Path) -> dict[str, list]:
    """What the control store holds, when no process does."""
    queries = {
        "incidents": "select policy, percent, state, spent_nano_usd, run_id from incidents",
        "signals": "select run_id, action from signals",
        "messages": "select id, state from outbox",
    }
    with closing(sqlite3.connect(data / "control.sqlite")) as connection:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}


def test_a_crossing_whose_effects_were_lost_by_a_kill_has_them_once_after_the_restart(tmp_path: Path, receiver: Receiver):
    data, config = tmp_path / "data", configure(tmp_path / "config", [POLICY], receiver.url)
    collector = start(data, config)
    with control_store_held(data):
        answer = cross(collector)
        collector.kill()
    assert (answer.status_code, "x-loopledger-signal" in answer.headers) == (200, False)
    assert effects(data) == {"incidents": [], "signals": [], "messages": []}
    with running(data, config) as collector, collector.client() as client:
        hook = receiver.wait_for(lambda hook: True)
        (signal,) = client.get("/v1/signals", params={"run_id": "night-1", "wait": 25}).json()["signals"]
        assert [row["spent_usd"] for row in collector.report("incidents")] == ["11.000000000"]
    with running(data, config):
        pass
    assert hook.verified(SECRET)["data"]["signals"] == [signal["id"]]
    assert effects(data) == {
        "incidents": [("all-month", 100, "open", 11_000_000_000, "night-1")],
        "signals": [("night-1", "stop")],
        "messages": [(hook.id, "delivered")],
    }
    assert receiver.hooks == [hook]


def test_a_control_store_that_is_free_again_gets_the_effects_that_are_owed(tmp_path: Path, receiver: Receiver):
    with running(tmp_path / "data", configure(tmp_path / "config", [POLICY], receiver.url)) as collector, collector.client() as client:
        with control_store_held(collector.data):
            assert cross(collector).status_code == 200
        receiver.wait_for(lambda hook: True)
        (signal,) = client.get("/v1/signals", params={"run_id": "night-1", "wait": 25}).json()["signals"]
        assert (signal["action"], signal["state"]) == ("stop", "delivered")


def test_a_webhook_that_was_not_taken_before_a_kill_comes_again_under_the_same_id(tmp_path: Path, receiver: Receiver):
    data, config = tmp_path / "data", configure(tmp_path / "config", [POLICY], receiver.url)
    receiver.status = 503
    collector = start(data, config)
    assert "x-loopledger-signal" in cross(collector).headers
    first = receiver.wait_for(lambda hook: True)
    collector.kill()
    refused = len(receiver.hooks)
    receiver.status = 204
    with running(data, config):
        receiver.wait_for(lambda hook: len(receiver.hooks) > refused)
    assert {hook.id for hook in receiver.hooks} == {first.id}
    assert effects(data)["messages"] == [(first.id, "delivered")]


def main() -> int:
    """Prints a table of rounds; 1 when one did not hold."""
    parser = argparse.ArgumentParser(description="kill -9 under load, again and again")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance, held = random.Random(given.seed), True
    print("round  killed after  acknowledged  stored  lost  twice  holds")
    for number in range(1, given.rounds + 1):
        bodies = chance.randint(1, 400)
        with tempfile.TemporaryDirectory(prefix="loopledger-kill-") as place:
            out = killed_under_load(Path(place), bodies)
        held &= out.holds
        print(f"{number:5}  {bodies:12}  {out.acknowledged:12}  {out.stored:6}  {out.lost:4}  {out.twice:5}  {out.holds}", flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
