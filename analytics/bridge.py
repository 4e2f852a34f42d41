"""From one cost to another: effects that add up exactly to the difference.

The cost of a window is runs x calls per run x the share of them that is priced x cost per call; and the cost per call is that of makers
and checkers in their shares, of each by its models in their shares, of each model by its tokens and their unit prices. One of these after
the other, in the order of EFFECTS, takes its later value; what the cost becomes by that, rounded to nine places, less what it was, is the
effect. So each effect is told at the later value of those before it and at the earlier value of those behind it, and they telescope.

What is new has no earlier value, so its own stands in: a model or role that comes in is an effect of the mix alone, never of prices.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from itertools import pairwise
from typing import Any

from analytics.model import BUCKETS

EFFECTS = ("volume", "calls", "unpriced", "checker", "model_mix", "tokens", "cache", "price")
"""Of model calls, in their order: runs · calls per run · share of calls without usage or price · share of checkers' calls · which models ·
tokens and web searches per call · cached and written shares of the input · unit prices, and what a call costs beyond them."""
APART = ("tool", "sandbox", "allocated", "new", "ended")
"""Told as they are: what tools and sandboxes cost · shares of common costs · rows that have charges in one of the windows only."""

NANO = Decimal("1e-9")
_ZERO = Decimal(0)
_INPUT = BUCKETS[:5]
_COUNTED = (*BUCKETS, "web_searches")

CellKey = tuple[bool, str]
"""Whether a checker spent it, and the model."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Priced calls of one model by makers or by checkers: what one of them is on average, unrounded."""

    calls: Decimal
    cost_usd: Decimal
    tokens: Mapping[str, Decimal]
    """Of one call, by bucket; web searches too."""
    prices: Mapping[str, Decimal]
    """US dollars for one of them."""

    def per_call(self) -> Decimal:
        return self.cost_usd / self.calls

    def beyond(self) -> Decimal:
        """What a call costs beyond its tokens: fees, surcharges and rounding."""
        return self.per_call() - _dot(self.tokens, self.prices)


@dataclass(slots=True)
class Side:
    """One row in one window."""

    runs: int = 0
    calls: int = 0
    """Of models, with and without a price."""
    rows: int = 0
    """Sums of charges there are; without any the row has no such window."""
    parts: dict[str, Decimal] = field(default_factory=dict)
    """Known cost by part; a part without a known cost is missing."""
    cells: dict[CellKey, Cell] = field(default_factory=dict)

    @property
    def model_usd(self) -> Decimal:
        return self.parts.get("model", _ZERO)

    @property
    def priced(self) -> Decimal:
        """Calls of models that have a price."""
        return sum((cell.calls for cell in self.cells.values()), _ZERO)

    def cost_usd(self) -> Decimal | None:
        """Of everything; None when nothing has a known cost, zero when there is nothing."""
        return sum(self.parts.values(), _ZERO) if self.parts or not self.rows else None


def effects(before: Side, after: Side) -> dict[str, Decimal]:
    """Each of EFFECTS and APART in US dollars, nine places; they add up to the difference of the known costs."""
    told = dict.fromkeys((*EFFECTS, *APART), _ZERO)
    if not (before.rows and after.rows):
        change = (after.cost_usd() or _ZERO) - (before.cost_usd() or _ZERO)
        return told | {"new" if after.rows else "ended": change}
    with localcontext(prec=60):
        levels = [before.model_usd, *(_rounded(level) for level in _levels(before, after)), after.model_usd]
    told |= {name: later - earlier for name, (earlier, later) in zip(EFFECTS, pairwise(levels), strict=True)}
    return told | {part: after.parts.get(part, _ZERO) - before.parts.get(part, _ZERO) for part in ("tool", "sandbox", "allocated")}


