"""What the ledger holds already, found through indexes: exact queries over few commits instead of scans."""

import numpy as np
import polars as pl

from analytics import fingerprint
from analytics.index import Index
from analytics.ledger import Ledger
from analytics.usage import best_revisions


class History:
    """One tenant's earlier records, traces, links and charges."""

    def __init__(self, tenant: str, ledger: Ledger):
        """Rebuilds the indexes from the ledger."""
        self._tenant, self._ledger = tenant, ledger
        self._nothing: dict[str, pl.DataFrame] = {}
        records, traces, identities = (
            ledger.query(f"queries/{name}", tenant=tenant) for name in ("record_keys", "trace_ids", "identities")
        )
        self._records = Index(records["record_key"].to_numpy(), records["commit_no"].to_numpy())
        self._traces = Index(trace_keys(traces["trace_id"]), traces["commit_no"].to_numpy())
        self._identities = Index(identities["identity"].to_numpy(), identities["commit_no"].to_numpy())

    def remember(self, commit_no: int, records: pl.Series, traces: pl.Series, identities: pl.Series) -> None:
        """Notes the record keys, the trace ids and the identities of calls that a commit is about."""
        self._records.add(records.to_numpy(), commit_no)
        self._traces.add(np.unique(trace_keys(traces)), commit_no)
        self._identities.add(np.unique(identities.to_numpy()), commit_no)

    def records(self, keys: pl.Series) -> pl.DataFrame:
        """The standing revision of each of these records, as far as they are held."""
        return best_revisions(self._held("queries/held_records", self._records, keys.to_numpy(), keys.to_frame("record_key")))

    def spans_of(self, traces: pl.Series) -> pl.DataFrame:
        """The standing revisions of the spans of these traces: key, ids, kind, agent, role."""
        return best_revisions(self._held("queries/trace_records", self._traces, trace_keys(traces), traces.to_frame("trace_id")))

    def links_in_traces(self, traces: pl.Series, keys: pl.Series) -> pl.DataFrame:
        """The newest link of each of these records of these traces; a link of a record is written when its trace is touched."""
        _, commits = self._traces.lookup(trace_keys(traces))
        return _newest(self._query("queries/links_of_records", keys.to_frame("record_key"), commits))

    def links_of(self, identities: pl.Series) -> pl.DataFrame:
        """The newest links of the records that have these identities."""
        wanted = identities.to_frame("identity")
        return _newest(self._held("queries/links_of_identities", self._identities, identities.to_numpy(), wanted)).join(
            wanted, on="identity", how="semi"
        )

    def charges_of(self, identities: pl.Series) -> pl.DataFrame:
        """What stands charged for the calls of these identities: the row of each one's highest version; sign -1 if that only reverses."""
        wanted = identities.to_frame("identity")
        rows = self._held("queries/charges_of_identities", self._identities, identities.to_numpy(), wanted)
        return rows.sort("version", "sign", descending=True).unique("call_id", keep="first")

    def knows(self, identities: pl.Series) -> pl.Series:
        """Whether calls of these identities may have been seen."""
        return pl.Series(self._identities.lookup(identities.to_numpy())[0], dtype=pl.Boolean)

    def _held(self, query: str, index: Index, fingerprints: np.ndarray, wanted: pl.DataFrame) -> pl.DataFrame:
        found, commits = index.lookup(fingerprints)
        return self._query(query, wanted.filter(found) if len(commits) else wanted.clear(), commits)

    def _query(self, query: str, wanted: pl.DataFrame, commits: np.ndarray) -> pl.DataFrame:
        if query in self._nothing and (wanted.is_empty() or not len(commits)):
            return self._nothing[query]
        frames = {"wanted": wanted, "wanted_commits": pl.DataFrame({"commit_no": commits}, schema={"commit_no": pl.Int64})}
        held = self._ledger.query(query, frames, tenant=self._tenant)
        self._nothing.setdefault(query, held.clear())
        return held


def trace_keys(traces: pl.Series) -> np.ndarray:
    """Fingerprints of trace ids."""
    return fingerprint.of_ids(traces.to_arrow(), 16)


def _newest(links: pl.DataFrame) -> pl.DataFrame:
    newest = links.sort("commit_no", descending=True).unique("record_key", keep="first")
    return newest.filter(pl.col("reason") != "no longer a call")
