"""What an entry of a config directory is; one frozen model per kind of entry, units in the key names."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from analytics.config.base import Entry
from analytics.config.values import Count, Money, Schedule, Some, Text, Timezone, exactly_one
from analytics.model import Role

Dimension = Literal["tenant", "team", "loop", "agent", "role", "model", "provider", "user", "run", "tool"]
StopAction = Literal["warn", "pause", "stop", "kill"]


class Threshold(Entry):
    """What happens when a budget reaches a part of its limit."""

    percent: Annotated[int, Field(gt=0, le=1000, strict=True)]
    """Percent of the limit; above 100 means after it was exceeded."""
    action: StopAction
    """warn, pause, stop or kill: the order that goes to the runs concerned."""


class Policy(Entry):
    """A budget: how much may be spent by whom in which window, and what happens on the way there."""

    name: Text
    """A text of its own; incidents and signals carry it."""
    mode: Literal["enforce", "audit"] = "enforce"
    """audit records incidents and notifies, but orders nothing."""
    when: dict[Dimension, Annotated[tuple[Text, ...], Some]] = Field(default_factory=dict)
    """Which spend counts: every dimension must match one of its values (shell globs allowed). Empty means all spend."""
    window: Literal["day", "week", "month", "run"]
    """day, week, month or run: the time after which spend counts from 0 again. Weeks begin on Monday."""
    per: Annotated[Literal["tenant", "team", "loop", "agent", "model", "user", "run"] | None, Field(validate_default=True)] = None
    """Each value of this dimension has the whole limit to itself; None means one total. Always run if the window is run."""
    limit_usd: Money | None = None
    """US dollars a window; None means the limit is in tokens."""
    limit_tokens: Annotated[Count | None, Field(validate_default=True)] = None
    """Tokens a window, all buckets; None means the limit is in US dollars."""
    timezone: Timezone = "UTC"
    """IANA name of the zone whose midnights end the window."""
    thresholds: Annotated[tuple[Threshold, ...], Some] = (
        Threshold(percent=80, action="warn"),
        Threshold(percent=100, action="stop"),
    )
    """In ascending percent; each fires once per scope and window."""
    notify: tuple[Text, ...] = ()
    """Names of the channels told about incidents."""
    on_assumed: StopAction = "pause"
    """The severest action of a crossing that needs the assumed cost of calls without known cost."""
    assume_usd_per_call: Money | None = None
    """Assumed cost of a call without known cost; None means that such calls add nothing."""

    @field_validator("per")
    @classmethod
    def _per_run(cls, per: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("window") != "run":
            return per
        if per not in (None, "run"):
            raise ValueError(f"must be run, or left out, because the window is run (found {per})")
        return "run"

    @field_validator("limit_tokens")
    @classmethod
    def _one_limit(cls, tokens: int | None, info: ValidationInfo) -> int | None:
        return exactly_one("limit_usd", tokens, info)

    @field_validator("thresholds")
    @classmethod
    def _ascending(cls, thresholds: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
        if len({threshold.percent for threshold in thresholds}) < len(thresholds):
            raise ValueError("must each have a percent of their own")
        return tuple(sorted(thresholds, key=lambda threshold: threshold.percent))


class Grants(Entry):
    """What an agent may use, as declared; telemetry shows what it does use."""

    model: Text | None = None
    """Requested model; None means not declared."""
    skills: tuple[Text, ...] = ()
    mcp_servers: tuple[Text, ...] = ()
    tools: tuple[Text, ...] = ()
    approvals: tuple[Text, ...] = ()
    """What waits for a human's yes."""


class Subagent(Grants):
    """Another agent inside the loop's runs."""

    name: Text
    """As telemetry names it."""
    role: Role
    """maker, checker, orchestrator or other."""


class Limits(Entry):
    """Limits of one run that its harness keeps; None means not declared."""

    max_usd_per_run: Money | None = None
    max_turns: Count | None = None
    max_minutes: Count | None = None


class Trigger(Entry):
    """When the loop starts a run."""

    schedule: Schedule
    """Five cron fields (minute, hour, day of month, month, day of week), or a word such as @daily."""
    timezone: Timezone = "UTC"


class Loop(Grants):
    """A standing automation: who owns it, who acts in it, what it may use. The grants are its main agent's."""

    name: Text
    """A text of its own; the value of `loopledger.loop` in telemetry."""
    team: Text
    """The team that its spend bills to."""
    owner: Text
    """Who answers for it."""
    description: Text | None = None
    cost_center: Text | None = None
    environment: Text | None = None
    agent: Text | None = None
    """Main agent, as telemetry names it; None means not declared."""
    role: Role = "maker"
    """Role of the main agent."""
    subagents: tuple[Subagent, ...] = ()
    limits: Limits = Limits()
    trigger: Trigger | None = None
    """None means that somebody starts it by hand."""
    approved_by: Text | None = None
    version: Text | None = None

    @field_validator("subagents")
    @classmethod
    def _distinct(cls, subagents: tuple[Subagent, ...]) -> tuple[Subagent, ...]:
        if len({subagent.name for subagent in subagents}) < len(subagents):
            raise ValueError("must each have a name of their own")
        return subagents
