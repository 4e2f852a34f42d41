"""What each loop may touch, and what it touched."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from analytics.grants import SHOWN, UNDECLARED, UNUSED, Definition, Grant
from analytics.model import TIME, UNATTRIBUTED
from analytics.reports.question import Question, Sources
from analytics.touches import touch_of, touches

_COLUMNS = pl.Schema(
    {
        "loop": pl.String, "agent": pl.String, "role": pl.String, "kind": pl.String, "name": pl.String, "declared": pl.Boolean,
        "touched": pl.Boolean, "uses": pl.Int64, "first_used": TIME, "last_used": TIME, "finding": pl.String,
    }
)  # fmt: skip
_KINDS = ("model", "skill", "mcp_server", "tool", "subagent", "approval")


@dataclass(slots=True)
class Line:
    """One row of `grants` on its way."""

    loop: str
    agent: str | None
    role: str | None
    kind: str
    name: str
    declared: bool
    finding: str | None = None
    uses: int = 0
    seen: list[datetime] = field(default_factory=list)
    known_as: set[str] = field(default_factory=set)
    """What was touched under a grant, by its canonical names."""

    def add(self, row: dict) -> None:
        """Takes in a row of TOUCHES."""
        self.uses += row["uses"]
        self.known_as.add(row["names"][0])
        self.seen += [row["first_used"], row["last_used"]]

    def cells(self) -> tuple:
        """Whether a skill or an approval was used is not known while telemetry does not show it."""
        touched = True if self.seen else False if self.kind in SHOWN else None
        finding = UNUSED if self.declared and touched is False else self.finding
        times = (min(self.seen), max(self.seen)) if self.seen else (None, None)
        who = (self.loop, self.agent or UNATTRIBUTED, self.role or UNATTRIBUTED)
        return (*who, self.kind, self.name, self.declared, touched, self.uses, *times, finding)


def grants(sources: Sources, question: Question) -> pl.DataFrame:
    """What loops were granted and what they touched in the window, by loop, agent and kind; the filters loop and agent choose.

    Columns: loop | agent, `unattributed` when nobody says | role | kind model, skill, mcp_server, tool, subagent or approval | name, of a
    grant as declared, globs included | declared | touched | uses: calls of a model, steps of a tool, runs with a sub-agent | first_used,
    last_used UTC | finding `unused grant`, `undeclared touch` or null.

    A tool that came through an MCP server is granted with it; the finding of an undeclared server is that server's. Of a loop without a
    definition nothing is declared, and the loop itself is the finding. Telemetry says no skills: one is `touched` when a tool or
    an agent of that name was seen, else null, as is an approval that no step asked for.
    """
    lines = list(compared(sources, question))
    frame = pl.DataFrame([line.cells() for line in lines], schema=_COLUMNS, orient="row")
    for name in ("loop", "agent"):
        if name in question.filters:
            frame = frame.filter(pl.col(name).is_in(question.filters[name]))
    frame = frame.sort("loop", "agent", pl.col("kind").cast(pl.Enum(_KINDS)), "name")
    return frame.head(question.limit) if question.limit else frame


def compared(sources: Sources, question: Question) -> list[Line]:
    """Each grant and each touch, one beside the other."""
    definitions = {loop.name: Definition(loop) for loop in sources.config.loops}
    lines = {grant: _declared(grant) for definition in definitions.values() for grant in definition.grants}
    others: dict[tuple, Line] = {}
    for row in _touched(sources, question):
        definition = definitions.get(row["loop"])
        grant = definition.granting(touch_of(row)) if definition else None
        if grant is not None:
            lines[grant].add(row)
        elif _is_shown(definition, row):
            line = _other(definition, row)
            others.setdefault((line.loop, line.agent, line.role, line.kind, line.name), line).add(row)
    return [*lines.values(), *others.values()]


def _touched(sources: Sources, question: Question) -> Iterator[dict]:
    asked = {"tenant": question.tenant, "since": question.since, "until": question.until}
    calls = sources.ledger.query("reports/grants", **asked)
    rows = touches(sources.ledger, calls, **asked)
    return rows.with_columns(kind=pl.col("kind").replace("agent", "subagent")).iter_rows(named=True)


def _is_shown(definition: Definition | None, row: dict) -> bool:
    """Whether a touch that no grant names is a row: an approval, the main agent, and a tool that only calls a granted agent are none."""
    if row["kind"] == "approval":
        return False
    if definition is None or row["kind"] == "model" or row["server"] is not None:
        return True
    return definition.is_undeclared(touch_of(row))


def _declared(grant: Grant) -> Line:
    return Line(grant.loop, grant.agent, grant.role, grant.kind, grant.name, declared=True)


def _other(definition: Definition | None, row: dict) -> Line:
    """A row of what no grant names. A tool of a granted MCP server is declared with it."""
    touch = touch_of(row)
    if definition is None:
        return Line(touch.loop, touch.agent, row["role"], touch.kind, touch.names[0], declared=False)
    agent = definition.loop.agent if touch.kind == "subagent" else touch.agent
    finding = UNDECLARED if definition.is_undeclared(touch) else None
    role = row["role"] or definition.role_of(agent)
    return Line(touch.loop, agent, role, touch.kind, touch.names[0], declared=definition.grants_server(touch), finding=finding)
