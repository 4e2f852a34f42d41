"""The plain trees of telemetry.md 8.2: usage on wrappers, copies and leaves, and what all of it comes to. Its twins are in test_twins."""

from itertools import pairwise
from typing import Any

import pytest
from bookkeeping import at, call, span
from counting import count
from hypothesis import given, settings
from hypothesis import strategies as st

Records = list[dict[str, Any]]


def says(tokens: tuple[int, int] | None) -> dict[str, int]:
    return dict(zip(("input_uncached_tokens", "output_text_tokens"), tokens or (), strict=bool(tokens)))


def chat(name: str, tokens: tuple[int, int] | None, parent: str | None = None, **said) -> dict[str, Any]:
    return call(name, None, parent=parent, **says(tokens), **said)


def over(kind: str, name: str, tokens: tuple[int, int] | None = None, parent: str | None = None, **said) -> dict[str, Any]:
    """A span around others: an agent, a tool, or a chain."""
    return span(name, kind=kind, parent=parent, **says(tokens), **said)


TREES: dict[str, tuple[Records, tuple[int, int, int]]] = {
    "an aggregate root": (
        [
            over("agent", "root", (30, 6)),
            over("chain", "step 1", None, "root"),
            chat("a", (10, 2), "step 1"),
            over("tool", "search", None, "step 1"),
            over("chain", "step 2", None, "root"),
            chat("b", (20, 4), "step 2"),
        ],
        (2, 30, 6),
    ),
    "the second invocation of an agent whose span holds its lifetime": (
        [
            over("agent", "bot", (900, 90), usage_role="lifetime"),
            over("chain", "cycle 1", None, "bot"),
            chat("a", (100, 10), "cycle 1"),
            over("chain", "cycle 2", None, "bot"),
            chat("b", (200, 20), "cycle 2"),
        ],
        (2, 300, 30),
    ),
    "call_llm around generate_content": (
        [over("chain", "invocation"), chat("call_llm", (50, 5), "invocation"), chat("generate_content", (50, 5), "call_llm")],
        (1, 50, 5),
    ),
    "LangChain around an HTTP client around the OpenAI SDK": (
        [
            over("agent", "agent"),
            chat("ChatOpenAI", (10, 1), "agent", runtime="langchain"),
            over("other", "POST", None, "ChatOpenAI", runtime="httpx"),
            chat("ChatCompletion", (10, 1), "POST", runtime="openai"),
        ],
        (1, 10, 1),
    ),
    "two instrumentations that know the same response": (
        [
            over("agent", "agent", trace="one"),
            chat("turn", (10, 1), "agent", trace="one", runtime="agents", response_id="r"),
            chat("ChatCompletion", (10, 1), trace="two", runtime="openai", response_id="r"),
        ],
        (1, 10, 1),
    ),
    "a client and its gateway in one trace": (
        [
            chat("client", (10, 1), process="client", response_id="r"),
            over("other", "POST", None, "client", process="client"),
            over("other", "Received Proxy Server Request", None, "POST", process="gateway"),
            chat("gateway", (10, 1), "Received Proxy Server Request", process="gateway", response_id="r"),
        ],
        (1, 10, 1),
    ),
    "a client and its gateway in two traces": (
        [
            chat("client", (10, 1), trace="one", process="client", response_id="r"),
            over("other", "Received Proxy Server Request", trace="two", process="gateway"),
            chat("gateway", (10, 1), "Received Proxy Server Request", trace="two", process="gateway", response_id="r"),
        ],
        (1, 10, 1),
    ),
    "a call around two billed attempts": (
        [chat("completion", (30, 3)), chat("first", (10, 1), "completion"), chat("second", (20, 2), "completion")],
        (2, 30, 3),
    ),
    "chats that are partial below a root that is true": (
        [
            over("agent", "root", (500, 50), usage_role="own"),
            chat("a", (200, 1), "root", usage_role="partial"),
            chat("b", (300, 1), "root", usage_role="partial"),
        ],
        (1, 500, 50),
    ),
    "an agent that alone reports": ([over("agent", "agent", (100, 10)), over("tool", "tool", None, "agent")], (1, 100, 10)),
    "a sub-agent that only reports on itself": (
        [
            over("agent", "root", (300, 30)),
            chat("a", (100, 10), "root"),
            over("tool", "delegate", None, "root"),
            over("agent", "helper", (200, 20), "delegate"),
        ],
        (2, 300, 30),
    ),
    "aggregates inside aggregates": (
        [
            over("agent", "supervisor", (300, 30)),
            chat("a", (100, 10), "supervisor"),
            over("tool", "runSubagent", None, "supervisor"),
            over("agent", "Explore", (200, 20), "runSubagent"),
            chat("b", (200, 20), "Explore"),
        ],
        (2, 300, 30),
    ),
    "a call inside a tool of a call": ([chat("a", (10, 1)), over("tool", "tool", None, "a"), chat("b", (5, 1), "tool")], (2, 15, 2)),
    "agents that repeat what their model object used since it was made": (
        [
            over("chain", "crew"),
            over("agent", "first", (100, 10), "crew", usage_role="lifetime"),
            chat("a", (100, 10), "first"),
            over("agent", "second", (300, 30), "crew", usage_role="lifetime"),
            chat("b", (200, 20), "second"),
        ],
        (2, 300, 30),
    ),
    "a root whose other call was never sampled": ([over("agent", "root", (30, 3)), chat("a", (10, 1), "root")], (1, 10, 1)),
    "a root that holds its own calls above those of another agent": (
        [
            over("agent", "maker", (100, 10), usage_role="own"),
            chat("a", (100, 10), "maker"),
            over("tool", "check", None, "maker"),
            over("agent", "checker", (50, 5), "check", usage_role="own"),
            chat("b", (50, 5), "checker"),
        ],
        (2, 150, 15),
    ),
    "a root that sums everything and has no calls of its own below": (
        [
            over("agent", "root", (300, 30)),
            over("tool", "delegate", None, "root"),
            over("agent", "helper", (200, 20), "delegate"),
            chat("a", (200, 20), "helper"),
        ],
        (2, 300, 30),
    ),
    "steps with sums of their own, as the AI SDK 7 has": (
        [
            over("agent", "invoke_agent", (30, 6)),
            over("chain", "step 1", (10, 2), "invoke_agent"),
            chat("a", (10, 2), "step 1"),
            over("chain", "step 2", (20, 4), "invoke_agent"),
            chat("b", (20, 4), "step 2"),
            over("tool", "search", None, "step 2"),
        ],
        (2, 30, 6),
    ),
    "a turn of Codex": (
        [
            over("agent", "session_task.turn", (30, 3), usage_role="own"),
            over("other", "run_sampling_request", None, "session_task.turn"),
            chat("handle_responses 1", (10, 1), "run_sampling_request"),
            chat("handle_responses 2", (20, 2), "run_sampling_request"),
        ],
        (2, 30, 3),
    ),
    "LiteLLM's first generation": (
        [
            over("other", "Received Proxy Server Request", (10, 1)),
            chat("litellm_request", (10, 1), "Received Proxy Server Request", response_id="r"),
            over("other", "raw_gen_ai_request", None, "litellm_request"),
        ],
        (1, 10, 1),
    ),
}


