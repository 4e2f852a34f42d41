"""Recorded OTLP bodies through the same way as live ones: decode, count, price, guard. No webhook goes out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from analytics.control import stamp
from analytics.effects import usd
from analytics.errors import LoopledgerError
from analytics.model import SEVERITY
from analytics.reports import REPORTS, Question
from analytics.simulation import refused_runs
from analytics.undeclared import EVER
from ingest import otlp_json
from ingest.access import DEFAULT_TENANT
from ingest.pipeline import Request
from ingest.service import Service

_NAME = re.compile(r"^\d{4}-(traces|logs|metrics)\.(pb|json)$")
_TOGETHER = 1  # bodies a commit: orders depend on what was known when a body came


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded request body."""

    path: Path

    @property
    def signal(self) -> str:
        return _NAME.match(self.path.name)[1]

    @property
    def is_json(self) -> bool:
        return self.path.suffix == ".json"

    def protobuf(self) -> bytes:
        """The body as protobuf. Raises Permanent when it is JSON that is not OTLP."""
        body = self.path.read_bytes()
        return otlp_json.to_protobuf(body, self.signal) if self.is_json else body


def recordings(paths: Iterable[Path]) -> list[Recording]:
    """The recorded bodies under some files and folders, in name order. Raises FileNotFoundError."""
    found: dict[Path, Recording] = {}  # a file that two paths lead to is one recording
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        found |= {file.resolve(): Recording(file) for file in files if _NAME.match(file.name) and file.resolve() not in found}
    return list(found.values())


def replay(service: Service, bodies: Sequence[Recording]) -> Iterator[list[tuple[Path, str]]]:
    """Feeds the bodies in order; after each group, the malformed ones of it with their reasons."""
    rest = iter(bodies)
    while group := list(islice(rest, _TOGETHER)):
        yield list(_together(service, group))
    service.pipeline.settle(everything=True)
    service.pipeline.guard.keep_up()


def _together(service: Service, group: Sequence[Recording]) -> Iterator[tuple[Path, str]]:
    requests = {}
    for recording in group:
        service.pipeline.tally.add("requests", signal=recording.signal)
        try:
            requests[Request(recording.protobuf(), recording.signal, DEFAULT_TENANT)] = recording.path
        except LoopledgerError as error:
            yield recording.path, str(error)
    answers = service.pipeline.commit(service.pipeline.decode(list(requests)))
    service.pipeline.trim()
    for request, path in requests.items():
        if isinstance(answers[request], LoopledgerError):
            yield path, str(answers[request])


_COUNTED = {"bodies": "requests", "records": "received", **{name: name for name in ("stored", "repeated", "revised", "rejected")}}


def summary(service: Service) -> dict:
    """What the ledger and the control store hold after a replay, with what the replay itself read."""
    tally, sources = service.pipeline.tally, service.sources()
    total = REPORTS["spend"](sources, Question(DEFAULT_TENANT))
    money = total.row(0, named=True) if total.height else {"calls": 0, "unknown_calls": 0, "unpriced_calls": 0, "cost_usd": None}
    incidents = [row for row in service.control.all_incidents() if row["state"] == "open" and row["window"] != EVER]  # crossings of limits
    stops = [row for row in incidents if SEVERITY[row["action"]] > 0 and row["mode"] == "enforce"]
    return {
        **{said: tally.total(name) for said, name in _COUNTED.items()},
        **{name: money[name] for name in ("calls", "unknown_calls", "unpriced_calls")},
        "cost_usd": None if money["cost_usd"] is None else f"{money['cost_usd']:f}",
        "incidents": [_incident(row) for row in incidents],
        "signals": len(service.control.signals_after(DEFAULT_TENANT, 0)),
        "first_stop": {"at": stamp(stops[0]["crossed_at"]), "spent_usd": usd(stops[0]["spent_nano_usd"])} if stops else None,
        "refused_runs_simulated": len(refused_runs(sources, stops)),
    }


def _incident(row: dict) -> dict:
    shown = {name: row[name] for name in ("policy", "scope", "window")}
    return {**shown, "threshold": row["percent"], "crossed_at": stamp(row["crossed_at"]), "spent_usd": usd(row["spent_nano_usd"])}


def told(found: dict) -> str:
    """A summary for people."""
    floor = "at least " if found["unknown_calls"] or found["unpriced_calls"] else ""
    counts = ", ".join(f"{found[name]} {name}" for name in ("stored", "repeated", "revised", "rejected"))
    calls = f"{found['calls']} calls ({found['unknown_calls']} without usage, {found['unpriced_calls']} without a price)"
    lines = [f"{found['bodies']} bodies, {found['records']} records: {counts}", f"{calls}, {floor}{found['cost_usd']} USD"]
    for row in found["incidents"]:
        where = f"{row['policy']} {row['scope']} {row['window']}"
        lines.append(f"incident: {where} at {row['threshold']} %: {row['spent_usd']} USD, {row['crossed_at']}")
    if stop := found["first_stop"]:
        lines.append(f"first stop {stop['at']} at {stop['spent_usd']} USD, {found['signals']} signals")
        lines.append(f"simulated: the standing stop would have refused {found['refused_runs_simulated']} later runs")
    return "\n".join(lines)
