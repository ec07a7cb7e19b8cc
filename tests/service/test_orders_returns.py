"""What orders makes of the events of returns: parcels on their way back, counters, replacements,
the customer's timeline and messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_core.events import Envelope
from tests.service.orders_service import Orders, units
from tests.service.sender_payloads import (
    delivered,
    easypost,
    in_transit,
    picked_up,
    shopify_order,
    shopify_refund,
)

OUT, BACK = "1Z12345E0205271688", "1Z12345E6605272234"
RETURN = "ret_1"


def tell(
    orders: Orders, kind: str, order_id: str | None, event_id: str | None = None, **data: Any
) -> str:
    """Let returns tell of something; return the event's id."""
    name = event_id or f"evt_book_{next(orders.keys)}"
    known = {
        "return_id": RETURN,
        "order_id": order_id,
        "customer_id": "cus_1",
        "channel": "web",
        "occurred_at": rfc3339(orders.now),
    }
    orders.hear("returns", kind, known | data, name)
    return name


def parcel_added(orders: Orders, order_id: str, number: str = BACK, **data: Any) -> None:
    told = {"carrier": "UPS", "tracking_number": number, "label_created_at": rfc3339(orders.now)}
    tell(orders, "return.parcel_added", order_id, **told | data)


def received(orders: Orders, order_id: str, accepted: dict[str, int], **more: Any) -> str:
    return tell(orders, "return.received", order_id, accepted=units(accepted), **more)


def returned(orders: Orders, order_id: str) -> dict[str, int]:
    return {line["line_id"]: line["returned"] for line in orders.order(order_id)["lines"]}


def arrived(orders: Orders) -> str:
    """An order that has reached its customer."""
    order_id = orders.placed(number="#1001")
    orders.fulfilled(order_id, shipments=[{"carrier": "UPS", "tracking_number": OUT}])
    orders.later(hours=6)
    orders.said("easypost", easypost(OUT, picked_up(), delivered()))
    orders.pump()
    assert orders.order(order_id)["status"] == "completed"
    return order_id


def heard(events: list[Envelope], kind: str) -> list[dict[str, Any]]:
    return [one.data for one in events if one.type == kind]


# --- parcels --------------------------------------------------------------------------------------


def test_a_return_parcel_is_shown_beside_the_parcels_that_were_sent(orders: Orders) -> None:
    order_id = arrived(orders)
    before = orders.order(order_id)
    parcel_added(orders, order_id)
    orders.pump()

    after = orders.order(order_id, role="customer", subject="cus_1")
    sent, back = after["shipments"]
    assert (sent["tracking_number"], sent["is_return"]) == (OUT, False)
    assert (back["tracking_number"], back["is_return"]) == (BACK, True)
    assert (back["fulfillment_id"], back["status"]) == (None, "pending")
    assert after["fulfillments"] == before["fulfillments"]
    assert orders.shipment(back["id"], role="customer", subject="cus_1")["is_return"] is True


def test_a_return_parcel_moves_neither_the_order_nor_its_fulfilments(orders: Orders) -> None:
    open_order = orders.placed("open")
    parcel_added(orders, open_order)
    order_id = arrived(orders)
    parcel_added(orders, order_id, "1ZBACK2")
    orders.pump()
    before = [orders.order(one) for one in (open_order, order_id)]

    for number in (BACK, "1ZBACK2"):
        orders.said("easypost", easypost(number, picked_up(), delivered()))
    orders.pump()
    for then in before:
        now = orders.order(then["id"])
        assert (now["status"], now["flags"]) == (then["status"], then["flags"])
        assert now["fulfillments"] == then["fulfillments"]
        assert now["lines"] == then["lines"]
        assert now["shipments"][-1]["status"] == "delivered"


def test_the_events_of_a_return_parcel_say_when_it_was_handed_over_and_delivered(
    orders: Orders,
) -> None:
    order_id = arrived(orders)
    parcel_added(orders, order_id)
    (registered,) = heard(orders.pump(), "shipment.registered")
    assert (registered["is_return"], registered["handed_over_at"]) == (True, None)
    orders.later(days=2)
    orders.said("easypost", easypost(BACK, in_transit(40)))
    (scanned,) = heard(orders.pump(), "shipment.updated")
    assert (scanned["is_return"], scanned["carrier"], scanned["order_ids"]) == (
        True,
        "ups",
        [order_id],
    )
    orders.later(days=1)
    orders.said("easypost", easypost(BACK, in_transit(40), delivered(60)))
    (arrival,) = heard(orders.pump(), "shipment.delivered")
    assert arrival["handed_over_at"] == scanned["handed_over_at"] == scanned["occurred_at"]
    assert arrival["delivered_at"] == arrival["occurred_at"]


