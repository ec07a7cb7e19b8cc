"""Parcels: what carriers say reaches the order, once, in any order, and is taken back when it was
wrong."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_orders import consumers
from tandem_orders.carriers import rows
from tests.service.orders_service import Orders, rules, units
from tests.service.sender_payloads import (
    Scan,
    aftership,
    amazon_milestone,
    at,
    delivered,
    easypost,
    in_transit,
    labelled,
    on_the_van,
    picked_up,
    shippo,
    square_event,
    square_order,
    turned_back,
)
from tests.service.table_contents import contents, nothing_changes

NUMBER = "1Z12345E0205271688"
UPS = [{"carrier": "UPS", "tracking_number": NUMBER}]


def shipped(orders: Orders, shipments: list[dict[str, str]] | None = None) -> str:
    """An order, all of it in a fulfilment with parcels that no carrier has seen."""
    order_id = orders.placed()
    orders.fulfilled(order_id, shipments=UPS if shipments is None else shipments)
    orders.pump()
    return order_id


def scanned(orders: Orders, *scans: Scan, number: str = NUMBER, **changes: Any) -> None:
    """EasyPost tells of scans, right after the last of them, and everybody has heard of it."""
    if scans:
        orders.now = max(orders.now, max(one[2] for one in scans) + timedelta(minutes=1))
    name = f"evt_{next(orders.keys)}"
    orders.said("easypost", easypost(number, *scans, event_id=name, **changes))
    orders.pump()


def state(orders: Orders, order_id: str) -> tuple[str, str, list[str]]:
    """The order's status, its fulfilment's state, its parcels' statuses."""
    order = orders.order(order_id)
    (fulfillment,) = order["fulfillments"]
    return order["status"], fulfillment["state"], [one["status"] for one in order["shipments"]]


def test_the_first_scan_ships_and_the_last_one_delivers(orders: Orders) -> None:
    order_id = shipped(orders)
    assert state(orders, order_id) == ("confirmed", "unfulfilled", ["pending"])

    scanned(orders, labelled())
    assert state(orders, order_id) == ("confirmed", "unfulfilled", ["label_created"])
    scanned(orders, labelled(), picked_up())
    assert state(orders, order_id) == ("in_progress", "shipped", ["picked_up"])
    scanned(orders, labelled(), picked_up(), in_transit(), on_the_van())
    assert state(orders, order_id) == ("in_progress", "shipped", ["out_for_delivery"])
    scanned(orders, labelled(), picked_up(), in_transit(), on_the_van(), delivered())
    assert state(orders, order_id) == ("completed", "delivered", ["delivered"])
    assert orders.order(order_id)["completed_at"] == rfc3339(at(hours=5))

    kinds = [kind for kind in orders.kinds(order_id) if kind != "fulfillment.updated"]
    assert kinds[1:] == [
        "fulfillment.created", "fulfillment.shipped", "fulfillment.delivered", "order.completed",
    ]  # fmt: skip


def test_a_fulfilment_is_delivered_when_all_its_parcels_are(orders: Orders) -> None:
    two = [*UPS, {"carrier": "UPS", "tracking_number": "1ZB"}]
    order_id = shipped(orders, two)
    scanned(orders, picked_up(), delivered())
    assert state(orders, order_id) == ("in_progress", "shipped", ["delivered", "pending"])
    assert orders.order(order_id)["lines"][0]["delivered"] == 0

    scanned(orders, picked_up(), delivered(7), number="1ZB")
    assert state(orders, order_id) == ("completed", "delivered", ["delivered", "delivered"])
    assert orders.order(order_id)["completed_at"] == rfc3339(at(hours=7))


def test_a_delivery_is_not_left_by_late_scans(orders: Orders) -> None:
    order_id = shipped(orders)
    scanned(orders, delivered())
    scanned(orders, delivered(), in_transit(4.5), on_the_van(5.5), in_transit(9))
    assert state(orders, order_id) == ("completed", "delivered", ["delivered"])
    assert orders.milestones().count("delivered") == 1


def test_the_order_arrived_when_its_parcel_first_did_whichever_scan_was_told_first(
    orders: Orders,
) -> None:
    order_id = shipped(orders)
    scanned(orders, picked_up(), delivered(7))
    assert orders.order(order_id)["completed_at"] == rfc3339(at(hours=7))

    scanned(orders, picked_up(), delivered(5), delivered(7))
    order = orders.order(order_id)
    assert order["completed_at"] == rfc3339(at(hours=5))
    assert order["fulfillments"][0]["delivered_at"] == rfc3339(at(hours=5))


def test_what_goes_back_to_its_sender_is_returned_and_can_be_sent_again(orders: Orders) -> None:
    order_id = shipped(orders)
    scanned(orders, picked_up(), on_the_van())
    scanned(orders, picked_up(), on_the_van(), turned_back())
    order = orders.order(order_id)
    assert (order["fulfillments"][0]["state"], order["flags"]) == ("shipped", ["has_exception"])

    scanned(orders, picked_up(), on_the_van(), turned_back(), delivered(30))
    order = orders.order(order_id)
    assert order["fulfillments"][0]["state"] == "returned"
    assert [one["fulfilled"] for one in order["lines"]] == [0, 0]
    assert order["shipments"][0]["status"] == "returned"
    assert orders.fulfil(order_id).status == 201


