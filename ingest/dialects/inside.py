"""Facts inside a text: JSON, a Python repr of a dict, or the beginning of either that was cut. The first mention counts."""

from collections.abc import Mapping

import polars as pl

from analytics.model import MODEL_KINDS, MONEY

_USAGE: Mapping[str, str] = {
    "cache_read_tokens": "cache_read_input_tokens|cached_tokens",
    "cache_write_total": "cache_creation_input_tokens|cache_creation_tokens|cache_write_tokens",
    "cache_write_5m_tokens": "ephemeral_5m_input_tokens",
    "cache_write_1h_tokens": "ephemeral_1h_input_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
"""Column <- what OpenAI, Anthropic and LiteLLM call it in their usage objects."""

_RESPONSE_ID = r"""['"]id\\?['"]\s*:\s*\\?['"]((?:chatcmpl-|resp_|msg_|gen-)[^'"\\]+)"""


def count(column: str, key: str) -> pl.Expr:
    """The whole number under a key, or one of several with | between; null when there is none, or when the text is cut within it."""
    return pl.col(column).str.extract(_named(key) + r"(\d{1,15})[^\d.]").cast(pl.Int64)


def amount(column: str, key: str) -> pl.Expr:
    """The US dollars under a key; null when there are none."""
    number = pl.col(column).str.extract(_named(key) + r"(\d+\.?\d*(?:[eE][+-]?\d+)?)[^\d.eE]").cast(pl.Float64)
    return number.cast(MONEY)


def text(column: str, key: str) -> pl.Expr:
    """The string under a key, up to its first quote or escape; null when there is none or it is empty."""
    return pl.col(column).str.extract(_named(key) + r"""\\?['"]([^'"\\]+)\\?['"]""")


def splits(column: str) -> dict[str, pl.Expr]:
    """What a provider's usage object says of cached and reasoning tokens, for what the attributes leave open."""
    return {name: pl.coalesce(name, count(column, key)) for name, key in _USAGE.items()}


def response_id() -> pl.Expr:
    """The id of what a model answered, read from `output` alone: the input of later calls holds earlier ids."""
    answered = pl.when(pl.col("kind").is_in(MODEL_KINDS)).then(pl.col("output").str.extract(_RESPONSE_ID))
    return pl.coalesce("response_id", answered)


def _named(key: str) -> str:
    return rf"""['"](?:{key})\\?['"]\s*:\s*"""