def test_scans_that_came_before_a_return_parcel_was_told_of_are_its_own(orders: Orders) -> None:
    order_id = arrived(orders)
    orders.said("easypost", easypost(BACK, picked_up(), delivered()))
    orders.pump()
    parcel_added(orders, order_id)
    (registered,) = heard(orders.pump(), "shipment.registered")
    assert registered["is_return"] is True
    assert registered["status"] == "delivered"
    assert registered["delivered_at"] is not None
    assert registered["handed_over_at"] < registered["delivered_at"]


def test_a_return_parcel_that_is_told_of_again_is_the_same_one(orders: Orders) -> None:
    order_id = arrived(orders)
    for _ in range(3):
        parcel_added(orders, order_id)
        orders.pump(times=2)
    assert len(orders.order(order_id)["shipments"]) == 2
    assert orders.kinds(order_id).count("order.updated") == 1


def test_the_parcel_that_brought_the_order_takes_nothing_back(orders: Orders) -> None:
    order_id = arrived(orders)
    other = orders.placed("other")
    orders.pump()
    for one in (order_id, other):
        parcel_added(orders, one, OUT)
    assert orders.unpublished() == []
    assert [one["is_return"] for one in orders.order(order_id)["shipments"]] == [False]
    assert orders.order(other)["shipments"] == []


def test_a_return_parcel_is_not_on_the_page_of_whoever_has_the_link(orders: Orders) -> None:
    order_id = arrived(orders)
    parcel_added(orders, order_id)
    orders.pump()
    token = orders.order(order_id)["tracking_token"]
    page = orders.call("GET", "/tracking/{token}", role=None, token=token)
    assert [one["status"] for one in page.body["parcels"]] == ["delivered"]


def test_who_returned_is_forgotten_with_the_parcel_that_came_back(orders: Orders) -> None:
    order_id = arrived(orders)
    parcel_added(orders, order_id)
    orders.said("easypost", easypost(BACK, picked_up(), delivered(), signed_by="LOVELACE"))
    orders.pump()
    (_, back) = orders.order(order_id)["shipments"]
    assert orders.shipment(back["id"])["proof_of_delivery"]["signed_by"] == "LOVELACE"

    route = "/customers/{customer_id}/erase"
    assert orders.call("POST", route, role="staff", customer_id="cus_1").status == 200
    assert orders.shipment(back["id"])["proof_of_delivery"]["signed_by"] is None
    assert all("LOVELACE" not in entry.private for entry in orders.entries(back["id"]))


# --- counters -------------------------------------------------------------------------------------


def test_what_a_return_brings_back_is_counted_once(orders: Orders) -> None:
    order_id = arrived(orders)
    event = received(orders, order_id, {"1": 1})
    received(orders, order_id, {"1": 1}, event_id=event)
    orders.pump(times=2)

    order = orders.order(order_id)
    assert returned(orders, order_id) == {"1": 1, "2": 0}
    assert order["flags"] == ["has_return"]
    assert order["status"] == "completed"
    received(orders, order_id, {"1": 1})
    assert returned(orders, order_id) == {"1": 2, "2": 0}


def test_no_more_comes_back_than_was_bought_and_lines_that_are_none_do_not(orders: Orders) -> None:
    order_id = arrived(orders)
    received(orders, order_id, {"1": 5, "9": 1})
    received(orders, order_id, {"1": 1})
    assert returned(orders, order_id) == {"1": 2, "2": 0}
    assert orders.kinds(order_id).count("order.updated") == 1


def test_a_receipt_without_units_and_a_closed_return_count_nothing(orders: Orders) -> None:
    order_id = arrived(orders)
    before = orders.order(order_id)
    told = orders.kinds(order_id)
    received(orders, order_id, {})
    lines = [{"line_id": "1", "quantity": 1, "logistics": {"not_required": 1}}]
    tell(orders, "return.closed", order_id, method="keep", lines=lines)
    assert orders.order(order_id) == before
    assert orders.kinds(order_id) == told


@pytest.mark.parametrize("kind", ["return.received", "return.parcel_added", "refund.succeeded"])
def test_returns_of_strangers_are_ignored(orders: Orders, kind: str) -> None:
    told: dict[str, Any] = {"carrier": "ups", "tracking_number": "1Z"}
    told |= {"accepted": units({"1": 1}), "lines": units({"1": 1})}
    tell(orders, kind, "ord_of_somebody_else", **told)
    assert orders.journal() == []


