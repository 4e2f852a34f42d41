"""Which loops exist, who owns them, what they cost, and what about them needs a look."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

from analytics.grants import UNDECLARED, writes
from analytics.model import UNATTRIBUTED
from analytics.reports.grants import Line, compared
from analytics.reports.question import Question, Sources
from analytics.reports.runs import runs_seen
from analytics.reports.schedule import expected

_SAID = ("team", "owner", "cost_center", "environment", "version", "approved_by")
_REGISTRY = pl.Schema(dict.fromkeys(("loop", *_SAID, "schedule", "timezone"), pl.String))
_LISTS = ("unused_grants", "undeclared_touches", "findings")
_FOUND = pl.Schema({"loop": pl.String, **dict.fromkeys(_LISTS, pl.List(pl.String))})
_WEEK = timedelta(days=7)


def inventory(sources: Sources, question: Question) -> pl.DataFrame:
    """One row per loop, dearest first; spend that names no loop is `unattributed`. The filter loop chooses.

    Columns: loop | status `registered and seen`, `registered, silent` or `unregistered` | state `registered`, `silent`, `unregistered`,
    `duplicated`: several teams or users run one definition, or `unattributed` | team, owner, cost_center, environment, version,
    approved_by, schedule, timezone from the registry | agents, models lists as seen | runs | calls | cost_usd of the window |
    last_7_days_usd, to the collector's now | expected_runs by the schedule, missed_runs, doubled_runs: runs beyond one for a start; null
    without a schedule or when it is not computed | unused_grants, undeclared_touches, findings lists | first_seen, last_seen UTC.
    """
    rows = _seen(sources, question).join(_registry(sources), on="loop", how="full", coalesce=True)
    rows = rows.join(_runs_due(sources, question), on="loop", how="left").join(_found(sources, question), on="loop", how="left")
    is_seen, is_known = pl.col("first_seen").is_not_null(), pl.col("registered").is_not_null()
    rows = rows.with_columns(pl.col("runs", "calls").fill_null(0), pl.col("agents", "models", "teams", "users", *_LISTS).fill_null([]))
    several = _several()
    status = (
        pl.when(is_known & is_seen).then(pl.lit("registered and seen"))
        .when(is_known).then(pl.lit("registered, silent")).otherwise(pl.lit("unregistered"))
    )  # fmt: skip
    state = (
        pl.when(pl.col("loop") == UNATTRIBUTED).then(pl.lit(UNATTRIBUTED)).when(~is_known).then(pl.lit("unregistered"))
        .when(~is_seen).then(pl.lit("silent")).when(several != "").then(pl.lit("duplicated")).otherwise(pl.lit("registered"))
    )  # fmt: skip
    named = (pl.col("loop") != UNATTRIBUTED) & (several != "")
    findings = pl.concat_list("findings", pl.when(named).then(pl.concat_list(several)).otherwise(pl.lit([], pl.List(pl.String))))
    team = pl.coalesce("team", pl.col("teams").list.join(", ").replace("", None), pl.lit(UNATTRIBUTED))
    frame = rows.with_columns(status=status, state=state, team=team, findings=findings)
    return _shown(frame, question)


def _shown(frame: pl.DataFrame, question: Question) -> pl.DataFrame:
    columns = (
        "loop", "status", "state", *_SAID, "schedule", "timezone", "agents", "models", "runs", "calls", "cost_usd", "last_7_days_usd",
        "expected_runs", "missed_runs", "doubled_runs", *_LISTS, "first_seen", "last_seen",
    )  # fmt: skip
    if "loop" in question.filters:
        frame = frame.filter(pl.col("loop").is_in(question.filters["loop"]))
    return frame.select(columns).sort("cost_usd", "calls", "loop", descending=[True, True, False], nulls_last=True)


def _seen(sources: Sources, question: Question) -> pl.DataFrame:
    asked = {"tenant": question.tenant, "since": question.since, "until": question.until}
    runs = runs_seen(sources, Question(**asked)).select("loop", "run", "team", "user", "started_at", "ended_at")
    lately = {"week_ago": sources.now - _WEEK, "now": sources.now + timedelta(microseconds=1)}
    return sources.ledger.query("reports/inventory", {"runs_seen": runs}, **asked, **lately)


def _registry(sources: Sources) -> pl.DataFrame:
    loops = sources.config.loops
    triggers = ((loop.trigger.schedule, loop.trigger.timezone) if loop.trigger else (None, None) for loop in loops)
    rows = [(loop.name, *(getattr(loop, name) for name in _SAID), *trigger) for loop, trigger in zip(loops, triggers, strict=True)]
    return pl.DataFrame(rows, schema=_REGISTRY, orient="row").with_columns(registered=True)


def _several() -> pl.Expr:
    """What is said of a loop that several run; empty when it is one."""
    said = [
        pl.when(pl.col(f"{who}s").list.len() > 1)
        .then(pl.format("run by several {}s: {}", pl.lit(who), pl.col(f"{who}s").list.join(", ")))
        .otherwise(pl.lit(""))
        for who in ("team", "user")
    ]
    return pl.concat_str(*said, separator="; ").str.strip_chars("; ")


def _runs_due(sources: Sources, question: Question) -> pl.DataFrame:
    rows, computed = expected(sources, question)
    counts = rows.group_by("loop").agg(
        expected_runs=pl.len().cast(pl.Int64),
        missed_runs=(pl.col("state") == "missed").sum().cast(pl.Int64),
        doubled_runs=(pl.col("runs") - 1).clip(0).sum(),
    )
    names = pl.DataFrame({"loop": computed}, schema={"loop": pl.String})
    return names.join(counts, on="loop", how="left").with_columns(pl.exclude("loop").fill_null(0))


def _found(sources: Sources, question: Question) -> pl.DataFrame:
    """What grants and touches say of each loop."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: {name: [] for name in _LISTS})
    lines = compared(sources, Question(question.tenant, question.since, question.until))
    for line in lines:
        finding, named = line.cells()[-1], f"{line.kind} {line.name}"
        if finding:
            found[line.loop][_LISTS[finding == UNDECLARED]].append(named)
    for line, said in _of_checkers(lines):
        found[line.loop]["findings"].append(said)
    rows = [(loop, *(sorted(set(said[name])) for name in _LISTS)) for loop, said in found.items()]
    return pl.DataFrame(rows, schema=_FOUND, orient="row")


def _of_checkers(lines: Sequence[Line]) -> Iterator[tuple[Line, str]]:
    """What checkers did that a maker does."""
    makers = {(line.loop, model) for line in lines if line.role == "maker" for model in _models(line)}
    for line in lines:
        if line.role != "checker":
            continue
        if line.kind == "tool" and any(map(writes, line.known_as)):
            yield line, f"a checker that wrote: {line.agent} used {', '.join(sorted(filter(writes, line.known_as)))}"
        for model in _models(line):
            if (line.loop, model) in makers:
                yield line, f"a checker on the maker's model: {line.agent} on {model}"


def _models(line: Line) -> set[str]:
    """The models that a row is about, by their canonical ids; as declared while none was used."""
    return (line.known_as or {line.name}) if line.kind == "model" else set()
