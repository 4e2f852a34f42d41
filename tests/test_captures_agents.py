"""Who spent what a bill lists: each call's agent, or why nobody can know it."""

from collections import Counter
from dataclasses import dataclass

import pytest
from captures import FOLDERS, bill, outcome, said, told_of

NOBODY = "unattributed"
NAMES = {"claude-code": "claude-code", "codex": "codex", "copilot-cli": "copilot", "gemini-cli": "gemini-cli"}
"""Beginning of a folder's name -> what a runtime calls its main agent; the bill says "main"."""


@dataclass(frozen=True)
class Instead:
    """Who stands for an agent of the bill, and why."""

    agent: str
    reason: str
    says_nothing: bool = True
    """No record says the name that the bill has."""


_PLAIN = "the calls of an agent lie below a span of the user's that says nothing but its own name"
_STEP = "the bill names a step of the scenario: a call that no agent made"
_NOBODYS = Instead(NOBODY, _STEP)
_STREAMS = {"s1": _NOBODYS, "s2-no-usage": _NOBODYS, None: _NOBODYS, "err": _NOBODYS}

INSTEAD: dict[str, dict[str | None, Instead]] = {
    "anthropic-openinference": {name: Instead(NOBODY, _PLAIN) for name in ("maker", "checker")},
    "anthropic-sdk-native": {name: Instead(NOBODY, _PLAIN) for name in ("maker", "checker")},
    "codex-subagent": {"checker": Instead("codex", "a sub-agent is a conversation of its own, and nothing in its records names it")},
    "gemini-cli-basic-grpc": {"router": Instead("utility_router", "the role that the runtime gives its hidden call")},
    "gemini-cli-intervals-cumulative": {"router": Instead("utility_router", "the role that the runtime gives its hidden call")},
    "langgraph-openinference": {"summarizer": _NOBODYS},
    "langgraph-stacked-openai": {"summarizer": _NOBODYS},
    "litellm-proxy": {"s1": _NOBODYS, "s2": _NOBODYS},
    "logfire-openai": {"s1": Instead("checker", "the stream is opened within the span of the checker")},
    "mlflow-openai": {"s1": _NOBODYS, "checker": Instead(NOBODY, "its call has no span of an agent around it, but is a trace of its own")},
    "openai-openinference": _STREAMS,
    "openai-openinference-export-retried": _STREAMS,
    "openai-otel-v2": _STREAMS,
    "smolagents-runaway": {None: Instead("maker", "the bill did not note who asked for the last answer")},
    "traceloop-sdk": {"summarizer": _NOBODYS},
}


def expected(folder: str, name: str | None) -> str:
    """Who the ledger should name for an agent of the bill."""
    if instead := INSTEAD.get(folder, {}).get(name):
        return instead.agent
    if name == "main":
        return next(own for beginning, own in NAMES.items() if folder.startswith(beginning))
    return name


def spent(folder: str) -> dict[tuple[str, str], int]:
    """(agent, model) -> input on the bill."""
    sums: Counter = Counter()
    for call in told_of(folder):
        sums[expected(folder, call["agent"]).lower(), call["model"]] += call["input_tokens"]
    return dict(sums)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_call_is_its_agents(folder: str):
    found = {(agent.lower(), model): tokens for (agent, model), (_, tokens) in outcome(folder).by_agent.items()}
    assert found == spent(folder)


@pytest.mark.parametrize(
    ("folder", "name"), [(folder, name) for folder, names in INSTEAD.items() for name in names if name and names[name].says_nothing]
)
def test_a_name_that_stands_in_no_record_cannot_be_known(folder: str, name: str):
    assert [one for one in said(folder) if isinstance(one.value, str) and one.value.lower() == name and "role" not in one.key] == []


def test_every_exception_is_one_of_a_bill():
    streams = {"openai-openinference", "openai-openinference-export-retried", "openai-otel-v2"}
    unknown = {
        (folder, name)
        for folder, names in INSTEAD.items()
        for name in names
        if folder not in streams and name not in {call["agent"] for call in bill(folder)}
    }
    assert unknown == set()
