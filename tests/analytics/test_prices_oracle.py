"""The compiled book against genai-prices' own arithmetic: every provider, model and condition, dates, times of day and tiers.

LOOPLEDGER_ORACLE_CASES=200000 pytest tests/analytics/test_prices_oracle.py -s prints what was compared.
"""

import os
import random
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from itertools import product

import polars as pl
import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, Provider, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from analytics.model import BUCKETS, MONEY, TIME
from analytics.prices import PriceBook
from analytics.prices.costs import EXTRAS
from analytics.prices.sets import contexts, spelled

NANO = Decimal("1e-9")
MOMENTS = (datetime(2026, 11, 22, 12), datetime(2025, 6, 1), datetime(2027, 1, 15, 3))
TICK = timedelta(microseconds=1)

CASES = int(os.environ.get("LOOPLEDGER_ORACLE_CASES", "8000"))
UNCACHED, TEXT = "input_uncached_tokens", "output_text_tokens"

Case = tuple[Provider, ModelInfo, datetime, dict[str, int], dict[str, str]]


@cache
def listed() -> list[tuple[str, Provider, ModelInfo]]:
    """Every model by its own id, with what genai-prices makes of that id; ids that find nothing are left out."""
    providers = get_snapshot().providers
    named = [(model.id, provider) for provider in providers for model in provider.models]
    return [(name, provider, info) for name, provider in named if (info := provider.find_model(name, all_providers=providers))]


def random_usage(seed: object, input_tokens: int | None = None) -> dict[str, int]:
    dice = random.Random(str(seed))
    usage = {bucket: dice.randrange(6_000) for bucket in BUCKETS}
    if input_tokens is not None:
        usage[UNCACHED] += input_tokens - sum(usage[bucket] for bucket in BUCKETS[:5])
    return usage


def with_extras(usage: dict[str, int], dice: random.Random) -> dict[str, int]:
    """Some of the input heard or seen, some of the output spoken, and searches."""
    heard, spoken = dice.randint(0, usage[UNCACHED]), dice.randint(0, usage[TEXT])
    extras = {"audio_input_tokens": heard, "audio_output_tokens": spoken, "web_searches": dice.randrange(4)}
    return {**usage, **extras, "image_input_tokens": dice.randint(0, usage[UNCACHED] - heard)}


def oracle(provider: Provider, model: ModelInfo, moment: datetime, usage: dict[str, int], context: dict[str, str]) -> Decimal:
    uncached, read, unsplit, short, long, text, reasoning = (usage[bucket] for bucket in BUCKETS)
    names = {
        "audio_input_tokens": "input_audio_tokens",
        "audio_output_tokens": "output_audio_tokens",
        "image_input_tokens": "input_image_tokens",
    }
    extras = {names.get(name, name): count for name, count in usage.items() if name in EXTRAS}
    told = Usage(
        input_tokens=uncached + read + unsplit + short + long,
        cache_read_tokens=read,
        cache_write_tokens=unsplit + short + long,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=text + reasoning,
        output_reasoning_tokens=reasoning,
        cache_audio_read_tokens=0,
        cache_image_read_tokens=0,
        **extras,
    )
    return model.calc_price(told, provider, genai_request_timestamp=moment.replace(tzinfo=UTC), price_context=context or None).total_price


def check(cases: list[Case]) -> Counter[str]:
    """Prices the cases by their own ids and compares each; -> how many were priced, and how many were left out and why."""
    ids = {(provider.id, id(info)): name for name, provider, info in listed()}
    rows = [
        {"provider": p.id, "model_requested": ids[p.id, id(m)], "happened_at": at, "conditions": spelled(context), **usage}
        for p, m, at, usage, context in cases
    ]
    texts = ("model_served", "tool", "team", "reporter")
    absent = {"kind": pl.lit("model"), **{name: pl.lit(None, pl.String) for name in texts}, "reported_usd": pl.lit(None, MONEY)}
    types = {"happened_at": TIME, "conditions": pl.String, **dict.fromkeys(EXTRAS, pl.Int64)}
    calls = pl.DataFrame([dict.fromkeys(EXTRAS) | row for row in rows], schema_overrides=types).with_columns(
        started_at="happened_at", ended_at="happened_at", **absent
    )
    priced = PriceBook.compile().price(calls)
    return Counter(compare(case, *ours) for case, ours in zip(cases, priced.select("cost_usd", "unpriced_reason").iter_rows(), strict=True))


