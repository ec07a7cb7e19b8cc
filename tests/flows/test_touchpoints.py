"""One customer in every channel: one timeline, one set of points, one way to collect an order."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

from tests.flows.conftest import Cloud
from tests.flows.customers import LOYALTY, ORDERS, Customer
from tests.flows.senders import (
    ago,
    delivered,
    shopify_fulfillment,
    shopify_headers,
    shopify_order,
    stamp,
)


def balance(customer: Customer, account_id: str, as_of: str = "") -> dict[str, int]:
    query = f"?as_of={quote(as_of)}" if as_of else ""
    found: dict[str, int] = customer.get(f"{LOYALTY}/accounts/{account_id}/balance{query}")
    return {part: found[part] for part in ("available", "pending")}


def test_web_till_and_marketplace_are_one_timeline_with_the_points_they_earned(
    cloud: Cloud,
) -> None:
    customer = Customer(cloud)
    order_number = int(customer.run, 16) * 100
    marketplace = shopify_order(
        order_number,
        email=customer.email.upper(),
        source_name="ebay",
        price="42.50",
        placed_at=ago(days=50),
    )
    sent = cloud.send("shopify", marketplace, shopify_headers("orders/create"))
    assert sent.status == 202
    # A guest's order, until the guest becomes a member with the address that the marketplace told.
    by_name = f"{ORDERS}/orders?source=shopify&external_id={order_number}"
    cloud.wait_until(lambda: customer.get(by_name)["orders"])
    account_id = customer.enrol()
    cloud.wait_until(customer.orders)
    web = customer.place("web", 10_000, placed_at=stamp(ago(days=45)))
    receipt = customer.place("till", 3_000, "pos", customer={"email": customer.email})
    assert (receipt["status"], receipt["store_id"]) == ("completed", "store_12")

    # The receipt's points are there at once, those of both online orders are on their way.
    cloud.wait_until(
        lambda: balance(customer, account_id) == {"available": 30, "pending": 100 + 42}
    )
    # Delivery was long ago, and so is the end of the time to return.
    customer.ship(web, customer.number())
    customer.scan(customer.number(), delivered(ago(days=40)))
    cloud.wait_until(
        lambda: balance(customer, account_id) == {"available": 30 + 100, "pending": 42}
    )
    cloud.settle()

    orders = {order["channel"]: order for order in customer.orders()}
    assert set(orders) == {"web", "pos", "marketplace"}
    assert {order["customer"]["customer_id"] for order in orders.values()} == {customer.id}
    assert orders["web"]["id"] == web["id"]
    assert orders["web"]["status"] == "completed"
    entries = customer.timeline()
    assert Counter(entry["type"] for entry in entries if entry["type"].startswith("order.")) == {
        "order.placed": 3,
        "order.updated": 1,
        "order.completed": 1,
    }
    placed = {
        entry["channel"]: entry["text"] for entry in entries if entry["type"] == "order.placed"
    }
    assert set(placed) == {"web", "pos", "marketplace"}
    points = {
        (entry["type"], entry["order_id"]): entry["text"]
        for entry in entries
        if entry["type"].startswith("points.")
    }
    assert {
        ("points.pending", orders["marketplace"]["id"]),
        ("points.pending", web["id"]),
        ("points.earned", receipt["id"]),
        ("points.rescheduled", web["id"]),
    } <= set(points)
    assert "42 points" in points["points.pending", orders["marketplace"]["id"]]
    assert "30 points" in points["points.earned", receipt["id"]]
    assert [entry["occurred_at"] for entry in entries] == sorted(
        (entry["occurred_at"] for entry in entries), reverse=True
    )


def test_points_of_an_online_order_wait_for_the_delivery_and_the_time_to_return(
    cloud: Cloud,
) -> None:
    customer = Customer(cloud)
    account_id = customer.enrol()
    order = customer.place(amount=5_000)
    cloud.wait_until(lambda: balance(customer, account_id) == {"available": 0, "pending": 50})
    customer.ship(order, customer.number())
    customer.scan(customer.number(), delivered(ago(hours=2)))

    # Thirty days after the delivery, and not before.
    day_29, day_31 = (stamp(ago(days=-days)) for days in (29, 31))
    cloud.wait_until(
        lambda: balance(customer, account_id, day_31) == {"available": 50, "pending": 0}
    )
    assert balance(customer, account_id, day_29) == {"available": 0, "pending": 50}
    assert balance(customer, account_id) == {"available": 0, "pending": 50}


def test_click_and_collect_from_the_app_to_the_counter(cloud: Cloud) -> None:
    customer = Customer(cloud)
    ear = cloud.listen({"detail": {"data": {"customer_id": [customer.id]}}})
    order = customer.place(channel="app")
    pickup = customer.fulfil(order, type="pickup", store_id="store_12")
    assert (pickup["state"], pickup["allowed"]) == ("proposed", ["reserved", "cancelled"])

    early = customer.move(pickup, "collected", staff_id="ben")
    assert (early.status, early.body["code"]) == (409, "INVALID_TRANSITION")
    assert early.body["allowed"] == ["reserved", "cancelled"]
    elsewhere = cloud.token("terminal", "store_13/till_1")
    assert customer.move(pickup, "reserved", elsewhere).status == 403
    for state in ("reserved", "preparing", "ready"):
        moved = customer.move(pickup, state)
        assert (moved.status, moved.body["state"]) == (200, state)
        assert moved.body["pickup_code"] is None

    def seen_by(token: str) -> Any:
        (fulfillment,) = customer.order(order["id"], token)["fulfillments"]
        return fulfillment["pickup_code"]

    code = seen_by(customer.token)
    assert len(code) == 6
    others = (customer.till, customer.shop, customer.staff)
    assert [seen_by(token) for token in others] == [None, None, None]
    stranger = cloud.token("customer", "cus_stranger")
    hidden = cloud.call("GET", f"{ORDERS}/orders/{order['id']}", stranger)
    assert (hidden.status, hidden.body["code"]) == (404, "ORDER_NOT_FOUND")

    assert customer.move(pickup, "collected", customer.token, pickup_code=code).status == 403
    assert customer.move(pickup, "checked_in", customer.token).body["state"] == "checked_in"
    for wrong in ({}, {"pickup_code": f"{(int(code) + 1) % 10**6:06d}"}):
        refused = customer.move(pickup, "collected", **wrong)
        assert (refused.status, refused.body["code"]) == (422, "PICKUP_CODE_INVALID")
    assert customer.move(pickup, "collected", pickup_code=code).status == 200

    done = customer.order(order["id"], customer.token)
    assert done["status"] == "completed"
    assert [line["delivered"] for line in done["lines"]] == [2]
    assert seen_by(customer.token) is None
    cloud.settle()
    assert customer.told().count("pickup.ready") == customer.told().count("pickup.collected") == 1
    assert code not in str(customer.timeline())
    (message,) = [
        event["data"]
        for event in ear.heard()
        if event["type"] == "notification.requested" and event["data"]["reason"] == "pickup.ready"
    ]
    assert code in message["text"]
    assert (message["channel"], message["language"]) == ("push", "en")


def test_a_pickup_that_nobody_collects_goes_back_to_the_shelf_and_can_be_sent(
    cloud: Cloud,
) -> None:
    customer = Customer(cloud)
    order = customer.place(channel="app")
    pickup = customer.fulfil(order, type="pickup", store_id="store_12", token=customer.till)
    for state in ("reserved", "preparing", "ready", "expired", "restocked"):
        assert customer.move(pickup, state).status == 200
    late = customer.move(pickup, "collected", staff_id="ben")
    assert (late.status, late.body["code"]) == (409, "INVALID_TRANSITION")
    customer.ship(order, customer.number())
    customer.scan(customer.number(), delivered(ago(minutes=5)))
    customer.wait_for(order, "completed", "delivered")


def test_what_comes_before_its_order_waits_and_is_told_in_full(cloud: Cloud) -> None:
    customer = Customer(cloud)
    order_id = int(customer.run, 16) * 100
    number = customer.number()
    # The parcel is delivered, then its fulfilment is told, and the order comes last of all.
    customer.scan(number, delivered(ago(hours=1)))
    _shopify(cloud, "fulfillments/create", order_id, number)
    cloud.settle()
    body = shopify_order(
        order_id, email=customer.email, source_name="web", price="12.00", placed_at=ago(hours=9)
    )
    assert cloud.send("shopify", body, shopify_headers("orders/create")).status == 202
    customer.enrol()

    def is_complete() -> bool:
        return [order["status"] for order in customer.orders()] == ["completed"]

    cloud.wait_until(is_complete)
    (order,) = customer.orders()
    assert [parcel["tracking_number"] for parcel in order["shipments"]] == [number]
    cloud.wait_until(lambda: {"order.placed", "shipment.delivered"} <= set(customer.told()))


def _shopify(cloud: Cloud, topic: str, order_id: int, number: str) -> None:
    body = shopify_fulfillment(order_id, "UPS", [number])
    assert cloud.send("shopify", body, shopify_headers(topic)).status == 202
