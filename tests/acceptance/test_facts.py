"""What the messages of shops, marketplaces and trackers come to, field by field."""

from __future__ import annotations

import itertools
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.inbound import AMAZON, SHOPIFY_SAMPLES, Row, body, content, named
from tests.acceptance.service import Sender
from tests.acceptance.told import instant, minor, order_told

_ORDERS = [row for row in SHOPIFY_SAMPLES if "documented order" in row.note]
_SAMPLE = "shopify/samples_2026-04"
_PARCEL_NOTICE = "amazon/ShipmentTrackingMilestoneChangedNotification.schema.json"


def _send(orders: Sender, data: Path, row: Row, document: Any = None) -> None:
    document = content(data, row) if document is None else document
    headers = {"X-Shopify-Event-Id": row.name}
    sent = orders.send(row.source, json.dumps(document).encode(), row.topic, headers)
    assert sent.outcome in {"understood", "waiting"}, sent


# --- Shopify 2026-04 ------------------------------------------------------------------------------


@pytest.mark.parametrize("row", _ORDERS, ids=lambda row: row.topic)
def test_a_documented_order(data: Path, orders: Sender, row: Row) -> None:
    document = content(data, row)

    _send(orders, data, row)

    order = orders.order("shopify", str(document["id"]))
    told = order_told(document)
    assert {name: order[name] for name in told} == told
    # It is documented as cancelled at the moment when it is created, and as unpaid.
    assert (order["status"], order["tenders"]) == ("cancelled", [])
    (cancelled,) = [one for one in orders.service.journal() if one.type == "order.cancelled"]
    assert json.loads(cancelled.data)["cancelled_at"] == instant(document["cancelled_at"])
    assert json.loads(cancelled.data)["reason"] == document["cancel_reason"]


def _story(data: Path) -> list[tuple[Row, Any]]:
    """The documented order, not cancelled, with the other messages that speak of it."""
    order = {**content(data, named(f"{_SAMPLE}/orders/create.json")), "cancelled_at": None}
    rows = [
        named(f"{_SAMPLE}/{topic}.json")
        for topic in ("fulfillments/create", "fulfillment_events/create", "refunds/create")
    ]
    return [(named(f"{_SAMPLE}/orders/create.json"), order)] + [
        (row, content(data, row)) for row in rows
    ]


def test_a_documented_order_with_its_fulfilment_its_scan_and_its_refund(
    data: Path, orders: Sender
) -> None:
    story = _story(data)
    for row, document in story:
        _send(orders, data, row, document)

    (_, told), (_, sent), (_, scanned), (_, refunded) = story
    order = orders.order("shopify", str(told["id"]))
    (fulfillment,), (parcel,) = order["fulfillments"], order["shipments"]
    assert fulfillment["created_at"] == instant(sent["created_at"])
    assert {(line["line_id"], line["quantity"]) for line in fulfillment["lines"]} == {
        (str(line["id"]), line["quantity"]) for line in sent["line_items"]
    }
    assert (parcel["carrier"], parcel["tracking_number"]) == (
        "ups",
        sent["tracking_number"].upper(),
    )
    (scan,) = orders.parcel("ups", sent["tracking_number"])["scans"]
    assert (scan["status"], scan["occurred_at"]) == ("in_transit", instant(scanned["happened_at"]))
    assert (scan["location"]["country"], scan["description"]) == ("CA", scanned["message"])
    (refund,) = [one for one in orders.service.journal() if one.type == "refund.succeeded"]
    paid_back = [leg["paid"] for leg in json.loads(refund.data)["legs"]]
    assert paid_back == [
        {"amount": minor(one["amount"], "USD"), "currency": "USD"}
        for one in refunded["transactions"]
    ]
    # Money alone: the goods are kept (`no_restock`).
    assert {line["returned"] for line in order["lines"]} == {0}


_ORDERS_OF_ARRIVAL = random.Random(2026).sample(list(itertools.permutations(range(4))), 5)