def compare(case: Case, cost: Decimal | None, reason: str | None) -> str:
    provider, model, moment, usage, context = case
    prices = model.get_prices(moment, context or None)
    if _lacks_a_price(prices, usage):
        # genai-prices charges nothing for tokens without a price; here they are unknown
        assert (cost, reason) == (None, "no price for its tokens"), (provider.id, model.id)
        return "no price for its tokens"
    expected, parts = oracle(*case), sum(map(bool, usage.values())) + (prices.requests_kcount is not None)
    if parts == 1:
        assert cost == expected.quantize(NANO, ROUND_HALF_EVEN), (provider.id, model.id, moment, usage, context)
    else:  # each part is rounded by itself
        assert abs(cost - expected) <= parts * NANO / 2, (provider.id, model.id, moment, usage, context, cost, expected)
    return "priced"


def _lacks_a_price(prices, usage: dict[str, int]) -> bool:
    read = usage[UNCACHED] - (usage.get("audio_input_tokens") or 0) * (prices.input_audio_mtok is not None)
    written = usage[TEXT] - (usage.get("audio_output_tokens") or 0) * (prices.output_audio_mtok is not None)
    needs_input = read - (usage.get("image_input_tokens") or 0) * (prices.input_image_mtok is not None) or sum(
        usage[b] for b in BUCKETS[1:5]
    )
    return bool((prices.input_mtok is None and needs_input) or (prices.output_mtok is None and (written or usage["reasoning_tokens"])))


def constraints(model: ModelInfo) -> list[StartDateConstraint | TimeOfDateConstraint | None]:
    return [price.constraint for price in model.prices if isinstance(price, ConditionalPrice)] if isinstance(model.prices, list) else []


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_every_model_of_every_provider_costs_what_genai_prices_says(moment):
    outcome = check([(provider, model, moment, random_usage((name, moment)), {}) for name, provider, model in listed()])
    assert outcome["priced"] > 1_900
    assert outcome["priced"] > 5 * (outcome.total() - outcome["priced"])


def test_every_bucket_by_itself_costs_the_same_to_the_last_place():
    buckets = random.Random("buckets")
    cases = []
    for _, provider, model in listed():
        usage = dict.fromkeys(BUCKETS, 0) | {buckets.choice(BUCKETS): buckets.randrange(1, 3_000_000)}
        cases.append((provider, model, MOMENTS[0], usage, {}))
    assert check(cases)["priced"] > 2_000


def test_tiers_begin_one_token_above_their_start():
    cases = []
    for name, provider, model in listed():
        prices = vars(model.get_prices(MOMENTS[0])).values()
        starts = {tier.start for price in prices if isinstance(price, TieredPrices) for tier in price.tiers}
        cases += [
            (provider, model, MOMENTS[0], random_usage(name, total), {}) for start in starts for total in (start - 1, start, start + 1)
        ]
    assert check(cases)["priced"] > 300


def test_dated_prices_begin_at_midnight():
    cases = []
    for name, provider, model in listed():
        starts = {datetime.combine(c.start_date, time()) for c in constraints(model) if isinstance(c, StartDateConstraint)}
        cases += [(provider, model, moment, random_usage(name), {}) for start in starts for moment in (start - TICK, start)]
    assert check(cases)["priced"] > 300


def test_times_of_day_hold_from_their_first_to_before_their_last_moment():
    cases = []
    for name, provider, model in listed():
        bounds = {hour for c in constraints(model) if isinstance(c, TimeOfDateConstraint) for hour in (c.start_time, c.end_time)}
        days = [datetime.combine(moment, hour.replace(tzinfo=None)) for moment, hour in product(MOMENTS, bounds)]
        cases += [(provider, model, day + shift, random_usage(name), {}) for day in days for shift in (-TICK, timedelta())]
    assert check(cases)["priced"] >= 30


def test_conditions_cost_what_the_list_says_of_them():
    cases = [
        (provider, model, moment, random_usage((name, context)), context)
        for name, provider, model in listed()
        for context in contexts(model)[1:]
        for moment in MOMENTS
    ]
    assert check(cases)["priced"] > 600


def test_anything_at_any_time_costs_what_genai_prices_says():
    dice, cases = random.Random("anything"), []
    for _ in range(CASES):
        _, provider, model = dice.choice(listed())
        moment = datetime(2024, 6, 1) + timedelta(seconds=dice.randrange(3 * 365 * 86_400))
        usage = random_usage(dice.random(), dice.choice((None, None, 150_000, 250_000, 1_200_000)))
        usage = with_extras(usage, dice) if dice.random() < 0.5 else usage
        cases.append((provider, model, moment, usage, dice.choice(contexts(model))))
    outcome = check(cases)
    print(len({p.id for p, *_ in cases}), "providers,", len({id(case[1]) for case in cases}), "models,", dict(outcome))
    assert outcome["priced"] > 0.8 * CASES
