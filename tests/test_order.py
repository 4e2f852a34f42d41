"""The order, the grouping and the repetition of what arrives change no total and no incident, whenever the collector restarts.

Every recording is shuffled in the company of some others, all of them together in an order more, and the whole weekend in one.
LOOPLEDGER_ORDER_SEEDS=20 pytest tests/test_order.py takes twenty orders of each: about twenty minutes.
"""

import os
import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
import pytest
from bodies import SAMPLES, split
from captures import FOLDERS, recorded
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from analytics.config import Config, Policy, load
from analytics.reports import DIMENSIONS, REPORTS, Question
from analytics.undeclared import UNREGISTERED
from ingest.access import DEFAULT_TENANT
from ingest.clock import Replay
from ingest.pipeline import Request
from ingest.service import Service, opened

GROUPS = 10
SEEDS_OF_GROUPS = range(int(os.environ.get("LOOPLEDGER_ORDER_SEEDS", "1")) * GROUPS)
SEEDS = range(int(os.environ.get("LOOPLEDGER_ORDER_SEEDS", "1")))
SIZES, LARGE, LARGEST = (1, 3, 30, 200), (1, 30, 200, 600), (50, 1000)
"""Records in a batch."""
WEEKEND_BODIES = 30  # of the weekend beside other recordings
CONFIG = Config(
    loops=load(SAMPLES / "config").loops,
    policies=(
        Policy(name="everything", window="month", limit_usd="3.00", assume_usd_per_call="0.05"),
        Policy(name="each-run", window="run", limit_usd="0.17"),
        Policy(name="each-model", window="day", per="model", limit_tokens=300_000, timezone="Europe/Berlin"),
        Policy(name="makers", window="week", per="agent", limit_usd="2.00", when={"role": ["maker"]}),
    ),
)
BY = ("model", "agent", "run", "team", "role", "user")


@dataclass(frozen=True)
class Books:
    """What a ledger says in the end."""

    spend: list[tuple]
    incidents: list[tuple]


def by_size() -> list[str]:
    """All recordings, the largest first; the weekend counts as the part of it that is taken."""
    return sorted(FOLDERS, key=lambda folder: (-sum(body.path.stat().st_size for body in bodies(folder)), folder))


def bodies(folder: str) -> tuple:
    return recorded(folder)[:WEEKEND_BODIES] if folder == "weekend" else recorded(folder)


EVERYTHING = tuple(by_size())
DEALT = tuple(EVERYTHING[group::GROUPS] for group in range(GROUPS))


@cache
def records(folders: tuple[str, ...], *, whole: bool = False) -> tuple[Request, ...]:
    """Every record of some recordings as a body of its own, in recorded order; `whole` takes all of the weekend."""
    taken = (body for folder in folders for body in (recorded(folder) if whole else bodies(folder)))
    return tuple(Request(one, body.signal, DEFAULT_TENANT) for body in taken for one in split(body.protobuf(), body.signal))


def feed(service: Service, batches: Iterable[Sequence[Request]]) -> None:
    for batch in batches:
        answers = service.pipeline.commit(service.pipeline.decode(batch))
        assert [answers[request].rejected for request in batch] == [0] * len(batch)


def opened_at(data: Path):
    return opened(data, CONFIG, Replay(), delivers=False)


def books(service: Service) -> Books:
    service.pipeline.settle(everything=True)
    spend = ask(service, "spend", *BY)
    rows = [row for row in service.control.all_incidents() if row["state"] == "open"]
    left_out = ("detected_at", "state")
    incidents = [tuple(value for name, value in row.items() if name not in left_out) for row in rows]
    return Books(sorted(spend.rows(), key=repr), sorted(incidents))


def ask(service: Service, name: str, *by: str) -> pl.DataFrame:
    return REPORTS[name](service.sources(), Question(DEFAULT_TENANT, by=by))


@cache
def in_order(folders: tuple[str, ...], *, together: int = 10, whole: bool = False) -> Books:
    """The books of recorded bodies as they were recorded, some at a time; `whole` takes all of the weekend."""
    taken = (body for folder in folders for body in (recorded(folder) if whole else bodies(folder)))
    requests = [Request(body.protobuf(), body.signal, DEFAULT_TENANT) for body in taken]
    with TemporaryDirectory() as data, opened_at(Path(data)) as service:
        feed(service, (requests[start : start + together] for start in range(0, len(requests), together)))
        return books(service)


def everything() -> Books:
    """The books of all recordings in recorded order."""
    return in_order(EVERYTHING)


