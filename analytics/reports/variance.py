"""Why something costs more or less than it did."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl

from analytics import why
from analytics.bridge import APART, EFFECTS, CellKey, Side, cell_of, effects
from analytics.model import BUCKETS
from analytics.reports.charged import charged, runs_by
from analytics.reports.question import Question, QuestionError, Sources, moment

_USD, _PERCENT, _SHARE = pl.Decimal(38, 9), pl.Decimal(38, 1), pl.Decimal(38, 4)
_INPUT, _OUTPUT = BUCKETS[:5], BUCKETS[5:]
_COUNTS = ("runs", "calls", "unpriced_calls", "input_tokens", "cache_read_tokens", "output_tokens", "checker_calls")
_SHARES = ("checker_share", "cache_share")
_CELLS = ("role", "model", "part", "is_priced", "price_set", "price_book")

Key = tuple[str, ...]


def variance(sources: Sources, question: Question) -> pl.DataFrame:
    """What changed from the window of equal length just before, or the one that starts at `against`, and why; one row for each
    combination of `by` (default loop) that has charges in either, the greatest change first. `from` and `to` are needed.

    Columns: the words of `by` | before_usd, after_usd, known costs: null when there are calls and none of them has one, 0 without any |
    change_usd | change_percent, of before_usd; null without it | state: both, new or ended | why, a sentence with the greatest effects.

    Effects add up exactly to change_usd. In their order, each at the later value of those before it and the earlier value of those behind
    it: volume_usd, more or fewer runs | calls_usd, calls per run | unpriced_usd, calls without usage or price | checker_usd, the share of
    calls that checkers make | model_mix_usd, other models | tokens_usd, tokens and web searches per call | cache_usd, the shares of input
    that are read from a cache or written into it | price_usd, unit prices, and what a call costs beyond its tokens. Then, as they are:
    tool_usd, sandbox_usd | allocated_usd, shares of common costs | new_usd, ended_usd, of rows that are in one window only.

    Of both windows, `_before` and `_after`: runs | calls, of models | unpriced_calls, of these without a known cost | input_tokens, cached
    ones included | cache_read_tokens | output_tokens, reasoning included | checker_calls: runs_before, runs_after, calls_before,
    calls_after, unpriced_calls_before, unpriced_calls_after, input_tokens_before, input_tokens_after, cache_read_tokens_before,
    cache_read_tokens_after, output_tokens_before, output_tokens_after, checker_calls_before, checker_calls_after. Shares of calls and of
    input: checker_share_before, checker_share_after, cache_share_before, cache_share_after. before_from, before_to, UTC.
    """
    by = question.by or ("loop",)
    earlier, later = _windows(question)
    before, after = (_sides(sources, window, by) for window in (earlier, later))
    changed = [(key, before.get(key, _Told()), after.get(key, _Told())) for key in dict.fromkeys((*after, *before))]
    changed.sort(key=lambda row: (-abs(_change(row[1], row[2]) or 0), row[0]))
    rows = [_row(by, *row, earlier) for row in changed[: question.limit]]
    return pl.DataFrame(rows, schema=_schema(by), orient="row")


def _windows(question: Question) -> tuple[Question, Question]:
    """The earlier and the later one, of equal length."""
    since, until = question.since, question.until
    if since is None or until is None or not since < until:
        raise QuestionError("variance compares two windows: give from and to, the first moment and the one after the last")
    try:
        length = until - since
        start = moment(question.words["against"]) if "against" in question.words else since - length
        end = start + length
    except OverflowError as error:
        raise QuestionError("there is no window of that length before: give a later from") from error
    if start < until and since < end:
        raise QuestionError(f"the windows overlap: give against no later than {since - length:%Y-%m-%dT%H:%M:%S}, or after the window")
    return replace(question, since=start, until=end), question


class _Told(Side):
    """A row in one window, with the counts that stand beside its effects."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = dict.fromkeys(_COUNTS, 0)
        self.models: dict[str, int] = defaultdict(int)
        self.groups: dict[CellKey, list[dict[str, Any]]] = defaultdict(list)
        """Sums of priced calls, of which cells are made where they are needed."""

    def share(self, part: str, whole: str) -> Decimal | None:
        counts = self.counts
        return round(Decimal(counts[part]) / counts[whole], 4) if counts[whole] else None


