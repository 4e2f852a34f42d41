"""How much: the price book and what it is made of.

`book` turns calls into money · `sets` compiles prices into rows · `names` says which rows a call's names mean · `catalogue` is all that
knows genai-prices' spelling of them.
"""

from analytics.prices.book import TOOL_KINDS, PriceBook
from analytics.prices.sets import PRICE_SET

__all__ = ["PRICE_SET", "TOOL_KINDS", "PriceBook"]
