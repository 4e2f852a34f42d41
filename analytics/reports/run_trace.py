"""What one run did, as a tree of steps."""

from collections import defaultdict
from collections.abc import Iterator

import polars as pl

from analytics.reports.question import Question, Sources
from analytics.reports.run_names import records_of_runs

_MOST_STEPS = 5000


def run_trace(sources: Sources, question: Question) -> pl.DataFrame:
    """The steps of the run named by `run`, depth first in order of their start; at most 5,000. Log records and metric points are among
    them where they say usage: a log record below the span it was written in.

    Columns: step | depth | signal span, log or point | trace_id, span_id, parent_span_id hex | name | kind | agent | role | model | tool |
    started_at, ended_at UTC | duration_ms | failed | error_type | input_tokens | cache_read_tokens | cache_write_tokens | output_tokens |
    reasoning_tokens | cost_usd | counts, whether the call is charged by this record, null if it is no call | reason | remainder_tokens,
    what a sum or a metric holds beyond the calls it covers | price_set | unpriced_reason.
    """
    theirs = records_of_runs(sources, question)
    steps = sources.ledger.query("reports/run_trace", {"theirs": theirs}, tenant=question.tenant, limit=_MOST_STEPS)
    order = list(_depth_first(steps))
    places = pl.DataFrame(order, schema={"row": pl.Int64, "depth": pl.Int32}, orient="row")
    tree = steps[places["row"].to_list()].with_columns(depth=places["depth"]).with_row_index("step")
    return tree.select("step", "depth", pl.exclude("step", "depth"))


def _depth_first(steps: pl.DataFrame) -> Iterator[tuple[int, int]]:
    """(row, depth) of each step under its parent; a step whose parent is not here stands at the top."""
    of_spans = steps.select("signal", "trace_id", "span_id").iter_rows()
    ids = [(trace, span) if signal == "span" else row for row, (signal, trace, span) in enumerate(of_spans)]  # nothing lies below others
    known, children = set(ids), defaultdict(list)
    for row, (trace, parent) in enumerate(zip(steps["trace_id"], steps["parent_span_id"], strict=True)):
        above = (trace, parent)
        children[above if above in known and above != ids[row] else None].append(row)
    seen, stack = set(), [(row, 0) for row in reversed(children[None])]
    while stack:
        row, depth = stack.pop()
        seen.add(row)
        yield row, depth
        stack += [(child, depth + 1) for child in reversed(children[ids[row]]) if child not in seen]
    yield from ((row, 0) for row in range(steps.height) if row not in seen)  # a ring of parents has no top
