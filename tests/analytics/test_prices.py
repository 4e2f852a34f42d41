from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing import call, frame, run

from analytics.config import CustomPrice
from analytics.model import BUCKETS, MONEY, UNIT_PRICE
from analytics.prices import PRICE_SET, PriceBook


@cache
def book() -> PriceBook:
    return PriceBook.compile()


def price(*calls: dict, custom: tuple[CustomPrice, ...] = ()) -> pl.DataFrame:
    return (PriceBook.compile(custom) if custom else book()).price(frame(*calls))


def contract(model: str = "gpt-5*", **said) -> CustomPrice:
    return CustomPrice(**{"model": model, "input_mtok": "1", "output_mtok": "4", **said})


# What a call costs


def test_each_bucket_costs_its_own_price():
    usage = dict(zip(BUCKETS, (1000, 2000, 300, 40, 5, 600, 70), strict=True))
    priced = price(call("claude-sonnet-4-5", provider="anthropic", **usage)).row(0, named=True)
    # US dollars per million: input 3, read 0.30, write 3.75, an hour's write 6, output 15
    assert priced["cost_usd"] == Decimal("3000") / 10**6 + Decimal("600") / 10**6 + Decimal("1305") / 10**6 + Decimal("10050") / 10**6
    assert (priced["unit"], priced["quantity"]) == ("tokens", 4015)


def test_cached_input_is_not_charged_twice():
    cached = call("claude-opus-4-8", provider="anthropic", input_uncached_tokens=5_000, cache_read_tokens=200_000)
    assert price(cached)["cost_usd"].to_list() == [Decimal("0.125")]


def test_a_long_context_tier_holds_for_every_token_once_the_whole_input_is_above_its_start():
    at_start = call("gemini-2.5-pro", provider="gcp.gemini", input_uncached_tokens=1, cache_read_tokens=199_999, output_text_tokens=10)
    above = at_start | {"input_uncached_tokens": 2}
    priced = price(at_start, above)
    assert [name.rpartition(":")[2] for name in priced["price_set"]] == ["0", "200000"]
    used = (
        priced.select("price_set")
        .join(book().table, on="price_set", maintain_order="left")
        .select("input_usd", "cache_read_usd", "output_usd")
    )
    assert all(low < high for low, high in zip(*used.rows(), strict=True))


def test_each_bucket_is_rounded_half_to_even_and_then_summed():
    half_a_nano = contract("acme", input_mtok="0.0005", output_mtok="0.0005")
    calls = [call("acme", input_uncached_tokens=n, output_text_tokens=0) for n in (1, 3, 5)]
    calls.append(call("acme", input_uncached_tokens=1, output_text_tokens=1))
    assert [cost * 10**9 for cost in price(*calls, custom=(half_a_nano,))["cost_usd"]] == [0, 2, 2, 0]


names = st.sampled_from(["gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-chat", "gpt-4o", "grok-4"])
tokens = st.none() | st.integers(0, 400_000)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 6, 1))


@given(st.lists(st.tuples(names, moments, *[tokens] * len(BUCKETS)), min_size=1, max_size=20))
@settings(deadline=None, max_examples=50)
def test_a_price_set_gives_back_the_exact_cost_of_its_calls(calls):
    rows = [call(name, happened_at=at) | dict(zip(BUCKETS, units, strict=True)) for name, at, *units in calls]
    for priced in price(*rows).filter(pl.col("cost_usd").is_not_null()).iter_rows(named=True):
        unit = book().table.row(by_predicate=pl.col("price_set") == priced["price_set"], named=True)
        prices = [
            unit[f"{name}_usd"] for name in ("input", "cache_read", "cache_write", "cache_write", "cache_write_1h", "output", "reasoning")
        ]
        parts = [(priced[b] or 0) * usd for b, usd in zip(BUCKETS, prices, strict=True)]
        assert priced["cost_usd"] == sum(part.quantize(Decimal("1e-9"), ROUND_HALF_EVEN) for part in parts)


def test_money_is_decimal_everywhere():
    priced = price(call("gpt-5", output_text_tokens=1))
    assert {priced.schema[name] for name in ("list_usd", "contracted_usd", "cost_usd", "quantity")} == {MONEY}
    assert {dtype for name, dtype in book().table.schema.items() if name.endswith("_usd")} == {UNIT_PRICE}
    assert not any(dtype.is_float() for dtype in [*priced.dtypes, *book().table.dtypes])


def test_rows_keep_their_order_and_their_columns():
    calls = frame(
        *(call(name, output_text_tokens=n) for n, name in enumerate(["gpt-5", "no-such-model", None, "gpt-4o"] * 5))
    ).with_row_index("n")
    assert book().price(calls).select(calls.columns).equals(calls)
    assert book().price(calls.clear()).schema == book().price(calls).schema