def test_a_delivery_that_is_retracted_opens_the_order_until_it_arrives_again(
    orders: Orders,
) -> None:
    order_id = shipped(orders)
    scanned(orders, picked_up(), delivered())
    assert orders.order(order_id)["status"] == "completed"

    scanned(orders, picked_up(), delivered(), turned_back(10))
    order = orders.order(order_id)
    assert (order["status"], order["completed_at"]) == ("in_progress", None)
    assert order["fulfillments"][0]["state"] == "shipped"
    assert orders.kinds(order_id)[-1] == "order.updated"
    assert orders.entries(order_id)[-1].data.count('"reopened":true') == 1


def test_a_delivered_parcel_that_a_carrier_takes_back_completes_the_order_twice(
    orders: Orders,
) -> None:
    names = ("ups", "dpd", "fedex", "usps", "dhl_express")
    codes = [
        (name, code) for name in names for code, row in rows(name).items() if row.get("reversal")
    ]
    assert codes, "no carrier has a code that takes a delivery back"
    carrier, code = codes[0]
    order_id = shipped(orders, [{"carrier": carrier, "tracking_number": "R1"}])
    parcel: Any = {"carrier": carrier}
    tracker = easypost("R1", picked_up(), delivered(), event_id="e1", **parcel)
    orders.later(hours=6)
    orders.said("easypost", tracker)
    orders.pump()
    assert orders.order(order_id)["status"] == "completed"

    undone = easypost("R1", picked_up(), delivered(), in_transit(7), event_id="e2", **parcel)
    undone["result"]["tracking_details"][-1]["carrier_code"] = code
    orders.later(hours=2)
    orders.said("easypost", undone)
    orders.pump()
    assert orders.order(order_id)["status"] == "in_progress"

    again = easypost("R1", delivered(9), event_id="e3", **parcel)
    orders.later(hours=2)
    orders.said("easypost", again)
    orders.pump()
    order = orders.order(order_id)
    assert (order["status"], order["completed_at"]) == ("completed", rfc3339(at(hours=9)))
    assert orders.kinds(order_id).count("order.completed") == 2
    assert orders.milestones().count("delivered") == 1


def test_two_providers_that_tell_of_one_parcel_are_one_timeline_and_one_message_each(
    orders: Orders,
) -> None:
    order_id = shipped(orders)
    scanned(orders, picked_up(), on_the_van())
    told = [
        ("InTransit", "InTransit_002", at(hours=2)),
        ("OutForDelivery", "OutForDelivery_001", at(hours=4)),
    ]
    orders.said("aftership", aftership(NUMBER, *told))
    orders.pump()
    scanned(orders, picked_up(), on_the_van(), delivered())
    orders.said("aftership", aftership(NUMBER, *told, ("Delivered", "Delivered_001", at(hours=5))))
    orders.said("shippo", shippo(NUMBER, "DELIVERED", "delivered", at(hours=5)))
    orders.said("amazon", amazon_milestone(NUMBER, "DELIVERED", at(hours=5)))
    orders.pump()

    assert state(orders, order_id) == ("completed", "delivered", ["delivered"])
    # When the first message came, the parcel had left being picked up behind.
    assert orders.milestones() == ["order_placed", "out_for_delivery", "delivered"]
    sentences = [one["text"] for one in orders.timeline() if one["type"].startswith("shipment")]
    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_messages_of_a_parcel_may_come_in_any_order_and_twice(
    orders: Orders, order: tuple[int, ...]
) -> None:
    scans = [picked_up(), in_transit(), on_the_van(), delivered()]
    orders.later(hours=6)
    order_id = orders.placed(placed_at=rfc3339(at()))
    orders.fulfilled(order_id, shipments=UPS)
    orders.pump()
    for position in order:
        message = easypost(NUMBER, scans[position], event_id=f"e{position}")
        orders.said("easypost", message)
        assert orders.send("easypost", message).body["state"] == "duplicate"
        orders.pump(times=2)

    assert state(orders, order_id) == ("completed", "delivered", ["delivered"])
    (parcel,) = orders.order(order_id)["shipments"]
    shown = orders.shipment(parcel["id"])
    assert [one["status"] for one in shown["scans"]] == [
        "delivered", "out_for_delivery", "in_transit", "picked_up",
    ] or [one["status"] for one in shown["scans"]] == [
        "picked_up", "in_transit", "out_for_delivery", "delivered",
    ]  # fmt: skip
    assert shown["milestones"] == {
        "picked_up": rfc3339(at(hours=2)),
        "in_transit": rfc3339(at(hours=3)),
        "out_for_delivery": rfc3339(at(hours=4)),
        "delivered": rfc3339(at(hours=5)),
    }
    assert orders.milestones().count("delivered") == 1


