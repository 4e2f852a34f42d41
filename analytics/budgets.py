"""Budgets, pure: which spend counts against which limit, and when a limit was crossed. Time is an argument; nothing is read or written.

Crossings are a function of the charges alone. A scope is one value of the policy's `per`; a window is a calendar day, week or month of
the policy's time zone, or a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from analytics import fingerprint
from analytics.globs import pattern
from analytics.masks import always, billionths, coalesced, whole
from analytics.model import BUCKETS, SEVERITY, UNATTRIBUTED

if TYPE_CHECKING:
    from analytics.config import Policy, Threshold

ALL = "all"
"""The scope of a policy without `per`."""
RUN_WINDOW = "run"
UNBOUNDED = dict.fromkeys(("tenant", "start", "end", "run", "first", "last"))
"""Parameters of queries/budget_charges that ask for all charges."""
_ID = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
_QUARTER = 900_000_000  # microseconds
_EVERY = {"day": "1d", "week": "1w", "month": "1mo"}

TOKENS = pl.sum_horizontal(pl.col(bucket).fill_null(0) for bucket in BUCKETS)


_NANO = pl.col("cost_usd").fill_null(0).to_physical().cast(pl.Int64)  # a decimal of 9 places is stored as its billionths


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What one limit is about: a policy's scope in one of its windows."""

    tenant: str
    policy: str
    scope: str
    window: str


class Spent(NamedTuple):
    """What counts against a limit so far."""

    nano_usd: int = 0
    """Known spend in billionths of a US dollar: sums to the ledger."""
    tokens: int = 0
    missing_calls: int = 0
    """Calls without known cost."""

    @property
    def usd(self) -> Decimal:
        return Decimal(self.nano_usd).scaleb(-9)


