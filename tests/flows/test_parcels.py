"""Parcels through real HTTP and queues: repeats, disorder, late scans, messages nobody can read."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.flows.conftest import Cloud, Ear
from tests.flows.customers import ORDERS, Customer
from tests.flows.senders import (
    aftership,
    ago,
    delivered,
    easypost,
    in_transit,
    label_created,
    out_for_delivery,
    shopify_headers,
    stamp,
)

Json = dict[str, Any]

SENDERS_AT_ONCE = 10


def notifications(ear: Ear) -> Counter[str]:
    """Return the messages that were asked for, by what they tell."""
    return Counter(
        event["data"]["milestone"]
        for event in ear.heard()
        if event["type"] == "notification.requested"
    )


def statuses(shipment: Json | None) -> list[str]:
    assert shipment
    return [scan["status"] for scan in shipment["scans"]]


def test_a_webhook_repeated_a_thousand_times_is_one_set_of_scans_and_one_message(
    cloud: Cloud,
) -> None:
    customer = Customer(cloud)
    ear = cloud.listen({"detail": {"data": {"customer_id": [customer.id]}}})
    order = customer.place()
    customer.ship(order, customer.number())
    history = (label_created(ago(hours=9)), in_transit(ago(hours=5)), delivered(ago(hours=1)))
    body = easypost(customer.number(), *history)

    with ThreadPoolExecutor(SENDERS_AT_ONCE) as senders:
        replies = list(senders.map(lambda _: cloud.send("easypost", body), range(1_000)))

    assert Counter(reply.status for reply in replies) == {202: 1_000}
    assert Counter(reply.body["state"] for reply in replies) == {"accepted": 1, "duplicate": 999}
    assert len({reply.body["message_id"] for reply in replies}) == 1
    customer.wait_for(order, "completed", "delivered")
    cloud.settle()
    shipment = customer.shipment(customer.number())
    assert statuses(shipment) == ["delivered", "in_transit", "label_created"]
    assert notifications(ear) == {"order_placed": 1, "delivered": 1}
    assert customer.told().count("shipment.delivered") == 1


def test_the_same_news_in_other_messages_of_two_providers_is_one_set_of_scans(
    cloud: Cloud,
) -> None:
    customer = Customer(cloud)
    order = customer.place()
    customer.ship(order, customer.number())
    picked_up, moving, arrived = ago(hours=9), ago(hours=5), ago(hours=1)
    messages = [
        ("easypost", easypost(customer.number(), in_transit(moving), delivered(arrived))),
        ("easypost", easypost(customer.number(), in_transit(moving))),
        ("aftership", aftership(customer.number(), ("InTransit", "InTransit_002", picked_up))),
        (
            "aftership",
            aftership(
                customer.number(),
                ("InTransit", "InTransit_002", picked_up),
                ("Delivered", "Delivered_001", arrived),
            ),
        ),
    ]
    with ThreadPoolExecutor(SENDERS_AT_ONCE) as senders:
        replies = list(senders.map(lambda one: cloud.send(*one), messages * 5))

    assert {reply.status for reply in replies} == {202}
    customer.wait_for(order, "completed", "delivered")
    cloud.settle()
    shipment = customer.shipment(customer.number())
    assert shipment
    assert {stamp(picked_up), stamp(moving), stamp(arrived)} == {
        scan["occurred_at"].replace(".000000", "") for scan in shipment["scans"]
    }
    assert [scan["providers"] for scan in shipment["scans"] if scan["status"] == "in_transit"] == [
        ["easypost"]
    ]
    assert {
        provider
        for scan in shipment["scans"]
        if scan["status"] == "delivered"
        for provider in scan["providers"]
    } == {"easypost", "aftership"}


def test_a_delivered_parcel_stays_delivered_until_it_is_taken_back_or_returned(
    cloud: Cloud,
) -> None:
    customer = Customer(cloud)
    ear = cloud.listen({"detail": {"data": {"customer_id": [customer.id]}}})
    order = customer.place()
    number = customer.number()
    customer.ship(order, number, carrier="USPS")

    def arrives(status: str, parcel: str) -> int:
        """Wait for the order and its parcel; return the units that have arrived."""
        customer.wait_for(order, status, parcel)
        units: int = customer.order(order["id"])["lines"][0]["delivered"]
        return units

    customer.scan(number, delivered(ago(hours=30)), carrier="USPS")
    assert arrives("completed", "delivered") == 2

    # Late: one from before the delivery, one that claims to be from after it.
    customer.scan(number, in_transit(ago(hours=40)), carrier="USPS")
    customer.scan(number, in_transit(ago(hours=29)), carrier="USPS")
    assert arrives("completed", "delivered") == 2

    # USPS takes the delivery back: "not delivered after all".
    customer.scan(number, ("in_transit", "ND", ago(hours=20)), carrier="USPS")
    assert arrives("in_progress", "delivery_attempted") == 0

    customer.scan(number, delivered(ago(hours=10)), carrier="USPS")
    assert arrives("completed", "delivered") == 2

    customer.scan(number, ("return_to_sender", "return", ago(hours=3)), carrier="USPS")
    customer.wait_for(order, "in_progress", "returning")
    cloud.settle()
    assert notifications(ear) == {
        "order_placed": 1,
        "delivered": 1,
        "delivery_attempted": 1,
        "returning": 1,
    }


def test_scans_that_come_before_the_order_are_its_own(cloud: Cloud) -> None:
    customer = Customer(cloud)
    number = customer.number()
    customer.scan(number, label_created(ago(hours=9)), out_for_delivery(ago(hours=1)))
    early = customer.shipment(number)
    assert early
    assert (early["status"], early["links"]) == ("out_for_delivery", [])

    order = customer.place()
    customer.ship(order, number)

    customer.wait_for(order, "in_progress", "out_for_delivery")
    assert customer.order(order["id"])["fulfillments"][0]["state"] == "shipped"
    cloud.wait_until(lambda: customer.told().count("shipment.updated") == 2)
    customer.scan(number, delivered(ago(minutes=5)))
    customer.wait_for(order, "completed", "delivered")


def test_what_nobody_can_read_is_parked_and_holds_nothing_up(cloud: Cloud) -> None:
    customer = Customer(cloud)
    began = datetime.now(UTC)
    order = customer.place()
    customer.ship(order, customer.number())
    poison = [
        ("easypost", easypost(customer.number(), in_transit(ago(hours=9)))[:-20], {}),
        ("easypost", easypost("", in_transit(ago(hours=9))), {}),
        ("shopify", f'["{customer.run}"]'.encode(), shopify_headers("orders/create")),
    ]
    for sender, body, headers in poison:
        assert cloud.send(sender, body, headers).body["state"] == "accepted"
    customer.scan(customer.number(), delivered(ago(minutes=5)))
    customer.wait_for(order, "completed", "delivered")

    def parked() -> dict[str, str]:
        page = customer.get(f"{ORDERS}/inbox?state=parked&limit=200", customer.staff)
        return {
            message["message_id"]: message["reason"]
            for message in page["messages"]
            if datetime.fromisoformat(message["received_at"]) >= began
        }

    cloud.wait_until(lambda: len(parked()) == len(poison))
    assert all(reason.startswith("UNPARSEABLE: ") for reason in parked().values())

    def replay(**what: Any) -> Json:
        reply = cloud.call("POST", f"{ORDERS}/inbox/replay", customer.staff, what)
        assert reply.status == 200, reply.body
        result: Json = reply.body
        return result

    # Nothing is mended, so what is unreadable still is; what was understood stays as it is.
    before = customer.order(order["id"])
    again = replay(source="easypost", **{"from": began.isoformat(), "to": stamp(ago(minutes=-1))})
    assert (again["understood"], again["parked"]) == (1, 2)
    for message_id in parked():
        assert replay(message_id=message_id)["parked"] == 1
    cloud.settle()
    assert len(parked()) == len(poison)
    assert customer.order(order["id"]) == before


def test_signatures_are_asked_for(cloud: Cloud) -> None:
    customer = Customer(cloud)
    body = easypost(customer.number(), in_transit(ago(hours=9)))
    path = f"{ORDERS}/webhooks/easypost"
    forged = {"X-Hmac-Signature": "hmac-sha256-hex=" + "0" * 64}
    for headers in ({}, forged):
        refused = cloud.call("POST", path, body=body, key="", headers=headers)
        assert (refused.status, refused.body["code"]) == (401, "SIGNATURE_INVALID")
    cloud.settle()
    assert customer.shipment(customer.number()) is None


def journey(number: str, began: datetime) -> list[tuple[str, bytes]]:
    """Return what two providers tell of a parcel on its way, in the order in which it happened."""
    history = [
        label_created(began),
        in_transit(began + timedelta(hours=1)),
        out_for_delivery(began + timedelta(hours=3)),
        delivered(began + timedelta(hours=4)),
    ]
    told: list[tuple[str, bytes]] = [
        ("easypost", easypost(number, *history[: count + 1])) for count in range(len(history))
    ]
    moving, arrived = history[1][2], history[3][2]
    told.insert(2, ("aftership", aftership(number, ("InTransit", "InTransit_003", moving))))
    told.append(("aftership", aftership(number, ("Delivered", "Delivered_001", arrived))))
    return told


def seen_of(customer: Customer, order: Json) -> Json:
    """Return all that a customer sees of an order, without the names that are this customer's."""
    (entry,) = customer.order(order["id"])["fulfillments"]
    shipment = customer.shipment(customer.number())
    assert shipment
    return {
        "order": {
            name: customer.order(order["id"])[name]
            for name in ("status", "flags", "lines", "completed_at")
        },
        "fulfillment": {name: entry[name] for name in ("state", "allowed", "delivered_at")},
        "shipment": {
            name: member
            for name, member in shipment.items()
            if name not in {"id", "tracking_number", "links"}
        },
    }


