"""Re-attribution: stored charges under today's rules and registry. Who pays may change; what is counted and what it costs does not."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import polars as pl

from analytics import evidence, usage
from analytics.account import Account, Entry, Rules
from analytics.ledger import Ledger
from analytics.operations import Operation

EDGE = timedelta(days=2)
"""What arrived so soon after records that have expired may have lost what it belongs to, and is not judged again."""
_CALLS = 5000  # looked at together
_PAYS = ("loop", "team", "cost_center", "user", "role", "environment", "owner_rule", "loop_rule")
_OF_VERSION = ("version", "sign", "kind", "reason")


def reattributed(account: Account, ledger: Ledger, rules: Rules, operation: Operation) -> Entry | None:
    """The new versions of the charges of an operation's window, and records with the tags that these rest on; None when nothing changes."""
    records, attributes = _retagged(account, ledger, rules)
    charges = [one for part in _parts(ledger, operation) for one in _versions(account, ledger, part, records, rules)]
    if not charges:
        return None
    changed = pl.concat(charges)
    keys = _records_of(ledger, account.tenant, changed)["record_key"].unique()
    return replace(Entry.of_charges(records, attributes, changed), keys=keys.to_numpy(), names=account.names_of(records))


def _retagged(account: Account, ledger: Ledger, rules: Rules):
    """The standing records that have other tags today, and their evidence; an attribute whose evidence has expired stays as it was."""
    parts = list(_retagged_parts(account, ledger, rules)) if rules.owners.asked else []
    records, attributes = evidence.together(parts or [evidence.NOTHING])
    return records.with_columns(ordinal=pl.int_range(pl.len(), dtype=pl.Int32)), attributes


def _retagged_parts(account: Account, ledger: Ledger, rules: Rules) -> Iterator[tuple]:
    for tenant, commit_no in ledger.query("queries/record_commits", edge=EDGE).iter_rows():
        blobs = ledger.query("queries/evidence_of_commit", tenant=tenant, commit_no=commit_no)["attributes"]
        if tenant == account.tenant and len(blobs):
            stored = ledger.query("queries/records_of_commit", tenant=tenant, commit_no=commit_no).select(evidence.NOTHING[0].columns)
            records, attributes = account.retagged(stored, evidence.unpacked(blobs), rules)
            if records.height:
                yield records, attributes


def _parts(ledger: Ledger, operation: Operation) -> Iterator[pl.DataFrame]:
    """What stands charged in the window, some calls at a time; what records that have expired said of their owners is final."""
    expired = ledger.query("queries/expired_until", tenant=operation.tenant).item()
    since = max(filter(None, (operation.since, expired and expired + EDGE)), default=None)
    standing = ledger.query("queries/standing_charges", tenant=operation.tenant, since=since, until=operation.until, models=None)
    yield from standing.sort("happened_at", "call_id").iter_slices(_CALLS) if standing.height else ()


def _versions(account: Account, ledger: Ledger, standing: pl.DataFrame, retagged: pl.DataFrame, rules: Rules) -> Iterator[pl.DataFrame]:
    """The rows that turn what stands into the same charges of today's owners."""
    keys = _records_of(ledger, account.tenant, standing)["record_key"].unique()
    owned = account.owned(keys, retagged, rules).select("call_id", *_PAYS)
    desired = standing.drop(*_PAYS, *_OF_VERSION).join(owned, on="call_id", maintain_order="left")
    charges = usage.versions(desired, standing.join(desired, on="call_id", how="semi"))
    if charges.height:
        yield charges


def _records_of(ledger: Ledger, tenant: str, charges: pl.DataFrame) -> pl.DataFrame:
    wanted = charges.select(pl.col("call_id").unique())
    return ledger.query("queries/records_of_calls", {"wanted": wanted}, tenant=tenant)