# What has no price


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (call("no-such-model", output_text_tokens=1), "unknown model"),
        (call("deepseek-chat", provider="ollama", output_text_tokens=1), "unknown model"),
        (call(None, output_text_tokens=1), "no model"),
        (call("", output_text_tokens=1), "no model"),
        (call("gpt-5"), "no usage"),
        (call("gpt-5", input_uncached_tokens=-1), "implausible usage"),
        (call("gpt-5", input_uncached_tokens=2**63 - 1, cache_read_tokens=2**63 - 1), "implausible usage"),
        (call("whisper-1", provider="openai", output_text_tokens=1), "no price for its tokens"),
        (call("text-embedding-3-small", provider="openai", output_text_tokens=1), "no price for its tokens"),
        (run("unheard-of"), "unknown tool"),
    ],
)
def test_what_has_no_price_is_null_with_a_reason_and_leaves_others_alone(one, reason):
    priced = price(one, call("gpt-5", output_text_tokens=1))
    assert priced.select("cost_usd", "contracted_usd", "list_usd", "price_set", "basis", "unpriced_reason").row(0) == (*[None] * 5, reason)
    assert priced["unpriced_reason"].to_list()[1] is None


def test_a_call_that_is_not_priced_has_its_canonical_model_all_the_same():
    calls = (call(None, model_served="gpt-5-2025-08-07"), call("gpt-5-2025-08-07"), call("acme-1"), call(None))
    assert price(*calls)["model"].to_list() == ["gpt-5", "gpt-5-2025-08-07", "acme-1", None]


def test_no_output_price_is_needed_for_no_output():
    priced = price(call("text-embedding-3-small", provider="openai", kind="embedding", input_uncached_tokens=1000, output_text_tokens=0))
    assert priced["cost_usd"].to_list() == [Decimal("0.00002")]


def test_a_bucket_nobody_mentioned_counts_as_nothing_once_another_is_known():
    assert price(call("gpt-5", output_text_tokens=0)).select("cost_usd", "unpriced_reason").rows() == [(Decimal(0), None)]


def test_a_list_price_that_stands_in_for_a_missing_one_makes_the_cost_an_estimate():
    cached, plain = call("gpt-4", output_text_tokens=1, cache_read_tokens=1), call("gpt-4", output_text_tokens=1, cache_read_tokens=0)
    assert price(cached, plain)["basis"].to_list() == ["estimated", "list"]
    assert (
        "cache_read"
        in book().table.row(by_predicate=(pl.col("price_set") == f"{book().version}:openai/gpt-4:always:0"), named=True)["inherited"]
    )


# Custom prices


def test_a_custom_price_beats_the_list_and_shows_both():
    one = call("gpt-5-mini-2025-08-07", provider="openai", input_uncached_tokens=1_000_000, output_text_tokens=0)
    priced = price(one, custom=(contract(provider="openai"),)).row(0, named=True)
    assert [priced[name] for name in ("list_usd", "contracted_usd", "cost_usd", "basis")] == [Decimal("0.25"), 1, 1, "contract"]
    assert (priced["price_provider"], priced["price_model"]) == ("openai", "gpt-5*")


def test_what_a_custom_price_leaves_out_costs_its_parent_s_price_and_is_no_estimate():
    cached = call("acme", cache_read_tokens=1_000_000, cache_write_1h_tokens=1_000_000, reasoning_tokens=1_000_000)
    priced = price(cached, custom=(contract("acme", cache_write_mtok="2"),))
    assert priced.select("cost_usd", "basis", "list_usd").row(0) == (1 + 2 + 4, "contract", None)


def test_a_contract_with_one_seller_leaves_the_others_at_list_price():
    sellers = [call("gpt-5", provider=name, output_text_tokens=1) for name in ("openai.responses", "langchain", "azure.ai.openai")]
    assert price(*sellers, custom=(contract(provider="OpenAI"),))["basis"].to_list() == ["contract", "contract", "list"]


def test_a_custom_price_holds_from_its_first_moment_to_before_its_last():
    dated = contract("gpt-5", valid_from="2026-01-01", valid_to="2026-02-01T01:00:00+01:00")
    first, last = datetime(2026, 1, 1), datetime(2026, 2, 1)
    tick = timedelta(microseconds=1)
    calls = [call("gpt-5", happened_at=at, output_text_tokens=1) for at in (first - tick, first, last - tick, last)]
    assert price(*calls, custom=(dated,))["basis"].to_list() == ["list", "contract", "contract", "list"]


