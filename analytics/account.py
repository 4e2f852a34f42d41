"""One tenant's account: everything that decides whether a record counts, and for whom, behind one object.

It holds nothing but indexes, which are rebuilt from the ledger, so a tenant could move to another collector between any two commits.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from analytics import ancestry, evidence, fingerprint, usage
from analytics.globs import pattern
from analytics.history import History
from analytics.ledger import Ledger
from analytics.model import MODEL_KINDS
from analytics.owners import Owners
from analytics.prices import PriceBook

_INHERITED = ("agent", "role")
"""What a call takes over from the nearest span above it."""
_LINK = ("record_key", "identity", "call_id", "counts", "reason", *_INHERITED)


@dataclass(frozen=True, slots=True)
class Rules:
    """What people decide, apart from telemetry: who owns what, and what it costs."""

    owners: Owners
    prices: PriceBook


@dataclass(frozen=True, slots=True)
class Entry:
    """What one tenant's arrivals become in a commit; frames without tenant and commit number."""

    records: pl.DataFrame
    links: pl.DataFrame
    charges: pl.DataFrame
    identities: pl.Series
    """Of the calls whose links or charges are here."""
    evidence: pa.Table
    repeated: int
    """Records that were stored before, or came twice in this batch, with the same content."""
    revised: int
    """Records whose key was known with other content, whichever of the two holds."""


