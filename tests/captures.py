"""What a recording says of its calls in all its records, inside texts too, and what a ledger says of it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from bodies import LEVELS, REQUESTS, SAMPLES
from google.protobuf.message import Message

from analytics.config import load
from analytics.reports import REPORTS, Question
from ingest.access import DEFAULT_TENANT
from ingest.clock import Replay
from ingest.pipeline import Request
from ingest.replay import Recording, recordings, replay
from ingest.service import Service, opened

FOLDERS = tuple(sorted(path.parent.name for path in SAMPLES.glob("*/bill.json")))
SPLITS = ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
BUCKETS = ("input_tokens", "output_tokens", *SPLITS)
_MANY = 100  # more bodies than these are posted some at a time
_INSIDE = re.compile(r"""["']?([A-Za-z_][\w.-]*)\\?["']?\s*[:=]\s*\\?["']?(\d+(?:\.\d+)?)(?![\w.])""")
_NAMES = {
    "cache_read_tokens": re.compile(r"cach(?!.*(?:writ|creat))", re.IGNORECASE),
    "cache_write_tokens": re.compile(r"cach.*(?:writ|creat)", re.IGNORECASE),
    "reasoning_tokens": re.compile(r"reason|thought|think", re.IGNORECASE),
}
"""Under which keys a split would stand, generously."""


@dataclass(frozen=True)
class Said:
    """One value of a record. `key` is that of its attribute, then that of the place inside it; of a point its metric and attributes."""

    signal: str
    record: str
    key: str
    value: int | float | str | bool


@cache
def recorded(folder: str) -> tuple[Recording, ...]:
    return tuple(recordings([SAMPLES / folder]))


@cache
def bill(folder: str) -> tuple[dict, ...]:
    """The calls on a bill."""
    return tuple(json.loads((SAMPLES / folder / "bill.json").read_bytes())["calls"])


def reported(folder: str) -> list[dict]:
    """The calls whose usage the provider told."""
    return [call for call in bill(folder) if call["reported"]]


def total(calls: Iterable[dict]) -> dict[str, int]:
    calls = list(calls)
    return {name: sum(call[name] for call in calls) for name in BUCKETS}


@cache
def said(folder: str) -> tuple[Said, ...]:
    """Everything that a recording says, resources and events included."""
    return tuple(one for recording in recorded(folder) for one in _of_body(recording))


@cache
def numbers(folder: str) -> tuple[Said, ...]:
    """Every number in it."""
    return tuple(one for one in said(folder) if isinstance(one.value, int | float) and not isinstance(one.value, bool))


def carrying(folder: str, values: Iterable[int], names: re.Pattern | None = None, signals: Iterable[str] = REQUESTS) -> list[Said]:
    """Where any of these numbers stands, under names of this form."""
    wanted, asked = set(values) - {0}, set(signals)
    return [one for one in numbers(folder) if one.value in wanted and one.signal in asked and (names is None or names.search(one.key))]


def carrying_split(folder: str, split: str, calls: Iterable[dict]) -> list[Said]:
    """Where a split of one of these calls, or of all of them together, stands under a name that could mean it."""
    each = [call[split] for call in calls]
    return carrying(folder, [*each, sum(each)], _NAMES[split])


def _of_body(recording: Recording) -> Iterator[Said]:
    signal = recording.signal
    request, (outer, inner, leaf) = REQUESTS[signal].FromString(recording.protobuf()), LEVELS[signal]
    for resource in getattr(request, outer):
        yield from _of_attributes(signal, "resource", resource.resource.attributes)
        for record in (record for scope in getattr(resource, inner) for record in getattr(scope, leaf)):
            yield from _of_metric(record) if signal == "metrics" else _of_record(signal, record)


def _of_record(signal: str, record: Message) -> Iterator[Said]:
    name = record.name if signal == "traces" else record.event_name
    yield from _of_attributes(signal, name, record.attributes)
    if signal == "logs":
        yield from _of_value(signal, name, "body", record.body)
    for event in record.events if signal == "traces" else ():
        yield from _of_attributes(signal, f"{name}: {event.name}", event.attributes)


def _of_metric(metric: Message) -> Iterator[Said]:
    for point in getattr(metric, metric.WhichOneof("data")).data_points:
        texts = [f"{one.key}={one.value.string_value}" for one in point.attributes]
        key = f"{metric.name}{{{','.join(texts)}}}"
        yield from _of_attributes("metrics", metric.name, point.attributes)
        for amount in ("as_int", "as_double", "sum"):
            if amount in point.DESCRIPTOR.fields_by_name:
                yield Said("metrics", metric.name, key, getattr(point, amount))


def _of_attributes(signal: str, record: str, attributes: Iterable[Message]) -> Iterator[Said]:
    for attribute in attributes:
        yield from _of_value(signal, record, attribute.key, attribute.value)


def _of_value(signal: str, record: str, key: str, value: Message) -> Iterator[Said]:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        for one in value.array_value.values:
            yield from _of_value(signal, record, key, one)
    elif kind == "kvlist_value":
        for one in value.kvlist_value.values:
            yield from _of_value(signal, record, f"{key}.{one.key}", one.value)
    elif kind == "string_value":
        yield from _of_text(signal, record, key, value.string_value)
    elif kind is not None and kind != "bytes_value":
        yield Said(signal, record, key, getattr(value, kind))


def _of_text(signal: str, record: str, key: str, text: str) -> Iterator[Said]:
    yield Said(signal, record, key, int(text) if text.isdecimal() else text)
    for inner, number in _INSIDE.findall(text):
        yield Said(signal, record, f"{key}.{inner}", float(number) if "." in number else int(number))


@dataclass(frozen=True)
class Outcome:
    """What a ledger says after a replay."""

    by_model: dict[str, dict]
    by_agent: dict[tuple[str, str], tuple[int, int]]
    """(agent, model) -> calls with usage, input."""
    findings: pl.DataFrame


@cache
def outcome(folder: str) -> Outcome:
    """A recording replayed into a ledger of its own, twice; the second time must change nothing."""
    with TemporaryDirectory() as data, opened(Path(data), load(None), Replay(), delivers=False) as service:
        feed(service, folder)
        first = told(service)
        feed(service, folder, together=_MANY)
        again = told(service)
    assert (again.by_model, again.by_agent) == (first.by_model, first.by_agent)
    assert again.findings.equals(first.findings)
    return first


def feed(service: Service, folder: str, together: int = 20) -> None:
    """Body by body as `loopledger replay` does; some at a time where there are very many."""
    if len(recorded(folder)) < _MANY:
        assert [problem for problems in replay(service, recorded(folder)) for problem in problems] == []
    else:
        feed_together(service, recorded(folder), together)


def feed_together(service: Service, taken: Sequence[Recording], together: int) -> None:
    """So many bodies in a commit."""
    for start in range(0, len(taken), together):
        some = taken[start : start + together]
        answers = service.pipeline.commit(service.pipeline.decode([Request(one.protobuf(), one.signal, DEFAULT_TENANT) for one in some]))
        assert {answer.rejected for answer in answers.values()} == {0}
    service.pipeline.settle(everything=True)


def told(service: Service) -> Outcome:
    by_model, by_agent = (
        REPORTS["usage"](service.sources(), Question(DEFAULT_TENANT, by=by)).to_dicts() for by in (("model",), ("agent", "model"))
    )
    known = {(row["agent"], row["model"]): (row["calls"] - row["unknown_calls"], row["input_tokens"] or 0) for row in by_agent}
    findings = REPORTS["data_quality"](service.sources(), Question(DEFAULT_TENANT))
    return Outcome({row["model"]: row for row in by_model}, {who: spent for who, spent in known.items() if spent[0]}, findings)


@dataclass(frozen=True)
class Fault:
    """What a recording's telemetry does not carry, and why."""

    reason: str
    lost: Callable[[dict], bool] = lambda call: False
    """Reported calls of which no telemetry tells."""
    splits: tuple[str, ...] = ()
    """Splits that no record carries."""
    merged: int = 0
    """Calls that one record stands for, beyond the first."""
    unseen: int = 0
    """Unreported calls of which there is no record at all."""
    findings: dict[str, int | None] = field(default_factory=dict)
    """What report data_quality must say of it, and of how many tokens."""