def test_every_message_and_event_twice_and_in_any_order_changes_nothing(cloud: Cloud) -> None:
    began = ago(hours=6)
    orderly, disorderly = Customer(cloud), Customer(cloud)
    ear = cloud.listen({"source": [{"prefix": "tandem."}]})
    # Beginning apart, so that none of the two sees what was meant for the other.
    orders = {}
    for customer in (orderly, disorderly):
        customer.enrol()
        orders[customer] = customer.place(placed_at=stamp(began))
        customer.ship(orders[customer], customer.number())
    for sender, body in journey(orderly.number(), began):
        assert cloud.send(sender, body).status == 202
        cloud.settle()
    mixed = journey(disorderly.number(), began) * 2
    random.Random(3).shuffle(mixed)  # noqa: S311  any order, the same in every run
    with ThreadPoolExecutor(SENDERS_AT_ONCE) as senders:
        assert {one.status for one in senders.map(lambda one: cloud.send(*one), mixed)} == {202}
    cloud.settle()
    seen = seen_of(orderly, orders[orderly])
    assert seen["order"]["status"] == "completed"
    assert seen_of(disorderly, orders[disorderly]) == seen

    known = {event["id"]: event for event in ear.heard()}
    timelines = {customer: customer.timeline() for customer in orders}
    again = list(known.values()) * 2
    random.Random(5).shuffle(again)  # noqa: S311
    cloud.publish_again(again)
    cloud.settle()

    heard = ear.heard()
    assert len(heard) >= 3 * len(known)
    assert {event["id"] for event in heard} == set(known)
    for customer, order in orders.items():
        assert seen_of(customer, order) == seen
        assert customer.timeline() == timelines[customer]
        told = Counter(
            event["data"]["milestone"]
            for event in known.values()
            if event["type"] == "notification.requested"
            and event["data"]["customer_id"] == customer.id
        )
        assert set(told.values()) == {1}
        assert {"order_placed", "delivered"} <= set(told)
    # Whoever heard of it in the right order was told of every step.
    assert len(timelines[orderly]) >= len(timelines[disorderly])
