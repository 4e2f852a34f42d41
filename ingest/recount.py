"""Stored records read again with today's dialects, and counted, attributed and priced again: so that a better rule corrects history.

What a dialect once read out of content stays known although the content is gone: such a value is never replaced by nothing.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics import evidence
from analytics.books import Posted
from analytics.config import Config
from analytics.evidence import NOTE, Part
from analytics.model import BUCKETS, RECORD, SPLITS
from analytics.reattribution import EDGE
from analytics.reports import REPORTS, Question
from analytics.usage.told import has_usage, input_tokens, output_tokens
from ingest.access import DEFAULT_TENANT
from ingest.clock import Replay
from ingest.dialects import translate
from ingest.records import SIGNALS, named
from ingest.service import Service, opened
from ingest.wire import Attributes, Frames

_SHOWN = ("calls", "unknown_calls", "input_tokens", "output_tokens", "cost_usd")
_OURS = (
    "tenant", "signal", "ordinal", "record_key", "content_hash", "attribute_count", "resource", "trace_id", "span_id", "parent_span_id",
    "name", "started_at", "ended_at", "clock_skewed", "failed", "series_key", "amount", "is_cumulative",
    "claim", "tags",
)  # fmt: skip
"""Columns that no dialect reads."""
_DECIDED = ("kind", "dialect", "usage_role", "measure", "of_resource")
"""What a dialect concludes: today's conclusion holds even where it is nothing."""


@dataclass(slots=True)
class Recounted:
    """What a recount did."""

    records: int = 0
    dialect_not_rerun: int = 0
    """Records whose evidence has expired or was erased: they keep their columns, and are counted, attributed and priced again."""
    reread: int = 0
    """Records that today's dialects read otherwise."""
    charges: int = 0
    """Rows of charges written, reversals included."""

    def add(self, posted: Posted | None) -> None:
        """Takes in one commit."""
        if posted:
            self.reread += posted.records.height
            self.charges += posted.charges.height


def recount(service: Service) -> Iterator[Recounted]:
    """Goes through the ledger commit by commit; yields the running totals after each."""
    pipeline, total = service.pipeline, Recounted()
    for tenant, commit_no in service.ledger.query("queries/record_commits", edge=EDGE).iter_rows():
        records = service.ledger.query("queries/records_of_commit", tenant=tenant, commit_no=commit_no)
        blobs = service.ledger.query("queries/evidence_of_commit", tenant=tenant, commit_no=commit_no)["attributes"]
        attributes = evidence.unpacked(blobs)
        kept = pl.col("ordinal").is_in(evidence.erased(attributes).tolist()) if len(blobs) else pl.lit(True)
        told = records.filter(~kept)
        again = pl.concat([reread(told, attributes), records.filter(kept)]).sort("ordinal") if told.height else records
        known = again.select(name for name in RECORD if name != "tenant")
        total.add(pipeline.watched(pipeline.books.recount(tenant, known, attributes, service.clock.now())))
        total.records += records.height
        total.dialect_not_rerun += records.height - told.height
        yield total
    for posted in pipeline.books.recount_points(service.clock.now()):
        total.add(pipeline.watched(posted))
    yield total


def compared(service: Service, other: Service) -> pl.DataFrame:
    """What a recount changed, by model: model | calls, tokens and cost_usd before and after; only rows that differ."""
    before, after = (REPORTS["usage"](one.sources(), Question(DEFAULT_TENANT, by=("model",))) for one in (service, other))
    joined = before.select("model", *_SHOWN).join(after.select("model", *_SHOWN), on="model", how="full", coalesce=True, suffix="_after")
    return joined.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in _SHOWN))


@contextmanager
def rehearsed(data: Path, config: Config) -> Iterator[tuple[Service, Service]]:
    """The service of a data directory, and one of a copy of it, on which a recount harms nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for file in (file for file in data.iterdir() if file.is_file()):
            shutil.copy(file, folder)
        with opened(data, config, Replay(), delivers=False) as service, opened(Path(folder), config, Replay(), delivers=False) as copy:
            yield service, copy


def reread(records: pl.DataFrame, attributes: pa.Table) -> pl.DataFrame:
    """The records of one commit as today's dialects read them; `attributes` are their evidence."""
    parts = [_reread(records.filter(signal=word), attributes, signal) for signal, word in SIGNALS.items()]
    return pl.concat([part for part in parts if part.height]).sort("ordinal")


