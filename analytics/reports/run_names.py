"""The runs that a question names, and the records that are theirs."""

from collections.abc import Callable, Sequence

import polars as pl

from analytics.model import OF_RESOURCE
from analytics.reports.question import Question, Sources

RUN_BIT = 1 << OF_RESOURCE.index("run")
"""Of a record's `of_resource`: its run is only what its resource says."""


def aliased(sources: Sources, tenant: str, names: Sequence[str]) -> list[str]:
    """The runs that these session, conversation or trace ids (hex) stand for, in order of their names."""
    return sources.ledger.query("queries/runs_named", tenant=tenant, names=list(names))["run"].sort().to_list()


def of_runs(sources: Sources, question: Question, rows: Callable[[list[str]], pl.DataFrame]) -> pl.DataFrame:
    """The rows of the runs a question names by filter or word; where no run bears such a name, of those that it is an alias of."""
    names = list(question.filters["run"]) if "run" in question.filters else [question.word("run")]
    found = rows(names)
    return found if found.height else rows(aliased(sources, question.tenant, names))


def records_of_runs(sources: Sources, question: Question) -> pl.DataFrame:
    """Columns record_key | call_id, null where nothing is charged for it | counts | reason | remainder_tokens | agent | role, of its newest
    link; null where it has none."""
    return of_runs(
        sources, question, lambda runs: sources.ledger.query("queries/records_of_runs", tenant=question.tenant, runs=runs, run_bit=RUN_BIT)
    )
