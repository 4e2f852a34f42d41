"""What a crossing leads to, as rows of the control store: incidents, signals and messages. Ids come from what makes a row unique."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from analytics import budgets
from analytics.budgets import Crossing, Place
from analytics.control import name_of, stamp
from analytics.runs import Run

if TYPE_CHECKING:
    from analytics.config import Policy

NANO = 1_000_000_000
_RUN_SIGNAL_LASTS = timedelta(days=1)
_EPOCH = 1


def usd(nano_usd: int | None) -> str | None:
    """Integer nano dollars -> US dollars as a decimal string."""
    return None if nano_usd is None else f"{Decimal(nano_usd) / NANO:.9f}"


def key_of(incident: Mapping[str, Any]) -> tuple[Place, int]:
    """Where an incident is, and at which threshold: there is one."""
    return Place(incident["tenant"], incident["policy"], incident["scope"], incident["window"]), incident["percent"]


def id_of(table: str, row: Mapping[str, Any]) -> str | None:
    """The id that the guard makes for a row of a crossing: its incident, a signal or a message of it; None for rows of other tables."""
    if table == "incidents":
        return name_of("inc", *(row[name] for name in ("tenant", "policy", "scope", "window", "percent")))
    if table == "signals":
        return name_of("sig", *(row[name] for name in ("incident_id", "tenant", "run_id", "action", "epoch")))
    return name_of("msg", *(row[name] for name in ("incident_id", "channel", "type"))) if table == "outbox" else None


def incident(policy: "Policy", place: Place, crossing: Crossing, now: datetime) -> dict[str, Any]:
    """The row of one crossing."""
    ends, limit = budgets.bounds(policy, place.window), budgets.Limit.of(policy)
    return {
        "id": name_of("inc", place.tenant, place.policy, place.scope, place.window, crossing.percent),
        "tenant": place.tenant,
        "policy": place.policy,
        "scope": place.scope,
        "window": place.window,
        "percent": crossing.percent,
        "action": crossing.action,
        "mode": policy.mode,
        "is_assumed": int(crossing.is_assumed),
        "limit_nano_usd": limit.amount if limit.in_usd else None,
        "limit_tokens": policy.limit_tokens,
        "crossed_at": crossing.crossed_at,
        "spent_nano_usd": crossing.spent.nano_usd,
        "spent_tokens": crossing.spent.tokens,
        "assumed_nano_usd": limit.assumed_each * crossing.spent.missing_calls,
        "run_id": crossing.run,
        "window_ends_at": ends[1] if ends else None,
        "state": "open",
        "detected_at": now,
    }


def commands(incident: Mapping[str, Any], now: datetime) -> bool:
    """Whether an incident orders anything at that time: enforced, supported by the ledger, its window open."""
    ends = incident["window_ends_at"]
    return incident["mode"] == "enforce" and incident["state"] == "open" and (ends is None or now < ends)


def signal(incident: Mapping[str, Any], run: Run, now: datetime) -> dict[str, Any]:
    """The order of an incident to one run."""
    return {
        "id": name_of("sig", incident["id"], run.tenant, run.run, incident["action"], _EPOCH),
        "tenant": run.tenant,
        "run_id": run.run,
        "loop": run.loop,
        "action": incident["action"],
        "reason": reason(incident),
        "policy": incident["policy"],
        "scope": incident["scope"],
        "window": incident["window"],
        "incident_id": incident["id"],
        "epoch": _EPOCH,
        "issued_at": now,
        "expires_at": incident["window_ends_at"] or now + _RUN_SIGNAL_LASTS,
    }


def reason(incident: Mapping[str, Any]) -> str:
    """A sentence for whoever asks why."""
    if incident["limit_nano_usd"] is None:
        figures = f"{incident['spent_tokens']} of {incident['limit_tokens']} tokens"
    else:
        figures = f"{usd(incident['spent_nano_usd'])} of {usd(incident['limit_nano_usd'])} USD"
        figures += f" and {usd(incident['assumed_nano_usd'])} USD assumed for calls without known cost" if incident["is_assumed"] else ""
    return f"{incident['policy']}: {incident['scope']} reached {incident['percent']} % of its limit ({figures}) in {incident['window']}"


def message(incident: Mapping[str, Any], channel: str, signals: Sequence[str], state: str, now: datetime) -> dict[str, Any]:
    """The notice of an incident to one channel."""
    kind = "budget.crossed"
    data = {
        "incident_id": incident["id"],
        "tenant": incident["tenant"],
        "policy": incident["policy"],
        "scope": incident["scope"],
        "window": incident["window"],
        "threshold": incident["percent"],
        "action": incident["action"],
        "mode": incident["mode"],
        "reason": reason(incident),
        "limit_usd": usd(incident["limit_nano_usd"]),
        "limit_tokens": incident["limit_tokens"],
        "spent_usd": usd(incident["spent_nano_usd"]),
        "spent_tokens": incident["spent_tokens"],
        "assumed_usd": usd(incident["assumed_nano_usd"]),
        "crossed_at": stamp(incident["crossed_at"]),
        "run_id": incident["run_id"],
        "signals": list(signals),
    }
    return {
        "id": name_of("msg", incident["id"], channel, kind),
        "incident_id": incident["id"],
        "channel": channel,
        "type": kind,
        "body": json.dumps({"type": kind, "timestamp": stamp(now), "data": data}),
        "created_at": now,
        "attempts": 0,
        "next_attempt_at": now,
        "state": state,
    }