# --- a shop that books our returns ----------------------------------------------------------------


SHOP = {"source": "shopify", "external_id": "450789469"}


def shop_order(orders: Orders) -> str:
    orders.said("shopify", shopify_order(), "orders/create")
    orders.pump()
    (order,) = orders.call("GET", "/orders", query=SHOP).body["orders"]
    return str(order["id"])


def shop_refunds(orders: Orders, quantity: int, number: int = 9) -> list[dict[str, Any]]:
    """The shop says that shoes came back; return what orders tells of it."""
    body = shopify_refund((1, quantity, "return"), number=number)
    orders.said("shopify", body, "refunds/create")
    return heard(orders.pump(), "refund.succeeded")


@pytest.mark.parametrize("what", ["received", "repaid"])
def test_a_shop_that_books_our_return_brings_no_second_unit_back(orders: Orders, what: str) -> None:
    order_id = shop_order(orders)
    if what == "received":
        received(orders, order_id, {"1": 1})
    else:
        tell(orders, "refund.succeeded", order_id, lines=units({"1": 1}), refund_id="rfd_1")
    (told,) = shop_refunds(orders, 1)

    assert returned(orders, order_id)["1"] == 1
    assert (told["lines"], told["booked"]) == ([], units({"1": 1}))
    assert told["legs"][0]["paid"]["amount"] == 5_000


def test_a_shop_that_says_more_than_our_returns_is_believed_the_rest(orders: Orders) -> None:
    order_id = shop_order(orders)
    received(orders, order_id, {"1": 1})
    (told,) = shop_refunds(orders, 2)
    assert (told["lines"], told["booked"]) == (units({"1": 1}), units({"1": 1}))
    assert returned(orders, order_id)["1"] == 2


def test_a_shop_may_book_our_return_before_we_have_the_goods(orders: Orders) -> None:
    order_id = shop_order(orders)
    (told,) = shop_refunds(orders, 1)
    assert (told["lines"], told["booked"]) == (units({"1": 1}), [])
    received(orders, order_id, {"1": 1})
    assert returned(orders, order_id)["1"] == 1
    received(orders, order_id, {"1": 1})
    assert returned(orders, order_id)["1"] == 2


def test_a_shops_own_refund_is_not_heard_as_one_of_ours(orders: Orders) -> None:
    order_id = shop_order(orders)
    shop_refunds(orders, 1)
    (second,) = shop_refunds(orders, 1, number=10)
    assert (second["lines"], second["booked"]) == (units({"1": 1}), [])
    assert "order.updated" not in orders.kinds(order_id)[1:]


def test_units_that_were_paid_for_have_not_come_back_yet(orders: Orders) -> None:
    order_id = arrived(orders)
    for _ in range(2):
        event = "evt_book_7"
        tell(orders, "refund.succeeded", order_id, event, lines=units({"1": 1}), refund_id="rfd_1")
    assert returned(orders, order_id) == {"1": 0, "2": 0}
    assert "has_return" not in orders.order(order_id)["flags"]
    assert orders.kinds(order_id).count("order.updated") == 1


# --- exchanges ------------------------------------------------------------------------------------


def exchange(orders: Orders, order_id: str, **changes: Any) -> str:
    """A shoe comes back, another one is wanted instead; return the replacement order's id."""
    told: dict[str, Any] = {
        "exchange_id": RETURN,
        "source": "exchange",
        "external_id": RETURN,
        "currency": "EUR",
        "lines": [
            {
                "line_id": "1",
                "sku": "SHOE-43",
                "name": "Shoe",
                "quantity": 1,
                "unit_price": {"amount": 5_500, "currency": "EUR"},
                "paid": {"amount": 5_500, "currency": "EUR"},
            }
        ],
        "tenders": [
            {"type": "card", "paid": {"amount": 5_000, "currency": "EUR"}, "leg": 0},
            {"type": "cash", "paid": {"amount": 500, "currency": "EUR"}},
        ],
        "handed_over": False,
    }
    tell(orders, "exchange.created", order_id, **told | changes)
    query = {"source": "exchange", "external_id": RETURN}
    (order,) = orders.call("GET", "/orders", query=query).body["orders"]
    return str(order["id"])


