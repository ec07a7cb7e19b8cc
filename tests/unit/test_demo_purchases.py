"""What the demo takes a row of the shop data for, and what it leaves out."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_demo import purchases
from tandem_demo.purchases import Basket, SoldLine, minor_units, to_basket

SOLD_AT = datetime(2017, 3, 1, 18, 30)  # noqa: DTZ001 - the data has no zone


def sold(product_id: int, quantity: int, sales: float, coupon: float = 0.0) -> SoldLine:
    return SoldLine(7, 70, 12, product_id, "GROCERY", quantity, sales, coupon, SOLD_AT)


def basket_of(*rows: SoldLine) -> tuple[Basket | None, Counter[str]]:
    notes: Counter[str] = Counter()
    return to_basket(rows, notes), notes


def paid(basket: Basket | None) -> list[int]:
    assert basket is not None
    return [line.paid_minor for line in basket.lines]


@pytest.mark.parametrize(
    ("dollars", "cents"),
    [
        (0.29, 29),
        (1.15, 115),
        (4.35, 435),
        (1.7763568394002505e-15, 0),
        (0.005, 0),
        (0.015, 2),
        (840.0, 84000),
        (-2.5, -250),
    ],
)
def test_money_becomes_whole_cents_without_drift(dollars: float, cents: int) -> None:
    assert minor_units(dollars) == cents


def test_an_amount_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        minor_units(float("nan"))


def test_a_coupon_is_taken_off_its_line() -> None:
    basket, notes = basket_of(sold(1, 2, 3.55, 0.55), sold(2, 1, 1.00))
    assert paid(basket) == [300, 100]
    assert not notes.total()


def test_what_a_coupon_gives_beyond_its_line_comes_off_the_rest() -> None:
    basket, notes = basket_of(sold(1, 1, 1.00, 1.30), sold(2, 1, 4.00), sold(3, 1, 2.00))
    assert paid(basket) == [0, 380, 190]
    assert notes[purchases.LARGE_COUPON] == 1
    assert notes[purchases.FREE] == 1


def test_a_coupon_without_goods_comes_off_the_whole_basket() -> None:
    basket, notes = basket_of(sold(9, 0, 0.0, 2.00), sold(2, 1, 3.00), sold(3, 1, 1.00))
    assert paid(basket) == [150, 50]
    assert notes == Counter({purchases.LOOSE_COUPON: 1})


def test_no_coupon_makes_a_basket_negative() -> None:
    basket, notes = basket_of(sold(1, 1, 1.00, 6.00))
    assert paid(basket) == [0]
    assert notes[purchases.LOST_COUPON] == 1


def test_the_cents_that_do_not_divide_go_to_the_largest_remainders() -> None:
    basket, _ = basket_of(
        sold(9, 0, 0.0, 1.00), sold(1, 1, 1.00), sold(2, 1, 1.00), sold(3, 1, 1.00)
    )
    assert paid(basket) == [66, 67, 67]


def test_a_line_of_nothing_is_left_out() -> None:
    basket, notes = basket_of(sold(1, 0, 0.0), sold(2, 1, 1.00))
    assert paid(basket) == [100]
    assert notes == Counter({purchases.NOTHING_SOLD: 1})


def test_goods_by_weight_count_as_one() -> None:
    basket, notes = basket_of(sold(1, 0, 0.50))
    assert basket is not None
    assert basket.lines[0].quantity == 1
    assert paid(basket) == [50]
    assert notes == Counter({purchases.WEIGHED: 1})


def test_free_goods_stay_on_the_receipt() -> None:
    basket, notes = basket_of(sold(1, 1, 0.0))
    assert paid(basket) == [0]
    assert notes == Counter({purchases.FREE: 1})


def test_a_return_among_the_sales_is_left_out() -> None:
    basket, notes = basket_of(sold(1, 1, -3.00), sold(2, -1, 3.00), sold(3, 1, 2.00))
    assert paid(basket) == [200]
    assert notes == Counter({purchases.RETURNED: 2})


def test_lines_of_one_product_are_merged() -> None:
    basket, notes = basket_of(sold(1, 1, 1.10), sold(2, 1, 1.00), sold(1, 2, 2.20, 0.30))
    assert basket is not None
    assert [line.quantity for line in basket.lines] == [3, 1]
    assert paid(basket) == [300, 100]
    assert notes == Counter({purchases.MERGED: 1})


def test_discounts_written_as_negative_numbers_mean_the_same() -> None:
    basket, _ = basket_of(sold(1, 1, 3.00, -0.50))
    assert paid(basket) == [250]


def test_a_basket_without_goods_is_left_out() -> None:
    basket, notes = basket_of(sold(9, 0, 0.0, 2.00), sold(8, 0, 0.0))
    assert basket is None
    assert notes[purchases.EMPTY_BASKET] == 1


def test_a_basket_above_the_limits_is_left_out() -> None:
    many, notes = basket_of(*(sold(product, 1, 1.0) for product in range(501)))
    assert many is None
    assert notes == Counter({purchases.HUGE_BASKET: 1})
    fuel, notes = basket_of(sold(1, 100_001, 250.0))
    assert fuel is None
    assert notes == Counter({purchases.HUGE_BASKET: 1})


CENTS = st.integers(0, 5_000)
ROWS = st.lists(
    st.builds(
        lambda product, quantity, sales, coupon: sold(product, quantity, sales / 100, coupon / 100),
        st.integers(1, 8),
        st.integers(0, 3),
        CENTS,
        CENTS,
    ),
    min_size=1,
    max_size=12,
)


@given(ROWS)
def test_a_basket_costs_what_the_sales_less_the_coupons_come_to(rows: list[SoldLine]) -> None:
    basket, _ = basket_of(*rows)
    total = sum(minor_units(row.sales_value) - minor_units(row.coupon_disc) for row in rows)
    lines = basket.lines if basket else ()
    assert sum(line.paid_minor for line in lines) == max(total, 0)
    assert all(line.paid_minor >= 0 and line.quantity > 0 for line in lines)
