"""One tenant's account: everything that decides whether a record counts, and for whom, behind one object.

It holds nothing but indexes, which are rebuilt from the ledger, so a tenant could move to another collector between any two commits.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa

from analytics import evidence, usage
from analytics.history import NO_LONGER, History
from analytics.ledger import Ledger
from analytics.lineage import Family, Lineage
from analytics.masks import among, coalesced, distinct, known, rows, without
from analytics.model import BUCKETS, MODEL_KINDS, TIME
from analytics.names import Names
from analytics.owners import Owners
from analytics.prices import PriceBook, priced
from analytics.tags import tagged
from analytics.usage import LINK, Resolved
from analytics.usage.points import Metered, compared, meter
from analytics.usage.resolve import prepared
from analytics.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Rules:
    """What people decide, apart from telemetry: who owns what, and what it costs."""

    owners: Owners
    prices: PriceBook
    waiting_traces: int = 100_000
    """Of each tenant, whose usage may wait for calls below it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one tenant's arrivals become in a commit; frames without tenant and commit number."""

    records: pl.DataFrame
    links: pl.DataFrame
    charges: pl.DataFrame
    keys: np.ndarray
    """Of the records that links and charges here are about."""
    names: Names
    evidence: pa.Table
    repeated: Counter = field(default_factory=Counter)
    """By signal, records that were stored before, or came twice in this batch, with the same content."""
    revised: Counter = field(default_factory=Counter)
    """By signal, records whose key was known with other content, whichever of the two holds."""
    notes: list = field(default_factory=list)
    """What `remember` does to what waits."""

    @classmethod
    def of_charges(cls, records: pl.DataFrame, attributes: pa.Table, charges: pl.DataFrame) -> "Entry":
        """Charges that no arrival calls for, with records that are read otherwise; no record counts otherwise than before."""
        none = np.empty(0, np.uint64)
        return cls(records, pl.DataFrame(schema=dict.fromkeys(LINK, pl.Null)), charges, none, Names(none, none), attributes)