def test_scans_that_came_before_the_parcel_was_registered_are_its_own(orders: Orders) -> None:
    scanned(orders, picked_up(), delivered())
    order_id = orders.placed(placed_at=rfc3339(at()))
    orders.fulfilled(order_id, shipments=[{"carrier": "ups ", "tracking_number": NUMBER.lower()}])
    orders.pump()

    assert state(orders, order_id) == ("completed", "delivered", ["delivered"])
    assert "delivered" in orders.milestones()
    texts = [one["text"] for one in orders.timeline()]
    assert len(texts) == len(set(texts))


def test_a_parcel_registered_for_an_order_carries_what_is_left(orders: Orders) -> None:
    order_id = orders.placed()
    orders.fulfilled(order_id, "in_store", lines=units({"2": 1}))
    body = {"carrier": "UPS", "tracking_number": NUMBER, "order_id": order_id}
    first = orders.call("POST", "/shipments", body, key="k")
    orders.pump()
    scanned(orders, picked_up())

    order = orders.order(order_id)
    assert [one["type"] for one in order["fulfillments"]] == ["in_store", "ship"]
    assert order["fulfillments"][1]["lines"] == units({"1": 2})
    assert order["shipments"][0]["id"] == first.body["id"]
    with nothing_changes(orders):
        again = orders.call("POST", "/shipments", body, key="k")
    assert (again.body, again.replayed) == (first.body, True)
    assert orders.call("POST", "/shipments", body, key="other").body == first.body
    orders.pump()
    planned = [one for one in orders.timeline() if one["type"] == "shipment.registered"]
    assert len(planned) == 1


def test_a_parcel_is_found_by_its_number_as_anybody_writes_it(orders: Orders) -> None:
    order_id = shipped(orders)
    scanned(orders, picked_up())
    parcel = orders.order(order_id)["shipments"][0]["id"]
    for carrier, number in (("ups", NUMBER), ("UPS", NUMBER.lower()), ("UPS ", f" {NUMBER} ")):
        query = {"carrier": carrier, "tracking_number": number}
        reply = orders.call("GET", "/shipments", query=query, role="customer", subject="cus_1")
        assert (reply.status, reply.body["id"]) == (200, parcel)
        assert reply.body["scans"][0]["raw"] == "easypost:in_transit/received_at_origin_facility"


def test_a_parcel_that_falls_silent_is_told_of_once(orders: Orders) -> None:
    order_id = shipped(orders)
    scanned(orders, picked_up())
    parcel = orders.order(order_id)["shipments"][0]["id"]
    orders.later(hours=71)
    orders.watch()
    assert "shipment.exception" not in orders.kinds(parcel)
    orders.later(hours=2)
    for _ in range(3):
        assert orders.watch()["failed"] == 0
        orders.later(hours=1)
    assert orders.kinds(parcel).count("shipment.exception") == 1
    orders.pump()
    assert orders.milestones() == ["order_placed", "picked_up"]


def test_a_parcel_that_a_shop_has_only_packed_is_followed_from_its_first_scan(
    orders: Orders,
) -> None:
    sent: Any = {"uid": "s1", "type": "SHIPMENT", "state": "PROPOSED", "shipment_details": {}}
    proposed = square_order(fulfillments=[sent])
    orders.said("square", square_event("order.updated", "1", {"order": proposed}))
    orders.pump()
    details = {"carrier": "UPS", "tracking_number": NUMBER}
    packed = {**sent, "state": "PREPARED", "shipment_details": details}
    later = square_order(fulfillments=[packed], updated_at="2026-03-10T08:30:00Z")
    orders.said("square", square_event("order.updated", "2", {"order": later}))
    orders.pump()
    query = {"source": "square", "external_id": "SQ1"}
    (order,) = orders.call("GET", "/orders", query=query).body["orders"]
    assert order["fulfillments"][0]["state"] == "packed"

    scanned(orders, picked_up())
    assert state(orders, order["id"]) == ("in_progress", "shipped", ["picked_up"])


def test_every_event_that_a_consumer_knows_reaches_it(orders: Orders) -> None:
    assert orders.published == {}
    assert set(rules()["consume"]["detail-type"]) == set(consumers._HANDLERS)


def test_what_a_parcel_costs_to_write_does_not_grow_with_its_history(orders: Orders) -> None:
    order_id = shipped(orders)
    many = [in_transit(3 + number / 60, city=f"City {number}") for number in range(90)]
    scanned(orders, picked_up(), *many)
    parcel = orders.order(order_id)["shipments"][0]["id"]
    heads = [
        len(item["state"]["B"])
        for (pk, sk), item in contents(orders).items()
        if pk == f"SHP#{parcel}" and sk == "HEAD"
    ]
    assert heads[0] < 1_000
    assert len(orders.shipment(parcel)["scans"]) == 91