def test_outside_its_dates_a_model_of_no_list_has_no_price_at_that_time():
    dated = contract("acme-1", valid_from="2027-01-01")
    assert price(call("acme-1", output_text_tokens=1), custom=(dated,))["unpriced_reason"].to_list() == ["no price at that time"]


def test_the_first_of_several_custom_prices_holds():
    exact, any_model = contract("gpt-5", output_mtok="9"), contract("*", output_mtok="7")
    calls = [call(name, output_text_tokens=1_000_000) for name in ("gpt-5", "acme")]
    assert price(*calls, custom=(exact, any_model))["cost_usd"].to_list() == [9, 7]


def test_a_date_that_a_contract_prices_differently_stays_in_the_model():
    dated, undated = "gpt-5-2025-08-07", "gpt-5"
    one = call(None, model_served=dated, output_text_tokens=1)
    for pattern, model in ((dated, dated), (undated, undated), ("gpt-5*", undated)):
        priced = price(one, custom=(contract(pattern),))
        assert priced.select("model", "basis").rows() == [(model, "contract")]


def test_a_sandbox_costs_its_exact_seconds_and_a_tool_its_calls():
    custom = (
        CustomPrice(tool="ci-*", usd_per_second="0.000028"),
        CustomPrice(tool="tiny", usd_per_second="0.000000001"),
        CustomPrice(tool="scan", usd_per_call="0.015"),
    )
    calls = [
        run("ci-large", "1.500001"),
        *(run("tiny", seconds) for seconds in ("0.5", "1.5", "2.5")),
        run("scan", kind="tool"),
        run("scan", None),
    ]
    priced = price(*calls, run("ci-large", None), run("ci-large", "-1"), custom=custom)
    assert priced["unit"].to_list() == ["second"] * 4 + ["call"] * 2 + ["second"] * 2
    assert priced["quantity"].to_list() == [Decimal("1.500001"), Decimal("0.5"), Decimal("1.5"), Decimal("2.5"), 1, 1, None, None]
    nanos = [cost if cost is None else cost * 10**9 for cost in priced["cost_usd"]]
    assert nanos == [42_000, 0, 2, 2, 15_000_000, 15_000_000, None, None]
    assert priced["unpriced_reason"].to_list()[6:] == ["no usage"] * 2


def test_prices_and_units_beyond_all_bounds_price_nothing_and_stop_nothing():
    dear = (contract("acme", input_mtok="999999999"), CustomPrice(tool="acme", usd_per_second="999999999"))
    calls = [call("acme", input_uncached_tokens=2**62), call("acme", input_uncached_tokens=10**8), run("acme", "900000000")]
    assert price(*calls, custom=dear)["cost_usd"].to_list() == [None] * 3


# The table


def test_the_table_names_every_set_once_and_in_the_same_words_every_time():
    custom = (contract(), contract(), contract(valid_from="2026-01-01"))
    compiled, again = PriceBook.compile(custom), PriceBook.compile(custom)
    assert compiled.table.schema == PRICE_SET
    assert compiled.table["price_set"].is_unique().all()
    assert compiled.table.equals(again.table)
    assert f"{book().version}:openai/gpt-5-mini:always:0" in book().table["price_set"]


def test_a_book_has_a_version_of_its_own_for_every_set_of_custom_prices():
    books = [book(), *(PriceBook.compile((contract(output_mtok=usd),)) for usd in ("4", "5"))]
    assert len({one.version for one in books}) == 3
    assert books[1].version == PriceBook.compile((contract(output_mtok="4.00"),)).version


def test_a_price_with_more_than_18_decimal_places_is_rounded_and_says_so():
    rounded = book().table.filter(pl.col("rounded").list.len() > 0)
    assert 0 < rounded.height < 100
    assert book().table.filter(price_set=f"{book().version}:openai/gpt-5:always:0")["rounded"].to_list() == [[]]


def test_a_price_is_rounded_half_to_even_when_it_is_compiled():
    fine = CustomPrice.model_construct(model="acme", input_mtok=Decimal("0.0000000000005"), output_mtok=Decimal("0.0000000000015"))
    compiled = PriceBook.compile((fine,)).table.row(0, named=True)
    assert [compiled[name] * 10**18 for name in ("input_usd", "output_usd", "cache_read_usd")] == [0, 2, 0]
    assert compiled["rounded"] == ["input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning"]


def test_times_of_contracts_are_utc():
    assert PriceBook.compile((contract(valid_from=datetime(2026, 1, 1, 1, tzinfo=UTC).isoformat()),)).table["valid_from"][0] == datetime(
        2026, 1, 1, 1
    )
