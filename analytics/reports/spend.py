"""What was spent, by any dimensions."""

import polars as pl

from analytics.model import MODEL_KINDS
from analytics.reports.question import Question, Sources

_MEASURES = (
    "calls", "unknown_calls", "unpriced_calls", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "cost_usd",
)  # fmt: skip


def spend(sources: Sources, question: Question) -> pl.DataFrame:
    """Spend on everything that is charged, dearest first; the rows add up to the ledger's total.

    One column for each word of `by`, then: calls | unknown_calls, seen without usage | unpriced_calls, usage without a known price |
    input_tokens, cached ones included | cache_read_tokens | cache_write_tokens | output_tokens, reasoning included | reasoning_tokens |
    cost_usd decimal US dollars, a floor while calls are unknown or unpriced. A measure nobody reported is null.
    """
    return _spent(sources, question, None)


def usage(sources: Sources, question: Question) -> pl.DataFrame:
    """The same columns as `spend`, for model calls alone: comparable with a provider's bill."""
    return _spent(sources, question, list(MODEL_KINDS))


def _spent(sources: Sources, question: Question, kinds: list[str] | None) -> pl.DataFrame:
    rows = sources.ledger.query("reports/spend", **question.params(), by=list(question.by), kinds=kinds)
    rows = rows.select(*question.by, *_MEASURES)
    return rows.head(question.limit) if question.limit else rows