@pytest.mark.parametrize("arrival", _ORDERS_OF_ARRIVAL, ids=str)
def test_a_story_told_in_another_order_ends_the_same(
    data: Path, orders: Sender, arrival: tuple[int, ...]
) -> None:
    story = _story(data)
    for index in arrival:
        _send(orders, data, *story[index])

    order = orders.order("shopify", str(story[0][1]["id"]))
    assert order["fulfillments"][0]["state"] == "shipped"
    assert order["shipments"][0]["tracking_number"] == story[1][1]["tracking_number"].upper()
    assert len(orders.parcel("ups", story[1][1]["tracking_number"])["scans"]) == 1
    assert sum(one.type == "refund.succeeded" for one in orders.service.journal()) == 1


def test_a_documented_redaction_forgets_the_orders_that_it_names(
    data: Path, orders: Sender
) -> None:
    row = named(f"{_SAMPLE}/customers/redact.json")
    redaction = content(data, row)
    template = content(data, named(f"{_SAMPLE}/orders/create.json"))
    kept = max(redaction["orders_to_redact"]) + 1
    for external_id in (*redaction["orders_to_redact"], kept):
        email = "other@example.com" if external_id == kept else template["email"]
        document = {**template, "id": external_id, "email": email, "contact_email": email}
        sent = orders.send(
            "shopify",
            json.dumps(document).encode(),
            "orders/create",
            {"X-Shopify-Event-Id": str(external_id)},
        )
        assert sent.outcome == "understood"

    _send(orders, data, row)

    nobody = {"customer_id": None, "email": None, "phone": None, "name": None}
    for external_id in redaction["orders_to_redact"]:
        order = orders.order("shopify", str(external_id))
        assert (order["customer"], order["destination"]) == (nobody, None)
    assert orders.order("shopify", str(kept))["customer"]["email"] == "other@example.com"


# --- EasyPost -------------------------------------------------------------------------------------


def test_the_webhook_of_a_delivered_parcel(data: Path, orders: Sender) -> None:
    row = named("easypost/tracking-webhook.json")
    tracker = content(data, row)["result"]
    orders.service.now = datetime(2014, 11, 25, tzinfo=UTC)

    orders.send("easypost", body(data, row))

    parcel = orders.parcel("UPS", tracker["tracking_code"])
    delivered = tracker["tracking_details"][-1]
    # Dated two days before the label, but after the tracker was made: it stays its delivery.
    assert delivered["datetime"] == min(one["datetime"] for one in tracker["tracking_details"])
    assert tracker["created_at"] < delivered["datetime"]
    assert (parcel["carrier"], parcel["status"]) == ("ups", tracker["status"])
    assert parcel["proof_of_delivery"] == {
        "delivered_at": instant(delivered["datetime"]),
        "signed_by": tracker["signed_by"],
    }
    assert parcel["edd"]["latest"] == {"from_date": "2014-11-27", "to_date": "2014-11-27"}
    told = {(instant(one["datetime"]), one["message"]) for one in tracker["tracking_details"]}
    assert {(one["occurred_at"], one["description"]) for one in parcel["scans"]} == told
    statuses = {one["description"]: one["status"] for one in parcel["scans"]}
    assert statuses["BILLING INFORMATION RECEIVED"] == "label_created"
    assert statuses["OUT FOR DELIVERY"] == "out_for_delivery"
    assert sum(status == "in_transit" for status in statuses.values()) == 3


@pytest.mark.parametrize("what", ["create", "retrieve"])
def test_a_bare_tracker(data: Path, orders: Sender, what: str) -> None:
    row = named(f"easypost/trackers-{what}.json")
    tracker = content(data, row)
    orders.service.now = datetime(2025, 4, 20, tzinfo=UTC)

    orders.send("easypost", body(data, row))

    parcel = orders.parcel("usps", tracker["tracking_code"])
    assert parcel["status"] == "label_created"
    assert parcel["service"] == tracker["carrier_detail"]["service"]
    # From the newest.
    assert [(one["occurred_at"], one["status"]) for one in parcel["scans"]] == [
        (instant(one["datetime"]), "label_created") for one in reversed(tracker["tracking_details"])
    ]
    assert parcel["scans"][0]["location"]["postal_code"] == "77063"