def test_a_replacement_is_an_order_of_its_own(orders: Orders) -> None:
    home = {"city": "Köln", "country": "DE"}
    order_id = orders.placed(destination=home, language="de")
    replacement = orders.order(exchange(orders, order_id))

    assert replacement["id"] != order_id
    assert (replacement["status"], replacement["channel"]) == ("placed", "web")
    assert replacement["customer"]["customer_id"] == "cus_1"
    assert replacement["destination"]["city"] == "Köln"
    assert [(line["sku"], line["ordered"]) for line in replacement["lines"]] == [("SHOE-43", 1)]
    assert [one["paid"]["amount"] for one in replacement["tenders"]] == [5_000, 500]
    shown = orders.call("GET", "/orders", role="customer", subject="cus_1").body["orders"]
    assert {one["id"] for one in shown} == {order_id, replacement["id"]}


def test_a_replacement_that_left_over_the_counter_is_born_collected(orders: Orders) -> None:
    order_id = orders.placed(destination={"city": "Köln", "country": "DE"})
    replacement = exchange(orders, order_id, handed_over=True, store_id="store_12")
    order = orders.order(replacement)
    assert (order["status"], order["store_id"]) == ("completed", "store_12")
    (fulfillment,) = order["fulfillments"]
    assert (fulfillment["type"], fulfillment["state"]) == ("in_store", "collected")
    assert order["destination"] is None
    assert orders.kinds(replacement) == ["order.placed"]


def test_a_replacement_is_placed_once(orders: Orders) -> None:
    order_id = orders.placed()
    first = exchange(orders, order_id)
    orders.pump()
    assert exchange(orders, order_id) == first
    assert orders.unpublished() == []


def test_a_guests_replacement_is_the_guests_and_becomes_the_members(orders: Orders) -> None:
    ada = {"email": "ada@example.org", "name": "Ada"}
    order_id = orders.placed(customer=ada)
    replacement = exchange(orders, order_id)
    assert orders.order(replacement)["customer"] == {"customer_id": None, "phone": None, **ada}
    orders.pump()
    identifiers = [{"type": "email", "value": "ada@example.org"}]
    orders.hear("loyalty", "account.enrolled", {"customer_id": "cus_7", "identifiers": identifiers})
    for one in (order_id, replacement):
        assert orders.order(one)["customer"]["customer_id"] == "cus_7"


def test_an_exchange_for_an_order_of_somebody_else_is_ignored(orders: Orders) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        exchange(orders, "ord_of_somebody_else")
    assert orders.journal() == []


# --- the customer's timeline and messages ---------------------------------------------------------


def paid_back(orders: Orders, order_id: str, tender: str, amount: int, **more: Any) -> None:
    leg = {"tender": tender, "paid": {"amount": amount, "currency": "EUR"}}
    tell(orders, "refund.succeeded", order_id, legs=[leg], refund_id=f"rfd_{tender}", **more)


def lived(orders: Orders, order_id: str) -> None:
    """A return by mail from its request to its end, paid back to a card and a gift card."""
    lines = units({"1": 1})
    mail: dict[str, Any] = {"lines": lines, "method": "mail", "begun_in": "app"}
    tell(orders, "return.requested", order_id, **mail)
    tell(orders, "return.approved", order_id, **mail)
    parcel_added(orders, order_id)
    orders.pump()
    orders.later(hours=30)
    tell(orders, "return.received", order_id, accepted=lines, **mail)
    tell(orders, "refund.planned", order_id, lines=lines)
    paid_back(orders, order_id, "points", 500, lines=lines)
    paid_back(orders, order_id, "card", 4_000)
    paid_back(orders, order_id, "gift_card", 500)
    tell(orders, "item.restocked", order_id, sku="SHOE", quantity=1)
    tell(orders, "return.closed", order_id, **mail)
    orders.pump()


def test_a_return_is_in_its_customers_timeline_step_by_step(orders: Orders) -> None:
    order_id = arrived(orders)
    before = len(orders.timeline())
    lived(orders, order_id)
    lines = orders.timeline()[: -before or None]
    assert sorted((one["type"], one["text"]) for one in lines) == [
        ("refund.succeeded", "€40.00 is on its way back to you."),
        ("refund.succeeded", "€5.00 is back on your gift card."),
        ("return.approved", "Your return is approved."),
        ("return.closed", "Your return is complete."),
        ("return.parcel_added", "Your return parcel goes with UPS."),
        ("return.received", "We've received 1 item back from you."),
        ("return.requested", "You asked to return 1 item."),
    ]
    assert {one["order_id"] for one in lines} == {order_id}


