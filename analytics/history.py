"""What the ledger holds already, found through indexes: exact queries over few commits instead of scans."""

from datetime import datetime

import numpy as np
import polars as pl

from analytics import fingerprint
from analytics.index import COMMIT, Index
from analytics.ledger import Ledger
from analytics.masks import distinct
from analytics.names import Names, Sources, may_be_call, names_of
from analytics.usage import best_revisions, has_usage
from analytics.usage.resolve import prepared, sources_of

_NEAR_US = 3_600_000_000
_ROUNDS = 20  # of looking for what concerns what was found; twins of twins end after two or three
NO_LONGER = "no longer a call"


class History:
    """One tenant's earlier records, links and charges."""

    def __init__(self, tenant: str, ledger: Ledger):
        """Opens the indexes, and adds what the ledger holds beyond them."""
        self._tenant, self._ledger = tenant, ledger
        self._nothing: dict[str, pl.DataFrame] = {}
        shelves = (ledger.shelf(f"{tenant.encode().hex()}/{name}", COMMIT) for name in ("records", "traces", "names"))
        self._records, self._traces, self._names = map(Index, shelves)
        self._sources = Sources()
        self._add_known()
        self.note_expired()

    def _add_known(self) -> None:
        """Rebuilds the indexes from where they end, some commits at a time."""
        sources = self._ledger.query("queries/call_sources", tenant=self._tenant, through=self._names.through)
        self._sources.several(fingerprint.of_column(sources["process"]), sources_of(sources))
        for first, last in self._ledger.stretches(self._records.through):
            known = self._read("record_keys", first, last)
            self._records.add_pairs(known["record_key"].to_numpy(), known["commit_no"].to_numpy(), last)
        for first, last in self._ledger.stretches(self._traces.through):
            known = self._read("trace_ids", first, last)
            self._traces.add_pairs(trace_keys(known["trace_id"]), known["commit_no"].to_numpy(), last)
        for first, last in self._ledger.stretches(self._names.through):
            for (commit_no,), calls in self._read("call_records", first, last).group_by("commit_no", maintain_order=True):
                self._names.add(names_of(prepared(calls), self._sources).kept, commit_no)

    def _read(self, name: str, first: int, last: int) -> pl.DataFrame:
        return self._ledger.query(f"queries/{name}", tenant=self._tenant, first=first, last=last)

    def note_expired(self) -> None:
        """Looks up how far records have expired."""
        self.expired_until: datetime | None = self._ledger.query("queries/expired_until", tenant=self._tenant).item()

    def gone(self, arrived: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
        """Column record_key: of the arrived whose record has expired; its link is what is left of it."""
        missing = arrived.clear() if self.expired_until is None else arrived.join(stored, on="record_key", how="anti")
        return self.links_of(missing["record_key"]).select("record_key") if missing.height else missing.select("record_key")

    def names_of(self, steps: pl.DataFrame) -> Names:
        """By what these `prepared` spans and log records may be found, and what to look for them under."""
        return names_of(steps, self._sources)

    def remember(self, commit_no: int, records: pl.DataFrame, names: Names, keys: np.ndarray) -> None:
        """Notes the records of a commit with their names, and the keys of all records that its links and charges are about."""
        self._records.add(np.unique(np.concatenate([records["record_key"].to_numpy(), keys])), commit_no)
        self._traces.add(np.unique(trace_keys(distinct(records["trace_id"]))), commit_no)  # points have none
        self._names.add(names.kept, commit_no)

    def seal(self, through: int) -> None:
        """Everything up to this commit was remembered: the next start need not look it up."""
        for index in (self._records, self._traces, self._names):
            index.seal(through)

    def records(self, keys: pl.Series) -> pl.DataFrame:
        """The standing revision of each of these records, as far as they are held."""
        return best_revisions(self._held("queries/held_records", self._records, keys.to_numpy(), keys.to_frame("record_key")))

    def of_traces(self, traces: pl.Series) -> pl.DataFrame:
        """The standing revisions of the spans and log records of these traces."""
        return best_revisions(self._held("queries/trace_records", self._traces, trace_keys(traces), traces.to_frame("trace_id")))

    def around(self, steps: pl.DataFrame, names: Names) -> pl.DataFrame:
        """Stored spans and log records that may concern these, `prepared` likewise: of their traces, and of the traces of calls that may be
        theirs."""
        found, new = steps, steps
        for _ in range(_ROUNDS):
            more = [self.of_traces(distinct(new["trace_id"])), self._concerning(new, names)]
            more = [part for part in more if part.height]
            if not more:
                break
            new = prepared(best_revisions(pl.concat(more))).select(steps.columns).join(found, on="record_key", how="anti")
            if new.is_empty():
                break
            found, names = pl.concat([found, new]), self.names_of(new)
        return found[steps.height :]

    def links_of(self, keys: pl.Series) -> pl.DataFrame:
        """The newest link of each of these records; one that ended says NO_LONGER."""
        links = self._held("queries/links_of_records", self._records, keys.to_numpy(), keys.to_frame("record_key"))
        return links if links.is_empty() else links.sort("commit_no", descending=True).unique("record_key", keep="first")

    def charges_of(self, calls: pl.Series, keys: pl.Series) -> pl.DataFrame:
        """What stands charged for these calls, of which these are records: the row of each one's highest version; sign -1 if that only
        reverses."""
        _, commits = self._records.lookup(keys.to_numpy())
        rows = self._query("queries/charges_of_calls", calls.to_frame("call_id"), commits)
        return rows.sort("version", "sign", descending=True).unique("call_id", keep="first")

    def points_of(self, processes: pl.Series) -> pl.DataFrame:
        """The standing revisions of the usage points of these processes ("" for unnamed ones)."""
        points = best_revisions(self._ledger.query("queries/usage_points", {"wanted": processes.to_frame("process")}, tenant=self._tenant))
        return points.filter(self.is_whole())

    def is_whole(self) -> pl.Expr:
        """Whether what a metric point counts has not begun before records expired: then it would hold calls that are gone."""
        if self.expired_until is None:
            return pl.lit(True)
        return ~(pl.col("is_cumulative") & (pl.col("started_at") < self.expired_until)).fill_null(False)

    def calls_of(self, processes: pl.Series) -> pl.DataFrame:
        """The calls of these processes, metric points aside: what points are compared with."""
        return self._ledger.query("queries/calls_of_processes", {"wanted": processes.to_frame("process")}, tenant=self._tenant)

    def point_processes(self) -> set[str]:
        """The processes with usage points, "" for unnamed ones."""
        return set(self._ledger.query("queries/point_processes", tenant=self._tenant)["process"])

    def waiting(self) -> pl.DataFrame:
        """Columns trace_id, process, waits: what waits, and the processes whose points count."""
        return self._ledger.query("queries/waiting", tenant=self._tenant)

    def _concerning(self, steps: pl.DataFrame, names: Names) -> pl.DataFrame:
        """Stored call records that may be the same calls as these."""
        found, commits = self._names.lookup(names.wanted)
        if not found.any():
            return self._nothing.get("queries/concerning", pl.DataFrame())
        calls = steps.filter(may_be_call(steps))
        wanted = calls.select(
            "response_id", "request_id", "in_tokens", "out_tokens", said=has_usage(), of_process=pl.col("process").fill_null("")
        )
        params = {"from_us": calls["from_us"].min() - _NEAR_US, "to_us": calls["to_us"].max() + _NEAR_US}
        concerning = self._query("queries/concerning", wanted, commits, **params)
        return self.records(concerning["record_key"].unique())  # an outdated revision may concern them where the standing one does not

    def _held(self, query: str, index: Index, fingerprints: np.ndarray, wanted: pl.DataFrame) -> pl.DataFrame:
        found, commits = index.lookup(fingerprints)
        return self._query(query, wanted.filter(found) if len(commits) else wanted.clear(), commits)

    def _query(self, query: str, wanted: pl.DataFrame, commits: np.ndarray, **params) -> pl.DataFrame:
        if query in self._nothing and (wanted.is_empty() or not len(commits)):
            return self._nothing[query]
        frames = {"wanted": wanted, "wanted_commits": pl.DataFrame({"commit_no": commits}, schema={"commit_no": pl.Int64})}
        held = self._ledger.query(query, frames, tenant=self._tenant, **params)
        self._nothing.setdefault(query, held.clear())
        return held


def trace_keys(traces: pl.Series) -> np.ndarray:
    """Fingerprints of trace ids."""
    return fingerprint.of_ids(traces.to_arrow(), 16)
