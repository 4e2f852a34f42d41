"""What every entry of a config directory has in common."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from analytics.config.values import Instant


class Entry(BaseModel):
    """Base of every entry: an unknown key is refused, and a loaded value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, str_strip_whitespace=True)


class Dated(Entry):
    """An entry that holds for a time: to change it, give it an end and write another one."""

    valid_from: Instant | None = None
    """First moment it holds, UTC, by when the call happened; None means since ever."""
    valid_to: Instant | None = None
    """First moment it holds no more, UTC; None means until further notice."""

    @field_validator("valid_to")
    @classmethod
    def _after_its_start(cls, end: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("valid_from")
        if start and end and end <= start:
            raise ValueError(f"must be later than valid_from, {start:%Y-%m-%d %H:%M} UTC")
        return end