class Account:
    """Counts one tenant's records once."""

    def __init__(self, tenant: str, ledger: Ledger, owners: Owners, now: datetime):
        self.tenant = tenant
        self._lineage = Lineage(tenant, ledger, owners)
        self._history = History(tenant, ledger)
        self._waiting = Waiting(self._history, now)

    @property
    def crowded_out(self) -> int:
        """Traces and processes that were settled sooner because too many waited."""
        return self._waiting.crowded_out

    def enter(self, arrived: pl.DataFrame, attributes: pa.Table, rules: Rules, now: datetime) -> Entry:
        """Records as they arrived -> what is new in them. Nothing is remembered before `remember`."""
        numbered = arrived.with_row_index("row")
        best = usage.best_revisions(numbered)
        stored = self._history.records(best["record_key"])
        if len(gone := self._history.gone(best, stored)):
            numbered, best = numbered.join(gone, on="record_key", how="anti"), best.join(gone, on="record_key", how="anti")
        news = tagged(_news(best, stored), attributes, rules.owners.asked, "row")
        kept = without(news, "row")
        replaced = stored.join(kept, on="record_key", how="semi") if stored.height else stored
        links, charges, keys, names, notes = self._count(kept, rules, now, *self._waiting.due(now, rules.waiting_traces))
        came, new = _by_signal(arrived), _by_signal(kept) - _by_signal(replaced)
        repeated = _repeats(numbered, stored) + (came - _by_signal(numbered))
        return Entry(kept, links, charges, keys, names, _evidence_of(news, attributes), repeated, came - repeated - new, notes)

    def settle(self, nothing: pl.DataFrame, attributes: pa.Table, rules: Rules, now: datetime, everything: bool) -> Entry | None:
        """What waited long enough, or everything that waits, counted; None when there is nothing. `nothing` is an empty arrival."""
        traces, processes = self._waiting.due(now, rules.waiting_traces, everything)
        if traces.is_empty() and not processes:
            return None
        links, charges, keys, names, notes = self._count(nothing, rules, now, traces, processes)
        return Entry(nothing, links, charges, keys, names, attributes, notes=notes)

    def recount(self, again: pl.DataFrame, attributes: pa.Table, rules: Rules, now: datetime) -> Entry:
        """Stored records as they are read now -> what changes; `attributes` are their evidence, by `ordinal`."""
        standing, numbered = self._reread(again, attributes, rules)
        steps, none = standing.filter(pl.col("signal") != "point"), pl.Series("trace_id", [], pl.Binary)  # points come last, in one go
        links, charges, keys, names, notes = self._count(steps, rules, now, none, set())
        return Entry(numbered.drop("row"), links, charges, keys, names, _evidence_of(numbered, attributes), notes=notes)

    def retagged(self, stored: pl.DataFrame, attributes: pa.Table, rules: Rules) -> tuple[pl.DataFrame, pa.Table]:
        """Of a commit's stored records those that have other tags by today's rules, with these and numbered anew; and their evidence."""
        _, numbered = self._reread(stored, attributes, rules)
        return numbered.drop("row"), _evidence_of(numbered, attributes)

    def owned(self, keys: pl.Series, retagged: pl.DataFrame, rules: Rules) -> pl.DataFrame:
        """The calls that these stored records are part of, counted as they are and attributed by today's rules; `retagged` are records
        whose tags hold before what is stored."""
        family, none = self._lineage.after(retagged), pl.Series("trace_id", [], pl.Binary)
        records = self._history.records(keys)
        steps = prepared(records.filter(pl.col("signal") != "point"))
        nodes = pl.concat([steps, self._history.around(steps, self._history.names_of(steps)).select(steps.columns)])
        nodes = nodes.update(retagged.select("record_key", "tags"), on="record_key", include_nulls=True)
        links = self._history.links_of(nodes["record_key"])
        counted = links.filter("counts", pl.col("reason") != "counts")["record_key"]
        resolved = usage.resolve(nodes, rules.prices.prices_tools, counted, none)
        calls, processes = resolved.calls, set(records.filter(signal="point")["process"].fill_null(""))
        if processes:
            points = retagged.filter(pl.col("measure").is_not_null())
            calls = pl.concat([calls, self._metered(processes, points, resolved).calls.select(calls.columns)])
        return _attributed(calls, rules.owners, family)

    def names_of(self, records: pl.DataFrame) -> Names:
        """By what these records may be found."""
        return self._history.names_of(prepared(records.filter(pl.col("signal") != "point")))

    def recount_points(self, nothing: pl.DataFrame, attributes: pa.Table, rules: Rules, now: datetime) -> Entry:
        """All metric points compared again with the calls of their processes."""
        none = pl.Series("trace_id", [], pl.Binary)
        links, charges, keys, names, notes = self._count(nothing, rules, now, none, self._history.point_processes())
        return Entry(nothing, links, charges, keys, names, attributes, notes=notes)

    def remember(self, entry: Entry, commit_no: int) -> None:
        """Notes a committed entry in the indexes."""
        self._history.remember(commit_no, entry.records, entry.names, entry.keys)
        for note in entry.notes:
            note()

    def seal(self, through: int) -> None:
        """Everything up to this commit was remembered."""
        self._history.seal(through)

    def expired(self) -> None:
        """Some of its records are gone."""
        self._history.note_expired()

    def _reread(self, again: pl.DataFrame, attributes: pa.Table, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Records as they are read now that stand; and those that are other than stored, numbered anew, their old place in `row`."""
        stored = self._history.records(again["record_key"])
        if attributes.num_rows:
            kept = pl.col("ordinal").is_in(evidence.erased(attributes).tolist())
            tags = pl.when(kept).then(again["tags"]).otherwise("tags")
            again = tagged(again, attributes, rules.owners.asked, "ordinal").with_columns(tags=tags)
        standing = again.join(stored, on=["record_key", "content_hash"], how="semi", maintain_order="left")
        read = [name for name in again.columns if name not in ("ordinal", "resource")]
        changed = standing.join(stored, on=read, how="anti", nulls_equal=True, maintain_order="left").with_columns(row=pl.col("ordinal"))
        return standing, changed.with_columns(ordinal=pl.int_range(pl.len(), dtype=pl.Int32))

    def _count(self, kept: pl.DataFrame, rules: Rules, now: datetime, due: pl.Series, processes: set[str]):
        """The links and charges that these records and what is due call for, the keys of the records concerned, and what to note then."""
        steps, points = prepared(rows(kept, ~among(kept["signal"], ("point",)))), rows(kept, known(kept["measure"]))
        family = self._lineage.after(kept)
        children = self._lineage.children(moved) if (moved := self._lineage.moved(family)) else None
        names = self._history.names_of(steps)
        held = self._around(steps, names, due, children)
        nodes = pl.concat([steps, held]) if held.height else steps
        before = self._history.links_of(nodes["record_key"])
        counted = before.filter("counts", pl.col("reason") != "counts")["record_key"] if before.height else before["record_key"]
        resolved = usage.resolve(nodes, rules.prices.prices_tools, counted, due)
        notes = [lambda: self._waiting.note(distinct(nodes["trace_id"]), resolved.waiting, points["process"], now)]
        notes.append(lambda: self._lineage.note(family))
        processes = processes | self._waiting.contradicted(steps["process"] if children is None else _processes(steps, children))
        links, calls = resolved.links, resolved.calls
        if processes:
            metered = self._metered(processes, points, resolved)
            before = pl.concat([before, self._history.links_of(metered.links["record_key"])])
            links, calls = pl.concat([links, metered.links]), pl.concat([calls, metered.calls.select(calls.columns)])
            notes.append(lambda: self._waiting.settled(processes, metered.calls["process"]))
        fresh = points.filter(~pl.col("process").fill_null("").is_in(sorted(processes))) if points.height and processes else points
        if fresh.height:
            links = pl.concat([links, _waiting_points(fresh)])
        return *self._changes(links, _attributed(calls, rules.owners, family), before, rules), names, notes

    def _around(self, steps: pl.DataFrame, names: Names, due: pl.Series, children: pl.DataFrame | None) -> pl.DataFrame:
        """Stored records beside these: those that may concern them, those of traces that are due, and records of the children of runs."""
        if due.is_empty() and children is None:
            return self._history.around(steps, names)
        waited = self._history.of_traces(due)
        if children is not None:
            theirs = self._history.records(children.filter(pl.col("signal") != "point")["record_key"])
            waited = pl.concat([waited, theirs]).unique("record_key", maintain_order=True)
        waited = prepared(waited).select(steps.columns).join(steps, on="record_key", how="anti")
        together = pl.concat([steps, waited])
        return pl.concat([waited, self._history.around(together, self._history.names_of(together))])

    def _metered(self, processes: set[str], points: pl.DataFrame, resolved: Resolved) -> Metered:
        named = pl.Series("process", sorted(processes), pl.String)
        stored, calls = self._history.points_of(named).select(points.columns), self._history.calls_of(named)
        fresh = points.filter(pl.col("process").fill_null("").is_in(named.implode()) & self._history.is_whole())
        here = compared(resolved.calls.filter(pl.col("process").fill_null("").is_in(named.implode())))
        known = calls.join(resolved.links, on="record_key", how="anti").select(here.columns)
        together = pl.concat([known.cast(dict(here.schema)), here])
        return meter(pl.concat([stored.join(fresh, on="record_key", how="anti"), fresh]), together)

    def _changes(self, links: pl.DataFrame, calls: pl.DataFrame, before: pl.DataFrame, rules: Rules):
        """What is other than before, as rows: links, charges, and the keys of the records they are about."""
        desired = _charges(calls, rules.prices)
        if before.is_empty():
            return links, usage.versions(desired, pl.DataFrame()), links["record_key"].to_numpy()
        before = before.filter(pl.col("reason") != NO_LONGER)  # a chain that one of these closed may go on
        ended = before.join(links, on="record_key", how="anti").with_columns(counts=pl.lit(False), reason=pl.lit(NO_LONGER))
        links = pl.concat([links, ended.select(LINK)])
        news = links.join(before.select(LINK), on=list(LINK), how="anti", nulls_equal=True)
        known = pl.concat([before["call_id"], calls["call_id"]]).unique()
        charges = usage.versions(desired, self._history.charges_of(known, links["record_key"]))
        about = links.filter(pl.col("call_id").is_in(charges["call_id"].unique().implode()))["record_key"]
        before_about = before.filter(pl.col("call_id").is_in(charges["call_id"].unique().implode()))["record_key"]
        return news, charges, np.concatenate([one.to_numpy() for one in (news["record_key"], about, before_about)])


def _news(best: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The records that are new or outrank what is stored, numbered by `ordinal`."""
    if stored.height:
        ranks = [best.with_columns(stored=False), stored.with_columns(stored=True)]
        columns = ["record_key", "ended_at", *BUCKETS, "attribute_count", "content_hash", "stored"]
        standing = (
            pl.concat([rank.select(columns) for rank in ranks])
            .sort([*usage.standing(), "stored"], descending=True)
            .unique("record_key", keep="first")
        )
        best = best.join(standing.filter("stored"), on="record_key", how="anti", maintain_order="left")
    return best.hstack([pl.Series("ordinal", np.arange(best.height, dtype=np.int32))])


def _by_signal(records: pl.DataFrame) -> Counter:
    """How many records there are of each signal."""
    signals = records["signal"]
    if not signals.len() or (signals == signals[0]).all():  # the ordinary case, and quicker
        return Counter({signals[0]: signals.len()} if signals.len() else {})
    return Counter(dict(signals.value_counts().iter_rows()))


def _repeats(arrived: pl.DataFrame, stored: pl.DataFrame) -> Counter:
    """How many of the records came before with the very same content, by signal."""
    same = ["record_key", "content_hash"]
    if stored.is_empty() and arrived["record_key"].n_unique() == arrived.height:
        return Counter()
    before = _by_signal(arrived.join(stored, on=same, how="semi"))
    others = arrived.join(stored, on=same, how="anti")
    return before + (_by_signal(others) - _by_signal(others.unique(same)))


def _waiting_points(points: pl.DataFrame) -> pl.DataFrame:
    """Links of metric points that nobody has compared with the calls of their process yet."""
    return points.select(
        "record_key", call_id="record_key", counts=pl.lit(False), reason=pl.lit("waits: spans and logs come first"),
        remainder_tokens=pl.lit(None, pl.Int64), agent="agent", role="role",
    )  # fmt: skip


def _evidence_of(kept: pl.DataFrame, attributes: pa.Table) -> pa.Table:
    """The attributes of the kept records and of their resources."""
    owners = attributes["owner"].to_numpy()
    ordinals = np.full(max(owners.max(initial=-1), kept["row"].max() or 0) + 1, -1, np.int32)
    ordinals[kept["row"].to_numpy()] = kept["ordinal"].to_numpy()
    resources = np.full(max(owners.max(initial=-1), kept["resource"].max() or 0) + 1, -1, np.int32)
    used = np.unique(kept["resource"].to_numpy())
    resources[used] = used
    return evidence.select(attributes, ordinals, resources)


def _processes(steps: pl.DataFrame, children: pl.DataFrame) -> pl.Series:
    """The processes of these steps, and of the metric points of some runs' children."""
    return pl.concat([steps["process"], children.filter(signal="point")["process"]])


def _attributed(merged: pl.DataFrame, owners: Owners, family: Family) -> pl.DataFrame:
    """Merged calls with when they happened and whose they are."""
    of_parents = family.frame(merged.filter(pl.col("loop").is_null())["run_parent"]) if family.loops else None
    happened_at = coalesced(merged["ended_at"], merged["started_at"]).cast(TIME).alias("happened_at")
    return owners.attribute(merged.hstack([happened_at]), of_parents)


def _charges(owned: pl.DataFrame, prices: PriceBook) -> pl.DataFrame:
    """Attributed calls -> what each should be charged. Tools are charged only when they have a price."""
    charges = usage.charge_columns(priced(owned, prices))
    is_charged = among(charges["call_kind"], MODEL_KINDS) | (charges["priced"].to_numpy() > 0)
    return charges if is_charged.all() else charges.filter(is_charged)
