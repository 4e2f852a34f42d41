"""Numbers as people read them. Money is Decimal until it is text; None reads `unknown`, never zero."""

from decimal import Decimal

import streamlit as st

UNKNOWN = "unknown"
NOTHING = "–"


def usd(amount: Decimal | None) -> str:
    """US dollars: `$1,234.50`, and below a dollar three significant digits, `$0.0123`."""
    if amount is None:
        return UNKNOWN
    digits = 2 if amount == 0 or abs(amount) >= 1 else 2 - amount.adjusted()
    return f"{'-' if amount < 0 else ''}${abs(amount):,.{digits}f}"


def price(unit: Decimal | None, tokens: bool) -> str:
    """A unit price as price lists have it, with all its digits: of a million tokens, or of one call or second."""
    if unit is None:
        return NOTHING
    exact = (unit.scaleb(6) if tokens else unit).normalize()
    return f"${exact:,.2f}" if exact == round(exact, 2) else f"${exact:,f}"


def tokens(count: int | None) -> str:
    """`812`, `12.3k`, `4.56M`."""
    if count is None:
        return UNKNOWN
    for size, unit, digits in ((10**9, "G", 2), (10**6, "M", 2), (10**3, "k", 1)):
        if abs(count) >= size:
            return f"{count / size:.{digits}f}{unit}"
    return f"{count}"


def share(part: int, whole: int) -> str:
    """A part in percent, rounded down: `100%` only when nothing is missing."""
    return f"{1000 * part // whole / 10:g}%" if whole else NOTHING


def duration(ms: int | None) -> str:
    """`45 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if ms is None:
        return UNKNOWN
    seconds = ms // 1000
    if ms < 60_000:
        return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
    large, small, units = (*divmod(seconds, 60), ("min", "s")) if seconds < 3600 else (*divmod(seconds // 60, 60), ("h", "min"))
    return f"{large} {units[0]} {small} {units[1]}"


def floor(unknown_calls: int, unpriced_calls: int) -> str:
    """What a total leaves out; empty when it leaves out nothing."""
    parts = [f"{counted(count, 'call')} without {what}" for count, what in ((unknown_calls, "usage"), (unpriced_calls, "a price")) if count]
    return ", ".join(parts)


def counted(count: int, noun: str) -> str:
    """`1 run`, `2,000 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def column(label: str, digits: int = 4, **options):
    """A table column of exact US dollars."""
    return st.column_config.NumberColumn(label, format=f"$%,.{digits}f", **options)
