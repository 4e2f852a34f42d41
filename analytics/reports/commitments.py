"""Contracts and what became of them: how far a commitment is burnt down, and what capacity paid by the hour is worth."""

from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from analytics.config import Contract
from analytics.reports.question import Question, Sources

_USD = pl.Decimal(38, 9)
_TERMS = pl.Schema({"name": pl.String, "starts_at": pl.Datetime("us"), "ends_at": pl.Datetime("us")})
COMMITMENTS = pl.Schema(
    {
        "contract": pl.String, "kind": pl.String, "provider": pl.String, "model": pl.String, "state": pl.String,
        "starts_at": pl.Datetime("us"), "ends_at": pl.Datetime("us"), "calls": pl.Int64, "list_usd": _USD, "drawn_usd": _USD,
        "committed_usd": _USD, "remaining_usd": _USD, "drawn_percent": pl.Decimal(38, 2), "elapsed_percent": pl.Decimal(38, 2),
        "exhausted_at": pl.Datetime("us"),
    }
)  # fmt: skip


def commitments(sources: Sources, question: Question) -> pl.DataFrame:
    """One row per contract of `prices/*.yaml`, in its order.

    Columns: contract, kind, provider, model | state `future`, `running`, `over` once more is drawn than was committed, or `ended` |
    starts_at, ends_at UTC | calls | list_usd: what the list asks for them | drawn_usd: what the contract asks | committed_usd: what is to
    be spent, or what the hours so far cost | remaining_usd, below nothing when over | drawn_percent of the commitment, elapsed_percent of
    its time | exhausted_at: when the commitment is spent if it goes on like this; null if nothing is drawn.
    """
    terms = [(contract.name, _utc(contract.valid_from), _utc(contract.valid_to)) for contract in sources.config.contracts]
    frame = pl.DataFrame(terms, schema=_TERMS, orient="row")
    rows = sources.ledger.query("reports/commitments", {"terms": frame}, tenant=question.tenant)
    drawn = {row["name"]: row for row in rows.to_dicts()}
    found = [_row(contract, drawn[contract.name], sources.now) for contract in sources.config.contracts]
    return pl.DataFrame(found, schema=COMMITMENTS)


def _row(contract: Contract, drawn: dict, now: datetime) -> dict:
    start, end = _utc(contract.valid_from), _utc(contract.valid_to)
    committed = _committed(contract, now)
    share = _share(start, end, now)
    used = drawn["drawn_usd"] if contract.kind != "provisioned" else drawn["list_usd"]
    return {
        "contract": contract.name, "kind": contract.kind, "provider": contract.provider, "model": contract.model,
        "state": _state(start, end, now, is_over=contract.kind == "commitment" and used > committed),
        "starts_at": start, "ends_at": end, "calls": drawn["calls"], "list_usd": drawn["list_usd"], "drawn_usd": drawn["drawn_usd"],
        "committed_usd": committed, "remaining_usd": None if committed is None else committed - used,
        "drawn_percent": _percent(used, committed), "elapsed_percent": share and _percent(share, Decimal(1)),
        "exhausted_at": _exhausted(start, now, used, committed) if contract.kind == "commitment" else None,
    }  # fmt: skip


def _committed(contract: Contract, now: datetime) -> Decimal | None:
    if contract.kind != "provisioned":
        return contract.committed_usd
    start, end = _utc(contract.valid_from), min(now, _utc(contract.valid_to) or now)
    seconds = Decimal(max(int((end - start).total_seconds()), 0))
    return (contract.usd_per_hour * seconds / 3600).quantize(Decimal("1e-9"))


def _state(start: datetime | None, end: datetime | None, now: datetime, *, is_over: bool) -> str:
    if start and now < start:
        return "future"
    if is_over:
        return "over"
    return "ended" if end and now >= end else "running"


def _share(start: datetime | None, end: datetime | None, now: datetime) -> Decimal | None:
    """How much of its time is over, from 0 to 1."""
    if not start or not end:
        return None
    gone = min(max(now - start, timedelta()), end - start)
    return Decimal(gone // timedelta(seconds=1)) / Decimal((end - start) // timedelta(seconds=1))


def _percent(part: Decimal, whole: Decimal | None) -> Decimal | None:
    return (part * 100 / whole).quantize(Decimal("0.01")) if whole else None


def _exhausted(start: datetime, now: datetime, used: Decimal, committed: Decimal) -> datetime | None:
    """At the mean rate since the start."""
    gone = Decimal(int((now - start).total_seconds()))
    if used <= 0 or gone <= 0:
        return None
    return start + timedelta(seconds=min(int(gone * committed / used), _FOREVER))


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=None)


_FOREVER = 100 * 365 * 86_400