def _reread(records: pl.DataFrame, attributes: pa.Table, signal: str) -> pl.DataFrame:
    if records.is_empty():
        return records
    frames, hidden = _frames(records, attributes, signal)
    said = named(translate(frames), records["trace_id"]).select(name for name in RECORD if name not in _OURS)
    return _known(records, said.cast({name: RECORD[name] for name in said.columns}), hidden).select(records.columns)


def _known(records: pl.DataFrame, said: pl.DataFrame, hidden: pl.Series) -> pl.DataFrame:
    """What is read now, with what was read then where a text has gone since: single facts, and token splits of the same totals."""
    both = records.hstack(said.rename({name: f"{name}_now" for name in said.columns})).with_columns(hidden=hidden)
    before = records.select(input_tokens().alias("in"), output_tokens().alias("out"), *_fineness())
    now = said.select(input_tokens().alias("in"), output_tokens().alias("out"), *_fineness())
    same = (before["in"] == now["in"]) & (before["out"] == now["out"]) & (before["fineness"] > now["fineness"])
    keeps = hidden & (same | (~now["said"] & before["said"]))
    tokens = (*BUCKETS, *SPLITS, "usage_settled", "reasoning_apart")
    kept = {name: pl.when(pl.lit(keeps)).then(name).otherwise(f"{name}_now") for name in tokens}
    facts = {
        name: pl.when("hidden").then(pl.coalesce(f"{name}_now", name)).otherwise(f"{name}_now")
        for name in said.columns
        if name not in {*tokens, *_DECIDED}
    }
    decided = {name: pl.col(f"{name}_now") for name in _DECIDED}
    named = {name: pl.when(pl.col("claim").is_null()).then(facts[name]).otherwise(name) for name in ("team", "loop")}
    return both.with_columns(**kept, **facts | named, **decided)


def _fineness() -> tuple[pl.Expr, pl.Expr]:
    return pl.sum_horizontal(pl.col(name).is_not_null() for name in BUCKETS).alias("fineness"), has_usage().alias("said")


def _frames(records: pl.DataFrame, attributes: pa.Table, signal: str) -> tuple[Frames, pl.Series]:
    """What the dialects look at, made of stored records; and which records have lost a text."""
    own, hidden = _attributes(attributes, Part.ATTRIBUTE, records["ordinal"].to_numpy())
    resources, _ = _attributes(attributes, Part.RESOURCE, np.arange(records["resource"].max() + 1))
    scopes = records["runtime"].unique(maintain_order=True)
    place = {name: number for number, name in enumerate(scopes.to_list())}
    nothing = pa.nulls(records.height, pa.string())
    columns = {
        "body": pa.array(np.zeros(records.height, np.int64)),
        "resource": records["resource"].cast(pl.Int64).to_arrow(),
        "scope": pa.array([place[name] for name in records["runtime"].to_list()], pa.int64()),
        "event_name" if signal == "logs" else "name": records["name"].to_arrow().cast(pa.string()),
        "text": nothing,
        "trace_id": records["trace_id"].to_arrow().cast(pa.binary()),
    }
    empty = pa.table({"owner": pa.array([], pa.int64())})
    frames = Frames(
        signal=signal, records=pa.table(columns), attributes=own, resources=resources,
        scopes=pa.table({"name": scopes.to_arrow().cast(pa.string())}), events=empty,
        event_attributes=Attributes(own.owner[:0], own.rows.slice(0, 0)), links=empty, bodies=1,
    )  # fmt: skip
    return frames, pl.Series(hidden)


def _attributes(table: pa.Table, part: Part, numbers: np.ndarray) -> tuple[Attributes, np.ndarray]:
    """The attributes of these owners as rows of theirs, without the notes that stand for texts; and who has such notes."""
    of_part = table.filter(pc.equal(table["part"], int(part)))
    owner = of_part["owner"].to_numpy()
    row = np.full(max(owner.max(initial=-1), numbers.max(initial=-1)) + 1, -1)
    row[numbers] = np.arange(len(numbers))
    order = np.argsort(row[owner], kind="stable")
    order = order[row[owner][order] >= 0]
    rows = of_part.take(pa.array(order)).combine_chunks()
    text = rows["string_value"].combine_chunks()
    noted = pc.fill_null(pc.match_substring_regex(text, NOTE), False)
    columns = {name: rows[name].combine_chunks() for name in evidence.EVIDENCE.names[3:]}
    columns |= {"key": columns["key"].cast(pa.string()), "string_value": pc.if_else(noted, None, text)}
    owners = row[owner][order]
    hidden = np.zeros(len(numbers), bool)
    hidden[owners[noted.to_numpy(zero_copy_only=False)]] = True
    return Attributes(owners, pa.StructArray.from_arrays(list(columns.values()), names=list(columns))), hidden
