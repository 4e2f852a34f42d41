"""Why each call of a run counts once: the records it was seen in, one line each."""

from itertools import groupby
from typing import Any

import polars as pl
import streamlit as st

from dashboard import data, money

_RIGHT = ("Input", "Output", "Cost", "Beyond its calls")
_WHOLE = ("Call", "Second", "Request", "Search")
"""Units that are priced one by one."""


def draw(run: str) -> None:
    """Each call with the record that counts, then the others; below them the records that say usage and are of no call."""
    answer = data.report("explain", run=run)
    if answer.rows.is_empty():
        return
    shown = pl.DataFrame([cells for _, entry in groupby(answer.rows.to_dicts(), lambda row: row["entry"]) for cells in _entry(list(entry))])
    if answer.rows["remainder_tokens"].sum() == 0:
        shown = shown.drop("Beyond its calls")
    st.markdown("**Every call and the records it was seen in**: the one that counts, and why the others do not")
    config = dict.fromkeys(_RIGHT, st.column_config.TextColumn(alignment="right"))
    height = "content" if shown.height < 30 else 500
    st.dataframe(shown, hide_index=True, column_config=config, height=height, alt="Every call and the records it was seen in")
    _prices(answer.rows)
    if answer.next_cursor:
        st.caption(f"These are the first {data.MOST_ROWS:,} calls; loopledger explain shows all.")


def _prices(rows: pl.DataFrame) -> None:
    """The price rows of these calls, as price lists have them: tokens by the million."""
    used = rows.filter("counts", pl.col("price_set").is_not_null())
    if used.is_empty():
        return
    asked = [name for name in used.columns if name.endswith("_unit_usd") and used[name].count()]
    sets = used.group_by("price_set", "price_book", "price_source", "basis", *asked, maintain_order=True).len()
    st.markdown("**The price rows of these calls**, US dollars: tokens by the million")
    shown = pl.DataFrame([_price(row, asked) for row in sets.iter_rows(named=True)])
    config = {_label(name): st.column_config.TextColumn(alignment="right") for name in asked}
    st.dataframe(shown, hide_index=True, column_config=config, alt="The price rows of these calls")


def _price(row: dict[str, Any], asked: list[str]) -> dict[str, Any]:
    prices = {_label(name): money.price(row[name], tokens=_label(name) not in _WHOLE) for name in asked}
    said = {"Source": row["price_source"] or money.NOTHING, "Book": row["price_book"], "Basis": row["basis"]}
    return {"Price": row["price_set"], "Calls": row["len"], **prices, **said}


def _label(column: str) -> str:
    return column.removesuffix("_unit_usd").replace("_", " ").capitalize()


def _entry(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells of one call's records; what belongs to the call itself stands in its first line only."""
    return [_cells(row, is_first=place == 0) for place, row in enumerate(rows)]


def _cells(row: dict[str, Any], is_first: bool) -> dict[str, Any]:
    of_call = is_first and row["call"] is not None
    return {
        "Call": f"{row['entry'] + 1}" if of_call else "" if row["call"] else "none",
        "Agent": (row["agent"] or money.NOTHING) if is_first else "",
        "Model or tool": (row["tool"] or row["model"] or money.NOTHING) if is_first else "",
        "Cost": money.usd(row["cost_usd"]) if of_call else "",
        "Price": (row["price_set"] or row["unpriced_reason"]) if of_call else "",
        "Record": f"{row['signal']} {row['name'] or ''}",
        "From": row["runtime"] or row["dialect"],
        "Input": _tokens(row, "input"),
        "Output": _tokens(row, "output"),
        "Counts": "yes" if row["counts"] else "no",
        "Why": row["reason"],
        "Beyond its calls": f"{row['remainder_tokens']:,}" if row["remainder_tokens"] else "",
    }


def _tokens(row: dict[str, Any], way: str) -> str:
    """What the record itself says; a metric point says one number, and of what."""
    if row["measure"]:
        is_output = row["measure"].startswith(("output", "reasoning"))
        return f"{row['amount']:,} {row['measure'].replace('_', ' ')}" if is_output == (way == "output") else ""
    said = row[f"said_{way}_tokens"]
    return money.NOTHING if said is None else f"{said:,}"
