"""One story of each sender, from its first message to what customers and staff see."""

from __future__ import annotations

from typing import Any

from tandem_core.clock import rfc3339
from tests.service.orders_service import Orders
from tests.service.sender_payloads import (
    aftership,
    amazon_milestone,
    amazon_order,
    at,
    delivered,
    easypost,
    in_transit,
    labelled,
    on_the_van,
    picked_up,
    shippo,
    shopify_fulfillment,
    shopify_order,
    shopify_refund,
    shopify_scan,
    square_event,
    square_order,
    woocommerce_order,
)


def found(orders: Orders, source: str, external_id: str) -> Any:
    query = {"source": source, "external_id": external_id}
    (order,) = orders.call("GET", "/orders", query=query).body["orders"]
    return order


def told(orders: Orders, source: str, body: Any, topic: str = "") -> None:
    orders.said(source, body, topic)
    orders.pump()
    assert orders.parked() == []


def test_an_order_of_shopify_is_sent_and_half_of_it_comes_back(orders: Orders) -> None:
    orders.later(hours=1)
    told(orders, "shopify", shopify_order(), "orders/create")
    placed = found(orders, "shopify", "450789469")
    assert (placed["status"], placed["channel"], placed["number"]) == ("placed", "web", "#9469")
    assert placed["placed_at"] == "2026-03-10T09:00:00.000000Z"
    assert placed["customer"]["email"] == "ada@example.org"
    assert placed["destination"]["city"] == "Köln"
    assert [line["paid"] for line in placed["lines"]] == [
        {"amount": 10_000, "currency": "EUR"}, {"amount": 2_500, "currency": "EUR"},
    ]  # fmt: skip
    assert placed["tenders"] == [
        {"type": "card", "paid": {"amount": 12_500, "currency": "EUR"}, "reference": None}
    ]

    orders.later(hours=2)
    told(orders, "shopify", shopify_fulfillment(), "fulfillments/create")
    told(
        orders,
        "shopify",
        shopify_scan("out_for_delivery", at(hours=3)),
        "fulfillment_events/create",
    )
    told(orders, "shopify", shopify_scan("delivered", at(hours=3.2)), "fulfillment_events/create")
    done = found(orders, "shopify", "450789469")
    assert (done["status"], done["completed_at"]) == ("completed", rfc3339(at(hours=3.2)))
    assert done["shipments"][0]["tracking_number"] == "1Z12345E0205271688"

    orders.later(days=3)
    told(orders, "shopify", shopify_refund((1, 1, "return")), "refunds/create")
    again = found(orders, "shopify", "450789469")
    assert (again["status"], again["flags"]) == ("completed", ["has_return"])
    assert again["lines"][0]["returned"] == 1
    (refund,) = [one for one in orders.entries(again["id"]) if one.type == "refund.succeeded"]
    assert '"paid":{"amount":5000,"currency":"EUR"}' in refund.data
    # A guest is written to at the address of the order, in its language.
    assert {(one["email"], one["language"]) for one in orders.notifications()} == {
        ("ada@example.org", "de")
    }


def test_an_order_of_shopify_is_cancelled(orders: Orders) -> None:
    told(orders, "shopify", shopify_order(), "orders/create")
    gone = shopify_order(
        updated_at="2026-03-10T11:00:00+01:00",
        cancelled_at="2026-03-10T11:00:00+01:00",
        cancel_reason="customer",
    )
    told(orders, "shopify", gone, "orders/cancelled")
    order = found(orders, "shopify", "450789469")
    assert order["status"] == "cancelled"
    assert orders.milestones() == ["order_placed", "order_cancelled"]


def test_a_sale_at_a_till_of_shopify_is_a_receipt(orders: Orders) -> None:
    sale = shopify_order(
        source_name="pos", shipping_lines=[], shipping_address=None, location_id=55
    )
    told(orders, "shopify", sale, "orders/create")
    order = found(orders, "shopify", "450789469")
    assert (order["channel"], order["status"], order["store_id"]) == ("pos", "completed", "55")
    assert orders.kinds(order["id"])[0] == "order.placed"
    assert "order.completed" not in orders.kinds(order["id"])
    assert orders.milestones() == []


def test_an_order_of_woocommerce_is_completed_with_its_parcel(orders: Orders) -> None:
    told(orders, "woocommerce", b"webhook_id=7")
    told(orders, "woocommerce", woocommerce_order("pending", date_paid_gmt=None), "order.created")
    order = found(orders, "woocommerce", "727")
    assert (order["status"], order["tenders"]) == ("placed", [])
    assert order["lines"][0]["paid"] == {"amount": 2980, "currency": "JPY"}
    assert order["lines"][0]["unit_price"] == {"amount": 1490, "currency": "JPY"}

    sent = woocommerce_order(
        "completed",
        date_modified_gmt="2026-03-10T09:00:00",
        date_completed_gmt="2026-03-10T09:00:00",
        meta_data=[
            {
                "key": "_wc_shipment_tracking_items",
                "value": [{"tracking_provider": "DHL", "tracking_number": "JD01"}],
            }
        ],
    )
    told(orders, "woocommerce", sent, "order.updated")
    order = found(orders, "woocommerce", "727")
    assert order["status"] == "in_progress"
    assert [one["state"] for one in order["fulfillments"]] == ["shipped"]
    assert [one["tracking_number"] for one in order["shipments"]] == ["JD01"]
    told(orders, "easypost", easypost("JD01", delivered(-0.1), carrier="DHL"))
    # DHL without more words is no carrier that has a name of its own; its parcel is found by both.
    assert found(orders, "woocommerce", "727")["shipments"][0]["carrier"].startswith("dhl")