def shuffled(taken: Sequence[Request], seed: int, data: Path, sizes: Sequence[int] = SIZES) -> Books:
    """The books of these records in an order of their own, with repeats, unfinished spans and a restart."""
    chance = random.Random(seed)
    spans = [request for request in taken if request.signal == "traces"]
    arriving = [*taken, *chance.choices(taken, k=20), *(unfinished(span, chance) for span in chance.sample(spans, k=min(20, len(spans))))]
    chance.shuffle(arriving)
    batches = list(batched(arriving, chance, sizes))
    restart = chance.randrange(len(batches))
    with opened_at(data) as service:
        feed(service, batches[:restart])
    with opened_at(data) as service:
        feed(service, batches[restart:])
        return books(service)


def unfinished(request: Request, chance: random.Random) -> Request:
    """An earlier state of a span, as some runtimes export it: no end yet, and not everything said."""
    body = ExportTraceServiceRequest.FromString(request.body)
    span = body.resource_spans[0].scope_spans[0].spans[0]
    span.end_time_unix_nano = 0
    del span.attributes[chance.randint(0, len(span.attributes)) :]
    return Request(body.SerializeToString(), request.signal, request.tenant)


def batched(requests: Sequence[Request], chance: random.Random, sizes: Sequence[int]) -> Iterable[Sequence[Request]]:
    """Batches of random sizes."""
    start = 0
    while start < len(requests):
        end = start + chance.choice(sizes)
        yield requests[start:end]
        start = end


def test_every_recording_is_in_a_group():
    assert sorted(folder for group in DEALT for folder in group) == sorted(FOLDERS) == sorted(EVERYTHING)


def test_the_recorded_order_crosses_every_policy():
    """And names the loop of the recordings that no definition knows."""
    assert {incident[2] for incident in everything().incidents} == {policy.name for policy in CONFIG.policies} | {UNREGISTERED}


@pytest.mark.parametrize("seed", SEEDS_OF_GROUPS)
def test_any_order_with_repeats_unfinished_spans_and_a_restart_makes_the_same_books(tmp_path: Path, seed: int):
    group = DEALT[seed % GROUPS]
    assert shuffled(records(group), seed, tmp_path) == in_order(group)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_everything_makes_the_same_books(tmp_path: Path, seed: int):
    assert shuffled(records(EVERYTHING), 1000 + seed, tmp_path, LARGE) == everything()


def test_the_whole_weekend_in_any_order_makes_the_same_books(tmp_path: Path):
    assert shuffled(records(("weekend",), whole=True), 2000, tmp_path, LARGEST) == in_order(("weekend",), together=20, whole=True)


def test_recordings_beside_each_other_add_up():
    """A row is of one run, and a run of one recording: nobody's calls are mistaken for somebody else's."""
    apart = [row for group in DEALT for row in in_order(group).spend]
    assert sorted(apart, key=repr) == everything().spend


def test_a_replay_of_everything_changes_nothing(tmp_path: Path):
    taken = records(EVERYTHING)
    with opened_at(tmp_path) as service:
        feed(service, [taken])
        before, commit, stored = books(service), service.ledger.commit_no, service.pipeline.tally.total("stored")
        feed(service, ([request] for request in taken[::200]))
        feed(service, [taken])
        again = service.pipeline.tally.total("repeated") - (len(taken) - stored)
        assert (books(service), service.ledger.commit_no, again) == (before, commit, len(taken) + len(taken[::200]))
    assert before == everything()


def test_every_report_sums_to_the_ledger(tmp_path: Path):
    with opened_at(tmp_path) as service:
        feed(service, [records(EVERYTHING)])
        service.pipeline.settle(everything=True)
        (calls,) = ask(service, "spend")["calls"]
        spends = [ask(service, "spend", dimension) for dimension in DIMENSIONS]
        usages = [ask(service, "usage", dimension) for dimension in DIMENSIONS]
        others = [ask(service, name)["cost_usd"].sum() for name in ("runs", "inventory", "prices")]
        budgets = dict(ask(service, "budgets").group_by("policy").agg(pl.col("spent_usd").sum()).iter_rows())
    with closing(duckdb.connect(tmp_path / "ledger.duckdb", read_only=True)) as ledger:
        total, of_makers = ledger.execute("select sum(cost_usd), sum(cost_usd) filter (where role = 'maker') from charges").fetchone()
    assert 0 < of_makers < total
    assert {(spend["cost_usd"].sum(), spend["calls"].sum()) for spend in (*spends, *usages)} == {(total, calls)}
    assert others == [total] * 3
    assert budgets == {"everything": total, "each-run": total, "each-model": total, "makers": of_makers}
