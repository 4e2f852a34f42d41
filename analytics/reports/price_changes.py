"""What became new, changed or gone between two versions of the price book."""

import polars as pl

from analytics.reports.question import Question, QuestionError, Sources


def price_changes(sources: Sources, question: Question) -> pl.DataFrame:
    """One row per price that two books do not have in common: `from_book` and `to_book`, else the last two that commits used.

    Columns: provider, model, tool, conditions, contract, valid_from, above_input_tokens | change `new`, `changed` or `gone` | US dollars
    for one unit: input_before_unit_usd, input_after_unit_usd, cache_read_before_unit_usd, cache_read_after_unit_usd,
    output_before_unit_usd, output_after_unit_usd, tool_before_unit_usd, tool_after_unit_usd | others_changed, whether any other price did |
    price_set_before, price_set_after. Empty while there was one book only.
    """
    books = sources.ledger.query("queries/recorded_books")["price_book"].to_list()
    older, newer = books[-2:] if len(books) > 1 else (books or [""]) * 2
    chosen = {"from_book": question.words.get("from_book", older), "to_book": question.words.get("to_book", newer)}
    for book in chosen.values():
        if book and book not in books:
            raise QuestionError(f"no commit used the price book {book!r}: there are {', '.join(books)}")
    rows = sources.ledger.query("reports/price_changes", **chosen)
    return rows.head(question.limit) if question.limit else rows
