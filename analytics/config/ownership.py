"""What owners.yaml holds: whose a call is where telemetry does not say it, and how shared costs are split."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from analytics.config.base import Dated, Entry
from analytics.config.values import Some, Text, exact
from analytics.model import Role

Spent = Literal["loop", "run", "agent", "role", "team", "cost_center", "user", "environment", "provider", "model", "tool", "runtime"]


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _something(value: Any) -> Any:
    if value == {}:
        raise ValueError("must not be empty: what matches everything has an attribute with the glob '*'")
    return value


Globs = Annotated[tuple[Text, ...], BeforeValidator(_several), Some]
"""One shell glob or a list of them."""
Percent = Annotated[Decimal, BeforeValidator(exact), Field(gt=0, le=100, max_digits=18, decimal_places=9)]


class Named(Dated):
    """An entry that charges name."""

    name: Text
    """A text of its own; charges carry it."""


class Said(Entry):
    """What a rule says of the calls it matches; what is left out it leaves alone."""

    loop: Text | None = None
    user: Text | None = None
    role: Role | None = None
    team: Text | None = None
    cost_center: Text | None = None
    environment: Text | None = None


class OwnerRule(Named):
    """Whose the calls with some attributes are. Of several rules that say the same thing of a call the first one holds."""

    when: Annotated[dict[Text, Globs], BeforeValidator(_something)]
    """Attribute -> shell globs, one of which must match; all attributes must match."""
    set: Said
    """team, cost_center, loop, user, role or environment of these calls."""
    override: bool = False
    """true: holds against what telemetry says; false: fills in what it does not say."""

    @field_validator("set")
    @classmethod
    def _says_something(cls, said: Said) -> Said:
        if not any(said.model_dump().values()):
            raise ValueError(f"must say something: {', '.join(Said.model_fields)}")
        return said


class SharedCost(Named):
    """Spend of many that is booked in one place, and how it is split among them."""

    when: Annotated[dict[Spent, Globs], BeforeValidator(_something)]
    """Which charges are shared: every dimension must match one of its shell globs."""
    method: Literal["even", "fixed", "cost", "tokens", "runs"]
    """even: the same for each; fixed: by `shares`; cost, tokens, runs: in proportion to what each spent apart from it that day."""
    to: Literal["team", "cost_center", "loop"] = "team"
    """The dimension whose values take the shares."""
    among: Annotated[tuple[Text, ...], Some] | None = None
    """Who takes a share; None means everybody who spent that day."""
    shares: Annotated[dict[Text, Percent] | None, Field(validate_default=True)] = None
    """Percent of each, 100 in all; for the method fixed alone."""

    @field_validator("among")
    @classmethod
    def _not_beside_shares(cls, among: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if among and info.data.get("method") == "fixed":
            raise ValueError("belongs to the other methods: fixed names its receivers in shares")
        if among and len(set(among)) < len(among):
            raise ValueError("must name each once")
        return among

    @field_validator("shares")
    @classmethod
    def _are_a_whole(cls, shares: dict[str, Decimal] | None, info: ValidationInfo) -> dict[str, Decimal] | None:
        if "method" in info.data and (shares is not None) != (info.data["method"] == "fixed"):
            raise ValueError("and the method fixed belong together: give both or neither")
        if shares is not None and sum(shares.values()) != 100:
            raise ValueError(f"must sum to 100 percent (found {sum(shares.values())})")
        return shares
