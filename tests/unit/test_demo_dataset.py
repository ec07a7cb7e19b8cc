"""How the demo chooses a sample of the shop data."""

from __future__ import annotations

import pandas
import pytest

from tandem_demo.dataset import Household, fair_shares, sample

PRODUCTS = pandas.DataFrame({"product_id": [1, 2], "department": ["GROCERY", "DELI"]})


def transactions(baskets_of: dict[int, int]) -> pandas.DataFrame:
    """Make so many baskets of two lines for each household, the newest in front."""
    rows = [
        {
            "household_id": household,
            "store_id": 12,
            "basket_id": household * 100 + number,
            "product_id": product,
            "quantity": 1,
            "sales_value": 1.5,
            "retail_disc": 0.5,
            "coupon_disc": 0.25,
            "coupon_match_disc": 0.25,
            "transaction_timestamp": pandas.Timestamp(2017, 1, 1 + number, 12),
        }
        for household, baskets in baskets_of.items()
        for number in reversed(range(baskets))
        for product in (3, 1)
    ]
    return pandas.DataFrame(rows)


def chosen(baskets_of: dict[int, int], households: int, baskets: int) -> list[Household]:
    return sample(transactions(baskets_of), PRODUCTS, households, baskets)


def basket_ids(household: Household) -> list[int]:
    return [rows[0].basket_id for rows in household.baskets]


def test_baskets_come_in_the_order_of_time_with_all_their_lines() -> None:
    (household,) = chosen({7: 3}, 1, 10)
    assert basket_ids(household) == [700, 701, 702]
    assert [line.product_id for line in household.baskets[0]] == [1, 3]
    assert household.baskets[0][0].department == "GROCERY"


def test_a_product_that_the_catalogue_lacks_has_no_department() -> None:
    (household,) = chosen({7: 1}, 1, 1)
    assert household.baskets[0][1].department is None


def test_numbers_leave_the_frame_as_plain_python() -> None:
    (household,) = chosen({7: 1}, 1, 1)
    line = household.baskets[0][0]
    assert {type(line.household_id), type(line.quantity)} == {int}
    assert type(line.sales_value) is float


def test_the_bounds_hold() -> None:
    sampled = chosen(dict.fromkeys(range(1, 9), 5), 4, 10)
    assert len(sampled) == 4
    assert sum(len(household.baskets) for household in sampled) == 10


def test_the_sample_is_the_same_whatever_the_order_of_the_rows() -> None:
    frame = transactions(dict.fromkeys(range(1, 9), 5))
    mixed = frame.sample(frac=1.0, random_state=1)
    assert sample(frame, PRODUCTS, 4, 10) == sample(mixed, PRODUCTS, 4, 10)


def test_a_household_that_gives_only_some_baskets_gives_old_and_new_ones() -> None:
    (household,) = chosen({7: 9}, 1, 3)
    assert basket_ids(household) == [700, 703, 706]


@pytest.mark.parametrize(
    ("sizes", "total", "shares"),
    [
        ([5, 5], 4, [2, 2]),
        ([5, 5], 5, [3, 2]),
        ([1, 9], 6, [1, 5]),
        ([2, 2], 99, [2, 2]),
        ([0, 3], 2, [0, 2]),
        ([], 5, []),
    ],
)
def test_baskets_are_shared_as_evenly_as_can_be(
    sizes: list[int], total: int, shares: list[int]
) -> None:
    assert fair_shares(sizes, total) == shares
