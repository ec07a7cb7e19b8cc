"""Shops sell, edit, cancel and complete in ways of their own: what an order makes of it."""

from __future__ import annotations

import json
from typing import Any

from tandem_core.clock import rfc3339
from tandem_orders.ordering import order_id_of
from tests.service.conftest import Orders

SHOPIFY = order_id_of("shopify", "1")
WOOCOMMERCE = order_id_of("woocommerce", "7")
SQUARE = order_id_of("square", "sq1")


# --- receipts -------------------------------------------------------------------------------------


def test_a_tab_that_is_open_at_the_till_is_no_receipt(orders: Orders) -> None:
    say(orders, "square", square_order(orders, state="OPEN"))

    order = orders.order(SQUARE)
    assert (order["status"], order["fulfillments"]) == ("placed", [])

    orders.later(hours=1)
    say(orders, "square", square_order(orders, state="COMPLETED"))
    assert orders.order(SQUARE)["status"] == "completed"


def test_a_sale_that_is_known_only_cancelled_was_never_handed_over(orders: Orders) -> None:
    at = rfc3339(orders.now)
    body = shop_order(orders, source_name="pos", shipping_lines=[], cancelled_at=at)

    say(orders, "shopify", body, "orders/create")

    assert orders.order(SHOPIFY)["status"] == "cancelled"
    assert "order.completed" not in orders.kinds(SHOPIFY)


def test_who_buys_at_a_shops_till_gets_no_message_about_it(orders: Orders) -> None:
    body = shop_order(orders, source_name="pos", shipping_lines=[], email="ada@example.org")

    say(orders, "shopify", body, "orders/create")

    assert orders.order(SHOPIFY)["status"] == "completed"
    assert orders.milestones() == []


# --- cancellations --------------------------------------------------------------------------------


def test_two_cancellations_of_an_order_never_have_one_name(orders: Orders) -> None:
    say(orders, "shopify", shop_order(orders), "orders/create")
    orders.later(hours=1)
    fulfillment = shop_fulfillment(orders, status="open", line_items=[{"id": 11, "quantity": 1}])
    say(orders, "shopify", fulfillment, "fulfillments/create")
    orders.later(hours=1)
    at = rfc3339(orders.now)
    say(orders, "shopify", shop_order(orders, cancelled_at=at), "orders/cancelled")
    orders.later(hours=1)
    say(orders, "shopify", {**fulfillment, "status": "cancelled"}, "fulfillments/update")
    say(orders, "shopify", shop_order(orders, cancelled_at=at), "orders/updated")

    assert orders.order(SHOPIFY)["status"] == "cancelled"
    told = [json.loads(entry.data) for entry in orders.entries(SHOPIFY)]
    names = [fact["cancellation_id"] for fact in told if "cancellation_id" in fact]
    assert (len(names), len(set(names))) == (2, 2)


# --- edits ----------------------------------------------------------------------------------------


def test_an_edited_order_has_the_lines_and_units_that_its_shop_has(orders: Orders) -> None:
    say(orders, "woocommerce", woo_order(orders, {1: 3, 2: 1}), "order.created")
    orders.later(hours=1)

    say(orders, "woocommerce", woo_order(orders, {1: 5, 3: 4}), "order.updated")

    assert wanted(orders, WOOCOMMERCE) == {"1": 5, "2": 0, "3": 4}
    orders.later(hours=1)
    say(orders, "woocommerce", woo_order(orders, {1: 2, 3: 4}), "order.updated")
    assert wanted(orders, WOOCOMMERCE) == {"1": 2, "2": 0, "3": 4}
    orders.later(hours=1)
    done = woo_order(orders, {1: 2, 3: 4}, status="completed", shipping_lines=[])
    done["date_completed_gmt"] = done["date_modified_gmt"]
    say(orders, "woocommerce", done, "order.updated")
    assert orders.order(WOOCOMMERCE)["status"] == "completed"