def test_a_return_sends_one_message_for_each_thing_that_its_customer_waits_for(
    orders: Orders,
) -> None:
    order_id = arrived(orders)
    before = len(orders.notifications())
    lived(orders, order_id)
    paid_back(orders, order_id, "other", 100)
    asked = orders.notifications()[before:]
    assert [(one["milestone"], one["subject_id"]) for one in asked] == [
        ("return_approved", RETURN),
        ("return_received", RETURN),
        ("refund_succeeded", RETURN),
    ]
    assert {(one["customer_id"], one["order_id"]) for one in asked} == {("cus_1", order_id)}
    assert all(one["tracking_url"] for one in asked)


def test_a_guest_hears_of_a_return_by_the_contact_of_the_order(orders: Orders) -> None:
    order_id = orders.placed(customer={"email": "ada@example.org"}, number="#1")
    told = {"customer_id": None, "reason": "It was worn."}
    tell(orders, "return.rejected", order_id, **told)
    orders.pump()
    (rejected,) = [one for one in orders.notifications() if one["milestone"] == "return_rejected"]
    assert rejected["email"] == "ada@example.org"
    assert rejected["text"].endswith("The reason: It was worn.")


def test_a_refund_that_a_shop_has_paid_is_told_by_the_shop(orders: Orders) -> None:
    shop_order(orders)
    before = orders.milestones()
    shop_refunds(orders, 1)
    assert orders.milestones() == before


def test_a_replacement_is_told_and_confirmed_as_what_it_is(orders: Orders) -> None:
    order_id = orders.placed()
    orders.pump()
    before = len(orders.timeline())
    orders.later(hours=1)
    replacement = exchange(orders, order_id)
    orders.pump()
    told = orders.timeline()[: -before or None]
    assert sorted((one["type"], one["order_id"]) for one in told) == sorted(
        [("exchange.created", order_id), ("order.placed", replacement)]
    )
    assert orders.milestones() == ["order_placed", "exchange_placed"]
    assert orders.notifications()[-1]["order_id"] == replacement


# --- withdrawals ----------------------------------------------------------------------------------


def withdrawn(orders: Orders, kind: str = "withdrawal.confirmed", **changes: Any) -> None:
    told = {
        "withdrawal_id": "wdr_1",
        "order_reference": "#1001",
        "name": "Ada Lovelace",
        "email": "Ada@Example.org",
        "statement": "I withdraw from the contract.",
        "submitted_local": "2026-03-10T10:30:00+01:00",
        "time_zone": "Europe/Berlin",
        "customer_id": None,
        "return_id": None,
    }
    tell(orders, kind, **{"order_id": None, **told, **changes})


def test_whoever_withdraws_gets_a_receipt_once_known_or_not(orders: Orders) -> None:
    for _ in range(3):
        withdrawn(orders)
    (receipt,) = orders.notifications()
    assert (receipt["email"], receipt["channels"]) == ("Ada@Example.org", ["email"])
    assert "order_id" not in receipt
    assert "customer_id" not in receipt
    assert "10 Mar 2026, 10:30 (Europe/Berlin)" in receipt["text"]
    assert "I withdraw from the contract." in receipt["text"]
    withdrawn(orders, withdrawal_id="wdr_2")
    assert orders.milestones() == ["withdrawal_confirmed"] * 2


def test_a_receipt_is_sent_also_when_it_is_late(orders: Orders) -> None:
    withdrawn(orders, occurred_at=rfc3339(orders.now - timedelta(days=9)))
    assert orders.milestones() == ["withdrawal_confirmed"]


def test_a_receipt_that_can_reach_nobody_is_not_asked_for(orders: Orders) -> None:
    withdrawn(orders, email=None)
    withdrawn(orders, email="nobody")
    assert orders.notifications() == []


def test_a_withdrawal_is_in_the_timeline_once_its_order_is_known(orders: Orders) -> None:
    order_id = orders.placed()
    orders.pump()
    withdrawn(orders)
    assert len(orders.timeline()) == 1
    orders.later(hours=1)
    withdrawn(orders, "withdrawal.matched", order_id=order_id, return_id=RETURN)
    newest = orders.timeline()[0]
    assert newest["text"] == (
        "You withdrew from your order #1001 on 10 Mar 2026, 10:30 (Europe/Berlin)."
    )


def test_a_receipt_is_forgotten_with_the_person_that_it_went_to(orders: Orders) -> None:
    withdrawn(orders)
    orders.placed(customer={"customer_id": "cus_1", "email": "ada@example.org"})
    orders.pump()
    route = "/customers/{customer_id}/erase"
    assert orders.call("POST", route, role="staff", customer_id="cus_1").status == 200
    (receipt,) = [one for one in orders.notifications() if "order_id" not in one]
    assert "text" not in receipt
    assert "email" not in receipt
