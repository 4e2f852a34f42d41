"""genai-prices' entries, found by the names that telemetry uses.

genai-prices knows its own ids and many spellings of a model. What it does not know is handled here: the provider names of
OpenTelemetry, SDK names such as `openai.responses`, frameworks that stand where a provider should, and `provider/model` prefixes.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version

from genai_prices.data import providers as PROVIDERS
from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.types import ModelInfo, Provider

SOURCE = f"genai-prices-{version('genai-prices')}"

PROVIDER_ALIASES = {
    "az": "azure",
    "azure-openai": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "fireworks-ai": "fireworks",
    "fireworks_ai": "fireworks",
    "gcp": "google",
    "togetherai": "together",
    "x_ai": "x-ai",
}
"""First part of a provider name -> provider id, where genai-prices finds none or another party."""

NOT_PROVIDERS = frozenset(
    {
        "autogen",
        "crewai",
        "gcp.vertex.agent",
        "github",
        "langchain",
        "langgraph",
        "litellm",
        "litellm_proxy",
        "microsoft.agent_framework",
        "strands-agents",
    }
)
"""Frameworks and gateways that put their own name where the provider belongs: the model alone decides."""

SELF_HOSTED = frozenset({"hosted_vllm", "llamacpp", "lm_studio", "lmstudio", "ollama", "vllm"})
"""Servers on the user's own machines: what a vendor asks for the same weights is not their price."""

BEDROCK_MODEL = re.compile(r"(?:[a-z-]{2,8}\.)?(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral)\.[a-z]")
"""`us.anthropic.claude-...`: a form that only Amazon Bedrock uses, so it names the provider when nothing else does."""

DATE_SUFFIX = re.compile(r"[-@](20\d\d-\d\d-\d\d|20\d{6})$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One model at one provider's price."""

    seller: str
    """The provider id that a name was found under: `azure` for a model that Azure sells at OpenAI's price."""
    provider: str
    """The provider id that the price belongs to: `openai` for the same model."""
    info: ModelInfo
    is_guess: bool = False
    """Whether the seller is only the model's maker, because nobody knows who sold it."""


class Catalogue:
    """Every entry of the genai-prices data that the package carries; needs no network."""

    def __init__(self) -> None:
        self.entries = [Entry(provider.id, provider.id, info) for provider in PROVIDERS for info in provider.models]
        self._provider_of = {id(entry.info): entry.provider for entry in self.entries}

    def provider(self, name: str | None) -> str | None:
        """The provider id of any provider name; the name in lower case if it has none; None if nobody bills under it."""
        name = (name or "").strip().lower()
        head = name.partition(".")[0]
        if not name or not NOT_PROVIDERS.isdisjoint((name, head)):
            return None
        found = find_provider_by_id(PROVIDERS, PROVIDER_ALIASES.get(head, head)) or find_provider_by_id(PROVIDERS, name)
        return found.id if found else name

    def prices_of(self, provider: str) -> list[str]:
        """Providers whose prices also hold at this one, as OpenAI's at Azure."""
        found = find_provider_by_id(PROVIDERS, provider)
        return (found and found.fallback_model_providers) or []

    def entry(self, provider: str | None, *models: str) -> Entry | None:
        """The first entry that a model name finds under a provider id; where nobody knows the provider, one that it finds alone."""
        if provider in SELF_HOSTED:
            return None
        found = self._first(provider, models)
        if found or provider is None or find_provider_by_id(PROVIDERS, provider):
            return found  # another provider's price for a model of the same name would be a guess
        found = self._first(None, models)
        return found and replace(found, is_guess=True)

    def _first(self, provider: str | None, models: Iterable[str]) -> Entry | None:
        readings = (reading for model in models for reading in self._readings(provider, model))
        return next((entry for reading in readings if (entry := self._find(*reading))), None)

    def spellings(self, provider: str | None, model: str) -> list[str]:
        """The name as it came, then without its prefix, then without its date, as long as the list prices them alike."""
        entry = self.entry(provider, model)
        if entry is None:
            return [model]
        name = model.removeprefix("models/")
        head, _, tail = name.partition("/")
        short = tail if tail and self.provider(head) == entry.seller else name
        undated = DATE_SUFFIX.sub("", short)
        other = self.entry(provider, undated)
        return [model, short, undated] if other and other.info.prices == entry.info.prices else [model, short]

    def _readings(self, provider: str | None, model: str) -> Iterator[tuple[str | None, str]]:
        """`gemini/gemini-2.5-pro` at a gateway is also `gemini-2.5-pro` at Gemini."""
        name = model.removeprefix("models/")
        yield provider, name
        head, _, tail = name.partition("/")
        if tail:
            yield self.provider(head), tail

    def _find(self, provider: str | None, model: str) -> Entry | None:
        # DataSnapshot.find_provider_model keeps every name it ever missed, and these names come from outside.
        seller = find_provider_by_id(PROVIDERS, provider) if provider else _maker(model)
        info = seller and seller.find_model(model, all_providers=PROVIDERS)
        return Entry(seller.id, self._provider_of[id(info)], info) if seller and info else None


def _maker(model: str) -> Provider | None:
    """The provider that a model name alone gives away."""
    if BEDROCK_MODEL.match(model):
        return find_provider_by_id(PROVIDERS, "aws")
    return next((provider for provider in PROVIDERS if provider.model_match and provider.model_match.is_match(model)), None)