def _levels(before: Side, after: Side) -> Iterator[Decimal]:
    """What model calls would have cost with the first effect, the first two, and so on; without the last, which leads to what they did."""
    base = before.model_usd
    if not before.priced:  # nothing to scale: calls come from none, or from none with a price
        come_in = 2 if before.calls else 1
        yield from [base] * come_in + [after.model_usd] * (len(EFFECTS) - 1 - come_in)
        return
    yield base * after.runs / before.runs if before.runs and after.runs else base
    yield base * after.calls / before.calls
    yield base * after.priced / before.priced
    yield sum((_of_role(before, after, role) for role in (False, True)), _ZERO)
    cells = [(cell, _earlier(before, key, cell)) for key, cell in after.cells.items()]
    yield _cost((now, was.tokens, was) for now, was in cells)
    yield _cost((now, _grown(was, now), was) for now, was in cells)
    yield _cost((now, now.tokens, was) for now, was in cells)


def _of_role(before: Side, after: Side, is_checker: bool) -> Decimal:
    """The later calls of a role, each at what the role's calls cost earlier."""
    calls, own = _sums(after, is_checker)
    known, cost = _sums(before, is_checker)
    return calls * cost / known if known else own


def _sums(side: Side, is_checker: bool) -> tuple[Decimal, Decimal]:
    theirs = [cell for (checks, _), cell in side.cells.items() if checks == is_checker]
    return sum((cell.calls for cell in theirs), _ZERO), sum((cell.cost_usd for cell in theirs), _ZERO)


def _cost(cells: Iterable[tuple[Cell, Mapping[str, Decimal], Cell]]) -> Decimal:
    """Of so many calls as the first cell has, of such tokens, at the prices and fees of the last one."""
    return sum((now.calls * (_dot(tokens, was.prices) + was.beyond()) for now, tokens, was in cells), _ZERO)


def _earlier(before: Side, key: CellKey, now: Cell) -> Cell:
    """What a call of this cell was earlier: its own, else its role's average tokens at the model's prices, else as it is now."""
    if key in before.cells:
        return before.cells[key]
    is_checker, model = key
    calls, _ = _sums(before, is_checker)
    if not calls:
        return now
    theirs = [cell for (checks, _), cell in before.cells.items() if checks == is_checker]
    tokens = {name: sum((cell.calls * cell.tokens[name] for cell in theirs), _ZERO) / calls for name in _COUNTED}
    listed = before.cells.get((not is_checker, model), now)
    return Cell(Decimal(1), _dot(tokens, listed.prices) + listed.beyond(), tokens, listed.prices)


def _grown(was: Cell, now: Cell) -> dict[str, Decimal]:
    """Tokens of now, the input cached and written as it was."""
    earlier, later = (sum((cell.tokens[name] for name in _INPUT), _ZERO) for cell in (was, now))
    kept = {name: later * was.tokens[name] / earlier for name in _INPUT} if earlier else {}
    return {**now.tokens, **kept}


def _dot(tokens: Mapping[str, Decimal], prices: Mapping[str, Decimal]) -> Decimal:
    return sum((amount * prices[name] for name, amount in tokens.items()), _ZERO)


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(NANO, ROUND_HALF_EVEN)


def cell_of(groups: list[dict[str, Any]]) -> Cell:
    """Sums of charges by price set, as analytics.reports.charged gives them -> one cell. All of them have priced calls."""
    with localcontext(prec=60):
        calls = Decimal(sum(group["priced_calls"] for group in groups))
        tokens = {name: Decimal(sum(group[name] for group in groups)) / calls for name in _COUNTED}
        prices = {name: _price(groups, name) for name in _COUNTED}
        return Cell(calls, sum((group["cost_usd"] for group in groups), _ZERO), tokens, prices)


def _price(groups: list[dict[str, Any]], name: str) -> Decimal:
    """The average unit price of a bucket by its tokens; of one without tokens, by calls."""
    measure = name if sum(group[name] for group in groups) else "priced_calls"
    whole = Decimal(sum(group[measure] for group in groups))
    return sum((group[measure] * _unit_price(group, name) for group in groups), _ZERO) / whole


def _unit_price(group: dict[str, Any], name: str) -> Decimal:
    """What the price set asks; without one, as where a gateway's cost holds, all tokens of the group cost the same."""
    if group["price_set"] is not None:
        return group[f"price_of_{name}"] or _ZERO
    tokens = sum(group[bucket] for bucket in BUCKETS)
    return group["cost_usd"] / tokens if tokens and name in BUCKETS else _ZERO
