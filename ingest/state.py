"""What the last commits say of the stores: for /metrics and /readyz."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime

COMMIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper ends of the buckets of commit times."""


@dataclass(slots=True)
class State:
    """What the last commits say of the stores, for /metrics and /readyz."""

    unstored: str | None = None
    """What the last commit failed of; None when it did not."""
    owed_since: int | None = None
    """The first commit that the guard could not act on yet."""
    newest: datetime | None = None
    """The latest end of a record that came since start."""
    commit_seconds: list[int] = field(default_factory=lambda: [0] * (len(COMMIT_SECONDS) + 1))
    """Commits by their time, one more for the longest."""
    seconds: float = 0.0
    """All commits took together."""

    def see(self, ended: datetime | None) -> None:
        """Takes note of the end of a record that is stored."""
        self.newest = max(filter(None, (self.newest, ended)), default=None)

    def stored(self, seconds: float) -> None:
        """A commit has succeeded in so long."""
        self.unstored = None
        self.seconds += seconds
        self.commit_seconds[bisect_left(COMMIT_SECONDS, seconds)] += 1
