"""Some requests -> one commit -> their answers. What the collector does live and `replay` does with recorded bodies."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby

import polars as pl

from analytics.books import Arrived, Books, Posted
from analytics.errors import LoopledgerError, Permanent, Retryable
from analytics.guard import Guard
from analytics.masks import without
from analytics.signals import Signals
from ingest import claims, records, suspicion, wire
from ingest.claims import Claims
from ingest.clock import Clock
from ingest.reader import Read, UnreadableError
from ingest.records import Arrivals
from ingest.redact import Redaction
from ingest.state import State
from ingest.tally import Key, Tally, key
from ingest.wire import Signal

_LOG = logging.getLogger(__name__)
_CURSOR_BEHIND = 1000  # commits that a start after a crash looks at again
LATE = timedelta(hours=1)
"""A record that ended so long before it came is late."""
SIGNAL_OF: dict[str, Signal] = {record: signal for signal, record in records.SIGNALS.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One OTLP export: a protobuf body and whose it is."""

    body: bytes
    signal: Signal
    tenant: str
    teams: frozenset[str] | None = None
    """Teams that its records may name; None means any."""


def _kind(request: Request) -> tuple:
    """Requests that are alike in this are read together."""
    return request.tenant, request.signal, request.teams is None, sorted(request.teams or ())


