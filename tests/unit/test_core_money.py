"""Money: exact integers, known currencies, and shares that add up."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tandem_core.money import MAX_AMOUNT_MINOR, Money, allocate, decimals, major_units

WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=30)


@given(total=st.integers(0, 10**15), weights=WEIGHTS)
def test_shares_add_up_to_the_whole(total: int, weights: list[int]) -> None:
    assert sum(allocate(total, weights)) == total


@given(total=st.integers(0, 10**12), weights=WEIGHTS)
def test_a_share_is_the_exact_one_rounded_down_or_up(total: int, weights: list[int]) -> None:
    whole = sum(weights)
    for share, weight in zip(allocate(total, weights), weights, strict=True):
        if whole:
            assert abs(share - Fraction(total * weight, whole)) < 1


@given(total=st.integers(0, 10**9), weights=WEIGHTS)
def test_nothing_goes_to_what_has_no_weight_while_others_have(
    total: int, weights: list[int]
) -> None:
    if any(weights):
        for share, weight in zip(allocate(total, weights), weights, strict=True):
            assert weight or not share


@given(total=st.integers(0, 10**9), weights=WEIGHTS, factor=st.fractions(Fraction(1, 10**6), 10**6))
def test_only_the_proportion_of_weights_counts(
    total: int, weights: list[int], factor: Fraction
) -> None:
    assert allocate(total, [weight * factor for weight in weights]) == allocate(total, weights)


@given(total=st.integers(0, 10**9), weight=st.integers(1, 10**9), parts=st.integers(1, 50))
def test_equal_weights_differ_by_one_at_most_and_the_earlier_get_more(
    total: int, weight: int, parts: int
) -> None:
    shares = allocate(total, [weight] * parts)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] <= 1


def test_without_any_weight_the_first_part_takes_everything() -> None:
    assert allocate(7, [0, 0, 0]) == [7, 0, 0]
    assert allocate(0, []) == []
    with pytest.raises(ValueError, match="no parts"):
        allocate(1, [])


@pytest.mark.parametrize(
    ("currency", "places", "text"),
    [("EUR", 2, "12.99"), ("JPY", 0, "1299"), ("KWD", 3, "1.299"), ("CLP", 0, "1299")],
)
def test_each_currency_has_its_own_decimals(currency: str, places: int, text: str) -> None:
    assert decimals(currency) == places
    assert major_units(1299, currency) == text
    assert major_units(-1299, currency) == f"-{text}"
    assert str(Money(amount=1299, currency=currency)) == f"{text} {currency}"


def test_less_than_one_major_unit_keeps_its_zeros() -> None:
    assert major_units(5, "EUR") == "0.05"
    assert major_units(-5, "KWD") == "-0.005"
    assert major_units(0, "JPY") == "0"


@pytest.mark.parametrize("literal", ["7256", "7256.0", "7.256e3", "0", "-0.0", "1e12"])
def test_an_integer_may_be_written_with_a_point(literal: str) -> None:
    money = Money.model_validate_json(f'{{"amount": {literal}, "currency": "EUR"}}')
    assert money.amount == int(float(literal))
    assert type(money.amount) is int


@pytest.mark.parametrize(
    "amount",
    [
        True,
        False,
        "1299",
        12.99,
        float("nan"),
        float("inf"),
        -1,
        MAX_AMOUNT_MINOR + 1,
        None,
        [],
        {},
    ],
)
def test_anything_else_is_not_an_amount(amount: Any) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "EUR"})
    with pytest.raises(ValidationError):
        Money.model_validate_json(json.dumps({"amount": amount, "currency": "EUR"}))


@pytest.mark.parametrize("currency", ["eur", "EURO", "XXX", "", "ZZZ", 978, None])
def test_an_unknown_currency_is_refused(currency: Any) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": 1, "currency": currency})


def test_money_knows_no_other_members_and_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": 1, "currency": "EUR", "tax": 0})
    with pytest.raises(ValidationError):
        Money(amount=1, currency="EUR").amount = 2  # type: ignore[misc]
