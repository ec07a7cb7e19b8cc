"""What is too large to be told or kept is refused or shown to staff, never half done."""

from __future__ import annotations

import json

import pytest

from tandem_core.clock import rfc3339
from tandem_core.events import envelope_json
from tandem_orders.ordering import order_id_of
from tests.service.conftest import Orders, Reply
from tests.service.orders_service import new_order

BUS_BYTES = 256 * 1024


def place(orders: Orders, letters: int) -> tuple[int, Reply]:
    paid = {"amount": 1, "currency": "EUR"}
    lines = [
        {"line_id": f"{number}", "sku": "s", "name": "鞋" * letters, "quantity": 1, "paid": paid}
        for number in range(500)
    ]
    body = new_order(orders.now, "large", lines=lines)
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return len(raw), orders.call("POST", "/orders", raw=raw)


@pytest.mark.parametrize("letters", [130, 135, 140])
def test_an_order_that_is_kept_can_also_be_told(orders: Orders, letters: int) -> None:
    size, reply = place(orders, letters)

    assert size < BUS_BYTES
    assert reply.status in {201, 413}, reply.body
    entries = orders.journal()
    assert len(entries) == (1 if reply.status == 201 else 0)
    assert all(len(envelope_json("tandem.orders", one).encode()) < BUS_BYTES for one in entries)


def test_an_order_that_no_event_could_tell_is_refused(orders: Orders) -> None:
    size, reply = place(orders, 145)

    assert size < BUS_BYTES
    assert (reply.status, reply.body["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_a_message_that_says_more_than_one_write_can_hold_is_parked(orders: Orders) -> None:
    refunds = [{"id": number, "created_at": rfc3339(orders.now)} for number in range(120)]
    message_id = orders.said(
        "shopify",
        {
            "id": 1,
            "currency": "EUR",
            "created_at": rfc3339(orders.now),
            "line_items": [{"id": 11, "quantity": 1, "price": "10.00"}],
            "refunds": refunds,
        },
        "orders/create",
    )

    orders.pump()

    (parked,) = orders.parked()
    assert parked["message_id"] == message_id
    assert parked["reason"].startswith("PAYLOAD_TOO_LARGE")
    assert orders.store.load_order(order_id_of("shopify", "1")).order is None