def test_a_pickup_of_square_is_moved_by_its_notifications(orders: Orders) -> None:
    created = {
        "order_created": {"order_id": "SQ1", "state": "OPEN", "created_at": "2026-03-10T08:00:00Z"}
    }
    orders.said("square", square_event("order.created", "s0", created))
    orders.pump()
    told(orders, "square", square_event("order.updated", "s1", {"order": square_order()}))
    order = found(orders, "square", "SQ1")
    assert (order["status"], order["lines"][0]["paid"]["amount"]) == ("confirmed", 1200)

    for number, (old, new) in enumerate(
        [("PROPOSED", "RESERVED"), ("RESERVED", "PREPARED"), ("PREPARED", "COMPLETED")]
    ):
        notice = {
            "order_fulfillment_updated": {
                "order_id": "SQ1",
                "location_id": "L1",
                "state": "OPEN" if new != "COMPLETED" else "COMPLETED",
                "updated_at": rfc3339(at(minutes=-20 + number)),
                "fulfillment_update": [
                    {"fulfillment_uid": "p1", "old_state": old, "new_state": new}
                ],
            }
        }
        told(orders, "square", square_event("order.fulfillment.updated", f"s{number + 2}", notice))
    order = found(orders, "square", "SQ1")
    assert (order["status"], order["fulfillments"][0]["state"]) == ("completed", "collected")
    assert "pickup_ready" in orders.milestones()  # fmt: skip


def test_an_order_of_amazon_is_shipped_and_tracked(orders: Orders) -> None:
    orders.later(hours=5)
    told(orders, "amazon", amazon_order())
    order = found(orders, "amazon", "333-7777777-7777777")
    assert (order["channel"], order["currency"], order["status"]) == (
        "marketplace",
        "EUR",
        "placed",
    )
    assert order["lines"][0]["paid"] is None
    told(orders, "amazon", amazon_order("Shipped", shipped=1, minutes=30))
    assert found(orders, "amazon", "333-7777777-7777777")["status"] == "in_progress"

    body = {"carrier": "UPS", "tracking_number": "1ZAMZ", "order_id": order["id"]}
    assert orders.call("POST", "/shipments", body).status == 201
    told(orders, "amazon", amazon_milestone("1ZAMZ", "OUT_FOR_DELIVERY", at(hours=3)))
    wrapped = {"detail-type": "x", "detail": amazon_milestone("1ZAMZ", "DELIVERED", at(hours=4))}
    told(orders, "amazon", wrapped)
    done = found(orders, "amazon", "333-7777777-7777777")
    assert (done["status"], done["completed_at"]) == ("completed", rfc3339(at(hours=4)))
    # The marketplace writes to its customers itself.
    assert orders.milestones() == []


def parcel_of(orders: Orders, number: str) -> Any:
    order_id = orders.placed()
    orders.fulfilled(order_id, shipments=[{"carrier": "UPS", "tracking_number": number}])
    orders.pump()
    orders.later(hours=8)
    (parcel,) = orders.order(order_id)["shipments"]
    return lambda: (orders.order(order_id)["status"], orders.shipment(parcel["id"]))


def test_a_parcel_is_followed_through_easypost(orders: Orders) -> None:
    look = parcel_of(orders, "1ZEP")
    told(orders, "easypost", easypost("1ZEP", labelled(), picked_up(), in_transit()))
    told(
        orders,
        "easypost",
        easypost("1ZEP", labelled(), picked_up(), in_transit(), on_the_van(), delivered()),
    )
    status, parcel = look()
    assert (status, parcel["status"], len(parcel["scans"])) == ("completed", "delivered", 5)
    assert all(one["tz_source"] == "location" for one in parcel["scans"])


def test_a_parcel_is_followed_through_aftership(orders: Orders) -> None:
    look = parcel_of(orders, "1ZAS")
    way = [
        ("InfoReceived", "InfoReceived_001", at(hours=1)),
        ("InTransit", "InTransit_002", at(hours=2)),
        ("AttemptFail", "AttemptFail_002", at(hours=4)),
        ("Delivered", "Delivered_001", at(hours=5)),
    ]
    told(orders, "aftership", aftership("1ZAS", *way[:3]))
    status, parcel = look()
    assert (status, parcel["status"]) == ("in_progress", "delivery_attempted")
    assert parcel["reason"] == "recipient_absent"
    told(orders, "aftership", aftership("1ZAS", *way))
    assert look()[0] == "completed"


def test_a_parcel_is_followed_through_shippo(orders: Orders) -> None:
    look = parcel_of(orders, "1ZSH")
    told(orders, "shippo", shippo("1ZSH", "TRANSIT", "package_accepted", at(hours=2)))
    assert look()[1]["status"] == "picked_up"
    told(orders, "shippo", shippo("1ZSH", "TRANSIT", "out_for_delivery", at(hours=4)))
    told(orders, "shippo", shippo("1ZSH", "DELIVERED", "delivered", at(hours=5)))
    status, parcel = look()
    assert (status, parcel["status"]) == ("completed", "delivered")
    assert [one["raw"] for one in parcel["scans"]].count("shippo:DELIVERED/delivered") == 1
