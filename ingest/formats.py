"""Rows of a report in the formats people and programs ask for: JSON objects, CSV, Arrow, Parquet, a table on a terminal."""

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import accumulate, takewhile

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 400  # characters of a table that goes to a file or to another program
_SENTENCE = 60  # characters of a column from which on it is text to be read


def to_objects(rows: pl.DataFrame) -> list[dict]:
    """Rows as JSON objects: decimals as strings, times as RFC 3339."""
    return [{name: to_plain(value) for name, value in row.items()} for row in rows.to_dicts()]


def to_csv(rows: pl.DataFrame) -> str:
    """Rows as CSV: lists joined by spaces, and no text that a spreadsheet would take for a formula."""
    lists = [pl.col(name).list.join(" ") for name, type_ in rows.schema.items() if type_ == pl.List]
    plain = rows.with_columns(lists)
    texts = [name for name, type_ in plain.schema.items() if type_ == pl.String]
    return plain.with_columns(pl.col(texts).str.replace(r"^([=+\-@\t\r])", "'$1")).write_csv()


def to_arrow(rows: pl.DataFrame) -> bytes:
    """Rows as an Arrow IPC stream that older readers understand too."""
    sink = io.BytesIO()
    rows.write_ipc_stream(sink, compat_level=pl.CompatLevel.oldest())
    return sink.getvalue()


def to_parquet(rows: pl.DataFrame) -> bytes:
    """Rows as a Parquet file."""
    sink = io.BytesIO()
    rows.write_parquet(sink)
    return sink.getvalue()


def to_plain(value: object) -> object:
    """A value as JSON has it: a decimal as a plain string, a time as RFC 3339."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


def print_table(rows: pl.DataFrame) -> None:
    """Rows as a table on stdout. Columns that a terminal has no room for follow below, behind the first ones; sentences break lines."""
    out = console()
    cells = {name: [cell(value) for value in rows[name].to_list()] for name in rows.columns}
    widths = {name: max(len(name), *map(len, column), 0) for name, column in cells.items()}
    if not out.is_terminal:
        out.width = max(_WIDE, sum(widths.values()) + 2 * len(widths))
    for names in _bands(rows, widths, out.width) if rows.height else ():
        table = Table(box=None, pad_edge=False)
        for name in names:
            table.add_column(name, justify="right" if rows.schema[name].is_numeric() else "left", no_wrap=widths[name] <= _SENTENCE)
        for row in zip(*(cells[name] for name in names), strict=True):
            table.add_row(*row)
        out.print(table)
    if rows.is_empty():
        out.print("no rows")


def _bands(rows: pl.DataFrame, widths: Mapping[str, int], room: int) -> Iterator[list[str]]:
    """Columns that fit beside each other; each band begins with the leading words that say what a row is of."""
    texts = list(takewhile(lambda name: rows.schema[name] == pl.String, rows.columns))
    words = [name for name, end in zip(texts, _ends(texts, widths), strict=True) if end <= room // 2]
    band = list(words)
    for name in rows.columns[len(words) :]:
        if [*_ends([*band, name], widths)][-1] > room + 2 and len(band) > len(words):
            yield band
            band = list(words)
        band.append(name)
    yield band


def _ends(names: Iterable[str], widths: Mapping[str, int]) -> Iterator[int]:
    return accumulate(2 + min(widths[name], _SENTENCE) for name in names)


def console() -> Console:
    """Stdout: as wide as the terminal, and wide enough anywhere else."""
    out = Console()
    if not out.is_terminal:
        out.width = _WIDE
    return out


def cell(value: object) -> Text:
    """A value for people. Names come from outside, so nothing in them moves a cursor or sets a colour."""
    plain = ", ".join(map(str, value)) if isinstance(value, list) else to_plain(value)
    return Text("-" if plain is None else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(plain)))