@dataclass(frozen=True, slots=True)
class Limit:
    """A policy's limit in whole numbers: nano US dollars or tokens."""

    amount: int
    in_usd: bool
    assumed_each: int
    """Nano US dollars that a call without known cost counts for."""
    percents: tuple[int, ...]

    @classmethod
    def of(cls, policy: "Policy") -> "Limit":
        in_usd = policy.limit_usd is not None
        each = nano(policy.assume_usd_per_call or Decimal(0)) if in_usd else 0
        return cls(nano(policy.limit_usd) if in_usd else policy.limit_tokens, in_usd, each, tuple(t.percent for t in policy.thresholds))

    def used(self, spent: Spent) -> int:
        """What counts, assumed cost included."""
        return spent.nano_usd + self.assumed_each * spent.missing_calls if self.in_usd else spent.tokens

    def has_reached(self, percent: int, spent: Spent) -> bool:
        """Whether spend is at a threshold."""
        return self.used(spent) >= self.least(percent)

    def least(self, percent: int) -> int:
        """What must be used to be at a threshold."""
        return -(-self.amount * percent // 100)


def nano(usd: Decimal) -> int:
    """US dollars -> billionths, exactly."""
    return int(usd.scaleb(9))


@dataclass(frozen=True, slots=True)
class Crossing:
    """The moment a threshold was reached, in event time."""

    percent: int
    action: str
    """What the threshold orders, or less when the crossing rests on assumed cost."""
    crossed_at: datetime
    spent: Spent
    """With the call that crossed."""
    run: str
    """Whose call crossed."""
    is_assumed: bool
    """Known spend alone has not reached the threshold in this window."""


_MEASURES = (TOKENS.alias("tokens"), (pl.col("unknown_calls") + pl.col("unpriced_calls")).cast(pl.Int64).alias("missing_calls"))


def counted(policy: "Policy", charges: pl.DataFrame) -> pl.DataFrame:
    """The charges that count against a policy, with `scope`, `window`, `tokens` and `missing_calls`."""
    matches, scope = _matches(policy), (_named(pl.col(policy.per)) if policy.per else pl.lit(ALL)).alias("scope")
    return (charges.filter(*matches) if matches else charges).with_columns(*_MEASURES, scope, _window(policy.window, policy.timezone))


def totals(policy: "Policy", charges: pl.DataFrame) -> pl.DataFrame:
    """Columns place, see `places`; tenant, scope, window; nano_usd, tokens, missing_calls; happened_at: the sums of these charges by where
    they count, and when the earliest happened."""
    matches = _matches(policy)
    here = charges.filter(*matches) if matches else charges
    where = (here["tenant"], _scopes(policy, here), _windows(policy, here["happened_at"]))
    place = places(*where)
    order = np.argsort(place, kind="stable")
    first = np.flatnonzero(np.append(True, place[order][1:] != place[order][:-1])[: len(order)])
    tokens = sum(whole(here[bucket]) for bucket in BUCKETS)
    numbers = {
        "nano_usd": billionths(here["cost_usd"]),
        "tokens": tokens,
        "missing_calls": whole(here["unknown_calls"]) + whole(here["unpriced_calls"]),
    }
    earliest = np.minimum.reduceat(here["happened_at"].to_numpy()[order], first) if len(first) else here["happened_at"]
    named = [pl.Series(name, values[order[first]]) for name, values in zip(("tenant", "scope", "window"), where, strict=True)]
    sums = [pl.Series(name, np.add.reduceat(values[order], first) if len(first) else values) for name, values in numbers.items()]
    return pl.DataFrame([pl.Series("place", place[order[first]]), *named, *sums, pl.Series("happened_at", earliest)])


def places(tenants: pl.Series, scopes: pl.Series, windows: pl.Series) -> np.ndarray:
    """Fingerprints of where charges count."""
    return fingerprint.combine(*map(fingerprint.of_column, (tenants, scopes, windows)))


def decide(policy: "Policy", place: Place, charges: pl.DataFrame) -> list[Crossing]:
    """The thresholds that these charges cross in a place, by their percent. Corrections cancel what they correct."""
    here = counted(policy, charges).filter(tenant=place.tenant, scope=place.scope, window=place.window)
    calls = (
        here.group_by("happened_at", "call_id", "run")
        .agg(_NANO.sum().alias("nano_usd"), pl.col("tokens").sum(), pl.col("missing_calls").sum())
        .filter(pl.any_horizontal(pl.col("nano_usd", "tokens", "missing_calls") != 0))
        .sort("happened_at", "call_id")
        .with_columns(pl.col("nano_usd", "tokens", "missing_calls").cum_sum())
    )
    limit = Limit.of(policy)
    return [crossing for threshold in policy.thresholds if (crossing := _crossing(policy, limit, threshold, calls)) is not None]


def window_at(policy: "Policy", moment: datetime) -> str:
    """The id of the window that is open at a moment (UTC)."""
    return pl.DataFrame({"happened_at": [moment]}).select(_window(policy.window, policy.timezone)).item()


def bounds(policy: "Policy", window: str) -> tuple[datetime, datetime] | None:
    """First moment of a window and of the next one, UTC; None for a run."""
    if window == RUN_WINDOW:
        return None
    start = {
        "day": date.fromisoformat,
        "week": lambda text: date.fromisoformat(f"{text}-1"),
        "month": lambda text: date.fromisoformat(f"{text}-01"),
    }
    first = start[policy.window](window)
    days = {"day": 1, "week": 7, "month": 31}[policy.window]
    after = first + timedelta(days=days)
    return tuple(_midnight(day, policy.timezone) for day in (first, after.replace(day=1) if policy.window == "month" else after))


def _crossing(policy: "Policy", limit: Limit, threshold: "Threshold", calls: pl.DataFrame) -> Crossing | None:
    known = pl.col("nano_usd" if limit.in_usd else "tokens")
    least = limit.least(threshold.percent)
    reached = calls.filter(known + pl.col("missing_calls") * limit.assumed_each >= least).head(1)
    if reached.is_empty():
        return None
    row = reached.row(0, named=True)
    is_assumed = calls.filter(known >= least).is_empty()
    action = min(threshold.action, policy.on_assumed, key=SEVERITY.get) if is_assumed else threshold.action
    spent = Spent(row["nano_usd"], row["tokens"], row["missing_calls"])
    return Crossing(threshold.percent, action, row["happened_at"], spent, row["run"] or UNATTRIBUTED, is_assumed)


def _matches(policy: "Policy") -> list[pl.Expr]:
    return [_is_any_of(pl.col(dimension), values) for dimension, values in policy.when.items()]


def _scopes(policy: "Policy", charges: pl.DataFrame) -> pl.Series:
    count = charges.height
    if policy.per is None:
        return always("scope", ALL, pl.String(), count)
    return coalesced(charges[policy.per], always("scope", UNATTRIBUTED, pl.String(), count))


def _windows(policy: "Policy", moments: pl.Series) -> pl.Series:
    """What `_window` says; told once for each quarter of an hour, within which no zone begins a day."""
    if policy.window == RUN_WINDOW or not len(moments):
        return always("window", RUN_WINDOW, pl.String(), len(moments))
    quarters, which = np.unique(moments.to_numpy().astype("datetime64[us]").view(np.int64) // _QUARTER, return_inverse=True)
    return pl.Series("window", [_label(policy.window, policy.timezone, quarter) for quarter in quarters.tolist()])[which]


@lru_cache(maxsize=1 << 11)
def _label(window: str, zone: str, quarter: int) -> str:
    moment = pl.Series("happened_at", [quarter * _QUARTER], pl.Int64).cast(pl.Datetime)
    return moment.to_frame().select(_window(window, zone)).item()


def _window(window: str, zone: str) -> pl.Expr:
    if window == RUN_WINDOW:
        return pl.lit(RUN_WINDOW).alias("window")
    local = pl.col("happened_at").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return local.dt.truncate(_EVERY[window]).dt.strftime(_ID[window]).alias("window")


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)


def _named(column: pl.Expr) -> pl.Expr:
    return column.fill_null(UNATTRIBUTED)


def _is_any_of(column: pl.Expr, globs: Sequence[str]) -> pl.Expr:
    return _named(column).str.contains(pattern(globs))
