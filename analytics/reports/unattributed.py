"""Spend that nobody pays for yet, and what would tell whose it is."""

import polars as pl

from analytics.reports.question import Question, Sources

_NO_RULE = ("nothing", "owner_rule")


def unattributed(sources: Sources, question: Question) -> pl.DataFrame:
    """Spend without a team, and spend without a loop, by the attribute that a rule of owners.yaml could tell it by; dearest first.

    Every unattributed dollar is in one row for each dimension it misses.

    Columns: missing team or loop | attribute: the first that is known of service, runtime, agent, user, model, else `nothing`; owner_rule
    for shares of a split cost | value | calls | unknown_calls | unpriced_calls | runs | cost_usd, what a rule on that value would
    attribute, null when unknown | first_at, last_at UTC | rule, as owners.yaml would have it, but for whose it is; null where none can be.
    """
    rows = sources.ledger.query("reports/unattributed", tenant=question.tenant, since=question.since, until=question.until)
    rows = rows.with_columns(rule=pl.when(~pl.col("attribute").is_in(_NO_RULE)).then(_rule()))
    return rows.head(question.limit) if question.limit else rows


def _rule() -> pl.Expr:
    """The condition that holds for this value alone: quoted as YAML, and with the signs of a glob taken literally."""
    literal = pl.col("value").str.replace_all(r"([\[*?])", "[${1}]").str.replace_all("'", "''", literal=True)
    return pl.concat_str(pl.lit("when: {"), "attribute", pl.lit(": '"), literal, pl.lit("'}"))
