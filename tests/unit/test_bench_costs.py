"""What the benchmark counts: bytes by DynamoDB's rule, units of reads, and kept promises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tools.bench.loyalty.operations import TWO_CALLS_FIVE_UNITS
from tools.bench.loyalty.report import Measured, broken_bounds
from tools.bench.meter import Cost
from tools.bench.samples import Sample
from tools.bench.sizes import (
    Wire,
    attribute_bytes,
    item_bytes,
    units_of_query,
    units_of_reading_one,
)

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def test_an_item_weighs_its_names_and_its_values() -> None:
    item: Wire = {"pk": {"S": "ACC#é"}, "seq": {"N": "32"}, "hash": {"B": b"\x00" * 32}}
    assert attribute_bytes(item) == {"hash": 36, "pk": 8, "seq": 5}
    assert item_bytes(item) == 49


@pytest.mark.parametrize(
    ("number", "size"),
    [("0", 1), ("7", 2), ("42", 2), ("123", 3), ("1000000", 2), ("-5", 3), ("10001", 4)],
)
def test_a_number_weighs_by_its_significant_digits(number: str, size: int) -> None:
    assert item_bytes({"n": {"N": number}}) == 1 + size


def test_a_type_that_the_store_never_writes_is_not_weighed_by_guessing() -> None:
    with pytest.raises(ValueError, match="type M"):
        item_bytes({"state": {"M": {}}})


def test_each_item_that_is_read_by_key_pays_for_itself_even_when_it_is_absent() -> None:
    assert [units_of_reading_one(size) for size in (0, 1, 4096, 4097)] == [1, 1, 1, 2]


def test_the_items_of_a_query_are_weighed_together() -> None:
    assert units_of_query([1000] * 5, consistent=True) == 2
    assert units_of_query([1000] * 5, consistent=False) == 1
    assert units_of_query([], consistent=False) == 0.5


def history(cost: Cost, repeats: int = 3) -> Measured:
    sample = Sample(cost, lambda: None, NOW)
    return Measured(10, {name: [sample] * repeats for name in TWO_CALLS_FIVE_UNITS}, {})


def test_two_calls_and_five_units_are_within_the_bounds() -> None:
    within = Cost(calls=["BatchGetItem", "TransactWriteItems"], table_units=4, index_units=1)
    assert broken_bounds([history(within)]) == []


def test_a_call_or_a_unit_too_many_is_named_with_its_operation() -> None:
    calls = Cost(calls=["GetItem", "GetItem", "TransactWriteItems"])
    assert broken_bounds([history(calls)])[0] == (
        "accumulate, till, from 10 entries: 3 AWS calls, at most 2 wanted; 3 of 3 are above"
    )
    units = Cost(table_units=6, index_units=2)
    assert "8 write units, at most 5 wanted" in broken_bounds([history(units)])[0]


def test_an_account_may_move_in_the_index_of_what_is_due_once_only() -> None:
    moved = Cost(table_units=4, index_units=3, due_units=2)
    assert broken_bounds([history(moved, repeats=1)]) == []
    assert "2 of 2 moved" in broken_bounds([history(moved, repeats=2)])[0]
