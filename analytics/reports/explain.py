"""Why each call of a run was counted once: every record it was seen in, and what it was priced by."""

import polars as pl

from analytics.reports.question import Question, QuestionError, Sources
from analytics.reports.run_names import records_of_runs


def explain(sources: Sources, question: Question) -> pl.DataFrame:
    """The calls of the run named by `run` in order of their time, one row for each record a call was seen in, the one that counts first;
    then one row for each record that says usage and is of no call.

    Columns: entry, number of the call or of such a record; `limit` and `cursor` count entries | call, its id in hex, null for none |
    happened_at UTC | kind | loop, run, team, agent, role it bills to | provider | model | model_served | tool | input_tokens, cached ones
    included | cache_read_tokens | cache_write_tokens | cache_write_1h_tokens, of these | output_tokens, reasoning included |
    reasoning_tokens | unit, quantity | list_usd, what the list asks, contracted_usd, what the contract asks, cost_usd, what counts: null if
    unpriced | basis, contract | owner_rule, loop_rule: what decided team and loop | price_set, price_book, price_source: its price row |
    input_unit_usd, cache_read_unit_usd, cache_write_unit_usd, cache_write_1h_unit_usd, output_unit_usd, reasoning_unit_usd, call_unit_usd,
    second_unit_usd: US dollars for a single token, call or second; report `prices` has fees beside them | unpriced_reason.

    Of the record: counts, whether the call is charged by it | reason | remainder_tokens, what a sum or a metric holds beyond the calls it
    covers | signal span, log or point | name | record_kind | dialect | runtime | service | trace_id, span_id hex | response_id |
    request_id | started_at, ended_at UTC | said_input_tokens, said_cache_read_tokens, said_cache_write_tokens, said_output_tokens,
    said_reasoning_tokens, its own numbers | measure, amount of a point | usage_role | usage_settled | reported_usd, what the runtime says.
    """
    cursor = question.cursor or "0"
    if not cursor.isdecimal() or len(cursor) > 18:
        raise QuestionError("cursor is what an earlier answer gave as the next one")
    theirs = records_of_runs(sources, question)
    window = {"since": question.since, "until": question.until, "first": int(cursor), "limit": question.limit}
    return sources.ledger.query("reports/explain", {"theirs": theirs}, tenant=question.tenant, **window)
