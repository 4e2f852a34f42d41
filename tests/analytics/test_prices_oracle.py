"""The compiled book against genai-prices' own arithmetic: every provider, every model, dates, times of day and tiers."""

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

from analytics.model import BUCKETS, TIME
from analytics.prices import PriceBook

NANO = Decimal("1e-9")
MOMENTS = (datetime(2026, 11, 22, 12), datetime(2025, 6, 1), datetime(2027, 1, 15, 3))
TICK = timedelta(microseconds=1)

Case = tuple[Provider, ModelInfo, datetime, dict[str, int]]


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
        usage["input_uncached_tokens"] += input_tokens - sum(usage[bucket] for bucket in BUCKETS[:5])
    return usage


def oracle(provider: Provider, model: ModelInfo, moment: datetime, usage: dict[str, int]) -> Decimal:
    uncached, read, unsplit, short, long, text, reasoning = usage.values()
    told = Usage(
        input_tokens=uncached + read + unsplit + short + long,
        cache_read_tokens=read,
        cache_write_tokens=unsplit + short + long,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=text + reasoning,
        output_reasoning_tokens=reasoning,
    )
    return model.calc_price(told, provider, genai_request_timestamp=moment.replace(tzinfo=UTC)).total_price


def check(cases: list[Case]) -> Counter[str]:
    """Prices the cases by their own ids and compares each; -> how many were priced, and how many were left out and why."""
    ids = {(provider.id, id(info)): name for name, provider, info in listed()}
    rows = [{"provider": p.id, "model_requested": ids[p.id, id(m)], "happened_at": at, **usage} for p, m, at, usage in cases]
    absent = {"kind": pl.lit("model"), **{name: pl.lit(None, pl.String) for name in ("model_served", "tool")}}
    calls = pl.DataFrame(rows, schema_overrides={"happened_at": TIME}).with_columns(
        started_at="happened_at", ended_at="happened_at", **absent
    )
    priced = PriceBook.compile().price(calls)
    return Counter(compare(case, *ours) for case, ours in zip(cases, priced.select("cost_usd", "unpriced_reason").iter_rows(), strict=True))


def compare(case: Case, cost: Decimal | None, reason: str | None) -> str:
    provider, model, moment, usage = case
    prices = model.get_prices(moment)
    if prices.input_mtok is None or (prices.output_mtok is None and usage["output_text_tokens"] + usage["reasoning_tokens"]):
        # genai-prices charges nothing for tokens without a price; here they are unknown
        assert (cost, reason) == (None, "no price for its tokens"), (provider.id, model.id)
        return "no price for its tokens"
    if prices.requests_kcount is not None:
        return "fee per request, which no price set holds"
    expected, buckets = oracle(*case), sum(map(bool, usage.values()))
    if buckets == 1:
        assert cost == expected.quantize(NANO, ROUND_HALF_EVEN), (provider.id, model.id, moment, usage)
    else:  # each bucket is rounded by itself
        assert abs(cost - expected) <= buckets * NANO / 2, (provider.id, model.id, moment, usage)
    return "priced"


def constraints(model: ModelInfo) -> list[StartDateConstraint | TimeOfDateConstraint | None]:
    return [price.constraint for price in model.prices if isinstance(price, ConditionalPrice)] if isinstance(model.prices, list) else []


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_every_model_of_every_provider_costs_what_genai_prices_says(moment):
    outcome = check([(provider, model, moment, random_usage((name, moment))) for name, provider, model in listed()])
    assert outcome["priced"] > 1_900
    assert outcome["priced"] > 5 * (outcome.total() - outcome["priced"])


def test_every_bucket_by_itself_costs_the_same_to_the_last_place():
    buckets = random.Random("buckets")
    cases = []
    for _, provider, model in listed():
        usage = dict.fromkeys(BUCKETS, 0) | {buckets.choice(BUCKETS): buckets.randrange(1, 3_000_000)}
        cases.append((provider, model, MOMENTS[0], usage))
    assert check(cases)["priced"] > 2_000


def test_tiers_begin_one_token_above_their_start():
    cases = []
    for name, provider, model in listed():
        prices = vars(model.get_prices(MOMENTS[0])).values()
        starts = {tier.start for price in prices if isinstance(price, TieredPrices) for tier in price.tiers}
        cases += [(provider, model, MOMENTS[0], random_usage(name, total)) for start in starts for total in (start - 1, start, start + 1)]
    assert check(cases)["priced"] > 300


def test_dated_prices_begin_at_midnight():
    cases = []
    for name, provider, model in listed():
        starts = {datetime.combine(c.start_date, time()) for c in constraints(model) if isinstance(c, StartDateConstraint)}
        cases += [(provider, model, moment, random_usage(name)) for start in starts for moment in (start - TICK, start)]
    assert check(cases)["priced"] > 300


def test_times_of_day_hold_from_their_first_to_before_their_last_moment():
    cases = []
    for name, provider, model in listed():
        bounds = {hour for c in constraints(model) if isinstance(c, TimeOfDateConstraint) for hour in (c.start_time, c.end_time)}
        days = [datetime.combine(moment, hour.replace(tzinfo=None)) for moment, hour in product(MOMENTS, bounds)]
        cases += [(provider, model, day + shift, random_usage(name)) for day in days for shift in (-TICK, timedelta())]
    assert check(cases)["priced"] >= 30
