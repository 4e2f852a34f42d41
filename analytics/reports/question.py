"""What a report is asked, and what it may read to answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from analytics.config import Config
from analytics.control import Control
from analytics.errors import LoopledgerError
from analytics.ledger import Ledger

DIMENSIONS = (
    "model", "model_served", "provider", "agent", "role", "team", "cost_center", "user", "environment", "loop", "run", "day", "tool",
    "runtime",
)  # fmt: skip
FILTERS = ("team", "loop", "model", "agent", "role", "user", "provider", "run", "tool")
WORDS = ("policy", "scope", "window", "from_book", "to_book", "against")
"""What single reports ask for beside filters."""
MOST_ROWS = 1000


class QuestionError(LoopledgerError):
    """A report was asked something it cannot answer; the text says what it takes."""


def moment(text: str) -> datetime:
    """A date or RFC 3339 time -> UTC. Raises QuestionError."""
    try:
        said = datetime.fromisoformat(text)
        return said if said.tzinfo is None else said.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise QuestionError(f"{text!r} is neither a date (2026-01-31) nor a time (2026-01-31T12:00:00Z)") from error


@dataclass(frozen=True, slots=True)
class Question:
    """Filters of a report. Nothing given means everything: the whole ledger, every dimension."""

    tenant: str
    since: datetime | None = None
    """First moment, inclusive, UTC."""
    until: datetime | None = None
    """Last moment, exclusive, UTC."""
    by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Dimension -> values; a value `unattributed` means that nobody is named."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Whatever else a report asks for, such as the policy of a burn-down: any of WORDS."""
    limit: int | None = None
    cursor: str | None = None

    def __post_init__(self):
        for kind, given, known in (("dimension", self.by, DIMENSIONS), ("filter", self.filters, FILTERS)):
            if wrong := [name for name in given if name not in known]:
                raise QuestionError(f"unknown {kind} {wrong[0]!r}: give any of {', '.join(known)}")
        if len(set(self.by)) < len(self.by):
            raise QuestionError("give each dimension once")
        if self.limit is not None and not 0 < self.limit <= MOST_ROWS:
            raise QuestionError(f"limit must be between 1 and {MOST_ROWS}")

    def params(self) -> dict:
        """The named parameters that every statement over charges takes."""
        return {
            "tenant": self.tenant,
            "since": self.since,
            "until": self.until,
            **{f"only_{name}": list(self.filters[name]) if name in self.filters else None for name in FILTERS},
        }

    def word(self, name: str) -> str:
        """A word the report cannot do without."""
        if name not in self.words:
            raise QuestionError(f"this report needs {name}=")
        return self.words[name]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything a report may read."""

    ledger: Ledger
    control: Control
    config: Config
    now: datetime
