"""Books over real stores, and the spans they are given: a token of the model `gold` costs a dollar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from analytics import fingerprint
from analytics.account import Rules
from analytics.books import Arrived, Books, Posted
from analytics.config import Config, Contract, CustomPrice, Loop, OwnerRule, Policy, SharedCost
from analytics.control import Control
from analytics.evidence import EVIDENCE, Part
from analytics.guard import Guard
from analytics.ledger import Ledger
from analytics.model import RECORD
from analytics.owners import Owners
from analytics.prices import PriceBook
from analytics.reports import Sources
from analytics.runs import Runs
from analytics.signals import Signals

TENANT = "default"
MONDAY = datetime(2026, 11, 16)
GOLD = CustomPrice(model="gold", input_mtok="1000000", output_mtok="1000000")
CRANE = CustomPrice(tool="crane", usd_per_call="0.50")
_ARRIVING = {name: kind for name, kind in RECORD.items() if name not in ("tenant", "ordinal")}


def at(minute: float) -> datetime:
    """So many minutes into Monday."""
    return MONDAY + timedelta(minutes=minute)


def span(name: str, *, minute: float = 0, trace: str = "trace", parent: str | None = None, **said: Any) -> dict[str, Any]:
    """A span of a few seconds that ended so many minutes into Monday; its name and trace make its ids, and it runs as its trace."""
    end = at(minute)
    own = {
        "signal": "span", "resource": 0, "name": name, "kind": "other", "dialect": "gen_ai", "run": trace, "clock_skewed": False,
        "trace_id": _id(trace, 16), "span_id": _id(name, 8), "parent_span_id": _id(parent, 8) if parent else None,
        "started_at": end - timedelta(seconds=2), "ended_at": end,
    }  # fmt: skip
    return {**own, "attribute_count": len(said), **said}


def call(name: str, usd: int | None = 1, **said: Any) -> dict[str, Any]:
    """A call of gold for so many dollars; None is a call without usage."""
    said = {"kind": "model", "provider": "mint", "model_requested": "gold", **said}
    return span(name, **({} if usd is None else {"input_uncached_tokens": usd, "output_text_tokens": 0}), **said)


def log(name: str, usd: int | None = 1, *, within: str | None = None, **said: Any) -> dict[str, Any]:
    """A log record of a call of gold, written in a span of its trace or in none; in no trace at all with `trace_id=None`."""
    end = at(said.get("minute", 0))
    own = {"signal": "log", "started_at": end, "span_id": _id(within, 8) if within else None, "record_key": _key(name)}
    return call(name, usd, **own, **said)


def point(name: str, amount: int, measure: str, **said: Any) -> dict[str, Any]:
    """A metric point that counts tokens of gold; its run is null, and it names no trace."""
    own = {"signal": "point", "trace_id": None, "span_id": None, "run": None, "kind": "other", "provider": None, "record_key": _key(name)}
    counted = {"measure": measure, "amount": amount, "is_cumulative": False, "series_key": _key(f"{name} {measure}")}
    return call(name, None, **own, **counted, **said)


def trace_hex(trace: str) -> str:
    """The id of a trace as reports show it: the run of its spans where nobody names one."""
    return _id(trace, 16).hex()


def policy(**said: Any) -> Policy:
    """A budget named `cap`; unless said otherwise, ten dollars a day for everybody together."""
    limit = {} if "limit_tokens" in said else {"limit_usd": Decimal(10)}
    return Policy(**{"name": "cap", "window": "day", **limit, **said})


def frame(*spans: dict[str, Any]) -> pl.DataFrame:
    """Records as they arrive at the books; ids make the key of a span."""
    rows = [{**dict.fromkeys(_ARRIVING), "record_key": 0, "content_hash": _hash(one), **one} for one in spans]
    records = pl.DataFrame(rows, schema=_ARRIVING)
    ids = (fingerprint.of_ids(records[name].to_arrow(), width) for name, width in (("trace_id", 16), ("span_id", 8)))
    own = pl.Series(fingerprint.combine(*ids))
    return records.with_columns(record_key=pl.when(pl.col("signal") == "span").then(own).otherwise("record_key"))


def evidence(*texts: tuple[Part, int, str, str], nth: int = 0) -> pa.Table:
    """Evidence of (part, owner, key, text) rows."""
    rows = [{"part": int(part), "owner": owner, "nth": nth, "key": key, "string_value": text} for part, owner, key, text in texts]
    plain = pa.schema([pa.field("key", pa.string()) if field.name == "key" else field for field in EVIDENCE])
    return pa.Table.from_pylist(rows, plain).cast(EVIDENCE)


@dataclass
class Desk:
    """Everything behind the wire, on the stores of a directory."""

    directory: Path
    policies: Sequence[Policy] = ()
    loops: Sequence[Loop] = ()
    prices: Sequence[CustomPrice] = (GOLD, CRANE)
    rules: Sequence[OwnerRule] = ()
    shared: Sequence[SharedCost] = ()
    contracts: Sequence[Contract] = ()
    waiting_traces: int = 100_000
    running_runs: int = 100_000

    def __post_init__(self):
        owners = Owners(self.loops, self.rules)
        self.ledger, self.control = Ledger(self.directory), Control(self.directory)
        self.now = self.ledger.query("queries/last_now").item() or MONDAY
        self.books = Books(self.ledger, Rules(owners, _book(tuple(self.prices), tuple(self.contracts)), self.waiting_traces))
        self.books.open(self.ledger.query("queries/tenants")["tenant"].to_list(), self.now)
        self.signals = Signals(self.control, self.now)
        self.guard = Guard(self.ledger, self.control, self.policies, Runs(owners, self.running_runs), self.signals, loops=self.loops)
        self.guard.catch_up(self.now)

    def post(self, *spans: dict[str, Any], tenant: str = TENANT, attributes: pa.Table | None = None) -> Posted:
        """One commit, at the time of its latest end; the guard does not look. `attributes` are of rows and resources."""
        arrived = frame(*spans)
        self.now = max(self.now, arrived["ended_at"].max() or self.now)
        return self.books.post([Arrived(tenant, arrived, evidence() if attributes is None else attributes)], self.now)

    def watch(self, *spans: dict[str, Any], now: datetime | None = None, tenant: str = TENANT) -> None:
        """One commit that the guard looks at, at its time or at another."""
        self.guard.observe(self.post(*spans, tenant=tenant), now or self.now)

    def settle(self, now: datetime | None = None) -> Posted | None:
        """What waits counts now; at another time, what has waited long enough by then."""
        return self.books.settle(now or self.now, everything=now is None)

    def sources(self, now: datetime | None = None) -> Sources:
        """What reports may read."""
        said = {name: tuple(getattr(self, name)) for name in ("policies", "loops", "prices", "contracts")}
        return Sources(self.ledger, self.control, Config(**said), now or self.now)

    def rows(self, sql: str) -> list[tuple]:
        """What the ledger holds."""
        return self.ledger._rows(sql)

    def close(self) -> None:
        self.control.close()
        self.ledger.close()


@cache
def _book(prices: tuple[CustomPrice, ...], contracts: tuple[Contract, ...]) -> PriceBook:
    return PriceBook.compile(prices, contracts)


def _id(name: str, width: int) -> bytes:
    return blake2b(name.encode(), digest_size=width).digest()


def _key(name: str) -> int:
    return int.from_bytes(_id(name, 8), "little")


def _hash(span: dict[str, Any]) -> int:
    return int.from_bytes(_id(repr(sorted(span.items())), 8), "little")