def test_an_older_report_takes_no_line_away(orders: Orders) -> None:
    older = woo_order(orders, {1: 3})
    orders.later(hours=1)
    say(orders, "woocommerce", woo_order(orders, {1: 3, 2: 1}), "order.updated")

    say(orders, "woocommerce", older, "order.created")

    assert wanted(orders, WOOCOMMERCE) == {"1": 3, "2": 1}


def test_a_report_with_other_names_for_its_lines_takes_none_away(orders: Orders) -> None:
    order_id = orders.placed("7", source="woocommerce")
    orders.later(hours=1)

    say(orders, "woocommerce", woo_order(orders, {901: 2}), "order.updated")

    assert wanted(orders, order_id) == {"1": 2, "2": 1, "901": 2}


def test_what_is_paid_later_is_paid(orders: Orders) -> None:
    say(orders, "shopify", shop_order(orders, total_outstanding="20.00"), "orders/create")
    assert orders.order(SHOPIFY)["tenders"] == []
    orders.later(minutes=5)

    say(orders, "shopify", shop_order(orders, total_outstanding="0.00"), "orders/paid")

    (tender,) = orders.order(SHOPIFY)["tenders"]
    assert tender["paid"] == {"amount": 2_000, "currency": "EUR"}


def test_of_two_reports_of_one_second_neither_is_lost(orders: Orders) -> None:
    fuller = shop_order(orders, total_outstanding="0.00", email="ada@example.org")
    say(orders, "shopify", shop_order(orders, total_outstanding="20.00"), "orders/create")

    say(orders, "shopify", fuller, "orders/paid")
    say(orders, "shopify", fuller, "orders/updated")

    order = orders.order(SHOPIFY)
    assert order["customer"]["email"] == "ada@example.org"
    assert len(order["tenders"]) == 1
    assert orders.kinds(SHOPIFY) == ["order.placed", "order.updated"]


# --- fulfilments ----------------------------------------------------------------------------------


def test_what_we_let_expire_may_be_collected_all_the_same(orders: Orders) -> None:
    pickup = [{"code": "Pick up in store"}]
    ready = shop_fulfillment(orders, status="open", shipment_status="ready_for_pickup")
    body = shop_order(orders, shipping_lines=pickup, fulfillments=[ready])
    say(orders, "shopify", body, "orders/create")
    orders.later(days=4)
    orders.watch()
    (fulfillment,) = orders.order(SHOPIFY)["fulfillments"]
    assert fulfillment["state"] == "expired"

    taken = {**ready, "status": "success", "shipment_status": "picked_up"}
    body = shop_order(orders, shipping_lines=pickup, fulfillments=[taken])
    say(orders, "shopify", body, "orders/updated")

    assert orders.order(SHOPIFY)["status"] == "completed"


def test_complete_for_a_shop_is_not_delivered(orders: Orders) -> None:
    parcel = {"carrier": "UPS", "tracking_number": "1Z1"}
    shipment = {
        "uid": "f1",
        "type": "SHIPMENT",
        "state": "PROPOSED",
        "shipment_details": parcel,
    }
    say(orders, "square", square_order(orders, state="OPEN", fulfillments=[shipment]))
    orders.later(hours=1)
    moved = {"order_id": "sq1", "state": "COMPLETED", "updated_at": rfc3339(orders.now)}
    say(orders, "square", square_event(orders, {"order_updated": moved}, "order.updated"))

    order = orders.order(SQUARE)
    assert [one["state"] for one in order["fulfillments"]] == ["shipped"]
    assert order["status"] == "in_progress"


def test_a_fulfilment_without_a_number_arrives_by_its_shops_own_scans(orders: Orders) -> None:
    say(orders, "shopify", shop_order(orders), "orders/create")
    say(orders, "shopify", shop_fulfillment(orders), "fulfillments/create")
    orders.later(hours=2)
    scan = {"id": 1, "order_id": 1, "fulfillment_id": 500, "happened_at": rfc3339(orders.now)}

    say(orders, "shopify", {**scan, "status": "delivered"}, "fulfillment_events/create")

    assert orders.order(SHOPIFY)["status"] == "completed"


