"""Numbers as people read them."""

from decimal import Decimal

import pytest

from dashboard import money


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1234567.895", "$1,234,567.90"),  # half to even would be .90 too: 9.5 -> 10
        ("12.345", "$12.34"),
        ("1", "$1.00"),
        ("0.153", "$0.153"),
        ("0.0123456", "$0.0123"),
        ("0.000000001", "$0.00000000100"),
        ("0.000000000", "$0.00"),
        ("-0.5", "-$0.500"),
        ("-92.53339295", "-$92.53"),
    ],
)
def test_dollars_have_cents_and_below_a_dollar_three_digits(amount, text):
    assert money.usd(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("unit", "tokens", "text"),
    [
        ("0.000003000000000000", True, "$3.00"),
        ("0.000000025000000000", True, "$0.025"),
        ("0.000000041666666667", True, "$0.041666666667"),
        ("0.5", False, "$0.50"),
        ("0.0001", False, "$0.0001"),
        ("0", True, "$0.00"),
        (None, True, "–"),
    ],
)
def test_a_unit_price_keeps_its_digits_and_tokens_go_by_the_million(unit, tokens, text):
    assert money.price(unit and Decimal(unit), tokens) == text


def test_what_is_not_known_is_never_zero():
    assert [money.usd(None), money.tokens(None), money.duration(None)] == ["unknown"] * 3


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1000, "1.0k"), (52_472_055, "52.47M"), (3_000_000_000, "3.00G"), (-1500, "-1.5k")]
)
def test_tokens_are_counted_in_thousands_and_millions(count, text):
    assert money.tokens(count) == text


@pytest.mark.parametrize(("part", "whole", "text"), [(9999, 10_000, "99.9%"), (3, 3, "100%"), (0, 7, "0%"), (0, 0, "–"), (1, 3, "33.3%")])
def test_a_share_is_whole_only_when_nothing_is_missing(part, whole, text):
    assert money.share(part, whole) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0 ms"), (999, "999 ms"), (1200, "1.2 s"), (59_949, "59.9 s"), (133_984, "2 min 13 s"), (7_500_000, "2 h 5 min")]
)
def test_durations_name_their_two_largest_units(ms, text):
    assert money.duration(ms) == text


def test_a_floor_says_what_it_leaves_out():
    assert money.floor(0, 0) == ""
    assert money.floor(1, 0) == "1 call without usage"
    assert money.floor(1200, 2) == "1,200 calls without usage, 2 calls without a price"
