"""The guard: spend against limits, commit by commit, and what follows when a limit is crossed.

It keeps running totals and asks the ledger for the exact crossing only when a total says there is one. Its decisions become durable in one
transaction of the control store; after a crash it takes up the commits behind its cursor, and unique keys make every effect happen once.
Totals are stored as they were at the cursor; those of a policy that is new or changed begin with the whole ledger.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from analytics import budgets, effects
from analytics.books import Posted
from analytics.budgets import Limit, Place
from analytics.control import Control, name_of
from analytics.ledger import Ledger, statement
from analytics.masks import rows
from analytics.model import SEVERITY
from analytics.runs import Run, Runs
from analytics.signals import Signals
from analytics.spending import SUMS, Spending
from analytics.undeclared import EVER, Undeclared

if TYPE_CHECKING:
    from analytics.config import Loop, Policy

_LOG = logging.getLogger(__name__)
_RULES = 1  # grows when what is spent is summed otherwise
_SHELVES = "spending"
_MOST_TAKEN = 1 << 18  # charges that a start after a crash takes in again


class Guard:
    """Watches the policies over one ledger. One thread observes."""

    def __init__(
        self,
        ledger: Ledger,
        control: Control,
        policies: Sequence["Policy"],
        runs: Runs,
        signals: Signals,
        *,
        loops: Sequence["Loop"] = (),
        delivers: bool = True,
    ):
        """`loops` is the registry; `delivers` false marks messages as replayed, so that no receiver hears of history."""
        self._ledger, self._control, self._runs, self._signals, self._delivers = ledger, control, runs, signals, delivers
        self._policies = {policy.name: policy for policy in policies}
        self._limits = {policy.name: Limit.of(policy) for policy in policies}
        self._loops = loops
        self._begin()

    @property
    def runs(self) -> Runs:
        """The runs that go on."""
        return self._runs

    def _begin(self) -> None:
        self._spent = {name: self._spending(policy) for name, policy in self._policies.items()}
        self._stored = min((spent.through for spent in self._spent.values()), default=self._ledger.commit_no)
        self._taken = 0  # charges of the commits after that
        known = self._control.all_incidents()
        self._undeclared = Undeclared(self._ledger, self._loops, known)
        self._incidents = {effects.key_of(row): row for row in known if row["window"] != EVER}
        self._watch(self._incidents.values())
        self._is_whole = True  # false once a commit was not taken in as a whole: a start looks at it again
        self._to_look_at: set[Place] = set()
        self._to_order: dict[tuple[str, str], Run] = {}
        self._ordered: set[tuple[str, str, str]] = set()

    def catch_up(self, now: datetime) -> None:
        """Takes in the whole ledger, of which most is in stored sums, and acts on what the control store does not know of it yet."""
        for through in sorted({spent.through for spent in self._spent.values()}, reverse=True):
            behind, self._taken = [name for name, spent in self._spent.items() if spent.through == through], 0
            self._to_look_at |= self._take(self._known(through), behind)
        for missed in self._known(self._control.cursor()) if self._to_look_at or self._standing(now) else ():
            self._arrive(self._runs.calling(missed, now))
        self._undeclared.catch_up(self._control.cursor() if self._control.registry() == self._undeclared.registry else 0)
        self.act(now)

    def reload(self, now: datetime) -> None:
        """Begins anew with what both stores hold."""
        self._begin()
        self.catch_up(now)

    def observe(self, posted: Posted, now: datetime) -> None:
        """Takes in one commit. Raises when the control store cannot be written; what is left is done by the next call of `act`."""
        was_whole, self._is_whole = self._is_whole, False
        self._to_look_at |= self._take([posted.charges], self._policies)
        self._runs.observe(posted, now)
        if self._standing(now) or self._to_look_at:
            self._arrive(self._runs.arriving(posted, now))
        self._undeclared.observe(posted)
        self._is_whole = was_whole
        self.act(now)
        if self._taken > _MOST_TAKEN:
            self.keep_up()

    def keep_up(self, behind: int = 0) -> None:
        """Moves a cursor that is more than so many commits behind, and stores the sums up to there, when all is done, so that a start has
        less to look at."""
        commit_no = self._ledger.commit_no
        is_behind = commit_no - min(self._control.cursor(), self._stored) > behind or self._control.registry() != self._undeclared.registry
        if is_behind and self._is_whole and not self._is_busy and self._has_taken_all():
            self._control.apply(commit_no, registry=self._undeclared.registry)
            for spent in self._spent.values():
                spent.seal(commit_no)
            self._ledger.keep_shelves(_SHELVES, map(_shelf, self._policies.values()))
            self._stored, self._taken = commit_no, 0

    def _has_taken_all(self) -> bool:
        """Whether every charge since the last time came here; if not, the next start takes them in."""
        self._is_whole = self._ledger.query("queries/charges_since", commit_no=self._stored).item() == self._taken
        if not self._is_whole:
            _LOG.error("the guard has not seen every charge after commit %d: the next start looks at them again", self._stored)
        return self._is_whole

    @property
    def _is_busy(self) -> bool:
        return bool(self._to_look_at or self._to_order or self._undeclared.is_waiting)

    def act(self, now: datetime) -> None:
        """Decides what is open, and makes the decisions durable together."""
        if not self._is_busy:
            return
        found = {place: self._crossings(place) for place in sorted(self._to_look_at)}
        changed = [row for place, crossings in found.items() for row in self._differences(place, crossings, now)]
        incidents = self._incidents | {effects.key_of(row): row for row in changed}
        orders = self._orders(changed, now) + self._standing_orders(incidents, now)
        signals = list({signal["id"]: signal for signal in orders}.values())  # the run that crosses a standing stop is in both
        messages = [
            message for row in changed if effects.key_of(row) not in self._incidents for message in self._messages(row, signals, now)
        ]
        undeclared = self._undeclared.differences(now)
        if changed or signals or undeclared:
            self._control.apply(self._ledger.commit_no, [*changed, *undeclared], signals, messages)
            self._signals.issued(signals)
        self._undeclared.settle(undeclared)
        self._incidents = incidents
        self._watch(changed)
        self._ordered |= {(signal["tenant"], signal["run_id"], signal["incident_id"]) for signal in signals}
        self._to_look_at, self._to_order = set(), {}

    def _known(self, after: int) -> Iterator[pl.DataFrame]:
        """The charges of the commits after one, as many at a time as fit into memory."""
        for first, last in self._ledger.stretches(after):
            yield self._ledger.query("queries/budget_charges", **(budgets.UNBOUNDED | {"first": first, "last": last}))

    def _spending(self, policy: "Policy") -> Spending:
        return Spending(self._limits[policy.name], self._ledger.shelf(f"{_SHELVES}/{_shelf(policy)}", SUMS, self._stamp))

    def _stamp(self, commit_no: int) -> int | None:
        """Sums are good as far as the control store knows what followed from them."""
        return self._ledger.stamp(commit_no, "queries/sums_stamp") if commit_no <= self._control.cursor() else None

    def _take(self, parts: Iterable[pl.DataFrame], policies: Iterable[str]) -> set[Place]:
        """Adds charges to the totals of these policies; the places that want a look now."""
        touched: dict[Place, datetime] = {}
        for charges in parts:
            self._taken += charges.height
            for name in policies if charges.height else ():
                totals = budgets.totals(self._policies[name], charges)
                for _, tenant, scope, window, *_, earliest in rows(totals, self._spent[name].add(totals)).iter_rows():
                    place = Place(tenant, name, scope, window)
                    touched[place] = min(earliest, touched.get(place, earliest))
        return {place for place, earliest in touched.items() if self._is_open_question(place, earliest)}

    def _watch(self, incidents: Iterable[dict[str, Any]]) -> None:
        """What is charged where there are incidents may change them."""
        for name, spent in self._spent.items():
            spent.watch([(row["tenant"], row["scope"], row["window"]) for row in incidents if row["policy"] == name])

    def _arrive(self, runs: Iterable[Run]) -> None:
        self._to_order |= {(run.tenant, run.run): run for run in runs}

    def _is_open_question(self, place: Place, earliest: datetime) -> bool:
        """Whether an incident there may begin, move, change or go."""
        limit, spent = self._limits[place.policy], self._spent[place.policy].of((place.tenant, place.scope, place.window))
        for percent in limit.percents:
            incident = self._incidents.get((place, percent))
            stands = incident is not None and incident["state"] == "open"
            if stands != limit.has_reached(percent, spent):
                return True
            if stands and (earliest <= incident["crossed_at"] or incident["is_assumed"]):
                return True
        return False

    def _crossings(self, place: Place) -> list[budgets.Crossing]:
        policy = self._policies[place.policy]
        start, end = budgets.bounds(policy, place.window) or (None, None)
        run = place.scope if policy.window == "run" else None
        asked = {"tenant": place.tenant, "start": start, "end": end, "run": run}
        charges = self._ledger.query("queries/budget_charges", **(budgets.UNBOUNDED | asked))
        return budgets.decide(policy, place, charges)

    def _differences(self, place: Place, crossings: Sequence[budgets.Crossing], now: datetime) -> list[dict[str, Any]]:
        """Incident rows that are new or other than known; crossings that the ledger no longer supports are withdrawn."""
        policy = self._policies[place.policy]
        rows = [effects.incident(policy, place, crossing, now) for crossing in crossings]
        crossed = {crossing.percent for crossing in crossings}
        gone = [row for (at, percent), row in self._incidents.items() if at == place and percent not in crossed and row["state"] == "open"]
        known = [(self._incidents.get(effects.key_of(row)), row) for row in rows]
        changed = [row if old is None else {**row, "detected_at": old["detected_at"]} for old, row in known]
        return [row for row in changed if self._incidents.get(effects.key_of(row)) != row] + [{**row, "state": "withdrawn"} for row in gone]

    def _orders(self, incidents: Sequence[dict], now: datetime) -> list[dict[str, Any]]:
        """Signals for the runs that go on in the scope of these incidents, and for the run that crossed."""
        orders = []
        for row in incidents:
            policy = self._policies.get(row["policy"])
            if policy is None or not effects.commands(row, now):
                continue
            runs = {run.run: run for run in self._runs.running(now) if run.is_in(policy, row["tenant"], row["scope"])}
            crosser = self._to_order.get((row["tenant"], row["run_id"])) or Run(row["tenant"], row["run_id"], now)
            orders += [effects.signal(row, run, now) for run in {**runs, crosser.run: crosser}.values()]
        return orders

    def _standing(self, now: datetime, incidents: dict | None = None) -> list[dict[str, Any]]:
        """Incidents that stop every run that comes into their scope until their window ends."""
        rows = (self._incidents if incidents is None else incidents).values()
        return [row for row in rows if SEVERITY[row["action"]] > 0 and row["window"] != budgets.RUN_WINDOW and effects.commands(row, now)]

    def _standing_orders(self, incidents: dict, now: datetime) -> list[dict[str, Any]]:
        """Signals for the runs that came into a stopped scope, once each."""
        return [
            effects.signal(row, run, now)
            for row in self._standing(now, incidents)
            for run in self._to_order.values()
            if (run.tenant, run.run, row["id"]) not in self._ordered and self._is_stopped(row, run)
        ]

    def _is_stopped(self, incident: dict, run: Run) -> bool:
        policy = self._policies.get(incident["policy"])
        was_there = run.last_end is None or run.last_end >= incident["crossed_at"]
        return policy is not None and was_there and run.is_in(policy, incident["tenant"], incident["scope"])

    def _messages(self, incident: dict, signals: Sequence[dict], now: datetime) -> list[dict[str, Any]]:
        ordered = [signal["id"] for signal in signals if signal["incident_id"] == incident["id"]]
        state = "pending" if self._delivers else "replayed"
        return [effects.message(incident, channel, ordered, state, now) for channel in self._policies[incident["policy"]].notify]


def _shelf(policy: "Policy") -> str:
    """Where the sums of this very policy are."""
    return name_of("policy", _RULES, statement("queries/budget_charges"), policy.model_dump(mode="json"))
