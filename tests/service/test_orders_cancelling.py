"""Cancelling what has been handed on: a fulfilment that waits gives its units back, one that
somebody has begun does not; of two who meet, one wins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.disturbances import interfere, no_pauses
from tests.service.orders_service import Orders, units
from tests.service.sender_payloads import shopify_order, woocommerce_order
from tests.service.table_contents import nothing_changes, refusal

ALL = {"1": 2, "2": 1}
ADA: Any = {"role": "customer", "subject": "cus_1"}
HAT = {"lines": units({"2": 1}), "reason": "too small"}


def parcelled(orders: Orders, order_id: str, number: str = "1Z1") -> str:
    """Register a parcel for all that is left of an order; return its fulfilment's id."""
    body = {"carrier": "ups", "tracking_number": number, "order_id": order_id}
    assert orders.call("POST", "/shipments", body).status == 201
    orders.pump()
    return str(orders.order(order_id)["fulfillments"][-1]["id"])


def waiting(orders: Orders, order_id: str, way: str) -> str:
    """Hand all of an order on, in one of the ways in which nobody has begun to work on it."""
    if way == "parcel":
        return parcelled(orders, order_id)
    fulfillment_id = orders.fulfilled(order_id, "pickup" if way != "ship" else way)
    if way == "reserved":
        orders.moved(order_id, fulfillment_id, "reserved")
    return fulfillment_id


def held(order: Any) -> list[tuple[str, list[Any]]]:
    return [(one["state"], one["lines"]) for one in order["fulfillments"]]


def counted(order: Any) -> dict[str, tuple[int, int]]:
    """Cancelled and fulfilled units, by line."""
    return {one["line_id"]: (one["cancelled"], one["fulfilled"]) for one in order["lines"]}


WAITING = pytest.mark.parametrize("way", ["parcel", "ship", "proposed", "reserved"])


# --- what waits -----------------------------------------------------------------------------------


@WAITING
def test_a_customer_cancels_an_order_that_only_waits(orders: Orders, way: str) -> None:
    order_id = orders.placed()
    waiting(orders, order_id, way)
    orders.pump()
    version = orders.order(order_id)["version"]
    reply = orders.cancel(order_id, key="k", **ADA)

    assert (reply.status, reply.body["status"]) == (200, "cancelled")
    assert held(reply.body) == [("cancelled", units(ALL))]
    assert counted(reply.body) == {"1": (2, 0), "2": (1, 0)}
    family = "fulfillment" if way in {"parcel", "ship"} else "pickup"
    assert orders.kinds(order_id)[-2:] == [f"{family}.cancelled", "order.cancelled"]
    assert reply.body["version"] == version + 2
    assert reply.headers["ETag"] == f'"{version + 2}"'
    assert orders.entries(order_id)[-1].origin.actor == "customer:cus_1"

    orders.pump(times=2)
    assert orders.milestones() == ["order_placed", "order_cancelled"]
    told = [one["type"] for one in orders.timeline()]
    assert [told.count(one) for one in (f"{family}.cancelled", "order.cancelled")] == [1, 1]
    with nothing_changes(orders):
        again = orders.cancel(order_id, key="k", **ADA)
    assert (again.status, again.body, again.replayed) == (200, reply.body, True)
    shown = {**orders.order(order_id, **ADA), "shipments": reply.body["shipments"]}
    assert shown == reply.body


@WAITING
def test_a_line_is_taken_out_of_what_waits_and_the_rest_goes_on(orders: Orders, way: str) -> None:
    order_id = orders.placed()
    fulfillment_id = waiting(orders, order_id, way)
    reply = orders.cancel(order_id, HAT, key="k", **ADA)

    (before,) = {state for state, _ in held(reply.body)}
    assert held(reply.body) == [(before, units({"1": 2}))]
    assert (reply.body["status"], reply.body["flags"]) == ("confirmed", ["partially_cancelled"])
    assert counted(reply.body) == {"1": (0, 2), "2": (1, 0)}
    family = "fulfillment" if way in {"parcel", "ship"} else "pickup"
    assert orders.kinds(order_id)[-2:] == [f"{family}.updated", "order.cancelled"]
    orders.pump(times=2)
    assert orders.milestones() == ["order_placed", "order_part_cancelled"]

    if way == "proposed":
        orders.moved(order_id, fulfillment_id, "reserved")
    rest = {"parcel": "allocated", "ship": "allocated"}.get(way, "preparing")
    orders.moved(order_id, fulfillment_id, rest)
    with nothing_changes(orders):
        again = orders.cancel(order_id, HAT, key="k", **ADA)
    assert (again.body, again.replayed) == (reply.body, True)


