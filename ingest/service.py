"""What a data directory and a config directory make together, opened in order and closed in reverse."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from analytics.account import Rules
from analytics.books import Books, Posted
from analytics.config import Config, retention_of
from analytics.control import Control
from analytics.guard import Guard
from analytics.keyed import Keyed
from analytics.ledger import Ledger
from analytics.owners import Owners
from analytics.prices import PriceBook
from analytics.reports import Sources
from analytics.retention import expiring
from analytics.runs import IDLE, Runs
from analytics.signals import Signals
from ingest import records
from ingest.claims import Claims
from ingest.clock import Clock, Replay
from ingest.keep import Keep
from ingest.pipeline import Pipeline
from ingest.reader import Read
from ingest.redact import Redaction


@dataclass(frozen=True, slots=True)
class Service:
    """Both stores and everything between wire and ledger, without a socket."""

    ledger: Ledger
    control: Control
    config: Config
    signals: Signals
    clock: Clock
    pipeline: Pipeline

    def sources(self) -> Sources:
        """What reports may read now."""
        return Sources(self.ledger, self.control, self.config, self.clock.now())


@contextmanager
def stores(data: Path) -> Iterator[tuple[Ledger, Control]]:
    """Both stores of a directory, open. Raises StoreError when one cannot be used."""
    with closing(Ledger(data)) as ledger, closing(Control(data)) as control:
        yield ledger, control


@contextmanager
def opened(data: Path, config: Config, clock: Clock, *, delivers: bool = True, read: Read = records.read) -> Iterator[Service]:
    """Opens the stores of a directory and lets the guard catch up. Raises StoreError when a store cannot be used."""
    with stores(data) as (ledger, control):
        if isinstance(clock, Replay):
            clock.see(ledger.query("queries/last_now").item())
        owners = Owners(config.loops, config.owners)
        signals = Signals(control, clock.now())
        books = Books(
            ledger,
            Rules(
                owners, PriceBook.compile(config.prices, config.contracts, config.aliases, config.reported), config.limits.waiting_traces
            ),
        )
        books.open(ledger.query("queries/tenants")["tenant"].to_list(), clock.now())
        runs = _runs_going_on(ledger, Runs(owners, config.limits.running_runs), clock)
        guard = Guard(ledger, control, config.policies, runs, signals, loops=config.loops, delivers=delivers)
        guard.catch_up(clock.now())
        leaving = expiring(books, partial(retention_of, config.retention), clock.now)
        claims = Claims({loop.name: loop.team for loop in config.loops if loop.team})
        pipeline = Pipeline(books, guard, signals, clock, _redactions(data, config), leaving, claims, read)
        yield Service(ledger, control, config, signals, clock, pipeline)
        books.seal()


def _redactions(data: Path, config: Config) -> Callable[[str], Redaction]:
    """What may be stored of each tenant."""
    keyed = Keyed.of(data)
    return cache(lambda tenant: Redaction(keyed, retention_of(config.retention, tenant).keep_content, Keep.of(config.limits)))


def _runs_going_on(ledger: Ledger, runs: Runs, clock: Clock) -> Runs:
    """The runs of the last minutes before a restart, so that orders still reach them."""
    since = clock.now() - IDLE
    recent = (ledger.query(f"queries/recent_{table}", since=since) for table in ("records", "charges"))
    runs.observe(Posted(ledger.commit_no, *recent), clock.now())
    return runs