# --- Amazon ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", AMAZON[:2], ids=lambda row: row.name)
def test_an_order_of_the_marketplace(data: Path, orders: Sender, row: Row) -> None:
    change = content(data, row)["Payload"]["OrderChangeNotification"]
    summary = change["Summary"]

    orders.send("amazon", body(data, row))

    order = orders.order("amazon", change["AmazonOrderId"])
    assert (order["channel"], order["currency"]) == ("marketplace", "USD")
    assert order["placed_at"] == instant(summary["PurchaseDate"])
    # The last moment of the promise, on the marketplace's own calendar.
    assert (order["promised_by"], order["source_state"]) == ("2022-12-07", "Unshipped")
    assert order["destination"]["postal_code"] == summary["DestinationPostalCode"]
    (line,), (item,) = order["lines"], summary["OrderItems"]
    assert (line["line_id"], line["sku"]) == (item["OrderItemId"], item["SellerSKU"])
    assert (line["ordered"], line["fulfilled"], line["paid"]) == (item["Quantity"], 0, None)
    # That the buyer asks for it is no cancellation.
    assert item["IsBuyerRequestedCancel"] is True
    assert (order["status"], line["cancelled"]) == ("placed", 0)


def test_a_parcel_of_the_marketplace(data: Path, orders: Sender) -> None:
    row = named(_PARCEL_NOTICE)
    notice = content(data, row)["payload"]["shipmentTrackingMilestoneChangedNotification"]
    detail = notice["trackingDetail"]
    orders.service.now = datetime(2026, 6, 15, tzinfo=UTC)

    orders.send("amazon", body(data, row))

    parcel = orders.parcel("amazon", detail["identifier"]["aftn"])
    history = detail["milestoneHistory"]
    assert [(one["occurred_at"], one["description"]) for one in parcel["scans"]] == [
        (instant(one["occurredAt"]), one["status"]["description"]) for one in history
    ]
    assert [one["status"] for one in parcel["scans"]] == [
        *("delivered", "out_for_delivery", "in_transit", "label_created", "pending")
    ]
    assert parcel["status"] == "delivered"
    # 03:00 of the 14th in UTC is the evening of the 13th in Austin, and so is the delivery.
    assert parcel["edd"]["latest"] == {"from_date": "2026-06-13", "to_date": "2026-06-13"}
    assert parcel["edd"]["on_time"] == "on_time"


# --- Square ---------------------------------------------------------------------------------------


def test_a_move_of_an_order_that_comes_before_it(data: Path, orders: Sender) -> None:
    row = named("square/schema_examples.json", "OrderFulfillmentUpdated")
    event = content(data, row)
    notice = event["data"]["object"]["order_fulfillment_updated"]
    assert orders.send("square", body(data, row)).outcome == "waiting"
    order = {
        "id": notice["order_id"],
        "location_id": notice["location_id"],
        "state": "OPEN",
        "created_at": notice["created_at"],
        "updated_at": notice["created_at"],
        "total_money": {"amount": 700, "currency": "USD"},
        "line_items": [{"uid": "l1", "name": "Tea", "quantity": "2"}],
        "fulfillments": [
            {
                "uid": notice["fulfillment_update"][0]["fulfillment_uid"],
                "type": "PICKUP",
                "state": notice["fulfillment_update"][0]["old_state"],
            }
        ],
    }
    whole = {
        "type": "order.created",
        "event_id": "whole",
        "created_at": notice["created_at"],
        "data": {"object": {"order": order}},
    }

    assert orders.send("square", json.dumps(whole).encode()).outcome == "understood"

    known = orders.order("square", notice["order_id"])
    assert (known["status"], known["store_id"]) == ("confirmed", notice["location_id"])
    (fulfillment,) = known["fulfillments"]
    assert (fulfillment["type"], fulfillment["state"]) == ("pickup", "reserved")
