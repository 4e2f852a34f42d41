"""Calls whose cost nobody knows, why, and what is at risk."""

import polars as pl

from analytics.reports.question import Question, Sources

_RISK = pl.Decimal(38, 9)


def unpriced(sources: Sources, question: Question) -> pl.DataFrame:
    """One row per provider, model and reason, the most at risk first; calls seen without usage are among them.

    Columns: provider, model_requested, model_served, tool, conditions as telemetry says them | reason | calls | input_tokens, output_tokens
    null without usage | at_risk_usd: what these tokens would cost at the dearest prices this ledger has paid for a token, a bound to judge
    by and no estimate; null where no token or no price is known | first_at, last_at UTC.
    """
    params = question.params()
    rows = sources.ledger.query(
        "reports/unpriced", **{name: params[name] for name in ("tenant", "since", "until", "only_team", "only_loop")}
    )
    dearest = sources.ledger.query("queries/dearest_prices", tenant=question.tenant)
    parts = [
        (pl.col(f"{side}_tokens").cast(pl.Decimal(38, 0)) * pl.lit(dearest[f"{side}_unit_usd"][0], pl.Decimal(38, 18))).cast(_RISK)
        for side in ("input", "output")
    ]
    risky = rows.with_columns(at_risk_usd=parts[0] + parts[1]).select(*rows.columns[:9], "at_risk_usd", "first_at", "last_at")
    ordered = risky.sort("at_risk_usd", "calls", "provider", "model_requested", descending=[True, True, False, False], nulls_last=True)
    return ordered.head(question.limit) if question.limit else ordered
