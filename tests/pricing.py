"""Calls as the price book takes them."""

from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from analytics.model import BUCKETS, MONEY, TIME
from analytics.prices.costs import EXTRAS

NOON = datetime(2026, 11, 22, 12)
TEXTS = ("kind", "provider", "model_requested", "model_served", "tool", "conditions", "team", "reporter")
TIMES = ("started_at", "ended_at", "happened_at")
CALL = pl.Schema(
    dict.fromkeys(TEXTS, pl.String) | dict.fromkeys(TIMES, TIME) | dict.fromkeys((*BUCKETS, *EXTRAS), pl.Int64) | {"reported_usd": MONEY}
)


def call(model: str | None = None, **said) -> dict:
    at = said.get("happened_at", NOON)
    return {"kind": "model", "model_requested": model, "happened_at": at, "ended_at": at, "started_at": at - timedelta(seconds=2), **said}


def run(tool: str, seconds: str | None = "2", kind: str = "sandbox") -> dict:
    ended = {"ended_at": None} if seconds is None else {}
    return call(kind=kind, tool=tool, started_at=NOON - timedelta(microseconds=int(Decimal(seconds or 0) * 10**6)), **ended)


def frame(*calls: dict) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(CALL) | one for one in calls], schema=CALL)
