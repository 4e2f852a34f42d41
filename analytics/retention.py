"""Retention: evidence and records leave after their time, some commits at once, so that nobody waits for it. Charges and links stay.

Age is counted from a record's arrival. A link outlives the record it is about, so a repeat that comes after its record has expired is still
known; what lies near the edge is never judged again, since what belongs to it may be gone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from analytics.books import Books
from analytics.operations import Operation
from analytics.reattribution import EDGE

if TYPE_CHECKING:
    from analytics.config import Retention

_PORTION = 500  # commits
_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Expired:
    """What one portion removed."""

    tenant: str
    evidence: int
    """Blobs."""
    records: int


def expire(books: Books, retention_of: Callable[[str], "Retention"], now: datetime) -> Iterator[Expired]:
    """Removes what is past its time, portion by portion: each is a commit of its own, with an operation on record."""
    for tenant in books.ledger.query("queries/tenants")["tenant"].sort():
        while portion := _portion(books, tenant, retention_of(tenant), now):
            yield portion


def _portion(books: Books, tenant: str, kept: "Retention", now: datetime) -> Expired | None:
    due = books.ledger.query("queries/oldest_commits", tenant=tenant, most=_PORTION, ahead=EDGE, **_bounds(kept, now)).row(0, named=True)
    if not due["evidence"] and not due["records"]:
        return None
    through = {name: due[name] for name in ("records_through", "points_through")}
    removals = [("queries/remove_evidence", {"evidence_through": max(due["evidence_through"], due["records_through"])})]
    if due["records"]:
        removals += [("queries/remove_details", through), ("queries/remove_records", through)]
    facts = {
        "until": due["records_until"] or due["evidence_until"],
        "through_commit": max(due["records_through"], due["evidence_through"]),
        "removed_records": due["records"],
        "removed_evidence": due["evidence"],
    }
    why = f"evidence is kept for {kept.evidence_days} days, records for {kept.record_days}"
    books.change(
        Operation(tenant, "expiry", "loopledger", why), [(name, {"tenant": tenant, **more}) for name, more in removals], now, facts
    )
    books.expired(tenant)
    return Expired(tenant, due["evidence"], due["records"])


def _bounds(kept: "Retention", now: datetime) -> dict[str, datetime]:
    records_before = now - timedelta(days=kept.record_days)
    return {"records_before": records_before, "evidence_before": max(records_before, now - timedelta(days=kept.evidence_days))}


def expiring(books: Books, retention_of: Callable[[str], "Retention"], now: Callable[[], datetime]) -> Iterator[None]:
    """Without end: each step removes one portion or, in the hour after nothing was left to remove, does nothing."""
    while True:
        began = now()
        for _ in expire(books, retention_of, began):
            yield
        while now() - began < _EVERY:
            yield
