"""What loops may touch, by their definitions, and whether a touch was granted. Pure: nothing is read or written.

A tool of an MCP server is granted with its server, or by a tool glob of its own. Who gets no list was granted nothing; an agent without a
declared model may use any. Skills and approvals are declared, but telemetry hardly shows them: their absence proves nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from analytics.config import Loop, Subagent

Kind = Literal["model", "skill", "mcp_server", "tool", "subagent", "approval"]
UNUSED, UNDECLARED = "unused grant", "undeclared touch"
SHOWN = ("model", "mcp_server", "tool", "subagent")
"""Kinds that telemetry shows whenever they are used."""

WRITES = (
    "edit", "edit_*", "*_edit", "editfile*", "multiedit", "multi_edit*", "notebookedit", "write", "write_*", "writefile*", "apply_patch*",
    "str_replace*", "replace", "replace_in_file", "insert", "insert_*", "create_file*", "create_or_update_file*", "delete_file*",
    "move_file*", "git_commit*", "git commit*", "git_push*", "git push*", "push_*", "merge_*", "create_pull_request*",
)  # fmt: skip
"""Names of tools, in lower case and without their MCP server, that change what is checked. A shell may write too, but need not."""

_CALLS_AGENTS = ("Agent", "Task", "*spawn_agent", "*wait_agent", "transfer_to_agent")
"""Tools by which runtimes call another agent: granted to whoever was granted one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that an agent of a loop may use."""

    loop: str
    agent: str | None
    """None for a main agent whose name its definition does not say."""
    role: str
    kind: Kind
    name: str
    """Or a shell glob."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One thing that was used in a loop."""

    loop: str
    agent: str | None
    """None when telemetry does not say, or when it does not matter: then any agent's grant will do."""
    kind: str
    names: tuple[str, ...]
    """Every name it goes by; the first is shown."""
    server: str | None = None
    """Of a tool: the MCP server it came through."""


class Definition:
    """One loop's definition as grants."""

    def __init__(self, loop: "Loop"):
        self.loop = loop
        self.agents: dict[str | None, Loop | Subagent] = {loop.agent: loop} | {one.name: one for one in loop.subagents}
        self.grants = [grant for name, agent in self.agents.items() for grant in _of_agent(loop.name, name, agent)]
        self.grants += [Grant(loop.name, loop.agent, loop.role, "subagent", one.name) for one in loop.subagents]

    def role_of(self, agent: str | None) -> str | None:
        """The declared role of an agent."""
        return self.agents[agent].role if agent in self.agents else None

    def granting(self, touch: Touch) -> Grant | None:
        """The grant that allows a touch."""
        return next((grant for grant in self._open_to(touch) if _covers(grant, touch)), None)

    def grants_server(self, touch: Touch) -> bool:
        """Whether the MCP server of a tool was granted."""
        return touch.server is not None and self.granting(Touch(touch.loop, touch.agent, "mcp_server", (touch.server,))) is not None

    def is_undeclared(self, touch: Touch) -> bool:
        """Whether this says what may be touched, and no grant allows it."""
        if self.granting(touch) is not None:
            return False
        if touch.kind == "subagent":
            return self.loop.agent is not None and touch.names[0] != self.loop.agent
        if touch.kind == "tool":
            return touch.server is None and not self._calls_agent(touch)
        if touch.kind == "model":
            return all(agent.model is not None for agent in self._asked(touch))
        return touch.kind == "mcp_server"

    def _open_to(self, touch: Touch) -> Iterator[Grant]:
        """The grants of whoever touched; everybody's when it is not known who did, nobody's when it is a stranger."""
        agents = set(self.agents) if touch.agent is None or touch.kind == "subagent" else {self._known(touch.agent)}
        return (grant for grant in self.grants if grant.agent in agents)

    def _known(self, agent: str) -> str | None:
        """The agent, or the main one while its name is not declared."""
        return agent if agent in self.agents or self.loop.agent is not None else None

    def _asked(self, touch: Touch) -> list:
        known = self._known(touch.agent) if touch.agent is not None else None
        return list(self.agents.values()) if touch.agent is None else [self.agents[known]] if known in self.agents else []

    def _calls_agent(self, touch: Touch) -> bool:
        names = {one.name for one in self.loop.subagents}
        return bool(names) and any(name in names or _is_any(name, _CALLS_AGENTS) for name in touch.names)


def writes(tool: str) -> bool:
    """Whether a tool of that name changes files, branches or pull requests."""
    return _is_any(tool.rpartition("__")[2].lower(), WRITES)


def _of_agent(loop: str, name: str | None, agent: "Loop | Subagent") -> Iterator[Grant]:
    said: dict[Kind, Sequence[str]] = {
        "model": (agent.model,) if agent.model else (),
        "mcp_server": agent.mcp_servers,
        "tool": agent.tools,
        "skill": agent.skills,
        "approval": agent.approvals,
    }
    return (Grant(loop, name, agent.role, kind, thing) for kind, things in said.items() for thing in things)


def _covers(grant: Grant, touch: Touch) -> bool:
    if grant.kind == "skill":  # some runtimes run a skill as a tool or an agent of its name
        return touch.kind in ("tool", "subagent") and grant.name in touch.names
    if grant.kind == "model":  # providers write one id in either case
        return touch.kind == "model" and any(fnmatchcase(name.lower(), grant.name.lower()) for name in touch.names)
    return grant.kind == touch.kind and any(fnmatchcase(name, grant.name) for name in touch.names)


def _is_any(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
