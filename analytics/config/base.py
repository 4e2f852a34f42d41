"""What every entry of a config directory has in common."""

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """Base of every entry: an unknown key is refused, and a loaded value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, str_strip_whitespace=True)
