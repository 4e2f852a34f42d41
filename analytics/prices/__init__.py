"""How much: the price book and what it is made of.

`book` finds each call's price · `costs` multiplies · `lifetimes` and `final_word` heed what runtimes say it cost · `sets` and `contracts`
compile prices into rows · `names` says which rows a call's names mean · `catalogue` is all that knows genai-prices' spelling of them.
"""

from analytics.prices.book import TOOL_KINDS, PriceBook
from analytics.prices.lifetimes import priced
from analytics.prices.sets import PRICE_SET

__all__ = ["PRICE_SET", "TOOL_KINDS", "PriceBook", "priced"]
