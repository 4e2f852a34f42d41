"""Every budget against what was spent."""

from decimal import Decimal

import polars as pl

from analytics import budgets as rules
from analytics.budgets import Place, Spent
from analytics.model import MONEY
from analytics.reports.question import Question, Sources

_COLUMNS = pl.Schema(
    {
        "policy": pl.String, "mode": pl.String, "per": pl.String, "scope": pl.String, "window": pl.String,
        "window_starts_at": pl.Datetime("us"), "window_ends_at": pl.Datetime("us"), "limit_usd": MONEY, "limit_tokens": pl.Int64,
        "spent_usd": MONEY, "spent_tokens": pl.Int64, "assumed_usd": MONEY, "missing_calls": pl.Int64, "percent": pl.Decimal(18, 2),
        "state": pl.String, "action": pl.String,
    }
)  # fmt: skip


def budgets(sources: Sources, question: Question) -> pl.DataFrame:
    """One row for each scope and window in which a policy counted anything, fullest first; a policy without spend has its window at now.

    Columns: policy | mode | per | scope | window | window_starts_at, window_ends_at UTC, null for a run | limit_usd or limit_tokens |
    spent_usd, known: sums to the ledger | spent_tokens | assumed_usd, for calls without known cost | missing_calls | percent of the
    limit, assumed cost included | state ok, warned or breached | action, the severest order of its incidents.
    """
    asked = {"tenant": question.tenant, "start": question.since, "end": question.until}
    charges = sources.ledger.query("queries/budget_charges", **(rules.UNBOUNDED | asked))
    own = (row for row in sources.control.all_incidents() if row["state"] == "open" and row["tenant"] == question.tenant)
    standing = {(row["policy"], row["scope"], row["window"]): row["action"] for row in own}
    rows = []
    for policy in sources.config.policies:
        totals = rules.totals(policy, charges)  # where corrections left nothing, nothing counted
        places = [
            (Place(tenant, policy.name, scope, window), Spent(*spent))
            for _, tenant, scope, window, *spent, _ in totals.iter_rows()
            if any(spent)
        ]
        rows += [
            _row(policy, place, spent, standing.get((place.policy, place.scope, place.window)))
            for place, spent in places or [_nothing(policy, question.tenant, sources)]
        ]
    frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row").sort(
        "percent", "policy", "scope", "window", descending=[True, False, False, True]
    )
    return frame.head(question.limit) if question.limit else frame


def _nothing(policy, tenant: str, sources: Sources) -> tuple[Place, Spent]:
    return Place(tenant, policy.name, rules.ALL if policy.per is None else "", rules.window_at(policy, sources.now)), Spent()


def _row(policy, place: Place, spent: Spent, action: str | None) -> tuple:
    start, end = rules.bounds(policy, place.window) or (None, None)
    limit = rules.Limit.of(policy)
    assumed = Decimal(limit.assumed_each * spent.missing_calls).scaleb(-9)
    percent = (100 * Decimal(limit.used(spent)) / limit.amount).quantize(Decimal("0.01"))
    state = "breached" if percent >= 100 else "warned" if action else "ok"
    limits = (policy.limit_usd, policy.limit_tokens)
    figures = (spent.usd, spent.tokens, assumed, spent.missing_calls, percent)
    return (policy.name, policy.mode, policy.per, place.scope, place.window, start, end, *limits, *figures, state, action)
