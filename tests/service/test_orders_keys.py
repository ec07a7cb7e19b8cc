"""A caller's key is one request, for ever: its repeats get the same bytes, others are refused."""

from __future__ import annotations

from typing import Any

from tandem_core.clock import rfc3339
from tests.service.conftest import Orders, Reply
from tests.service.orders_service import units


def same(first: Reply, again: Reply) -> None:
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers.get("ETag") == first.headers.get("ETag")
    assert again.replayed
    assert not first.replayed


def test_a_cancellation_that_completes_the_order_is_answered_the_same_again(orders: Orders) -> None:
    order_id = orders.placed()
    fulfillment_id = orders.fulfilled(order_id, lines=units({"1": 2}))
    orders.moved(order_id, fulfillment_id, "allocated", "packed", "shipped", "delivered")
    body = {"lines": units({"2": 1}), "reason": "sold out"}

    first = orders.cancel(order_id, body, key="once")

    assert first.body["status"] == "completed"
    same(first, orders.cancel(order_id, body, key="once"))
    assert first.headers["ETag"] == f'"{orders.order(order_id)["version"]}"'


def test_the_etag_of_a_move_is_the_version_of_the_order_after_it(orders: Orders) -> None:
    order_id = orders.placed()
    fulfillment_id = orders.fulfilled(order_id)
    orders.moved(order_id, fulfillment_id, "allocated", "packed", "shipped")

    first = orders.move(order_id, fulfillment_id, "delivered", key="once")

    assert first.headers["ETag"] == f'"{orders.order(order_id)["version"]}"'
    same(first, orders.move(order_id, fulfillment_id, "delivered", key="once"))


def test_one_key_is_not_for_two_commands_on_an_order(orders: Orders) -> None:
    order_id = orders.placed()
    body = {"lines": units({"2": 1}), "reason": "sold out"}
    assert orders.cancel(order_id, body, key="once").status == 200

    reply = orders.fulfil(order_id, lines=units({"1": 1}), key="once")

    assert (reply.status, reply.body["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert orders.order(order_id)["fulfillments"] == []


def test_a_key_that_found_a_known_order_is_not_for_another(orders: Orders) -> None:
    orders.placed("a", key="one till")
    assert orders.place("a", key="another till").replayed

    reply = orders.place("b", key="another till")

    assert (reply.status, reply.body["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_a_key_that_found_a_known_parcel_is_not_for_another(orders: Orders) -> None:
    register(orders, "one", tracking_number="1Z1")
    assert register(orders, "two", tracking_number="1Z1").replayed

    reply = register(orders, "two", tracking_number="1Z2")

    assert (reply.status, reply.body["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_a_registration_is_answered_the_same_after_its_number_was_given_out_again(
    orders: Orders,
) -> None:
    first = register(orders, "once", tracking_number="1Z1")
    scan = {
        "object": "TrackingDetail",
        "status": "delivered",
        "message": "Delivered",
        "datetime": rfc3339(orders.now),
    }
    orders.said(
        "easypost",
        {
            "id": "evt_1",
            "object": "Event",
            "description": "tracker.updated",
            "result": {
                "object": "Tracker",
                "tracking_code": "1Z1",
                "carrier": "UPS",
                "status": "delivered",
                "tracking_details": [scan],
            },
        },
    )
    orders.pump()
    orders.later(days=120)
    other = register(orders, "later", tracking_number="1Z1", label_created_at=rfc3339(orders.now))
    assert other.body["generation"] == 2

    same(first, register(orders, "once", tracking_number="1Z1"))


def test_contacts_claimed_once_are_answered_the_same_again(orders: Orders) -> None:
    order_id = orders.placed(customer={"email": "ada@example.org"})

    first = claim(orders, "ada@example.org")

    assert first.body["order_ids"] == [order_id]
    same(first, claim(orders, "ada@example.org"))
    assert claim(orders, "bob@example.org").status == 422


def test_an_erasure_is_answered_the_same_again(orders: Orders) -> None:
    orders.placed("a")
    first = erase(orders, "cus_1")
    orders.placed("b")

    same(first, erase(orders, "cus_1"))

    assert erase(orders, "cus_2").status == 422
    (latest, _) = orders.call("GET", "/orders", query={"customer_id": "cus_1"}).body["orders"]
    assert latest["customer"]["customer_id"] == "cus_1"


def register(orders: Orders, key: str, **body: Any) -> Reply:
    reply = orders.call("POST", "/shipments", {"carrier": "ups", **body}, key=key)
    assert reply.status in {201, 422}, reply.body
    return reply


def claim(orders: Orders, email: str) -> Reply:
    return orders.call(
        "POST",
        "/customers/{customer_id}/contacts",
        {"contacts": [{"type": "email", "value": email}]},
        key="once",
        customer_id="cus_9",
    )


def erase(orders: Orders, customer_id: str) -> Reply:
    return orders.call(
        "POST",
        "/customers/{customer_id}/erase",
        role="staff",
        key="once",
        customer_id=customer_id,
    )