_NO_SPLITS = ("cache_read_tokens", "reasoning_tokens")
FAULTS = {
    "claude-code-max-budget-usd": Fault(
        "the last call is only in the metric", lambda call: call["input_tokens"] == 5917, findings={"remainder": 5917 + 37}
    ),
    "claude-code-sigterm-mid-stream": Fault("killed before the span of its stream was sent", unseen=1),
    "crewai-only": Fault("blind: no usage at all", lambda call: True, findings={"blind": None}),
    "mastra-http-json": Fault("one chat span for several calls", merged=1),
    "mlflow-openai": Fault("no reasoning split", splits=("reasoning_tokens",)),
    "openai-agents-both-chat": Fault("no cache or reasoning split", splits=_NO_SPLITS),
    "openai-otel-v2": Fault("Responses API calls emit nothing; no splits", lambda call: call["api"] == "responses", splits=_NO_SPLITS),
    "strands": Fault("no reasoning split", splits=("reasoning_tokens",)),
    "traceloop-sdk-llm-instrumentor-failed": Fault("blind: no usage at all", lambda call: True, findings={"blind": None}),
}
NONE = Fault("")


def fault(folder: str) -> Fault:
    return FAULTS.get(folder, NONE)


def told_of(folder: str) -> list[dict]:
    """The calls of which telemetry can tell."""
    return [call for call in reported(folder) if not fault(folder).lost(call)]
