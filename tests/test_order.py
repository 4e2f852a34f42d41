"""The order, the grouping and the repetition of what arrives change no total and no incident, whenever the collector restarts."""

import os
import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import polars as pl
import pytest
from bodies import SAMPLES, split
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from analytics.config import Config, Policy, load
from analytics.reports import DIMENSIONS, REPORTS, Question
from ingest.access import DEFAULT_TENANT
from ingest.clock import Replay
from ingest.pipeline import Request
from ingest.replay import Recording, recordings
from ingest.service import Service, opened

FOLDERS = (
    "strands",
    "langgraph-openinference",
    "openai-agents-openinference",
    "google-adk-gemini",
    "anthropic-sdk-native",
    "crewai-openinference",
    "weekend",
)
WEEKEND_BODIES = 30
SEEDS = range(int(os.environ.get("LOOPLEDGER_ORDER_SEEDS", "20")))
CONFIG = Config(
    loops=load(SAMPLES / "config").loops,
    policies=(
        Policy(name="everything", window="month", limit_usd="3.00", assume_usd_per_call="0.05"),
        Policy(name="each-run", window="run", limit_usd="0.17"),
        Policy(name="each-model", window="day", per="model", limit_tokens=300_000, timezone="Europe/Berlin"),
        Policy(name="makers", window="week", per="agent", limit_usd="2.00", when={"role": ["maker"]}),
    ),
)
BY = ("model", "agent", "run", "team", "role")


@dataclass(frozen=True)
class Books:
    """What a ledger says in the end."""

    spend: list[tuple]
    incidents: list[tuple]


@cache
def recorded(folder: str) -> tuple[Recording, ...]:
    found = recordings([SAMPLES / folder])
    return tuple(found[:WEEKEND_BODIES] if folder == "weekend" else found)


@cache
def records() -> tuple[Request, ...]:
    """Every record of every folder as a body of its own, in recorded order."""
    bodies = (recording for folder in FOLDERS for recording in recorded(folder))
    return tuple(Request(one, body.signal, DEFAULT_TENANT) for body in bodies for one in split(body.protobuf(), body.signal))


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


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """The books of the recorded bodies as they were recorded."""
    bodies = [Request(body.protobuf(), body.signal, DEFAULT_TENANT) for folder in FOLDERS for body in recorded(folder)]
    with opened_at(tmp_path_factory.mktemp("in-order")) as service:
        feed(service, ([body] for body in bodies))
        return books(service)


def test_the_recorded_order_crosses_every_policy(in_order: Books):
    assert {incident[2] for incident in in_order.incidents} == {policy.name for policy in CONFIG.policies}


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_with_repeats_unfinished_spans_and_a_restart_makes_the_same_books(in_order: Books, tmp_path: Path, seed: int):
    chance = random.Random(seed)
    spans = [request for request in records() if request.signal == "traces"]
    arriving = [*records(), *chance.choices(records(), k=20), *(unfinished(span, chance) for span in chance.sample(spans, k=20))]
    chance.shuffle(arriving)
    batches = list(batched(arriving, chance))
    restart = chance.randrange(len(batches))
    with opened_at(tmp_path) as service:
        feed(service, batches[:restart])
    with opened_at(tmp_path) as service:
        feed(service, batches[restart:])
        found = books(service)
    assert found.spend == in_order.spend
    assert found.incidents == in_order.incidents


def unfinished(request: Request, chance: random.Random) -> Request:
    """An earlier state of a span, as some runtimes export it: no end yet, and not everything said."""
    body = ExportTraceServiceRequest.FromString(request.body)
    span = body.resource_spans[0].scope_spans[0].spans[0]
    span.end_time_unix_nano = 0
    del span.attributes[chance.randint(0, len(span.attributes)) :]
    return Request(body.SerializeToString(), request.signal, request.tenant)


def batched(requests: Sequence[Request], chance: random.Random) -> Iterable[Sequence[Request]]:
    """Batches of random sizes."""
    start = 0
    while start < len(requests):
        end = start + chance.choice((1, 3, 30, 200))
        yield requests[start:end]
        start = end


def test_a_replay_of_everything_changes_nothing(in_order: Books, tmp_path: Path):
    with opened_at(tmp_path) as service:
        feed(service, [records()])
        before, commit = books(service), service.ledger.commit_no
        feed(service, ([request] for request in records()[::17]))
        feed(service, [records()])
        assert (books(service), service.ledger.commit_no) == (before, commit)
        assert service.pipeline.counts.repeated == len(records()) + len(records()[::17])
    assert before == in_order


def test_every_report_sums_to_the_ledger(tmp_path: Path):
    with opened_at(tmp_path) as service:
        feed(service, [records()])
        (calls,) = ask(service, "spend")["calls"]
        spends = [ask(service, name, dimension) for name in ("spend", "usage") for dimension in DIMENSIONS]
        others = [ask(service, name)["cost_usd"].sum() for name in ("runs", "inventory")]
        budgets = dict(ask(service, "budgets").group_by("policy").agg(pl.col("spent_usd").sum()).iter_rows())
    with closing(duckdb.connect(tmp_path / "ledger.duckdb", read_only=True)) as ledger:
        total, of_makers = ledger.execute("select sum(cost_usd), sum(cost_usd) filter (where role = 'maker') from charges").fetchone()
    assert 0 < of_makers < total
    assert {(spend["cost_usd"].sum(), spend["calls"].sum()) for spend in spends} == {(total, calls)}
    assert others == [total, total]
    assert budgets == {"everything": total, "each-run": total, "each-model": total, "makers": of_makers}
