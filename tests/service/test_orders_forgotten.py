"""Who was forgotten stays forgotten, also in what comes afterwards; who was told is told once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_core.journal import Origin
from tandem_orders import consumers
from tandem_orders.use_cases import customers
from tests.service.conftest import Orders
from tests.service.orders_service import record

COLOGNE = {"city": "Köln", "postal_code": "50667", "country": "DE"}
STAFF = Origin("staff:amy", "staff", key="during", request=b"erase")
PARCEL = {"carrier": "ups", "tracking_number": "1Z1"}


def test_a_parcel_of_two_orders_of_one_customer_is_forgotten(orders: Orders) -> None:
    for name in "ab":
        orders.fulfilled(orders.placed(name, destination=COLOGNE), shipments=[PARCEL])
    orders.pump()
    (loaded,) = parcels(orders)
    assert loaded.shipment.destination

    erase(orders)

    (loaded,) = parcels(orders)
    assert loaded.shipment.destination is None
    assert not any(entry.private for entry in orders.entries(loaded.shipment.id))


def test_a_parcel_that_carries_anothers_order_too_is_not_forgotten(orders: Orders) -> None:
    for name, customer in (("a", "cus_1"), ("b", "cus_2")):
        order_id = orders.placed(name, customer={"customer_id": customer}, destination=COLOGNE)
        orders.fulfilled(order_id, shipments=[PARCEL])
    orders.pump()

    erase(orders)

    (loaded,) = parcels(orders)
    assert loaded.shipment.destination


def test_what_a_carrier_says_afterwards_tells_nothing_of_the_person(orders: Orders) -> None:
    order_id = orders.placed(destination=COLOGNE)
    orders.fulfilled(order_id, shipments=[PARCEL])
    orders.pump()
    first = scan(orders, "in_transit")
    orders.said("easypost", tracker(first))
    orders.pump()
    erase(orders)
    orders.later(hours=5)

    orders.said("easypost", tracker(first, scan(orders, "delivered"), signed_by="ADA LOVELACE"))
    orders.pump()

    assert orders.order(order_id)["status"] == "completed"
    (loaded,) = parcels(orders)
    assert loaded.shipment.destination is None
    stored = [entry.data + entry.private for entry in orders.entries(loaded.shipment.id)]
    assert "LOVELACE" not in loaded.head.state + "".join(stored)
    shown = orders.shipment(loaded.shipment.id)
    assert [one["status"] for one in shown["scans"]] == ["delivered", "in_transit"]


def test_a_scan_that_comes_during_the_erasure_does_not_undo_it(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.fulfilled(orders.placed(destination=COLOGNE), shipments=[PARCEL])
    orders.pump()
    # The writer of the scan has read the parcel, and writes when it has been forgotten.
    append = orders.store.append_shipment

    def erase_first(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(orders.store, "append_shipment", append)
        customers.erase_customer(orders.store, "cus_1", STAFF, orders.now)
        return append(*arguments, **options)

    orders.said("easypost", tracker(scan(orders, "in_transit")))
    (heard,) = orders.unpublished()
    monkeypatch.setattr(orders.store, "append_shipment", erase_first)
    monkeypatch.setattr(consumers, "store", lambda: orders.store)
    answer = consumers.normalise({"Records": [record(heard)]}, None)

    assert answer["batchItemFailures"] == []
    (loaded,) = parcels(orders)
    assert loaded.shipment.status == "in_transit"
    assert loaded.shipment.destination is None


def test_what_was_not_told_then_is_not_told_by_a_replay(orders: Orders) -> None:
    preferences(orders, [])
    orders.placed()
    heard = orders.pump()
    assert orders.milestones() == []
    orders.later(days=30)
    preferences(orders, ["email"])

    assert orders.deliver(*heard) == []

    assert orders.milestones() == []


def parcels(orders: Orders) -> list[Any]:
    subjects = {entry.subject for entry in orders.journal()}
    return orders.store.load_shipments([one for one in subjects if one.startswith("shp_")])


def erase(orders: Orders) -> None:
    route = "/customers/{customer_id}/erase"
    reply = orders.call("POST", route, role="staff", customer_id="cus_1")
    assert reply.status == 200, reply.body
    orders.pump()


def preferences(orders: Orders, channels: list[str]) -> None:
    route = "/customers/{customer_id}/preferences"
    body = {"channels": channels}
    reply = orders.call("PUT", route, body, role="staff", customer_id="cus_1")
    assert reply.status == 200, reply.body


def scan(orders: Orders, status: str) -> dict[str, Any]:
    at = orders.now - timedelta(minutes=1)
    where = {"city": "KOELN", "country": "DE"}
    return {
        "status": status,
        "message": status,
        "datetime": rfc3339(at),
        "tracking_location": where,
    }


def tracker(*scans: dict[str, Any], **changes: Any) -> dict[str, Any]:
    result = {
        "object": "Tracker",
        "tracking_code": "1Z1",
        "carrier": "UPS",
        "status": scans[-1]["status"],
        "tracking_details": list(scans),
        "carrier_detail": {
            "destination_tracking_location": {"city": "KOELN", "zip": "50667", "country": "DE"}
        },
        **changes,
    }
    return {"id": f"evt_{len(scans)}", "description": "tracker.updated", "result": result}
