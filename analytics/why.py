"""A difference of cost in one sentence: its greatest effects in words, with their dollars."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

_MOST = 2
"""Effects that a sentence names."""


class Told(Protocol):
    """What a sentence says of one window."""

    counts: Mapping[str, int]
    models: Mapping[str, int]


def sentence(change: Decimal | None, percent: Decimal | None, usd: Mapping[str, Decimal], before: Told, after: Told) -> str:
    """`+1.20 USD (+14.0 %): 12 more runs (+0.90), other models ... (+0.25)`; `usd` are the effects by name."""
    if change is None:
        return "no call has a known cost"
    greatest = sorted((name for name, amount in usd.items() if amount), key=lambda name: (-abs(usd[name]), name))[:_MOST]
    if not greatest:
        return "no difference"
    parts = [f"{_WORDS[name](before, after)} ({signed(usd[name])})" for name in greatest]
    beside = f" ({percent:+} %)" if percent is not None else ""
    return f"{signed(change)} USD{beside}: {', '.join(parts)}"


def signed(usd: Decimal) -> str:
    """`+1.20`, `-0.0123`: two places, below a dollar three significant digits."""
    places = 2 if usd == 0 or abs(usd) >= 1 else 2 - usd.adjusted()
    return f"{usd:+,.{places}f}"


def _runs(before: Told, after: Told) -> str:
    more = after.counts["runs"] - before.counts["runs"]
    return f"{abs(more):,} {'more' if more > 0 else 'fewer'} run{'' if abs(more) == 1 else 's'}"


def _calls(before: Told, after: Told) -> str:
    if before.counts["runs"] and after.counts["runs"]:
        was, now = (Decimal(side.counts["calls"]) / side.counts["runs"] for side in (before, after))
        return f"calls per run {_from_to(was, now, '{:,.1f}'.format)}"
    return f"calls {_from_to(before.counts['calls'], after.counts['calls'], '{:,}'.format)}"


def _tokens(before: Told, after: Told) -> str:
    was, now = (" and ".join(f"{_per_call(side, way):,.0f} {way}" for way in ("in", "out")) for side in (before, after))
    return f"tokens per call from {was} to {now}"


def _per_call(side: Told, way: str) -> Decimal:
    priced = side.counts["calls"] - side.counts["unpriced_calls"]
    return Decimal(side.counts[f"{way}put_tokens"]) / priced if priced else Decimal(0)


def _models(before: Told, after: Told) -> str:
    """The model whose share of calls has changed most; of two, the one that makes more now."""
    sides = (before, after)
    shares = {model: [_share(side.models.get(model, 0), side.counts["calls"]) for side in sides] for side in sides for model in side.models}
    grown = {model: round(now - was, 4) for model, (was, now) in shares.items()}
    model = max(grown, key=lambda one: (abs(grown[one]), grown[one], one))
    return f"{model} {_from_to(*shares[model], _percent)} of calls"


def _shared(what: str, part: str, whole: str) -> Callable[[Told, Told], str]:
    def words(before: Told, after: Told) -> str:
        was, now = (_share(side.counts[part], side.counts[whole]) for side in (before, after))
        return f"{what} {_from_to(was, now, _percent)}"

    return words


def _share(part: int, whole: int) -> Decimal:
    return round(Decimal(part) / whole, 6) if whole else Decimal(0)


def _percent(share: Decimal) -> str:
    return f"{100 * share:.0f} %"


def _from_to(was, now, told: Callable) -> str:
    """Up or down, as far as it can be told."""
    return f"still {told(now)}" if told(was) == told(now) else f"{'up' if now > was else 'down'} from {told(was)} to {told(now)}"


def _all(what: str) -> Callable[[Told, Told], str]:
    return lambda before, after: what


_WORDS: dict[str, Callable[[Told, Told], str]] = {
    "volume": _runs,
    "calls": _calls,
    "unpriced": _shared("calls without usage or price", "unpriced_calls", "calls"),
    "checker": _shared("checker share of calls", "checker_calls", "calls"),
    "model_mix": _models,
    "tokens": _tokens,
    "cache": _shared("cached share of input", "cache_read_tokens", "input_tokens"),
    "price": _all("the same tokens at other prices"),
    "tool": _all("tools"),
    "sandbox": _all("sandboxes"),
    "allocated": _all("shares of common costs"),
    "new": lambda before, after: f"new, {_runs(before, after)}" if after.counts["runs"] else "new",
    "ended": lambda before, after: f"none any more, {_runs(before, after)}" if before.counts["runs"] else "none any more",
}
