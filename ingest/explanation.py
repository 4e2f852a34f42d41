"""A run explained: each call with the records it was seen in, nested for programs, and as a table for people."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import groupby

import polars as pl
from rich.table import Table

from analytics.reports import REPORTS, Question, QuestionError, Sources, aliased
from ingest.formats import cell, console, to_plain

_WHOSE = ("agent", "role", "provider", "model")
_CALL = (
    "call", "happened_at", "kind", "loop", "run", "team", *_WHOSE, "model_served", "tool", "input_tokens", "cache_read_tokens",
    "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "unit", "quantity", "list_usd", "contracted_usd",
    "cost_usd", "owner_rule", "loop_rule", "unpriced_reason",
)  # fmt: skip
_RECORD = (
    "counts", "reason", "remainder_tokens", "signal", "name", "record_kind", "dialect", "runtime", "service", "trace_id", "span_id",
    "response_id", "request_id", "started_at", "ended_at", "said_input_tokens", "said_cache_read_tokens", "said_cache_write_tokens",
    "said_output_tokens", "said_reasoning_tokens", "measure", "amount", "usage_role", "usage_settled", "reported_usd",
)  # fmt: skip
_NUMBERS = ("input", "output", "cost_usd")


class UnknownRunError(QuestionError):
    """No record and no charge knows the run, nor a session, conversation or trace of that name."""


def explained(sources: Sources, question: Question, run: str) -> pl.DataFrame:
    """The report `explain` for a run and for every run that its name is an alias of. Raises UnknownRunError."""
    names = (run, *(name for name in aliased(sources, question.tenant, [run]) if name != run))
    rows = REPORTS["explain"](sources, replace(question, filters={"run": names}))
    if rows.is_empty() and REPORTS["runs"](sources, Question(question.tenant, filters={"run": names}, limit=1)).is_empty():
        raise UnknownRunError(f"No record names a run, session, conversation or trace {run!r}.")
    return rows


def next_cursor(rows: pl.DataFrame, limit: int | None) -> str | None:
    """Where the entries after these begin; None when there are no more."""
    return f"{rows['entry'][-1] + 1}" if rows.height and rows["entry"].n_unique() == limit else None


def nested(rows: pl.DataFrame) -> dict[str, list[dict]]:
    """`calls`, each with its `price` and its `records`, the one that counts first; and `records` that say usage and are of no call."""
    entries = [list(group) for _, group in groupby(rows.to_dicts(), key=lambda row: row["entry"])]
    calls = [group for group in entries if group[0]["call"] is not None]
    loose = [row for group in entries for row in group if row["call"] is None]
    return {"calls": [_call(group) for group in calls], "records": [_picked(row, _WHOSE) | _record(row) for row in loose]}


def _call(rows: list[dict]) -> dict:
    return _picked(rows[0], _CALL) | {"price": _price(rows[0]), "records": [_record(row) for row in rows]}


def _price(row: dict) -> dict | None:
    if row["price_set"] is None:
        return None
    unit_usd = {name: to_plain(price) for name, price in _unit_prices(row)}
    return {
        "price_set": row["price_set"],
        "price_book": row["price_book"],
        "source": row["price_source"],
        "basis": row["basis"],
        "contract": row["contract"],
        "unit_usd": unit_usd,
    }


def _unit_prices(row: dict) -> Iterable[tuple[str, Decimal]]:
    """Of each bucket or unit that has one, US dollars for a single token, call or second, without zeros at the end."""
    for name in (key.removesuffix("_unit_usd") for key in row if key.endswith("_unit_usd")):
        if (price := row[f"{name}_unit_usd"]) is not None:
            yield name, price.normalize()


def _record(row: dict) -> dict:
    return {name.removeprefix("said_").removeprefix("record_"): to_plain(row[name]) for name in _RECORD}


def _picked(row: dict, names: Iterable[str]) -> dict:
    return {name: to_plain(row[name]) for name in names}


def print_explained(run: str, rows: pl.DataFrame) -> None:
    """The same as a table on stdout: a line for each call with its price, below it a line for each record."""
    out = console()
    out.print(cell(_summary(run, rows)))
    if rows.is_empty():
        return
    table = Table(box=None, pad_edge=False)
    for name in ("call and records", "agent or scope", "model", "input", "output", "cost_usd", "why", "id"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for _, group in groupby(rows.to_dicts(), key=lambda row: row["entry"]):
        for line, style in _lines(list(group)):
            table.add_row(*map(cell, line), style=style)
    out.print(table)


def _summary(run: str, rows: pl.DataFrame) -> str:
    if rows.is_empty():
        return f"{run}: no call, and no record that says usage; see what it did with: loopledger report run_trace --run RUN"
    calls = rows.filter(pl.col("call").is_not_null()).unique("entry")
    missing, loose = calls["cost_usd"].null_count(), rows["call"].null_count()
    known = f"{'at least ' if missing else ''}{calls['cost_usd'].sum():f} USD" if missing < calls.height else "no known cost"
    more = f"; {_counted(loose, 'more record')} with usage and of no call" if loose else ""
    return f"{run}: {_counted(calls.height, 'call')} in {_counted(rows.height - loose, 'record')}, {known}{more}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _lines(rows: list[dict]) -> Iterable[tuple[tuple, str]]:
    """Cells and style of the lines of one entry."""
    first = rows[0]
    if first["call"] is not None:
        who = first["agent"] if first["role"] is None else f"{first['agent']} ({first['role']})"
        tokens = (first["input_tokens"], first["output_tokens"])
        why = first["unpriced_reason"] or f"{first['price_set']}: {_told_prices(first)}"
        name = f"{first['happened_at']:%Y-%m-%d %H:%M:%S} {first['kind']}"
        yield (name, who, first["model"] or first["tool"], *tokens, first["cost_usd"], why, first["call"]), "bold"
    yield from (_line(row) for row in rows)


def _line(row: dict) -> tuple[tuple, str]:
    mark = "counts" if row["counts"] else "-" if row["call"] else "no call"
    name = f"  {mark:7} {row['signal']} {row['name'] or ''}"
    tokens = (row["said_input_tokens"], row["said_output_tokens"])
    why = row["reason"] if row["remainder_tokens"] is None else f"{row['reason']}, {row['remainder_tokens']} tokens beyond them"
    if row["measure"]:
        why = f"{row['amount']} {row['measure']}: {why}"
    where = "/".join(part for part in (row["trace_id"], row["span_id"]) if part)
    model = None if row["call"] else row["model"]
    return (name, row["runtime"] or row["dialect"], model, *tokens, row["reported_usd"], why, where), ""


def _told_prices(row: dict) -> str:
    """Prices as price lists give them: tokens by the million."""
    units = {"call": " a call", "second": " a second"}
    told = [f"{name} {price if name in units else price.scaleb(6).normalize():f}{units.get(name, '')}" for name, price in _unit_prices(row)]
    return f"{', '.join(told)} USD{'' if row['unit'] != 'tokens' else ' a million'}, {row['basis']}"
