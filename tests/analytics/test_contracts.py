"""What contracts make of list prices, what names stand for, whose word is final, and what a price depends on beside the model."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing import NOON, call, frame

from analytics.config import Alias, Contract, CustomPrice, Reported
from analytics.prices import PriceBook
from analytics.prices import priced as priced_by_lifetime
from analytics.prices.sets import PRICES

NANO = Decimal("1e-9")
TOKENS = {"input_uncached_tokens": 1_000_003, "output_text_tokens": 7}
LIST = Decimal("0.250000750") + Decimal("0.000014")  # gpt-5-mini: 0.25 and 2 dollars a million


def contract(**said) -> Contract:
    return Contract(**{"name": "deal", "kind": "percent_off", "percent": "15", "provider": "openai", **said})


def priced(*calls: dict, contracts=(), custom=(), aliases=(), reported=()) -> list[dict]:
    return PriceBook.compile(custom, contracts, aliases, reported).price(frame(*calls)).to_dicts()


def mini(**said) -> dict:
    return call("gpt-5-mini", **{"provider": "openai", **TOKENS, **said})


@pytest.mark.parametrize(
    ("terms", "factor"),
    [
        ({"kind": "percent_off", "percent": "15"}, "0.85"),
        ({"kind": "mark_up", "percent": "7.5"}, "1.075"),
        ({"kind": "commitment", "percent": "20", "committed_usd": "500", "valid_from": "2026-01-01", "valid_to": "2027-01-01"}, "0.80"),
        ({"kind": "commitment", "percent": None, "committed_usd": "500", "valid_from": "2026-01-01", "valid_to": "2027-01-01"}, "1"),
        ({"kind": "provisioned", "percent": None, "usd_per_hour": "12.50", "valid_from": "2026-01-01"}, "0"),
    ],
)
def test_a_contract_changes_what_the_list_asks_and_both_stay_beside_each_other(terms, factor):
    (found,) = priced(mini(), contracts=[contract(**terms)])
    assert (found["list_usd"], found["contract"], found["basis"]) == (LIST, "deal", "contract")
    assert found["cost_usd"] == found["contracted_usd"]
    assert abs(found["cost_usd"] - LIST * Decimal(factor)) <= NANO  # each bucket is rounded by itself


@settings(max_examples=20, deadline=None)
@given(percent=st.decimals("0.01", "100", places=2), tokens=st.integers(0, 3_000_000))
def test_a_charge_s_price_set_holds_the_unit_prices_it_was_made_of(percent, tokens):
    book = PriceBook.compile(contracts=[contract(percent=str(percent))])
    (found,) = book.price(frame(mini(input_uncached_tokens=tokens, output_text_tokens=0))).to_dicts()
    (row,) = book.table.filter(price_set=found["price_set"]).to_dicts()
    (of_list,) = book.table.filter(price_set=row["list_set"]).to_dicts()
    assert found["cost_usd"] == (tokens * row["input_usd"]).quantize(NANO, ROUND_HALF_EVEN)
    assert row["input_usd"] == (of_list["input_usd"] * (1 - percent / 100)).quantize(Decimal("1e-18"), ROUND_HALF_EVEN)
    assert [name for name in PRICES if (row[f"{name}_usd"] is None) != (of_list[f"{name}_usd"] is None)] == []


@pytest.mark.parametrize(
    ("said", "is_covered"),
    [
        ({}, True),
        ({"model_requested": "gpt-5-mini-2025-08-07"}, True),
        ({"provider": "azure.ai.openai"}, False),  # sold by somebody else at the same price
        ({"model_requested": "gpt-4o"}, False),
        ({"team": "payments"}, True),
        ({"team": None}, False),
        ({"team": "other"}, False),
        ({"happened_at": datetime(2026, 10, 31, 23, 59, 59)}, False),
        ({"happened_at": datetime(2026, 11, 30)}, False),
        ({"happened_at": datetime(2026, 11, 1)}, True),
    ],
)
def test_a_contract_covers_its_provider_its_models_its_teams_and_its_time(said, is_covered):
    deal = contract(model="gpt-5*", teams=["payments"], valid_from="2026-11-01", valid_to="2026-11-30")
    (found,) = priced(mini(**{"team": "payments", **said}), contracts=[deal])
    assert (found["contract"] == "deal") is is_covered
    assert (found["cost_usd"] < found["list_usd"]) is is_covered


def test_custom_prices_come_before_contracts_and_the_first_contract_holds():
    deals = [contract(name="one", model="gpt-5-nano"), contract(name="two"), contract(name="three", percent="50")]
    assert priced(mini(), contracts=deals)[0]["contract"] == "two"
    fixed = CustomPrice(name="fixed", model="gpt-5-mini", input_mtok="1", output_mtok="1")
    assert priced(mini(), contracts=deals, custom=[fixed])[0]["contract"] == "fixed"


def test_a_contract_of_one_seller_is_for_what_it_sells_at_another_s_price():
    azure = contract(provider="azure")
    found = priced(mini(provider="azure.ai.openai"), mini(), contracts=[azure])
    assert [row["contract"] for row in found] == ["deal", None]


# What a price depends on beside the model


def test_a_batch_costs_its_own_price_and_a_condition_that_no_list_knows_is_an_estimate():
    plain, batch, priority, odd = priced(
        mini(), mini(conditions="processing=batch"), mini(conditions="service_tier=priority"), mini(conditions="service_tier=odd")
    )
    assert batch["cost_usd"] * 2 == plain["cost_usd"] < priority["cost_usd"]
    assert [row["basis"] for row in (plain, batch, priority, odd)] == ["list", "list", "list", "estimated"]
    assert odd["cost_usd"] == plain["cost_usd"]


def test_what_the_list_says_of_one_seller_s_batches_is_not_said_of_another_s():
    (found,) = priced(mini(provider="azure.ai.openai", conditions="processing=batch"))
    assert (found["cost_usd"], found["basis"]) == (LIST, "estimated")


def test_nobody_s_price_is_guessed_from_another_provider_s():
    sold, unsold, unknown = priced(
        call("claude-sonnet-4-5", provider="anthropic", **TOKENS), call("claude-sonnet-4-5", provider="openai", **TOKENS),
        call("claude-sonnet-4-5", provider="our-gateway", **TOKENS),
    )  # fmt: skip
    assert (sold["basis"], unsold["unpriced_reason"], unsold["cost_usd"]) == ("list", "unknown model", None)
    assert (unknown["basis"], unknown["cost_usd"]) == ("estimated", sold["cost_usd"])


def test_searches_and_requests_cost_their_fee():
    searched, plain = priced(call("gpt-4.1", provider="openai", web_searches=3, **TOKENS), call("gpt-4.1", provider="openai", **TOKENS))
    assert searched["cost_usd"] - plain["cost_usd"] == Decimal("0.03")
    own = CustomPrice(model="finder", input_mtok="0", output_mtok="0", usd_per_search="0.004")
    assert priced(call("finder", web_searches=2, **TOKENS), custom=[own])[0]["cost_usd"] == Decimal("0.008")


# What names stand for, and whose word is final


def test_an_alias_means_a_model_for_a_time():
    deployments = [
        Alias(name="prod-*", model="gpt-5-mini", provider="openai", valid_to="2026-11-22"),
        Alias(name="prod-*", model="gpt-5", provider="openai", valid_from="2026-11-22"),
    ]
    calls = [mini(model_requested="prod-east", happened_at=NOON.replace(day=day)) for day in (21, 22)] + [
        mini(model_requested="prod-east", provider="anthropic")
    ]
    found = priced(*calls, aliases=deployments)
    assert [row["model"] for row in found] == ["gpt-5-mini", "gpt-5", "prod-east"]
    assert [row["model_requested"] for row in found] == ["prod-east"] * 3
    assert found[0]["cost_usd"] == LIST < found[1]["cost_usd"]
    assert found[2]["unpriced_reason"] == "unknown model"


def test_a_service_whose_word_is_final_costs_what_it_reports():
    gateway = Reported(service="gateway-*", valid_from="2026-11-01")
    said = {"reported_usd": Decimal("0.123456789"), "reporter": "gateway-eu"}
    believed, other, early, silent, unknown = priced(
        mini(**said), mini(**said | {"reporter": "agent"}), mini(**said, happened_at=datetime(2026, 10, 1)), mini(reporter="gateway-eu"),
        call("nobody-s", **TOKENS, **said), reported=[gateway],
    )  # fmt: skip
    assert (believed["cost_usd"], believed["basis"], believed["list_usd"]) == (Decimal("0.123456789"), "reported", LIST)
    assert [row["basis"] for row in (other, early, silent)] == ["list"] * 3
    assert (unknown["cost_usd"], unknown["list_usd"], unknown["unpriced_reason"]) == (Decimal("0.123456789"), None, None)


@pytest.mark.parametrize(
    ("reported", "split"),
    [
        ("0.0375", (10_000, None, None)),  # 10,000 writes at 3.75 dollars a million
        ("0.06", (0, 0, 10_000)),  # at 6 dollars a million
        ("0.042", (0, 8_000, 2_000)),
        ("0.042000001", (10_000, None, None)),  # no whole number of tokens costs that
        ("0.09", (10_000, None, None)),
    ],
)
def test_a_runtime_s_own_cost_tells_how_long_its_cache_writes_live(reported, split):
    said = {"provider": "anthropic", "reported_usd": Decimal(reported), "cache_write_tokens": 10_000, "input_uncached_tokens": 0}
    calls = frame(call("claude-sonnet-4-5", reporter="claude-code", **said), call("claude-sonnet-4-5", reporter="other", **said))
    told, other = priced_by_lifetime(calls, PriceBook.compile()).to_dicts()
    writes = ("cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    assert tuple(told[name] for name in writes) == split
    assert told["cost_usd"] == (Decimal("0.0375") if split[0] else Decimal(reported))
    assert tuple(other[name] for name in writes) == (10_000, None, None)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"percent": None}, "needs percent"),
        ({"percent": "100.5"}, "more than 100 percent off"),
        ({"usd_per_hour": "3"}, "knows no usd_per_hour"),
        ({"kind": "commitment", "committed_usd": "5"}, "needs valid_from"),
        ({"kind": "provisioned", "percent": None}, "needs usd_per_hour"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "must be later"),
    ],
)
def test_terms_that_do_not_fit_are_refused_with_what_is_wrong(said, problem):
    with pytest.raises(ValueError, match=problem):
        contract(**said)


def test_a_book_is_another_one_for_every_word_of_a_contract():
    deals = [contract(), contract(percent="15.0"), contract(percent="16"), contract(teams=["a"])]
    versions = [PriceBook.compile(contracts=[deal]).version for deal in deals]
    assert len(set(versions)) == 4 - (versions[0] == versions[1])
    assert PriceBook.compile(aliases=[Alias(name="a", model="gpt-5")]).version != PriceBook.compile().version