class Account:
    """Counts one tenant's records once."""

    def __init__(self, tenant: str, ledger: Ledger):
        self.tenant = tenant
        self._history = History(tenant, ledger)

    def enter(self, arrived: pl.DataFrame, attributes: pa.Table, rules: Rules) -> Entry:
        """Records as they arrived -> what is new in them. Nothing is remembered before `remember`."""
        best = usage.best_revisions(arrived.with_row_index("row"))
        stored = self._history.records(best["record_key"])
        news = _news(best, stored)
        kept = news.drop("row")
        replaced = stored.join(kept, on="record_key", how="semi")
        links, charges, identities = self._count(kept, replaced, rules)
        repeated = _repeats(arrived, stored)
        revised = arrived.height - repeated - (kept.height - replaced.height)
        return Entry(kept, links, charges, identities, _evidence_of(news, attributes), repeated, revised)

    def remember(self, entry: Entry, commit_no: int) -> None:
        """Notes a committed entry in the indexes."""
        traces = entry.records.filter(pl.col("signal") == "span")["trace_id"]
        self._history.remember(commit_no, entry.records["record_key"], traces, entry.identities)

    def _count(self, kept: pl.DataFrame, replaced: pl.DataFrame, rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
        """The links and charges that these records call for, and the identities of the calls concerned."""
        nodes = self._nodes(kept)
        above = nodes.select("record_key", *_INHERITED)
        fresh = _under(usage.candidates(kept, _priced_tools(rules.prices)), above)
        before = self._links_to_revise(nodes, replaced)
        touched = pl.concat([fresh["identity"].filter(self._history.knows(fresh["identity"])), before["identity"]]).unique()
        if touched.is_empty():
            merged = usage.merge(members := usage.calls_of(fresh))
            return _links(members, merged), usage.versions(_charges(merged, rules), pl.DataFrame()), fresh["identity"]
        members = usage.calls_of(pl.concat([fresh, self._members(touched, kept, above).select(fresh.columns)]))
        merged = usage.merge(members)
        links = pl.concat([_links(members, merged), _no_longer(before, fresh, replaced)])
        news = links.join(self._history.links_of(touched), on=list(_LINK), how="anti", nulls_equal=True)
        charges = usage.versions(_charges(merged, rules), self._history.charges_of(touched))
        return news, charges, pl.concat([fresh["identity"], touched]).unique()

    def _nodes(self, kept: pl.DataFrame) -> pl.DataFrame:
        """The spans of every trace these records touch, with what each says or takes over from above; `new` marks those that arrived."""
        columns = ("record_key", "trace_id", "parent_span_id", *_INHERITED)
        spans = kept.lazy().filter(pl.col("signal") == "span").select(*columns, new=True).collect()
        stored = self._history.spans_of(spans["trace_id"].unique())
        if stored.height:
            spans = spans.extend(stored.join(spans, on="record_key", how="anti").select(*columns, new=False))
        inherited = ancestry.nearest(spans["record_key"].to_numpy(), _parent_keys(spans), spans.select(_INHERITED))
        return spans.select("record_key", "trace_id", "new").hstack(inherited)

    def _links_to_revise(self, nodes: pl.DataFrame, replaced: pl.DataFrame) -> pl.DataFrame:
        """Stored links whose record was replaced, or takes over something else from above now."""
        stored = nodes.filter(~pl.col("new"))
        held = pl.concat([spans.select("record_key", "trace_id") for spans in (stored, replaced.filter(pl.col("signal") == "span"))])
        links = self._history.links_in_traces(held["trace_id"].unique(), held["record_key"])
        if links.is_empty():
            return links
        same = links.join(stored, on=["record_key", *_INHERITED], how="semi", nulls_equal=True)
        return links.join(same, on="record_key", how="anti")

    def _members(self, touched: pl.Series, kept: pl.DataFrame, above: pl.DataFrame) -> pl.DataFrame:
        """The stored records of the touched identities, without those that just arrived anew, each with what it takes over now."""
        links = self._history.links_of(touched).join(kept, on="record_key", how="anti")
        inherited = links.select("record_key", "identity", *_INHERITED).update(above, on="record_key", include_nulls=True)
        return self._history.records(links["record_key"]).drop(_INHERITED).join(inherited, on="record_key")


def _news(best: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The records that are new or outrank what is stored, numbered by `ordinal`."""
    if stored.height:
        ranks = [best.with_columns(stored=False), stored.with_columns(stored=True)]
        columns = ["record_key", "ended_at", *usage.BUCKETS, "attribute_count", "content_hash", "stored"]
        standing = (
            pl.concat([rank.select(columns) for rank in ranks])
            .sort([*usage.standing(), "stored"], descending=True)
            .unique("record_key", keep="first")
        )
        best = best.join(standing.filter("stored"), on="record_key", how="anti", maintain_order="left")
    return best.with_columns(ordinal=pl.int_range(pl.len(), dtype=pl.Int32))


def _repeats(arrived: pl.DataFrame, stored: pl.DataFrame) -> int:
    """How many of the records came before with the very same content."""
    same = ["record_key", "content_hash"]
    if stored.is_empty() and arrived["record_key"].n_unique() == arrived.height:
        return 0
    again = arrived.join(stored, on=same, how="semi").height
    return again + arrived.join(stored, on=same, how="anti").select(pl.len() - pl.struct(same).n_unique()).item()


def _parent_keys(nodes: pl.DataFrame) -> np.ndarray:
    """The record keys that the parents of these spans have, 0 for roots."""
    parents = nodes["parent_span_id"]
    traces, spans = fingerprint.of_ids(nodes["trace_id"].to_arrow(), 16), fingerprint.of_ids(parents.to_arrow(), 8)
    return np.where(parents.is_not_null().to_numpy(), fingerprint.combine(traces, spans), np.uint64(0))


def _under(calls: pl.DataFrame, above: pl.DataFrame) -> pl.DataFrame:
    """Calls with what they take over from above."""
    return calls.lazy().drop(_INHERITED).join(above.lazy(), on="record_key", how="left", maintain_order="left").collect()


def _links(members: pl.DataFrame, merged: pl.DataFrame) -> pl.DataFrame:
    counts = pl.col("record_key") == pl.col("primary")
    reason = pl.when(counts).then(pl.lit("counts")).otherwise(pl.lit("same response id"))
    primary = merged.lazy().select("call_id", "primary")
    linked = members.lazy().join(primary, on="call_id", maintain_order="left").with_columns(counts=counts, reason=reason)
    return linked.select(_LINK).collect()


def _no_longer(before: pl.DataFrame, fresh: pl.DataFrame, replaced: pl.DataFrame) -> pl.DataFrame:
    """Links that end: their record was replaced by a revision that is no call."""
    ended = before.join(replaced, on="record_key", how="semi").join(fresh, on="record_key", how="anti")
    return ended.with_columns(counts=pl.lit(False), reason=pl.lit("no longer a call")).select(_LINK)


def _evidence_of(kept: pl.DataFrame, attributes: pa.Table) -> pa.Table:
    """The attributes of the kept records and of their resources."""
    owners = attributes["owner"].to_numpy()
    ordinals = np.full(max(owners.max(initial=-1), kept["row"].max() or 0) + 1, -1, np.int32)
    ordinals[kept["row"].to_numpy()] = kept["ordinal"].to_numpy()
    resources = np.full(max(owners.max(initial=-1), kept["resource"].max() or 0) + 1, -1, np.int32)
    used = kept["resource"].unique().to_numpy()
    resources[used] = used
    return evidence.select(attributes, ordinals, resources)


def _charges(merged: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Merged calls -> what each should be charged. Tools are charged only when they have a price."""
    owned = rules.owners.attribute(merged.lazy().with_columns(happened_at=usage.happened_at())).collect()
    charges = usage.charge_columns(rules.prices.price(owned).lazy())
    return charges.filter(pl.col("call_kind").is_in(MODEL_KINDS) | (pl.col("priced") > 0)).collect()


def _priced_tools(book: PriceBook) -> pl.Expr:
    """Whether a record's tool has a price of its own; like models, tools are priced whatever their case."""
    globs = book.table["tool"].drop_nulls().unique().str.to_lowercase()
    return pl.col("tool").str.to_lowercase().str.contains(pattern(globs)).fill_null(False)