def test_a_parcel_carries_what_a_cancellation_has_left_in_it(orders: Orders) -> None:
    order_id = orders.placed()
    fulfillment_id = parcelled(orders, order_id)
    (parcel,) = orders.order(order_id)["shipments"]
    orders.cancel(order_id, HAT)
    orders.pump()
    (shown,) = orders.order(order_id)["shipments"]
    assert (shown["id"], shown["fulfillment_id"]) == (parcel["id"], fulfillment_id)
    assert parcelled(orders, order_id, "1Z2") == fulfillment_id

    orders.cancel(order_id, {"lines": units({"1": 2}), "reason": "x"})
    orders.pump(times=2)
    order = orders.order(order_id)
    assert (order["status"], held(order)) == ("cancelled", [("cancelled", units({"1": 2}))])
    parcelled(orders, order_id, "1Z3")
    assert held(orders.order(order_id)) == held(order)


def test_cancelling_what_still_waits_completes_what_has_arrived(orders: Orders) -> None:
    order_id = orders.placed()
    orders.fulfilled(order_id, "in_store", lines=units({"1": 2}))
    orders.fulfilled(order_id, lines=units({"2": 1}))
    first = orders.cancel(order_id, HAT, key="k")
    assert first.body["status"] == "completed"
    assert orders.kinds(order_id)[-3:] == [
        "fulfillment.cancelled", "order.cancelled", "order.completed",
    ]  # fmt: skip
    assert orders.cancel(order_id, HAT, key="k").body == first.body


def test_a_shop_that_cancels_takes_back_what_an_integration_has_registered(
    orders: Orders,
) -> None:
    gone = "2026-03-10T11:00:00+01:00"
    told = [
        ("shopify", "450789469", shopify_order(), "orders/create"),
        ("woocommerce", "727", woocommerce_order(), "order.created"),
    ]
    for source, external_id, said, topic in told:
        orders.said(source, said, topic)
        orders.pump()
        query = {"source": source, "external_id": external_id}
        (order,) = orders.call("GET", "/orders", query=query).body["orders"]
        parcelled(orders, order["id"], f"1Z{source}")
    orders.said("shopify", shopify_order(updated_at=gone, cancelled_at=gone), "orders/cancelled")
    orders.said(
        "woocommerce",
        woocommerce_order("cancelled", date_modified_gmt="2026-03-10T10:00:00"),
        "order.updated",
    )
    orders.pump(times=2)
    for source, external_id, _, _ in told:
        query = {"source": source, "external_id": external_id}
        (order,) = orders.call("GET", "/orders", query=query).body["orders"]
        assert order["status"] == "cancelled"
        assert [state for state, _ in held(order)] == ["cancelled"]
        assert orders.kinds(order["id"]).count("order.cancelled") == 1


# --- what somebody has begun ----------------------------------------------------------------------

BEGUN = {
    "allocated": ("ship", ("allocated",)),
    "packed": ("ship", ("allocated", "packed")),
    "preparing": ("pickup", ("reserved", "preparing")),
    "ready": ("pickup", ("reserved", "preparing", "ready")),
    "checked_in": ("pickup", ("reserved", "preparing", "ready", "checked_in")),
    "shipped": ("ship", ("allocated", "packed", "shipped")),
}


@pytest.mark.parametrize("state", BEGUN)
def test_what_has_been_begun_is_named_and_cancelled_first_where_that_can_be(
    orders: Orders, state: str
) -> None:
    kind, way = BEGUN[state]
    order_id = orders.placed()
    fulfillment_id = orders.fulfilled(order_id, kind, lines=units({"1": 1}))
    orders.moved(order_id, fulfillment_id, *way)
    orders.fulfilled(order_id, lines=units({"2": 1}))
    named = {"id": fulfillment_id, "type": kind, "state": state}

    with nothing_changes(orders):
        whole = refusal(orders.cancel(order_id, **ADA), 409, "ORDER_NOT_CANCELLABLE")
        lines = {"lines": units({"1": 2}), "reason": "x"}
        part = refusal(orders.cancel(order_id, lines, **ADA), 409, "QUANTITY_EXCEEDS_ORDER")
    assert whole["title"] == "The order cannot be cancelled"
    assert whole["fulfillments"] == part["fulfillments"] == [named]
    assert whole["lines"] == units({"1": 1, "2": 1})
    assert (part["line_id"], part["available"]) == ("1", 1)
    what = "can only be returned" if state == "shipped" else "The merchant can cancel"
    for problem in (whole, part):
        assert what in problem["detail"]
        assert f"{fulfillment_id} ({kind}, {state})" in problem["detail"]

    named_lines = {"lines": whole["lines"], "reason": "x"}
    left = orders.cancel(order_id, named_lines, **ADA)
    assert (left.status, left.body["status"]) == (200, "in_progress")
    if state != "shipped":
        orders.moved(order_id, fulfillment_id, "cancelled")
        assert orders.cancel(order_id, **ADA).body["status"] == "cancelled"


