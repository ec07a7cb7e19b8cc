"""What comes months late, or again after months, and what has waited too long."""

from __future__ import annotations

from typing import Any

from tandem_core.clock import rfc3339
from tandem_core.table import Key
from tandem_orders.ordering import order_id_of
from tests.service.conftest import Orders

ORDER = order_id_of("shopify", "1")


def test_a_message_that_waited_beyond_its_days_does_not_hold_its_order_up(orders: Orders) -> None:
    message_id = orders.said("shopify", fulfillment(orders), "fulfillments/create")
    orders.pump()
    assert len(orders.store.awaiting(ORDER)) == 1
    orders.store.forget(Key(f"IN#{message_id}", "MESSAGE"))

    orders.said("shopify", order(orders), "orders/create")
    orders.pump()

    assert orders.store.awaiting(ORDER) == []
    assert orders.order(ORDER)["status"] == "placed"


def test_however_many_messages_wait_all_are_looked_at(orders: Orders) -> None:
    for number in range(230):
        orders.store.await_order(ORDER, f"msg_{number}", orders.now)

    assert len({message_id for _, message_id in orders.store.awaiting(ORDER)}) == 230


def test_a_redaction_that_is_replayed_leaves_who_came_back_alone(orders: Orders) -> None:
    orders.said("shopify", order(orders, email="ada@example.org"), "orders/create")
    orders.pump()
    orders.later(days=1)
    redaction = {
        "shop_id": 7,
        "customer": {"id": 5, "email": "ada@example.org"},
        "orders_to_redact": [1],
        "shop_domain": "shop.example",
    }
    message_id = orders.said("shopify", redaction, "customers/redact")
    orders.pump()
    assert orders.order(ORDER)["customer"]["email"] is None
    orders.later(days=10)
    later = orders.placed("later", customer={"email": "ada@example.org"})
    orders.pump()

    assert orders.replay(message_id=message_id).body["understood"] == 1

    assert orders.order(later)["customer"]["email"] == "ada@example.org"


def order(orders: Orders, **changes: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "source_name": "web",
        "currency": "EUR",
        "processed_at": rfc3339(orders.now),
        "updated_at": rfc3339(orders.now),
        "line_items": [{"id": 11, "sku": "SHOE", "quantity": 2, "price": "10.00"}],
        **changes,
    }


def fulfillment(orders: Orders) -> dict[str, Any]:
    return {
        "id": 500,
        "order_id": 1,
        "status": "success",
        "created_at": rfc3339(orders.now),
        "updated_at": rfc3339(orders.now),
        "line_items": [{"id": 11, "quantity": 2}],
    }
