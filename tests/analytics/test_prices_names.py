from functools import cache

import pytest

from analytics.prices import PriceBook
from analytics.prices.catalogue import Catalogue
from analytics.prices.names import NAMES_KEPT, Names


@cache
def table():
    return PriceBook.compile().table


@cache
def names() -> Names:
    return Names(Catalogue(), table())


@pytest.mark.parametrize(
    ("provider", "requested", "served", "found"),
    [
        ("openai", "gpt-4.1", "gpt-4.1-mini-2025-04-14", "openai/gpt-4.1-mini"),
        ("openai", "gpt-4.1", "served-by-nobody", "openai/gpt-4.1"),
        ("openai.responses", "gpt-5", None, "openai/gpt-5"),
        ("azure.ai.openai", "my-deployment", "gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("azure.ai.inference", "gpt-4o", None, "openai/gpt-4o"),
        ("anthropic.messages", "claude-sonnet-4-5", None, "anthropic/claude-sonnet-4-5"),
        ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", None, "google/claude-sonnet-4-5"),
        ("gcp.gemini", "models/gemini-2.5-pro", None, "google/gemini-2.5-pro"),
        ("gcp.gen_ai", "gemini-2.5-pro", None, "google/gemini-2.5-pro"),
        ("google.generative-ai", "gemini-2.5-pro", None, "google/gemini-2.5-pro"),
        ("vertex_ai", "gemini-2.5-pro", None, "google/gemini-2.5-pro"),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("aws.bedrock", "amazon.nova-pro-v1:0", None, "aws/amazon.nova-pro-v1:0"),
        ("strands-agents", "us.amazon.nova-pro-v1:0", None, "aws/amazon.nova-pro-v1:0"),
        ("x_ai", "grok-4", None, "x-ai/grok-4-0709"),
        ("xai.chat", "grok-4", None, "x-ai/grok-4-0709"),
        ("mistral_ai", "mistral-large-latest", None, "mistral/mistral-large"),
        ("groq", "openai/gpt-oss-120b", None, "groq/openai/gpt-oss-120b"),
        ("openrouter", "openai/gpt-5-mini", None, "openrouter/openai/gpt-5-mini"),
        ("litellm", "openai/gpt-5-mini", None, "openai/gpt-5-mini"),
        ("langchain", "gpt-5-mini", None, "openai/gpt-5-mini"),
        ("gcp.vertex.agent", "gemini-2.5-pro", None, "google/gemini-2.5-pro"),
        ("a-gateway-of-our-own", "gpt-5-mini", None, "openai/gpt-5-mini"),
        ("openai", "anthropic/claude-sonnet-4-5", None, "anthropic/claude-sonnet-4-5"),
        (None, "gemini/gemini-2.5-pro", None, "google/gemini-2.5-pro"),
    ],
)
def test_names_find_their_entry(provider, requested, served, found):
    meaning = names().meaning(False, provider, requested, served, None)
    assert {f"{table()['provider'][row]}/{table()['model'][row]}" for row in meaning.sets} == {found}


@pytest.mark.parametrize(
    ("provider", "requested", "problem"),
    [
        ("openai", "no-such-model", "unknown model"),
        ("no-such-provider", "no-such-model", "unknown model"),
        ("ollama", "deepseek-chat", "unknown model"),
        ("ollama", "openai/gpt-5", "unknown model"),
        ("openai", None, "no model"),
    ],
)
def test_names_that_mean_no_price_say_why(provider, requested, problem):
    meaning = names().meaning(False, provider, requested, None, None)
    assert (meaning.sets, meaning.problem) == ([], problem)


@pytest.mark.parametrize(
    ("provider", "requested", "served", "model"),
    [
        ("openai", "gpt-5-2025-08-07", None, "gpt-5-2025-08-07"),
        ("openai", None, "gpt-5-2025-08-07", "gpt-5"),
        ("openai", "gpt-5", "gpt-5-2025-08-07", "gpt-5"),
        ("openai", None, "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("anthropic", "claude-sonnet-4-5-20250929", None, "claude-sonnet-4-5-20250929"),
        ("anthropic", None, "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("gcp.vertex_ai", None, "claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("openai", "gpt-4o-2024-05-13", None, "gpt-4o-2024-05-13"),
        ("openai", "openai/gpt-5-mini", None, "gpt-5-mini"),
        ("litellm", "openai/gpt-5-mini-2025-08-07", None, "gpt-5-mini-2025-08-07"),
        ("litellm", None, "openai/gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("openrouter", "openai/gpt-5-mini", None, "openai/gpt-5-mini"),
        ("gcp.gemini", "models/gemini-2.5-pro", None, "gemini-2.5-pro"),
        ("azure.ai.openai", "my-deployment", "gpt-4o", "my-deployment"),
        ("openai", "models/no-such-model-2025-01-01", None, "models/no-such-model-2025-01-01"),
        (None, None, None, None),
    ],
)
def test_a_model_has_one_canonical_id_known_or_not(provider, requested, served, model):
    assert names().meaning(False, provider, requested, served, None).model == model


def test_a_name_that_was_read_once_is_not_read_again_whether_it_was_found_or_not():
    fresh = Names(Catalogue(), table())
    for model in ("gpt-5", "no-such-model"):
        assert fresh.meaning(False, "openai", model, None, None) is fresh.meaning(False, "openai", model, None, None)
    assert fresh.meaning.cache_info()[:3] == (2, 2, NAMES_KEPT)