@pytest.mark.parametrize(("records", "total"), TREES.values(), ids=TREES)
def test_each_billed_call_counts_once(records: Records, total: tuple[int, int, int]):
    assert count(*records).total == total


@settings(max_examples=60)
@given(st.sampled_from(sorted(TREES)), st.randoms(use_true_random=False))
def test_the_order_of_records_changes_nothing(name: str, chance):
    records, total = TREES[name]
    assert count(*chance.sample(records, k=len(records))).total == total


@settings(max_examples=20)
@given(st.permutations(sorted(TREES)).map(lambda names: names[:5]))
def test_trees_beside_each_other_add_up(names: list[str]):
    apart = [record for hour, name in enumerate(names) for record in later(TREES[name][0], hour)]
    assert count(*apart).total == tuple(map(sum, zip(*(TREES[name][1] for name in names), strict=True)))


def later(records: Records, hour: int) -> Records:
    """The same tree some hours later, in a trace of its own."""
    times = {"started_at": at(60 * hour), "ended_at": at(60 * hour + 0.01)}
    return [{**one, **times, "trace_id": bytes([hour]) + one["trace_id"][1:]} for one in records]


def test_what_a_sampled_tree_lost_is_an_alarm_and_never_spend():
    records, _ = TREES["a root whose other call was never sampled"]
    assert count(*records).remainders == {"root": 22}


def test_the_finer_split_of_an_inner_copy_is_kept():
    outer, inner = chat("outer", (10, 1), agent="maker"), chat("inner", (4, 1), "outer", cache_read_tokens=6)
    assert count(outer, inner).said("agent", "input_uncached_tokens", "cache_read_tokens") == [("maker", 4, 6)]
    outer, inner = chat("outer", (4, 1), cache_read_tokens=6), chat("inner", (10, 1), "outer", model_served="gold-2026")
    assert count(outer, inner).said("model_served", "input_uncached_tokens", "cache_read_tokens") == [("gold-2026", 4, 6)]


def test_a_chain_of_a_thousand_wrappers_is_no_deeper_than_one():
    wrappers = [over("chain", f"w{depth}", (10, 1), f"w{depth - 1}" if depth else None) for depth in range(1000)]
    assert all(inner["parent_span_id"] == outer["span_id"] for outer, inner in pairwise(wrappers))
    assert count(*wrappers, chat("a", (10, 1), "w999")).total == (1, 10, 1)
