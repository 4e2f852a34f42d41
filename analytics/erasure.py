"""Erasure: the evidence of a user or a tenant leaves, and user ids become keyed hashes wherever they are written. Money does not move.

A user's evidence is that of the records that name the user, of the calls charged to them, and of whatever is in the same traces. Elsewhere
their id is replaced where it stands, so that what is read again reads the same. An id of fewer than six characters stands by chance in
other words too: such a one is replaced only where it is the whole text, or a whole value within one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics import effects, evidence
from analytics.books import Books
from analytics.control import Control
from analytics.evidence import ERASED, EVIDENCE, Part
from analytics.keyed import Keyed
from analytics.ledger import REWRITE, Change, Ledger
from analytics.operations import Operation

_SHORTEST = 6  # characters of an id that is looked for within words
_BLOBS = 200  # read at once


@dataclass(slots=True)
class Erased:
    """What an erasure did."""

    users: int = 0
    evidence: int = 0
    """Blobs removed or rewritten."""
    texts: int = 0
    """Different texts in which an id was replaced."""


class Pseudonyms:
    """User ids and what stands for them."""

    def __init__(self, users: Iterable[str], keyed: Keyed):
        self.of = {user: f"erased-{keyed(f'user {user}')}" for user in users if not user.startswith("erased-")}
        long = [re.escape(user) if len(user) >= _SHORTEST else rf"(?:(?<=^)|(?<=[\"':])){re.escape(user)}(?=$|[\"'])" for user in self.of]
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(sorted(long, key=len, reverse=True))})(?![A-Za-z0-9])")

    def __call__(self, text: str) -> str:
        """The text without the ids."""
        return self._pattern.sub(lambda found: self.of[found[0]], text) if self.of else text

    def changes(self, texts: pl.Series) -> pl.DataFrame:
        """Columns before | after of those of the distinct texts that hold an id."""
        if not self.of:
            return pl.DataFrame(schema={"before": pl.String, "after": pl.String})
        doubtful = texts.filter(texts.str.contains_any(list(self.of)))
        pairs = [(text, after) for text in doubtful if (after := self(text)) != text]
        return pl.DataFrame(pairs, schema={"before": pl.String, "after": pl.String}, orient="row")


def erase(books: Books, control: Control, keyed: Keyed, operation: Operation, user: str | None, now: datetime) -> Erased:
    """Erases a user of a tenant, or with None every user and all evidence of it, as one commit and one transaction of the control store.

    The operation says who asked and why. Raises RuntimeError when the money is not what it was, which no change made here can do.
    """
    ledger, tenant = books.ledger, operation.tenant
    users = [user] if user is not None else ledger.query("queries/users", tenant=tenant)["user"].to_list()
    names, done = Pseudonyms(users, keyed), Erased(users=len(users))
    before = ledger.query("queries/money_of_tenant", tenant=tenant)
    changes = [*_evidence(ledger, tenant, user, names, done), *_texts(ledger, tenant, names, done)]
    what = f"user={names.of[user]}" if user in names.of else "every user"
    facts = {"filters": what, "removed_evidence": done.evidence, "removed_records": 0}
    asked = replace(operation, why=names(operation.why), who=names(operation.who))
    control.rewrite(tenant, names, effects.id_of)
    books.change(asked, changes, now, facts)
    if not ledger.query("queries/money_of_tenant", tenant=tenant).equals(before):
        raise RuntimeError("the money of the ledger is not what it was before the erasure")
    control.note(now, asked.who, "erase", tenant, {"what": what, "why": asked.why})
    books.reopen(now)
    return done


def _texts(ledger: Ledger, tenant: str, names: Pseudonyms, done: Erased) -> Iterator[Change]:
    """The updates of every column of texts that holds an id."""
    for table, column in ledger.query("queries/text_columns").iter_rows():
        changed = names.changes(ledger.distinct(table, column, tenant))
        done.texts += changed.height
        if changed.height:
            yield REWRITE, {"table": table, "column": column, "tenant": tenant, "changed": changed}


def _evidence(ledger: Ledger, tenant: str, user: str | None, names: Pseudonyms, done: Erased) -> Iterator[Change]:
    """All evidence of a tenant removed; of a user the blobs that are other without them."""
    if user is None:
        done.evidence = sum(blobs.height for blobs in _blobs(ledger, tenant))
        yield "queries/remove_all_evidence", {"tenant": tenant}
        return
    theirs = ledger.query("queries/records_of_user", tenant=tenant, user=user)
    of_commit = dict(theirs.group_by("commit_no").agg("ordinal").iter_rows())
    for blobs in _blobs(ledger, tenant):
        rewritten = [
            (place, evidence.pack(after))
            for place, commit_no, blob in blobs.iter_rows()
            if (after := _without(evidence.unpack(blob), of_commit.get(commit_no, ()), names)) is not None
        ]
        done.evidence += len(rewritten)
        if rewritten:
            yield "queries/replace_evidence", {"rewritten": pl.DataFrame(rewritten, schema=["place", "attributes"], orient="row")}


def _blobs(ledger: Ledger, tenant: str) -> Iterator[pl.DataFrame]:
    after = -1
    while (blobs := ledger.query("queries/evidence_blobs", tenant=tenant, after=after, most=_BLOBS)).height:
        after = blobs["commit_no"].max()
        yield blobs


def _without(table: pa.Table, ordinals: Sequence[int], names: Pseudonyms) -> pa.Table | None:
    """The evidence of a commit without that of some records, and without ids in what is left; None when it is the same."""
    part, owner = table["part"].to_numpy(), table["owner"].to_numpy()
    gone = np.isin(owner, ordinals) & (part != Part.RESOURCE)
    kept = table.filter(pa.array(~gone))
    texts = _renamed(kept, names)
    if not gone.any() and texts is None:
        return None
    marks = [{"part": int(Part.ATTRIBUTE), "owner": ordinal, "nth": 0, "key": ERASED, "bool_value": True} for ordinal in ordinals]
    plain = pa.schema([pa.field("key", pa.string()) if field.name == "key" else field for field in EVIDENCE])
    return pa.concat_tables([texts or kept, pa.Table.from_pylist(marks, plain).cast(EVIDENCE)])


def _renamed(table: pa.Table, names: Pseudonyms) -> pa.Table | None:
    """The rows with ids replaced in keys and texts, and left out where an id stands in a structure; None when there are none."""
    keys = table["key"].cast(pa.string())
    columns = {"key": keys, "string_value": table["string_value"]}
    changes = {name: names.changes(pl.Series(column).drop_nulls().unique()) for name, column in columns.items()}
    structures = [_holds(table[name], names.of) for name in ("array_value", "kvlist_value", "bytes_value")]
    hidden = np.logical_or.reduce(structures)
    if not hidden.any() and not any(change.height for change in changes.values()):
        return None
    for name, change in changes.items():
        after = pl.Series(columns[name]).replace(change["before"], change["after"]).to_arrow().cast(pa.string())
        field = EVIDENCE.field(name)
        table = table.set_column(EVIDENCE.names.index(name), field, pa.chunked_array([after]).cast(field.type))
    return table.filter(pa.array(~hidden))


def _holds(values: pa.ChunkedArray, users: Mapping[str, str]) -> np.ndarray:
    """Whether each structure names any of the users."""
    found = np.zeros(len(values), bool)
    if values.null_count < len(values):
        for user in users:
            found |= pc.fill_null(pc.match_substring(values, user), False).to_numpy()
    return found
