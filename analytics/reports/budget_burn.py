"""How one budget was used up."""

import polars as pl

from analytics import budgets as rules
from analytics.model import MONEY
from analytics.reports.question import Question, QuestionError, Sources

_MOST_POINTS = 500


def budget_burn(sources: Sources, question: Question) -> pl.DataFrame:
    """Cumulative spend of one budget, named by `policy`, `scope` and `window`; at most 500 points, the last one exact.

    Columns: happened_at UTC | spent_usd, so far | limit_usd, null for a limit in tokens.
    """
    named = {policy.name: policy for policy in sources.config.policies}
    policy = named.get(question.word("policy"))
    if policy is None:
        raise QuestionError(
            f"there is no policy {question.word('policy')!r}: give one of {', '.join(sorted(named)) or 'none is configured'}"
        )
    scope, window = question.word("scope"), question.word("window")
    try:
        start, end = rules.bounds(policy, window) or (None, None)
    except (ValueError, KeyError) as error:
        raise QuestionError(
            f"{window!r} is no window of {policy.name}: it has windows such as {rules.window_at(policy, sources.now)}"
        ) from error
    run = scope if policy.window == "run" else None
    charges = sources.ledger.query(
        "queries/budget_charges", **(rules.UNBOUNDED | {"tenant": question.tenant, "start": start, "end": end, "run": run})
    )
    here = rules.counted(policy, charges).filter(scope=scope, window=window)
    burn = here.group_by("happened_at").agg(pl.col("cost_usd").sum().fill_null(0)).sort("happened_at")
    burn = burn.select("happened_at", spent_usd=pl.col("cost_usd").cum_sum().cast(MONEY), limit_usd=pl.lit(policy.limit_usd, MONEY))
    thinned = burn.gather_every(max(1, -(-burn.height // (_MOST_POINTS - 1))))
    return pl.concat([thinned, burn.tail(1)]).unique("happened_at", keep="last", maintain_order=True)