def test_an_order_that_is_cancelled_already_is_said_to_be_so(orders: Orders) -> None:
    order_id = orders.placed()
    orders.fulfilled(order_id)
    first = orders.cancel(order_id, key="k", **ADA)
    with nothing_changes(orders):
        problem = refusal(orders.cancel(order_id, key="other", **ADA), 409, "ORDER_NOT_CANCELLABLE")
        assert orders.cancel(order_id, key="k", **ADA).body == first.body
        other = {"reason": "another reason"}
        refusal(orders.cancel(order_id, other, key="k", **ADA), 422, "IDEMPOTENCY_KEY_REUSED")
    assert problem["detail"] == "All units of the order are cancelled already"
    assert (problem["lines"], problem["fulfillments"]) == ([], [])


def test_nobody_cancels_what_waits_for_somebody_else(orders: Orders) -> None:
    order_id = orders.placed()
    waiting(orders, order_id, "parcel")
    with nothing_changes(orders):
        theirs = orders.cancel(order_id, role="customer", subject="cus_2")
        refusal(theirs, 404, "ORDER_NOT_FOUND")


# --- races ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "begins"), [("ship", "allocated"), ("pickup", "preparing")])
def test_of_a_cancellation_and_whoever_begins_the_work_one_wins(
    orders: Orders, kind: str, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pauses(monkeypatch)
    for first in ("work", "customer"):
        order_id = orders.placed(first)
        fulfillment_id = orders.fulfilled(order_id, kind)
        if kind == "pickup":
            orders.moved(order_id, fulfillment_id, "reserved")
        with monkeypatch.context() as disturbed:
            if first == "work":
                interfere(
                    disturbed,
                    before=lambda: orders.moved(order_id, fulfillment_id, begins),  # noqa: B023
                )
                late = refusal(orders.cancel(order_id, **ADA), 409, "ORDER_NOT_CANCELLABLE")
                assert late["fulfillments"][0]["state"] == begins
            else:
                interfere(disturbed, before=lambda: orders.cancel(order_id, **ADA))  # noqa: B023
                late = orders.move(order_id, fulfillment_id, begins)
                assert refusal(late, 409, "INVALID_TRANSITION")["state"] == "cancelled"
        order = orders.order(order_id)
        cancelled = first == "customer"
        assert order["status"] == ("cancelled" if cancelled else "in_progress")
        assert held(order) == [("cancelled" if cancelled else begins, units(ALL))]
        assert counted(order) == ({"1": (2, 0), "2": (1, 0)} if cancelled else
                                  {"1": (0, 2), "2": (0, 1)})  # fmt: skip
        orders.entries(order_id)


def test_the_last_unit_that_is_sent_meanwhile_is_cancelled_with_what_was_to_send_it(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pauses(monkeypatch)
    order_id = orders.placed()
    hat = HAT["lines"]
    attempts = interfere(monkeypatch, before=lambda: orders.fulfilled(order_id, lines=hat))
    reply = orders.cancel(order_id, HAT, **ADA)
    assert (reply.status, len(attempts)) == (200, 2)
    assert held(reply.body) == [("cancelled", hat)]
    assert counted(reply.body)["2"] == (1, 0)


def test_ten_channels_that_cancel_at_once_take_each_unit_once(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pauses(monkeypatch)
    order_id = orders.placed()
    waiting(orders, order_id, "parcel")
    one = {"lines": units({"1": 1}), "reason": "x"}
    rivals: list[int] = []
    interfere(
        monkeypatch,
        before=lambda: rivals.append(
            orders.cancel(order_id, one, subject=f"channel_{len(rivals)}").status
        ),
        times=9,
    )
    last = orders.cancel(order_id, one, **ADA)
    assert sorted([*rivals, last.status]) == [200, 200, *[409] * (len(rivals) - 1)]
    order = orders.order(order_id)
    assert counted(order) == {"1": (2, 0), "2": (0, 1)}
    assert held(order) == [("unfulfilled", units({"2": 1}))]
    assert orders.kinds(order_id).count("order.cancelled") == 2
    orders.entries(order_id)
