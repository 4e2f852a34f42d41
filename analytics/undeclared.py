"""What no definition declares: loops without one, and touches that nobody in a loop was granted. One incident each; nothing is stopped.

A loop is new when calls bill to it, a touch counts when a call or a step names its loop. Both are functions of the ledger and the registry:
whatever changes them, a look at the loop finds all its incidents anew, and what no longer holds is withdrawn. Without a registry there is
nothing to compare with.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from analytics.books import Posted
from analytics.control import name_of
from analytics.grants import Definition, Touch
from analytics.ledger import Ledger, statement
from analytics.model import UNATTRIBUTED

if TYPE_CHECKING:
    from analytics.config import Loop

UNREGISTERED, UNDECLARED = "unregistered loop", "undeclared touch"
EVER = "ever"
"""The window of an incident that is none of a budget."""
_RULES = 1  # grows when what is declared is decided otherwise
_MOST_KNOWN = 100_000  # things whose comparison is kept
_CALLS = ("tenant", "loop", "agent", "call_kind", "model", "model_requested", "model_served")
_KINDS = ["tool", "sandbox"]
_FEW = 32

_Key = tuple[str, str, str, tuple[str, ...], str | None]
"""tenant, loop, kind, names, server: one thing that a loop touched."""


class Undeclared:
    """Watches one ledger. One thread observes."""

    def __init__(self, ledger: Ledger, loops: Sequence["Loop"], incidents: Sequence[dict[str, Any]]):
        """`incidents` are all that the control store knows, those of budgets among them."""
        self._ledger = ledger
        self._definitions = {loop.name: Definition(loop) for loop in loops}
        self._incidents = {row["id"]: row for row in incidents if row["window"] == EVER}
        self._loops = {name: self._loop_of(row) for name, row in self._incidents.items()}
        self.registry = _digest(loops)
        """What tells this registry, and how it is compared, from others."""
        self._wrong: dict[_Key, bool] = {}
        self._to_look_at: set[str] | None = set()

    def catch_up(self, after: int) -> None:
        """Everything wants a look that came after a commit; up to there all was compared with this very registry."""
        if not self._definitions and not self._incidents:
            self._to_look_at = set()
        elif not after:
            self._to_look_at = None
        else:
            self._to_look_at = set(self._ledger.query("queries/loops_since", commit_no=after)["loop"])

    def observe(self, posted: Posted) -> None:
        """Takes in one commit: a loop wants a look when something new in it is not declared, or when its first use may have changed."""
        if not self._definitions or self._to_look_at is None:
            return
        if posted.revised:
            self._to_look_at |= set(self._loops.values())
        for key, first_at, is_certain in (*_of_calls(posted.charges), *_of_steps(posted.records)):
            if not self._is_wrong(key):
                continue
            incident = self._incidents.get(self._id(key))
            is_known = incident is not None and incident["state"] == "open" and first_at > incident["crossed_at"]
            if not (is_known and is_certain):
                self._to_look_at.add(key[1])

    @property
    def is_waiting(self) -> bool:
        """Whether anything wants a look."""
        return self._to_look_at is None or bool(self._to_look_at)

    def differences(self, now: datetime) -> list[dict[str, Any]]:
        """Rows of incidents that are new or other than known; what the ledger no longer supports is withdrawn."""
        if not self.is_waiting:
            return []
        found = {row["id"]: row for row in self._found(now)}
        looked_at = [row for name, row in self._incidents.items() if self._to_look_at is None or self._loops.get(name) in self._to_look_at]
        gone = [{**row, "state": "withdrawn"} for row in looked_at if row["id"] not in found and row["state"] == "open"]
        known = [(self._incidents.get(row["id"]), row) for row in found.values()]
        rows = [row if old is None else {**row, "detected_at": old["detected_at"]} for old, row in known]
        return [row for row in rows if self._incidents.get(row["id"]) != row] + gone

    def settle(self, rows: Sequence[dict[str, Any]]) -> None:
        """These are durable, and everything was looked at."""
        self._incidents |= {row["id"]: row for row in rows}
        self._to_look_at = set()

    def _loop_of(self, incident: dict[str, Any]) -> str:
        """The loop of an incident, whose scope begins with it."""
        scope = incident["scope"]
        begins = [name for name in self._definitions if scope.startswith(f"{name}: ")] if incident["policy"] == UNDECLARED else []
        return max(begins, key=len, default=scope)

    def _found(self, now: datetime) -> Iterator[dict[str, Any]]:
        loops = None if self._to_look_at is None else sorted(self._to_look_at)
        first: dict[str, tuple] = {}
        for tenant, loop, kind, names, server, at, run in self._ledger.query("queries/undeclared", loops=loops).iter_rows():
            for key in _keys((tenant, loop, kind, tuple(names), server)):
                if self._definitions and self._is_wrong(key):
                    name = self._id(key)
                    self._loops[name] = loop
                    first[name] = min(first.get(name, (at, run or "", key)), (at, run or "", key))
        return (self._incident(*found, now) for found in first.values())

    def _is_wrong(self, key: _Key) -> bool:
        if key not in self._wrong:
            if len(self._wrong) >= _MOST_KNOWN:
                self._wrong.clear()
            self._wrong[key] = self._compared(key)
        return self._wrong[key]

    def _compared(self, key: _Key) -> bool:
        _, loop, kind, names, server = key
        definition = self._definitions.get(loop)
        if definition is None or kind == "loop":
            return definition is None and kind == "loop"
        return definition.is_undeclared(Touch(loop, None, "subagent" if kind == "agent" else kind, names, server))

    def _id(self, key: _Key) -> str:
        return name_of("inc", key[0], *_what(key), EVER)

    def _incident(self, at: datetime, run: str, key: _Key, now: datetime) -> dict[str, Any]:
        policy, scope = _what(key)
        nothing = dict.fromkeys(("percent", "is_assumed", "spent_nano_usd", "spent_tokens", "assumed_nano_usd"), 0)
        limits = dict.fromkeys(("limit_nano_usd", "limit_tokens", "window_ends_at"))
        own = {"id": self._id(key), "tenant": key[0], "policy": policy, "scope": scope, "window": EVER, "action": "warn", "mode": "audit"}
        return {**own, **nothing, **limits, "crossed_at": at, "run_id": run or UNATTRIBUTED, "state": "open", "detected_at": now}


def _digest(loops: Sequence["Loop"]) -> str:
    return name_of("reg", _RULES, statement("queries/undeclared"), [loop.model_dump(mode="json") for loop in loops])


def _what(key: _Key) -> tuple[str, str]:
    """The policy and the scope of the incident of a thing."""
    _, loop, kind, names, _ = key
    return (UNREGISTERED, loop) if kind == "loop" else (UNDECLARED, f"{loop}: {kind.replace('mcp_', 'MCP ')} {names[0]}")


def _keys(key: _Key) -> Iterator[_Key]:
    """A tool that came through a server is a touch of that server."""
    tenant, loop, kind, _, server = key
    yield (tenant, loop, "mcp_server", (server,), None) if kind == "tool" and server else key


def _of_calls(charges: pl.DataFrame) -> Iterator[tuple[_Key, datetime, bool]]:
    """(thing, its earliest use here, whether nothing here was taken back) of the charges of a commit."""
    for tenant, loop, agent, kind, *ids, first_at, sign in _distinct(charges, _CALLS, ("happened_at", "sign")):
        if loop is None:
            continue
        yield (tenant, loop, "loop", (loop,), None), first_at, sign > 0
        if agent is not None:
            yield (tenant, loop, "agent", (agent,), None), first_at, sign > 0
        if kind != "tool" and any(ids):
            yield (tenant, loop, "model", tuple(name for name in ids if name is not None), None), first_at, sign > 0


def _of_steps(records: pl.DataFrame) -> Iterator[tuple[_Key, datetime, bool]]:
    if records["tool"].null_count() == records.height and not records["kind"].is_in(_KINDS).any():
        return
    thing, moment = pl.coalesce("tool", "name").alias("thing"), pl.coalesce("ended_at", "started_at").alias("moment")
    used = records.filter(pl.col("loop").is_not_null(), pl.col("kind").is_in(_KINDS), pl.col("signal") != "point")
    named = used.select("tenant", "loop", thing, "mcp_server", moment).drop_nulls(["thing", "moment"])
    for tenant, loop, name, server, first_at in _distinct(named, ("tenant", "loop", "thing", "mcp_server"), ("moment",)):
        yield from ((key, first_at, True) for key in _keys((tenant, loop, "tool", (name,), server)))


def _distinct(frame: pl.DataFrame, by: Sequence[str], least: Sequence[str]) -> Iterator[tuple]:
    """Rows of these columns, the last ones at their least; of a few rows each, which is sooner done than grouping them."""
    if frame.height > _FEW:
        frame = frame.group_by(by).agg(pl.col(least).min())
    return frame.select(*by, *least).iter_rows()
