"""What a total cannot say of itself: what is missing, what waits, and what was guessed."""

import polars as pl

from analytics.model import TIME
from analytics.reports.question import Question, Sources

FINDINGS = {
    "blind": ("alarm", "Agents or tools run, but no usage and no model call arrives, so nothing is counted: instrument the model client"),
    "remainder": ("alarm", "A sum or a metric holds more tokens than its calls, so calls were lost: look for sampling and dropped exports"),
    "claimed": (
        "warning",
        "Telemetry named a team or loop that its credential may not, so that did not count: check who sends it, and as whom",
    ),
    "waiting": ("warning", "This usage is not charged yet, but waits for calls below it: until its run ends, or it is silent for a while"),
    "unknown": ("warning", "These calls were seen without usage, so their cost is unknown: have the client report it, on streams too"),
    "unpriced": ("warning", "These calls have usage but no price, so the total is a floor: add one to prices/*.yaml"),
    "sum_only": ("note", "Only a sum reports this usage, so several calls may count as one: instrument the model client as well"),
    "metric_only": ("note", "Only a metric reports this usage, so several calls may count as one: export spans or log records as well"),
    "assumed": ("note", "Nothing says if a total includes cached or reasoning tokens, so that was assumed: update the instrumentation"),
    "skewed": ("note", "These records end in the future or never, so the time of their arrival stands instead: check the sender's clock"),
    "unattributed": ("note", "Nobody is named for these calls: say who in OTEL_RESOURCE_ATTRIBUTES, or register the loop"),
}
"""Finding -> severity, and what it means and what to do; severest first."""
_COLUMNS = pl.Schema(
    {
        "finding": pl.String, "severity": pl.String, "detail": pl.String, "service": pl.String, "runtime": pl.String, "model": pl.String,
        "records": pl.Int64, "calls": pl.Int64, "tokens": pl.Int64, "first_at": TIME, "last_at": TIME, "says": pl.String,
    }
)  # fmt: skip


def data_quality(sources: Sources, question: Question) -> pl.DataFrame:
    """One row for each finding, severest first; no row means that everything is well.

    Columns: finding, any of FINDINGS | severity alarm, warning or note | detail, such as why a price is missing | service | runtime |
    model | records | calls, null where none is charged | tokens, lost ones of a remainder | first_at, last_at UTC | says, what it means
    and what to do.
    """
    asked = {"tenant": question.tenant, "since": question.since, "until": question.until}
    of_calls = sources.ledger.query("reports/data_quality", **asked)
    found = pl.concat([of_calls, held_usage(sources, question), blind_services(sources, question)], how="diagonal_relaxed")
    words = [(finding, place, *said) for place, (finding, said) in enumerate(FINDINGS.items())]
    meaning = pl.DataFrame(words, schema=["finding", "place", "severity", "says"], orient="row")
    order = ["place", "calls", "records", "service", "runtime", "model", "detail"]
    descending = [name in ("calls", "records") for name in order]
    rows = (
        found.join(meaning, on="finding").sort(order, descending=descending, nulls_last=True).select(_COLUMNS.names()).cast(dict(_COLUMNS))
    )
    return rows.head(question.limit) if question.limit else rows


def held_usage(sources: Sources, question: Question) -> pl.DataFrame:
    """Findings `waiting` and `remainder`: usage on records that is of no call."""
    return sources.ledger.query("queries/held_usage", tenant=question.tenant, since=question.since, until=question.until)


def blind_services(sources: Sources, question: Question) -> pl.DataFrame:
    """Findings `blind`, one row per service."""
    found = sources.ledger.query("queries/blind_services", tenant=question.tenant, since=question.since, until=question.until)
    return found.with_columns(finding=pl.lit("blind"))