def test_a_parcel_that_comes_back_delivers_nothing(orders: Orders) -> None:
    order_id = orders.placed()
    fulfillment_id = orders.fulfilled(order_id)
    orders.moved(order_id, fulfillment_id, "allocated", "packed", "shipped")
    say(orders, "easypost", tracker(orders, "in_transit"))
    body = {"carrier": "ups", "tracking_number": "1Z1", "order_id": order_id}
    assert orders.call("POST", "/shipments", body).status == 201
    orders.later(hours=5)
    say(orders, "easypost", tracker(orders, "delivered"))

    assert orders.order(order_id)["status"] == "in_progress"


# --- what shops say -------------------------------------------------------------------------------


def say(orders: Orders, source: str, body: dict[str, Any], topic: str = "") -> None:
    # One action of a merchant is told in many messages.
    orders.said(source, body, topic, headers={"X-Shopify-Event-Id": f"event-{next(orders.keys)}"})
    orders.pump()


def shop_order(orders: Orders, **changes: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "source_name": "web",
        "currency": "EUR",
        "processed_at": "2026-03-10T09:00:00Z",
        "updated_at": rfc3339(orders.now),
        "line_items": [{"id": 11, "sku": "SHOE", "quantity": 2, "price": "10.00"}],
        "total_price": "20.00",
        "payment_gateway_names": ["shopify_payments"],
        "shipping_lines": [{"code": "standard"}],
        **changes,
    }


def shop_fulfillment(orders: Orders, **changes: Any) -> dict[str, Any]:
    return {
        "id": 500,
        "order_id": 1,
        "status": "success",
        "created_at": rfc3339(orders.now),
        "updated_at": rfc3339(orders.now),
        "line_items": [{"id": 11, "quantity": 2}],
        **changes,
    }


def woo_order(orders: Orders, lines: dict[int, int], **changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "status": "processing",
        "currency": "EUR",
        "date_created_gmt": "2026-03-10T09:00:00",
        "date_modified_gmt": orders.now.strftime("%Y-%m-%dT%H:%M:%S"),
        "line_items": [
            {
                "id": line_id,
                "product_id": line_id,
                "quantity": quantity,
                "subtotal": f"{quantity}.00",
                "total": f"{quantity}.00",
            }
            for line_id, quantity in lines.items()
        ],
        "shipping_lines": [{"method_id": "flat_rate"}],
        **changes,
    }


def square_order(orders: Orders, **changes: Any) -> dict[str, Any]:
    price = {"amount": 300, "currency": "EUR"}
    order = {
        "id": "sq1",
        "created_at": "2026-03-10T09:00:00Z",
        "updated_at": rfc3339(orders.now),
        "line_items": [{"uid": "l1", "name": "Tea", "quantity": "1", "gross_sales_money": price}],
        "total_money": price,
        **changes,
    }
    return square_event(orders, {"order": order}, "order.updated")


def square_event(orders: Orders, what: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "event_id": f"event-{next(orders.keys)}",
        "created_at": rfc3339(orders.now),
        "data": {"id": "sq1", "object": what},
    }


def tracker(orders: Orders, status: str) -> dict[str, Any]:
    scan = {"status": status, "message": status, "datetime": rfc3339(orders.now)}
    result = {
        "object": "Tracker",
        "tracking_code": "1Z1",
        "carrier": "UPS",
        "status": status,
        "is_return": True,
        "tracking_details": [scan],
    }
    kind = "tracker.updated"
    return {"id": f"evt_{next(orders.keys)}", "description": kind, "result": result}


def wanted(orders: Orders, order_id: str) -> dict[str, int]:
    lines = orders.order(order_id)["lines"]
    return {line["line_id"]: line["ordered"] - line["cancelled"] for line in lines}
