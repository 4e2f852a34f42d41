"""What stands beside every total: how much of it is known."""

from analytics.reports.question import Question, Sources


def coverage(sources: Sources, question: Question) -> dict:
    """Counts for the window of a question: calls, priced_calls, unknown_calls, unpriced_calls, attributed_calls (with a team), and
    last_record_at of the whole ledger."""
    return sources.ledger.query("reports/coverage", tenant=question.tenant, since=question.since, until=question.until).row(0, named=True)
