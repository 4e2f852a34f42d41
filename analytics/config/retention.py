"""How long what is kept, and whether prompts are."""

from pydantic import Field

from analytics.config.base import Entry
from analytics.config.values import Count, Text

ANY = "*"


class Retention(Entry):
    """What one tenant, or with * every tenant that has no entry of its own, keeps and how long. Charges are always kept."""

    tenant: Text
    """A tenant's name, or *."""
    keep_content: bool = Field(default=False, strict=True)
    """true keeps prompts, answers, tool arguments and results among the evidence; credentials never are."""
    evidence_days: Count = 30
    """Days from their arrival until the attributes of records are deleted."""
    record_days: Count = 400
    """Days from their arrival until the records themselves are; not before their evidence."""


def retention_of(entries: tuple[Retention, ...], tenant: str) -> Retention:
    """What holds for a tenant."""
    named = {entry.tenant: entry for entry in entries}
    return named.get(tenant) or named.get(ANY) or Retention(tenant=tenant)
