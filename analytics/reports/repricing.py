"""The dry run of a repricing: what charges would change to with today's prices."""

from functools import lru_cache

import polars as pl

from analytics.operations import Operation
from analytics.prices import PriceBook
from analytics.reports.question import Question, Sources
from analytics.repricing import reprice


def repricing(sources: Sources, question: Question) -> pl.DataFrame:
    """What calls would cost otherwise, with the book that the config directory makes today; nothing changes by asking.

    Columns: team, loop, model | calls | before_usd, after_usd, change_usd, the largest change first. `model` filters; others do not.
    """
    config = sources.config
    book = _book(config.prices, config.contracts, config.aliases, config.reported)
    rehearsal = Operation(question.tenant, "repricing", "", "", question.since, question.until, question.filters.get("model", ()))
    moved = reprice(sources.ledger, book, rehearsal).moved()
    return moved.head(question.limit) if question.limit else moved


@lru_cache(maxsize=2)
def _book(*entries: tuple) -> PriceBook:
    return PriceBook.compile(*entries)
