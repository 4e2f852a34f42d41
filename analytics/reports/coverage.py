"""What stands beside every total: how much of it is known."""

from analytics.reports.data_quality import blind_services, held_usage
from analytics.reports.question import Question, Sources


def coverage(sources: Sources, question: Question) -> dict:
    """Counts for the window of a question: calls, priced_calls, unknown_calls, unpriced_calls, attributed_calls (with a team);
    waiting_records, whose usage is not charged yet, remainder_tokens, of lost calls, and blind_services, from which no usage arrives; and
    last_record_at of the whole ledger."""
    asked = {"tenant": question.tenant, "since": question.since, "until": question.until}
    known = sources.ledger.query("reports/coverage", **asked).row(0, named=True)
    held = held_usage(sources, question)
    waiting, lost = (held.filter(finding=finding) for finding in ("waiting", "remainder"))
    missing = {
        "waiting_records": waiting["records"].sum(),
        "remainder_tokens": lost["tokens"].sum(),
        "blind_services": blind_services(sources, question).height,
    }
    return {**{name: known[name] for name in known if name != "last_record_at"}, **missing, "last_record_at": known["last_record_at"]}
