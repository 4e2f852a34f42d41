"""The values that entries of a config directory hold, each refused with a sentence to be read after its key."""

import re
import zoneinfo
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from analytics.config.explain import did_you_mean

CRON = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|([\d*/,-]+ ){2}[\d*/,?LW-]+ [\w*/,-]+ [\w*/,?#-]+", re.ASCII)


def exact(value: Any) -> Any:
    """The value of a decimal; what YAML has made inexact is refused."""
    if isinstance(value, float):
        raise ValueError(f'must be in quotes ("{value}"): a bare decimal number is not exact')
    if isinstance(value, bool):
        raise ValueError('must be a decimal number in quotes, such as "40.00"')
    return value


def _timezone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        hint = did_you_mean(value, zoneinfo.available_timezones()) or ", such as Europe/Berlin or UTC"
        raise ValueError(f"must be a time zone by its IANA name, and {value!r} is unknown{hint}") from error
    return value


def _cron(value: str) -> str:
    if not CRON.fullmatch(" ".join(value.split())):
        raise ValueError("must be five cron fields, such as '30 6 * * 1-5', or a word such as @daily")
    return value


def _instant(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value) if isinstance(value, str | date) else "")  # YAML makes a date of an unquoted one
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a date (2026-01-31) or a time (2026-01-31T12:00:00Z)") from error


def _some(value: Any) -> Any:
    if value == []:
        raise ValueError("must not be empty: give an item or remove the key")
    return value


Schedule = Annotated[str, AfterValidator(_cron)]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(gt=0, lt=2**63, strict=True)]
Money = Annotated[Decimal, BeforeValidator(exact), Field(gt=0, max_digits=18, decimal_places=9)]
"""US dollars, more than nothing, with at most 9 decimals: what the ledger holds exactly."""
Price = Annotated[Decimal, BeforeValidator(exact), Field(ge=0, max_digits=21, decimal_places=12)]
"""US dollars; 0 is a price. A millionth of it still fits the ledger's unit price."""
Percent = Annotated[Decimal, BeforeValidator(exact), Field(gt=0, le=1000, max_digits=10, decimal_places=6)]
"""Percent in quotes, such as "12.5"."""
Timezone = Annotated[str, AfterValidator(_timezone)]
Some = BeforeValidator(_some)
"""For a list that means something else when empty than when left out."""
Instant = Annotated[datetime, BeforeValidator(_instant)]
"""A date means its first moment; without an offset it is UTC."""


def exactly_one(other: str, value: Any, info: ValidationInfo) -> Any:
    """`value`, if it or the field `other`, validated before it, is given, and not both."""
    if other in info.data and (info.data[other] is None) == (value is None):  # absent from data: wrong by itself, and reported
        raise ValueError(f"and {other}: give exactly one of the two")
    return value
