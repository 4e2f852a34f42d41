"""The price rows behind the money: which were used, what they say, and where they come from."""

import polars as pl

from analytics.reports.question import FILTERS, Question, QuestionError, Sources

_KNOWN = ("model", "provider", "team", "loop")
_MTOK = [
    (pl.col(f"{name}_unit_usd") * 1_000_000).cast(pl.Decimal(38, 12)).alias(f"{name}_mtok")
    for name in ("input", "cache_read", "cache_write", "output")
]


def prices(sources: Sources, question: Question) -> pl.DataFrame:
    """One row per price set that charges used, dearest first; with `model` or `provider` also what the newest book says of those.

    Columns: price_set | calls, cost_usd charged by it | provider, model, tool, conditions, basis, contract, teams, source | valid_from,
    valid_to, daily_from, daily_to, above_input_tokens, up_to_input_tokens | US dollars for one unit, null where nobody asks a price:
    input_unit_usd, cache_read_unit_usd, cache_write_unit_usd, cache_write_1h_unit_usd, output_unit_usd, reasoning_unit_usd for a token,
    call_unit_usd, second_unit_usd of a tool, search_unit_usd, request_unit_usd | inherited: token prices that are another bucket's |
    price_book, recorded_at | the same for a million tokens: input_mtok, cache_read_mtok, cache_write_mtok, output_mtok. What has no price
    set, such as calls without a known price, is one row without a name, so that the rows add up to the ledger.
    """
    if wrong := [name for name in question.filters if name not in _KNOWN]:
        raise QuestionError(f"this report knows no filter {wrong[0]}: give any of {', '.join(name for name in FILTERS if name in _KNOWN)}")
    params = question.params()
    asked = {name: params[name] for name in ("tenant", "since", "until", *(f"only_{name}" for name in _KNOWN))}
    rows = sources.ledger.query("reports/prices", **asked).with_columns(_MTOK)
    return rows.head(question.limit) if question.limit else rows
