"""What an entry of `prices/*.yaml` is: custom prices, contracts on top of list prices, other names of models, and whose word is final."""

from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from analytics.config.base import Dated
from analytics.config.values import Money, Percent, Price, Text, exactly_one

_OPTIONAL_MTOK = ("cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "reasoning_mtok", "usd_per_search")


class CustomPrice(Dated):
    """A custom price: of a model, US dollars per million tokens, or of a tool or sandbox, per call or second.

    A new figure is a new dated entry: editing one would reprice the past.
    """

    name: Text | None = None
    """What a charge calls it; None means that its price set says enough."""
    model: Text | None = None
    """Model id or shell glob; None in the price of a tool."""
    tool: Annotated[Text | None, Field(validate_default=True)] = None
    """Tool or sandbox name or shell glob; None in the price of a model."""
    provider: Text | None = None
    """None means whoever serves the model."""
    teams: tuple[Text, ...] = ()
    """Whose calls it prices; empty means everybody's."""
    input_mtok: Annotated[Price | None, Field(validate_default=True)] = None
    """Input tokens that no cache served; every model price has it."""
    output_mtok: Annotated[Price | None, Field(validate_default=True)] = None
    """Every model price has it."""
    cache_read_mtok: Price | None = None
    """None means the input price."""
    cache_write_mtok: Price | None = None
    """None means the input price."""
    cache_write_1h_mtok: Price | None = None
    """None means the cache write price."""
    reasoning_mtok: Price | None = None
    """None means the output price."""
    usd_per_search: Price | None = None
    """For each web search that the provider ran; None means no fee."""
    usd_per_call: Price | None = None
    usd_per_second: Annotated[Price | None, Field(validate_default=True)] = None
    source: Text | None = None
    """Where the figure comes from: a URL or a contract."""

    @field_validator("tool")
    @classmethod
    def _model_or_tool(cls, tool: str | None, info: ValidationInfo) -> str | None:
        return exactly_one("model", tool, info)

    @field_validator("provider", "input_mtok", "output_mtok", *_OPTIONAL_MTOK)
    @classmethod
    def _only_of_a_model(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("tool"):
            raise ValueError("belongs to the price of a model: a tool has usd_per_call or usd_per_second")
        return value

    @field_validator("input_mtok", "output_mtok")
    @classmethod
    def _always_of_a_model(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if price is None and info.data.get("model"):
            raise ValueError("is missing (US dollars per million tokens)")
        return price

    @field_validator("usd_per_call", "usd_per_second")
    @classmethod
    def _only_of_a_tool(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if price is not None and info.data.get("model"):
            raise ValueError("belongs to the price of a tool: a model has input_mtok and output_mtok")
        return price

    @field_validator("usd_per_second")
    @classmethod
    def _one_unit(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return exactly_one("usd_per_call", price, info) if info.data.get("tool") else price


_TERMS = ("percent", "committed_usd", "usd_per_hour")
_NEEDS = {"percent_off": "percent", "mark_up": "percent", "commitment": "committed_usd", "provisioned": "usd_per_hour"}
_MAY = {"commitment": ("percent",)}
_BOUNDS = {"commitment": ("valid_from", "valid_to"), "provisioned": ("valid_from",)}
_ALL = 100


class Contract(Dated):
    """What was agreed on top of the list: a percentage off or up, spend committed to, or capacity paid by the hour.

    Custom prices come before contracts, and of several contracts that cover a call the first one holds.
    """

    name: Text
    """A text of its own; charges carry it."""
    provider: Text | None = None
    """None means every provider."""
    model: Text = "*"
    """The list's model id or a shell glob."""
    teams: tuple[Text, ...] = ()
    """Whose calls it covers; empty means everybody's."""
    percent: Percent | None = None
    """Off the list's price (percent_off, commitment) or on top of it (mark_up)."""
    committed_usd: Money | None = None
    """What is to be spent between valid_from and valid_to (commitment)."""
    usd_per_hour: Money | None = None
    """Of the capacity, used or not; its calls cost nothing more (provisioned)."""
    source: Text | None = None
    """Where it was agreed."""
    kind: Literal["percent_off", "mark_up", "commitment", "provisioned"]
    """percent_off, mark_up, commitment or provisioned."""

    @field_validator("kind")
    @classmethod
    def _has_its_terms(cls, kind: str, info: ValidationInfo) -> str:
        """Comes after the terms, so that they are known."""
        if not {*_TERMS, "valid_from", "valid_to"} <= info.data.keys():  # one of them is wrong by itself, and reported
            return kind
        needs = (_NEEDS[kind], *_BOUNDS.get(kind, ()))
        if missing := [name for name in needs if info.data[name] is None]:
            raise ValueError(f"{kind} needs {missing[0]}")
        if wrong := [name for name in _TERMS if info.data[name] is not None and name not in (*needs, *_MAY.get(kind, ()))]:
            raise ValueError(f"{kind} knows no {wrong[0]}")
        if kind != "mark_up" and (info.data["percent"] or 0) > _ALL:
            raise ValueError(f"{kind} with more than {_ALL} percent off would be a negative price")
        return kind


class Alias(Dated):
    """Another name of a model, such as that of a deployment or one that moves from model to model."""

    name: Text
    """As telemetry says it, or a shell glob."""
    model: Text
    """The model id that it stands for."""
    provider: Text | None = None
    """None means at every provider."""

    def means(self, provider: str | None, name: str, at: datetime) -> bool:
        """Whether `name` at `provider` is this alias at that time, UTC."""
        if self.provider and self.provider.lower() != (provider or "").lower():
            return False
        holds = (not self.valid_from or self.valid_from <= at) and (not self.valid_to or at < self.valid_to)
        return holds and fnmatchcase(name.lower(), self.name.lower())


class Reported(Dated):
    """A service whose own word on what a call cost is final, such as a gateway that knows its invoice."""

    service: Text
    """`service.name` of the one that reports the cost, or a shell glob."""
    source: Text | None = None
    """Why it is believed."""
