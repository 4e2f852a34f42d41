"""Whether a ledger adds up: every rule that its rows keep, checked on all of them. Offline; reads everything once.

Each rule is a statement below sql/checks that gives a row, with the text `broken`, for whatever breaks it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from analytics import evidence
from analytics.control import Control
from analytics.ledger import Ledger

RULES = {
    "commits": "commits are numbered without a gap",
    "records": "every commit holds the records it wrote",
    "charges": "every commit holds the charges it wrote",
    "chains": "the charges of a call cancel but for the last",
    "prices": "every price that was charged is kept",
    "details": "no details without their record",
}
_SHOWN = 5  # of what breaks a rule


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one rule."""

    rule: str
    broken: tuple[str, ...]
    """What breaks it, the first few and how many more; nothing where it holds."""

    @property
    def holds(self) -> bool:
        return not self.broken


def verified(ledger: Ledger, control: Control) -> Iterator[Verdict]:
    """Checks every rule, one after the other; as many as COUNT."""
    yield from adding_up(ledger)
    yield _verdict("all evidence can be read", list(_unreadable(ledger)))
    yield _verdict("the control store is sound", control.problems())
    ahead = control.cursor() - ledger.commit_no
    yield _verdict("the guard is not ahead of the ledger", [f"it has seen {ahead} commits that are not there"] if ahead > 0 else [])


def adding_up(ledger: Ledger) -> Iterator[Verdict]:
    """The rules about rows alone: what takes a second, not minutes."""
    for name, rule in RULES.items():
        yield _verdict(rule, ledger.query(f"checks/{name}")["broken"].to_list())


COUNT = len(RULES) + 3


def _verdict(rule: str, broken: list[str]) -> Verdict:
    more = [f"and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else []
    return Verdict(rule, (*broken[:_SHOWN], *more))


def _unreadable(ledger: Ledger) -> Iterator[str]:
    for batch in ledger.read("queries/all_evidence", batch_rows=200):
        for row in batch.to_pylist():
            try:
                evidence.unpack(row["attributes"])
            except Exception as error:  # whatever a damaged blob makes of the decoder
                yield f"commit {row['commit_no']}: {type(error).__name__}: {error}"