@dataclass(frozen=True, slots=True)
class Answer:
    """What an export is told when it is durable and counted."""

    rejected: int = 0
    """Records left out because they have no valid ids."""
    signals: tuple[dict, ...] = ()
    """What the runs named in the request have still to obey, severest first."""
    unpriced: tuple[str, ...] = ()
    """Models it names that have no price: their calls are counted, without cost."""
    foreign: int = 0
    """Records that name a team or loop which its credential may not."""
    cut: int = 0
    """Attributes that were read and are too much to be kept."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Requests of one signal and tenant that were read together."""

    requests: list[Request]
    arrivals: Arrivals | None
    """None when every request was refused."""
    refused: dict[Request, Permanent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The way of a batch; `decode` may run in any thread, `commit` in one."""

    books: Books
    guard: Guard
    signals: Signals
    clock: Clock
    redaction_of: Callable[[str], Redaction]
    """What may be stored of a tenant."""
    expiring: Iterator[None]
    """Each step removes a little of what is past its time."""
    claims: Claims
    """Whom telemetry may name."""
    read: Read = records.read
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held by whoever writes to the books."""
    tally: Tally = field(default_factory=Tally)
    state: State = field(default_factory=State)

    def decode(self, requests: Sequence[Request]) -> list[Decoded]:
        """Reads the bodies of each signal and tenant together; a malformed one is refused alone."""
        groups = groupby(sorted(requests, key=_kind), key=_kind)
        return [part for (_, signal, *_), group in groups for part in self._read(list(group), signal)]

    def commit(self, decoded: Sequence[Decoded]) -> dict[Request, Answer | LoopledgerError]:
        """Posts everything as one commit, lets the guard look, and answers each request."""
        answers: dict[Request, Answer | LoopledgerError] = {request: error for part in decoded for request, error in part.refused.items()}
        good = [part for part in decoded if part.requests]
        try:
            unpriced = suspicion.unpriced(self._post(good)) if good else set()
        except Exception as error:  # whatever keeps the ledger from storing, the sender keeps the data and comes again
            self.state.unstored = type(error).__name__
            _LOG.exception("a commit failed")
            unstored = Retryable(f"the ledger could not store this: {type(error).__name__}")
            return answers | {request: unstored for part in good for request in part.requests}
        for part in good:
            answers |= self._answers(part, suspicion.by_body(part.arrivals.records, unpriced))
        return answers

    def settle(self, *, everything: bool = False) -> None:
        """Counts what waited long enough for something better, or all that waits."""
        self.watched(self.books.settle(self.clock.now(), everything=everything))

    def watched(self, posted: Posted | None) -> Posted | None:
        """The same commit, after the guard has looked at it."""
        if posted:
            self._watch(posted)
        return posted

    def rest(self) -> None:
        """What is better done while nothing arrives: what waits, effects that are still owed, what is past its time, and the checkpoint."""
        try:
            with self.lock:
                self.settle()
                self.guard.act(self.clock.now())
                self.guard.keep_up(_CURSOR_BEHIND)
                self.state.owed_since = None
                next(self.expiring)
                self.books.ledger.checkpoint()
        except Exception:
            self.tally.add("guard_failures")
            _LOG.exception("what is owed could not be done yet")

    def keep_up(self) -> None:
        """Notes that the guard is done, where it is; a store that cannot be written costs the next start some time, and nothing else."""
        try:
            self.guard.keep_up()
        except Exception:
            _LOG.exception("the guard's cursor could not be moved")

    def trim(self) -> None:
        """What cannot wait for a rest: the checkpoint, between two commits."""
        try:
            with self.lock:
                self.books.ledger.checkpoint()
        except Exception:
            _LOG.exception("the write-ahead log could not be moved into the ledger yet")

    def _read(self, requests: list[Request], signal: Signal) -> Iterator[Decoded]:
        """Decodes together what can be; what is malformed is refused by itself."""
        try:
            redaction = self.redaction_of(requests[0].tenant)
            arrivals = self.read([request.body for request in requests], signal, self.clock, redaction)
            yield Decoded(requests, replace(arrivals, records=self.claims.settled(arrivals.records, requests[0].teams)))
            return
        except ValueError as error:
            whole, read_here = str(error), not isinstance(error, UnreadableError)
        reasons = {request: wire.malformed(request.body, signal) for request in requests} if read_here else {}
        refused = {request: Permanent(reason) for request, reason in reasons.items() if reason}
        good = [request for request in requests if request not in refused]
        if len(requests) == 1 and good:
            refused, good = {requests[0]: Permanent(f"not a readable OTLP {signal} request: {whole}")}, []
        if refused:
            yield Decoded([], None, refused)
        for part in [good] if refused else [[request] for request in good]:
            if part:
                yield from self._read(part, signal)

    def _post(self, good: Sequence[Decoded]) -> pl.DataFrame:
        """The charges of the commit."""
        for part in good:
            self.clock.see(part.arrivals.records["ended_at"].max())
        arrived = [Arrived(part.requests[0].tenant, without(part.arrivals.records, "body"), part.arrivals.evidence) for part in good]
        with self.lock:
            began = time.monotonic()
            posted = self.books.post(arrived, self.clock.now())
            self.state.stored(time.monotonic() - began)
            self._count(good, posted)
            self._watch(posted)
        return posted.charges

    def _watch(self, posted: Posted) -> None:
        """An OK means stored and counted; a guard that cannot write is behind, says so, and catches up with the next commit."""
        try:
            self.guard.observe(posted, self.clock.now())
            self.state.owed_since = None
        except Exception:
            self.tally.add("guard_failures")
            self.state.owed_since = self.state.owed_since or posted.commit_no
            _LOG.exception("the guard could not act on commit %d", posted.commit_no)

    def _answers(self, part: Decoded, unpriced: Mapping[int, tuple[str, ...]]) -> dict[Request, Answer]:
        signals, rejected, cut = self._signals(part), part.arrivals.rejected.tolist(), part.arrivals.cut.bodies.tolist()
        foreign = claims.refused(part.arrivals.records, len(part.requests)).tolist()
        return {
            request: Answer(rejected[body], signals.get(body, ()), unpriced.get(body, ()), foreign[body], cut[body])
            for body, request in enumerate(part.requests)
        }

    def _signals(self, part: Decoded) -> Mapping[int, tuple[dict, ...]]:
        """Of each body what the runs that it names have still to obey."""
        if not self.signals.any_open():
            return {}
        runs = part.arrivals.records.select("body", "run").drop_nulls().unique()
        found = self._pending(part.requests[0].tenant, runs["run"].unique().to_list())
        named = {body: set(names) for body, names in runs.group_by("body").agg("run").iter_rows()}
        return {body: tuple(row for row in found if row["run_id"] in names) for body, names in named.items()}

    def _pending(self, tenant: str, runs: list[str]) -> list[dict]:
        """What these runs have still to obey; nothing while the control store cannot say, for the OK goes out all the same."""
        try:
            found = self.signals.open_for(tenant, runs, self.clock.now())
            self.signals.delivered(found, "otlp", self.clock.now())
        except Exception:
            _LOG.exception("signals could not be read")
            return []
        return found

    def _count(self, good: Sequence[Decoded], posted: Posted) -> None:
        """Adds a commit to the tally, per signal and at once: received = stored + repeated + revised + rejected."""
        more: Counter[Key] = Counter()
        for part in good:
            signal, came, rejected = part.requests[0].signal, part.arrivals.records, int(part.arrivals.rejected.sum())
            late = int((came["ended_at"] < self.clock.now() - LATE).sum())
            foreign = int(claims.refused(came, len(part.requests)).sum())
            for name, count in (("received", came.height + rejected), ("stored", came.height), ("late", late), ("foreign", foreign)):
                more[key(name, signal=signal)] += count
            more[key("rejected", signal=signal, reason="ids")] += rejected
            more.update({key("limited", limit=limit): count for limit, count in part.arrivals.cut.by_limit.items()})
            self.state.see(came["ended_at"].max())
        for name, again in (("repeated", posted.repeats), ("revised", posted.revisions)):
            for record, count in again.items():
                more[key(name, signal=SIGNAL_OF[record])] += count
                more[key("stored", signal=SIGNAL_OF[record])] -= count
        self.tally.merge(more)