def _sides(sources: Sources, window: Question, by: Key) -> dict[Key, _Told]:
    """Every row of a window by its words."""
    sides: dict[Key, _Told] = defaultdict(_Told)
    for group in charged(sources, window, *by, *_CELLS).iter_rows(named=True):
        _add(sides[tuple(group[word] for word in by)], group)
    for *key, runs in runs_by(sources, window, *by).iter_rows():
        sides[tuple(key)].runs = sides[tuple(key)].counts["runs"] = runs
    return dict(sides)


def _add(side: _Told, group: dict[str, Any]) -> None:
    """One sum of charges; cost of no call of its own is shared from elsewhere."""
    side.rows += 1
    if group["cost_usd"] is not None:
        part = group["part"] if group["priced_calls"] else "allocated"
        side.parts[part] = side.parts.get(part, Decimal(0)) + group["cost_usd"]
    if group["part"] == "model":
        side.calls += group["calls"]
        for name, count in _counts(group):
            side.counts[name] += count
        side.models[group["model"]] += group["calls"]
        if group["priced_calls"] > 0:
            side.groups[group["role"] == "checker", group["model"]].append(group)


def _counts(group: dict[str, Any]) -> Iterator[tuple[str, int]]:
    yield "calls", group["calls"]
    yield "unpriced_calls", group["calls"] - group["priced_calls"]
    yield "input_tokens", sum(group[name] for name in _INPUT)
    yield "cache_read_tokens", group["cache_read_tokens"]
    yield "output_tokens", sum(group[name] for name in _OUTPUT)
    yield "checker_calls", group["calls"] if group["role"] == "checker" else 0


def _row(by: Key, key: Key, before: _Told, after: _Told, earlier: Question) -> dict[str, Any]:
    if before.rows and after.rows:
        for side in (before, after):
            side.cells = {cell: cell_of(groups) for cell, groups in side.groups.items()}
    was, now, change = before.cost_usd(), after.cost_usd(), _change(before, after)
    usd = effects(before, after)
    sides = {"before": before, "after": after}
    shares = {"checker_share": ("checker_calls", "calls"), "cache_share": ("cache_read_tokens", "input_tokens")}
    return {
        **dict(zip(by, key, strict=True)),
        "before_usd": was, "after_usd": now, "change_usd": change, "change_percent": _percent(change, was),
        "state": "both" if before.rows and after.rows else "new" if after.rows else "ended",
        "why": why.sentence(change, _percent(change, was), usd, before, after),
        **{f"{name}_usd": usd[name] for name in (*EFFECTS, *APART)},
        **{f"{name}_{when}": side.counts[name] for name in _COUNTS for when, side in sides.items()},
        **{f"{name}_{when}": side.share(*shares[name]) for name in _SHARES for when, side in sides.items()},
        "before_from": earlier.since, "before_to": earlier.until,
    }  # fmt: skip


def _change(before: _Told, after: _Told) -> Decimal | None:
    was, now = before.cost_usd(), after.cost_usd()
    return None if was is None and now is None else (now or Decimal(0)) - (was or Decimal(0))


def _percent(change: Decimal | None, was: Decimal | None) -> Decimal | None:
    return round(100 * change / was, 1) if change is not None and was else None


def _schema(by: Iterable[str]) -> pl.Schema:
    return pl.Schema(
        {
            **dict.fromkeys(by, pl.String),
            **dict.fromkeys(("before_usd", "after_usd", "change_usd"), _USD), "change_percent": _PERCENT, "state": pl.String,
            "why": pl.String,
            **{f"{name}_usd": _USD for name in (*EFFECTS, *APART)},
            **{f"{name}_{when}": pl.Int64 for name in _COUNTS for when in ("before", "after")},
            **{f"{name}_{when}": _SHARE for name in _SHARES for when in ("before", "after")},
            "before_from": pl.Datetime("us"), "before_to": pl.Datetime("us"),
        }
    )  # fmt: skip
