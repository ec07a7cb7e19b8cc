"""Orders that were edited after they had earned."""

from __future__ import annotations

from tests.service.conftest import Loyalty


def test_a_cancelled_order_keeps_no_points_whatever_was_added_to_it(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol()
    assert loyalty.buy(account_id, 10_000, "ord_1").status == 201
    assert loyalty.balance(account_id)["available"] == 100
    lines = [{"line_id": "1", "quantity": 1}, {"line_id": "added later", "quantity": 1}]

    loyalty.hear("order.cancelled", {"order_id": "ord_1", "lines": lines, "cancellation_id": "c"})

    assert loyalty.balance(account_id)["available"] == 0


def test_a_whole_cancellation_takes_all_that_earned_however_many_units_were_added(
    loyalty: Loyalty,
) -> None:
    account_id = loyalty.enrol()
    assert loyalty.buy(account_id, 10_000, "ord_1").status == 201
    gone = {
        "order_id": "ord_1",
        "lines": [{"line_id": "1", "quantity": 5}],
        "cancellation_id": "c",
        "whole": True,
    }

    for _ in range(2):
        loyalty.hear("order.cancelled", gone)

    assert loyalty.balance(account_id)["available"] == 0
