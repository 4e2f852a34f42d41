"""How long cache writes live, where only the runtime's own cost tells: Claude Code says one number of tokens written, and what it cost."""

from decimal import Decimal

import polars as pl

from analytics.prices.book import PriceBook

_TELLS = ("claude-code",)
"""Services that price their calls from the list themselves, exactly, and say nothing of lifetimes."""


def priced(calls: pl.DataFrame, book: PriceBook) -> pl.DataFrame:
    """Calls with their cost, as PriceBook.price gives it; writes that only an hour's price explains to the cent are hour-long ones."""
    first = book.price(calls)
    if calls["reporter"].null_count() == calls.height:
        return first
    odd = (
        pl.col("reporter").is_in(_TELLS) & (pl.col("cache_write_tokens") > 0) & (pl.col("basis") == "list")
        & (pl.col("reported_usd") > pl.col("cost_usd"))
    )  # fmt: skip
    rows = first.with_row_index("row").filter(odd)
    if rows.is_empty():
        return first
    prices = {
        name: (short, long) for name, short, long in book.table.select("price_set", "cache_write_usd", "cache_write_1h_usd").iter_rows()
    }
    asked = rows.select("row", "price_set", "cache_write_tokens", "reported_usd", "cost_usd").iter_rows()
    found = [(row, _long_lived(*prices[name], written, told - cost)) for row, name, written, told, cost in asked]
    told = pl.DataFrame([pair for pair in found if pair[1]], schema={"row": pl.UInt32, "long": pl.Int64}, orient="row")
    return book.price(_split(calls, told)) if told.height else first


def _long_lived(short: Decimal | None, long: Decimal | None, written: int, missing: Decimal) -> int | None:
    """How many of the tokens written cost an hour's price, if some whole number of them makes up exactly for what is missing."""
    dearer = (long or Decimal(0)) - (short or Decimal(0))
    count = missing / dearer if dearer > 0 else Decimal(0)
    return int(count) if count == int(count) and 0 < count <= written else None


def _split(calls: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    both = calls.with_row_index("row").join(told, on="row", how="left", maintain_order="left")
    is_told = pl.col("long").is_not_null()
    split = {
        "cache_write_5m_tokens": pl.when(is_told).then(pl.col("cache_write_tokens") - pl.col("long")).otherwise("cache_write_5m_tokens"),
        "cache_write_1h_tokens": pl.when(is_told).then("long").otherwise("cache_write_1h_tokens"),
        "cache_write_tokens": pl.when(is_told).then(0).otherwise("cache_write_tokens"),
    }
    return both.with_columns(**split).drop("row", "long")
