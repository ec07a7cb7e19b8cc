"""Numbers that carriers give out again: what was scanned of the earlier parcel stays its own,
however the messages are cut and whenever they come."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tests.service.orders_service import Orders
from tests.service.sender_payloads import (
    Scan,
    aftership,
    at,
    delivered,
    easypost,
    in_transit,
    labelled,
    picked_up,
)

NUMBER = "1Z12345E0205271688"
PARCEL = {"carrier": "UPS", "tracking_number": NUMBER}
OLD = delivered(-120 * 24)
NEW = (labelled(), picked_up())


def scanned(orders: Orders, *scans: Scan) -> None:
    orders.said("easypost", easypost(NUMBER, *scans, event_id=f"evt_{next(orders.keys)}"))
    orders.pump()


def ordered(orders: Orders) -> str:
    """An order of today, and its parcel."""
    order_id = orders.placed()
    body = {**PARCEL, "order_id": order_id}
    assert orders.call("POST", "/shipments", body).status == 201
    orders.pump()
    return order_id


def current(orders: Orders) -> Any:
    """What the number means now."""
    reply = orders.call("GET", "/shipments", query=PARCEL)
    assert reply.status == 200
    return reply.body


def own(parcel: Any) -> list[tuple[str, str]]:
    rows = [one for one in parcel["scans"] if not one["quarantined"]]
    return [(one["status"], one["occurred_at"]) for one in rows]


def told_by_easypost(orders: Orders) -> None:
    scanned(orders, OLD, *NEW)


def told_by_aftership(orders: Orders) -> None:
    old = ("Delivered", "Delivered_001", OLD[2])
    label = ("InfoReceived", "InfoReceived_001", NEW[0][2])
    pickup = ("InTransit", "InTransit_002", NEW[1][2])
    orders.said("aftership", aftership(NUMBER, old, label, pickup))
    orders.pump()


@pytest.mark.parametrize("told", [told_by_easypost, told_by_aftership])
def test_one_message_of_both_parcels_tells_both(
    orders: Orders, told: Callable[[Orders], None]
) -> None:
    orders.later(hours=3)
    told(orders)

    parcel = current(orders)
    assert (parcel["generation"], parcel["status"]) == (2, "picked_up")
    assert own(parcel) == [
        ("picked_up", rfc3339(at(hours=2))),
        ("label_created", rfc3339(at(hours=1))),
    ]

    order = orders.order(ordered(orders))
    assert (order["status"], order["completed_at"]) == ("in_progress", None)
    assert [one["id"] for one in order["shipments"]] == [parcel["id"]]
    assert "delivered" not in orders.milestones()


def test_the_messages_next_part_is_announced_also_when_the_first_has_new_scans(
    orders: Orders,
) -> None:
    orders.later(hours=3)
    scanned(orders, in_transit(-121 * 24))
    scanned(orders, in_transit(-121 * 24), OLD, *NEW)

    parcel = current(orders)
    assert (parcel["generation"], parcel["status"]) == (2, "picked_up")


def cuts(things: Sequence[Any]) -> list[list[list[Any]]]:
    """Cut a sequence into messages, in every way."""
    found = []
    for size in range(len(things)):
        for places in itertools.combinations(range(1, len(things)), size):
            edges = [0, *places, len(things)]
            found.append([list(things[a:b]) for a, b in itertools.pairwise(edges)])
    return found


@pytest.mark.parametrize("days", [17, 120])
@pytest.mark.parametrize("place", range(4))
def test_any_order_of_arrival_shows_the_same_parcel(orders: Orders, days: int, place: int) -> None:
    """`place` is when the order comes: before the message with this number, or after all."""
    orders.later(hours=3)
    scans = {"old": delivered(-days * 24), "label": NEW[0], "pickup": NEW[1]}
    arrivals = [cut for order in itertools.permutations(scans) for cut in cuts(order)]
    for number, messages in enumerate(arrivals[place::8]):
        name = f"1ZT{place}X{number}"
        query = {"carrier": "ups", "tracking_number": name}
        order_id = orders.placed(f"order {number}", customer={"customer_id": f"cus_{number}"})
        for position, message in enumerate([*messages, []]):
            if position == min(place, len(messages)):
                reply = orders.call("POST", "/shipments", {**query, "order_id": order_id})
                assert reply.status == 201
            if message:
                told = easypost(
                    name, *(scans[one] for one in message), event_id=f"{name}/{position}"
                )
                orders.said("easypost", told)
            orders.pump()

        parcel = orders.call("GET", "/shipments", query=query).body
        order = orders.order(order_id)
        assert parcel["status"] == "picked_up", messages
        assert own(parcel) == [
            ("picked_up", rfc3339(at(hours=2))), ("label_created", rfc3339(at(hours=1))),
        ], messages  # fmt: skip
        assert parcel["milestones"].keys() == {"picked_up", "label_created"}
        assert [one["id"] for one in order["shipments"]] == [parcel["id"]], messages
        assert (order["status"], order["completed_at"]) == ("in_progress", None), messages
        assert order["fulfillments"][0]["state"] == "shipped"


def test_a_label_that_is_heard_of_last_still_tells_which_delivery_was_the_orders(
    orders: Orders,
) -> None:
    orders.later(hours=6)
    scanned(orders, OLD)
    scanned(orders, delivered())
    order_id = ordered(orders)
    assert orders.order(order_id)["fulfillments"][0]["delivered_at"] == rfc3339(OLD[2])
    scanned(orders, labelled())

    (fulfillment,) = orders.order(order_id)["fulfillments"]
    assert (fulfillment["state"], fulfillment["delivered_at"]) == (
        "delivered",
        rfc3339(at(hours=5)),
    )
    assert own(current(orders))[0] == ("delivered", rfc3339(at(hours=5)))
