"""The timeline: each event of each service as a sentence for its customer, or no entry at all."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.clock import rfc3339
from tandem_core.events import Envelope
from tandem_core.money import Money
from tandem_loyalty.facts import FACTS as LOYALTY_FACTS
from tandem_orders.fulfillments import FulfillmentState, FulfillmentType, LineQuantity, Parcel
from tandem_orders.messages import Estimate, Tender
from tandem_orders.order_facts import FACTS as ORDER_FACTS
from tandem_orders.order_facts import (
    FulfillmentChanged,
    OrderCancelled,
    OrderFact,
    OrderPlaced,
    OrderUpdated,
    RefundLeg,
    RefundSucceeded,
)
from tandem_orders.orders import Customer, OrderLine
from tandem_orders.places import Place
from tandem_orders.readings import instant_of
from tandem_orders.scans import Scan
from tandem_orders.shipment_facts import FACTS as SHIPMENT_FACTS
from tandem_orders.shipment_facts import ShipmentFact
from tandem_orders.statuses import Reason, ShipmentStatus
from tandem_orders.texts import LANGUAGES, UNKNOWN, Language, catalogue, is_text
from tandem_orders.timeline import TOLD, TimelineEntry, entry_of, orders_of, sentence
from tandem_returns.return_facts import FACTS as RETURN_FACTS
from tandem_returns.withdrawals import (
    WithdrawalConfirmed,
    WithdrawalDeclared,
    WithdrawalMatched,
    WithdrawalUnmatched,
)

# Events that say nothing to a customer, and why.
QUIET = {
    "order.erased": "the books of an erasure",
    "fulfillment.updated": "another parcel or another time of the same state",
    "pickup.updated": "the same of a pickup",
    "pickup.restocked": "what the store does with goods that nobody fetched",
    "return_book.opened": "what returns know of an order",
    "return_book.updated": "the same",
    "return.updated": "where a return is, as its parcel tells",
    "return.overdue": "what the staff should look at",
    "return.inspected": "what the staff think of the goods",
    "refund.planned": "how a payment is worked on",
    "refund.submitted": "the same",
    "refund.pending": "the same",
    "refund.unknown": "the same",
    "refund.replanned": "the same",
    "item.restocked": "what the store does with goods that came back",
    "withdrawal.declared": "not confirmed yet",
    "withdrawal.confirmed": "whose order it is about is found next",
    "withdrawal.unmatched": "nobody knows whose order it is about",
}
WITHDRAWALS = {
    one.type
    for one in (WithdrawalDeclared, WithdrawalConfirmed, WithdrawalMatched, WithdrawalUnmatched)
}
AT = "2026-11-24T10:00:00.000000Z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MEMBERS = st.sampled_from(
    "order_id customer_id channel lines tenders paid amount quantity whole claimed returned state "
    "previous_state fulfillment_type parcels carrier hold_until status previous_status changed "
    "scan place estimate reason points granted postings redemption captured_points last_day "
    "matures_at legs order_ids is_return delivered_at occurred_at placed_at link method ship_by "
    "accepted source order_reference submitted_local time_zone".split()
)


def event(kind: str, data: dict[str, Any], **attributes: Any) -> Envelope:
    known = {
        "specversion": "1.0",
        "id": f"evt_x_{kind}",
        "source": "tandem.orders",
        "type": kind,
        "subject": "x",
        "time": "2026-11-24T10:00:05.000000Z",
        "dataschema": f"urn:tandem:event:{kind}:1",
        "tandemseq": 1,
        "actor": "integration",
        "channel": "web",
        "data": data,
    }
    return Envelope.model_validate(known | attributes)


def told(kind: str, data: dict[str, Any], language: Language = "en", **attributes: Any) -> str:
    """What the customer reads of an event, or "" when it has no entry."""
    entry = entry_of(event(kind, {"occurred_at": AT} | data, **attributes))
    return sentence(entry, language) if entry else ""


def of(fact: OrderFact | ShipmentFact) -> Envelope:
    """A fact as its event: the sealed document with the personal data beside it."""
    data = json.loads(fact.document()) | json.loads(fact.private_document() or "{}")
    return event(fact.type, data)


def about(**more: Any) -> dict[str, Any]:
    return {
        "order_id": "ord_1",
        "source": "shop",
        "external_id": "1001",
        "channel": "web",
        "customer_id": "cus_1",
        "occurred_at": instant_of(AT),
    } | more


def placed(**more: Any) -> OrderPlaced:
    line = OrderLine(line_id="1", sku="TEE", quantity=3, paid=Money(amount=5990, currency="EUR"))
    return OrderPlaced(
        **about(placed_at=instant_of(AT), currency="EUR", number="#1001", lines=(line,)) | more
    )


def fulfilment(kind: FulfillmentType, state: FulfillmentState, **more: Any) -> Envelope:
    return of(
        FulfillmentChanged(
            **about(
                fulfillment_id="ful_1",
                fulfillment_type=kind,
                state=state,
                lines=(LineQuantity(line_id="1", quantity=2),),
                created_at=instant_of(AT),
            )
            | more
        )
    )


def parcel(status: ShipmentStatus, kind: str = "shipment.updated", **more: Any) -> Envelope:
    scan = Scan(
        provider="easypost",
        occurred_at=instant_of(AT),
        precision="second",
        status=status,
        raw="easypost:x",
        place=Place(city="KÖLN", postal_code="50667", country="DE", name="Depot 7"),
    )
    data: dict[str, Any] = {
        "shipment_id": "shp_1",
        "carrier": "dhl_express",
        "tracking_number": "JD014600003SE",
        "generation": 1,
        "order_ids": ("ord_1",),
        "occurred_at": instant_of(AT),
        "status": status,
        "previous_status": ShipmentStatus.PENDING,
        "changed": True,
        "scan": scan,
        "signed_by": "M. MUSTER",
    }
    if kind == "shipment.registered":
        data = {**data, "registered_at": instant_of(AT)}
        del data["scan"], data["signed_by"]
    return of(SHIPMENT_FACTS[kind](**data | more))


# --- which events have an entry -------------------------------------------------------------------


def test_every_published_event_is_told_or_quiet_on_purpose() -> None:
    published = {*LOYALTY_FACTS, *ORDER_FACTS, *SHIPMENT_FACTS, *RETURN_FACTS, *WITHDRAWALS}
    assert published - TOLD == set(QUIET)
    assert set(QUIET) & TOLD == set()
    assert published >= TOLD


@pytest.mark.parametrize(
    "kind",
    ["webhook.received", "program.published", "notification.requested", "order.erased", "x"],
)
def test_events_without_a_meaning_for_customers_have_no_entry(kind: str) -> None:
    assert entry_of(event(kind, {"customer_id": "cus_1", "occurred_at": AT})) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_that_is_told_has_a_sentence_of_its_own(language: Language) -> None:
    nothing_said = catalogue(language).texts[UNKNOWN][0]
    for kind in TOLD:
        data = {"occurred_at": AT, "changed": True, "status": "in_transit", "claimed": True}
        entry = entry_of(event(kind, data))
        assert entry is not None, kind
        assert is_text(entry.key), kind
        assert sentence(entry, language) != nothing_said, kind


# --- points ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("account.enrolled", {}, "Welcome! You're now a member."),
        (
            "points.pending",
            {"granted": 59, "points": 59, "matures_at": "2026-12-08T09:00:00.000000Z"},
            "59 points are on their way. You can spend them from 8 Dec.",
        ),
        (
            "points.pending",
            {"granted": 1, "matures_at": "2026-12-08T23:00:00.000000Z"},
            "1 point is on its way. You can spend it from 9 Dec.",
        ),
        (
            "points.earned",
            {"granted": 1200, "order_id": "ord_1"},
            "You earned 1,200 points with your purchase.",
        ),
        (
            "points.earned",
            {"granted": 50, "action": "review"},
            "Thanks for your review! It earned you 50 points.",
        ),
        ("points.earned", {"granted": 50, "action": "quiz"}, "You earned 50 points."),
        ("points.earned", {"granted": 100, "points": 80}, "You earned 100 points."),
        ("points.earned", {"points": 80}, "You earned 80 points."),
        ("points.earned", {"granted": 0, "points": 0}, ""),
        (
            "points.activated",
            {"points": 0, "postings": {"pending": -59, "available": 59}},
            "59 points are now yours to spend.",
        ),
        ("points.activated", {"points": 0}, "Your points are now yours to spend."),
        (
            "points.rescheduled",
            {"matures_at": "2026-12-10T09:00:00.000000Z"},
            "You can spend the points from your order from 10 Dec.",
        ),
        (
            "points.expiring",
            {"points": 0, "expiring": 300, "last_day": "2026-12-31"},
            "300 points expire soon. Use them by 31 Dec 2026.",
        ),
        ("points.expired", {"points": -1}, "1 point has expired."),
        ("points.adjusted", {"points": 5}, "We added 5 points to your account."),
        ("points.adjusted", {"points": -5}, "We took 5 points off your account."),
        ("points.adjusted", {"points": 0}, ""),
        (
            "points.reversed",
            {"points": -20, "waived": 3},
            "20 points were taken back after a return or cancellation.",
        ),
        ("points.reversed", {"points": 0, "waived": 3}, ""),
    ],
)
def test_points_are_told(kind: str, data: dict[str, Any], expected: str) -> None:
    assert told(kind, data) == expected


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("redemption.authorized", {}, "500 points worth €5.00 are set aside for your purchase."),
        (
            "redemption.captured",
            {
                "captured_points": 300,
                "captured_value": {"amount": 300, "currency": "EUR"},
            },
            "You saved €3.00 with 300 points.",
        ),
        ("redemption.captured", {}, "You saved €5.00 with 500 points."),
        ("redemption.voided", {}, "500 points you had set aside are available again."),
        (
            "redemption.expired",
            {},
            "The purchase wasn't completed, so your 500 points are available again.",
        ),
    ],
)
def test_redemptions_are_told(kind: str, more: dict[str, Any], expected: str) -> None:
    redemption = {
        "points": 500,
        "value": {"amount": 500, "currency": "EUR"},
        "order_id": "ord_9",
        "location_id": "store_2",
    }
    assert told(kind, {"redemption": redemption | more}) == expected
    entry = entry_of(event(kind, {"redemption": redemption}))
    assert entry is not None
    assert (entry.order_id, entry.location_id) == ("ord_9", "store_2")


def test_a_reversed_redemption_tells_what_came_back() -> None:
    data = {"reversed": 120, "redemption": {"points": 500}}
    assert told("redemption.reversed", data) == "You got 120 points back."


# --- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("web", "Thanks for your order #1001: 3 items, €59.90."),
        ("app", "Thanks for your order #1001: 3 items, €59.90."),
        ("pos", "You bought 3 items in store for €59.90. Thanks for coming by!"),
        ("marketplace", "You ordered on a marketplace, order #1001: 3 items, €59.90."),
        ("social", "You ordered through social media, order #1001: 3 items, €59.90."),
    ],
)
def test_an_order_is_told_by_its_channel(channel: str, expected: str) -> None:
    entry = entry_of(of(placed(channel=channel, store_id="store_12")))
    assert entry is not None
    assert sentence(entry, "en") == expected
    assert entry.channel == channel
    assert entry.location_id == "store_12"
    assert (entry.customer_id, entry.order_id) == ("cus_1", "ord_1")


@pytest.mark.parametrize(
    ("tenders", "expected"),
    [
        ((), "€59.90"),
        ((6480,), "€64.80"),
        ((5000, 1480), "€64.80"),
        ((2000,), "€59.90"),
    ],
)
def test_the_total_is_what_was_paid_and_never_less_than_the_lines(
    tenders: tuple[int, ...], expected: str
) -> None:
    paid = tuple(
        Tender(type="card", paid=Money(amount=amount, currency="EUR")) for amount in tenders
    )
    entry = entry_of(of(placed(tenders=paid)))
    assert entry is not None
    assert expected in sentence(entry, "en")


def test_a_total_of_which_a_part_is_unknown_is_not_told() -> None:
    lines = (
        OrderLine(line_id="1", sku="A", quantity=1, paid=Money(amount=100, currency="EUR")),
        OrderLine(line_id="2", sku="B", quantity=1),
    )
    entry = entry_of(of(placed(lines=lines)))
    assert entry is not None
    assert sentence(entry, "en") == "Thanks for your order #1001: 2 items."


def test_updates_between_machines_are_quiet() -> None:
    assert entry_of(of(OrderUpdated(**about(source_state="paid")))) is None
    claimed = entry_of(of(OrderUpdated(**about(claimed=True, number="#1001"))))
    assert claimed is not None
    assert sentence(claimed, "en") == "Order #1001 is now in your account."
    back = (LineQuantity(line_id="1", quantity=1),)
    assert entry_of(of(OrderUpdated(**about(received=back, repaid=back)))) is None


@pytest.mark.parametrize(
    ("whole", "expected"),
    [(True, "Your order was cancelled."), (False, "2 items of your order were cancelled.")],
)
def test_a_cancellation_is_of_the_whole_or_of_a_part(whole: bool, expected: str) -> None:
    fact = OrderCancelled(
        **about(
            cancellation_id="c1",
            lines=(LineQuantity(line_id="1", quantity=2),),
            cancelled_at=instant_of(AT),
            whole=whole,
            reason="CUSTOMER",
        )
    )
    entry = entry_of(of(fact))
    assert entry is not None
    assert sentence(entry, "en") == expected


def test_a_refund_tells_the_money_and_leaves_points_to_their_own_event() -> None:
    legs = (
        RefundLeg(tender="card", paid=Money(amount=1000, currency="EUR")),
        RefundLeg(tender="gift_card", paid=Money(amount=299, currency="EUR")),
        RefundLeg(tender="points", paid=Money(amount=500, currency="EUR"), points=500),
    )
    fact = RefundSucceeded(**about(refund_id="r1", succeeded_at=instant_of(AT), legs=legs))
    entry = entry_of(of(fact))
    assert entry is not None
    assert sentence(entry, "en") == "€12.99 is on its way back to you."
    assert entry_of(of(fact.model_copy(update={"legs": legs[2:]}))) is None
    unknown = entry_of(of(fact.model_copy(update={"legs": ()})))
    assert unknown is not None
    assert sentence(unknown, "en") == "Your refund is on its way back to you."


@pytest.mark.parametrize(
    ("tender", "expected"),
    [
        ("card", "€12.00 is on its way back to you."),
        ("other", "€12.00 is on its way back to you."),
        ("cash", "You got €12.00 back in cash."),
        ("gift_card", "€12.00 is back on your gift card."),
        ("store_credit", "You have €12.00 more in store credit."),
    ],
)
def test_a_refund_says_where_the_money_goes(tender: str, expected: str) -> None:
    leg = {"tender": tender, "paid": {"amount": 1200, "currency": "EUR"}}
    assert told("refund.succeeded", {"legs": [leg], "return_id": "ret_1"}) == expected


# --- returns --------------------------------------------------------------------------------------

UNITS = [{"line_id": "1", "quantity": 2}, {"line_id": "2", "quantity": 1}]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("return.requested", {"lines": UNITS}, "You asked to return 3 items."),
        (
            "return.approved",
            {"ship_by": "2026-12-08T09:00:00.000000Z"},
            "Your return is approved. Send or bring it back by 7 Dec.",
        ),
        ("return.approved", {}, "Your return is approved."),
        (
            "return.approved",
            {"method": "keep"},
            "Your return is approved. There's nothing to send back.",
        ),
        ("return.rejected", {"reason": "Eva has worn it"}, "Your return wasn't approved."),
        ("return.parcel_added", {"carrier": "ups"}, "Your return parcel goes with UPS."),
        (
            "return.received",
            {"lines": UNITS, "accepted": UNITS[1:]},
            "We've received 1 item back from you.",
        ),
        ("return.received", {"lines": UNITS, "accepted": []}, "We've received your return."),
        (
            "return.expired",
            {"lines": UNITS},
            "Your return expired because nothing was sent back.",
        ),
        ("return.closed", {}, "Your return is complete."),
        ("refund.failed", {}, "A refund didn't go through. We're looking into it."),
        (
            "refund.late",
            {},
            "Your refund is taking longer than planned. We're looking into it.",
        ),
        (
            "refund.requires_action",
            {},
            "Your refund needs a step from you. Please check your email.",
        ),
        ("exchange.created", {"lines": UNITS}, "Your exchange is arranged."),
        (
            "order.placed",
            {"source": "exchange", "channel": "pos", "lines": UNITS},
            "Your replacement is ordered: 3 items.",
        ),
    ],
)
def test_a_return_is_told_step_by_step(kind: str, data: dict[str, Any], expected: str) -> None:
    assert told(kind, data) == expected


def test_a_withdrawal_is_told_with_date_and_time() -> None:
    clock = {"submitted_local": "2026-11-24T11:00:00+01:00", "time_zone": "Europe/Berlin"}
    data = {"order_reference": "#1001", "email": "eva@example.org", **clock}
    assert told("withdrawal.matched", data) == (
        "You withdrew from your order #1001 on 24 Nov 2026, 11:00 (Europe/Berlin)."
    )
    assert told("withdrawal.matched", data, "de") == (
        "Du hast deine Bestellung #1001 widerrufen: 24. November 2026, 11:00 Uhr (Europe/Berlin)."
    )
    for odd in (
        {"time_zone": None},
        {"submitted_local": "soon"},
        {"submitted_local": "2026-11-24"},
    ):
        text = told("withdrawal.matched", data | odd)
        assert text == "You withdrew from your order."


# --- fulfilments ----------------------------------------------------------------------------------

SHIPPED = {"parcels": (Parcel(shipment_id="shp_1", carrier="ups", tracking_number="1Z"),)}


@pytest.mark.parametrize(
    ("kind", "before", "state", "expected"),
    [
        ("ship", None, "unfulfilled", "We're getting 2 items ready to ship."),
        ("ship", None, "shipped", "2 items have shipped with UPS."),
        ("ship", "unfulfilled", "allocated", "2 items are set aside for you."),
        ("ship", "allocated", "packed", "2 items are packed."),
        ("ship", "packed", "shipped", "2 items have shipped with UPS."),
        ("ship", "shipped", "delivered", "2 items have arrived."),
        ("ship", "shipped", "returned", "2 items came back to us."),
        ("ship", "packed", "cancelled", "The shipment of 2 items was called off."),
        ("ship", "delivered", "shipped", None),
        ("ship", "shipped", "shipped", None),
        ("pickup", None, "proposed", "We've asked the store for 2 items for pickup."),
        (
            "pickup",
            None,
            "ready",
            "Your order is ready for pickup. We'll keep it until 26 Nov.",
        ),
        ("pickup", "proposed", "reserved", "The store has reserved 2 items for you."),
        ("pickup", "reserved", "preparing", "The store is getting your pickup ready."),
        (
            "pickup",
            "preparing",
            "ready",
            "Your order is ready for pickup. We'll keep it until 26 Nov.",
        ),
        ("pickup", "ready", "checked_in", "You're here! We're bringing your order."),
        ("pickup", "checked_in", "collected", "You picked up 2 items. Enjoy!"),
        (
            "pickup",
            "ready",
            "expired",
            "The pickup time ran out, so the store no longer holds your order.",
        ),
        ("pickup", "reserved", "cancelled", "The pickup was cancelled."),
        ("pickup", "expired", "restocked", None),
        ("in_store", None, "collected", None),
    ],
)
def test_a_fulfilment_is_told_by_its_state(
    kind: FulfillmentType,
    before: FulfillmentState | None,
    state: FulfillmentState,
    expected: str | None,
) -> None:
    hold_until = instant_of("2026-11-27T10:00:00.000000Z")
    more = SHIPPED if kind == "ship" else {"hold_until": hold_until, "pickup_code": "4711"}
    entry = entry_of(fulfilment(kind, state, previous_state=before, **more))
    assert (sentence(entry, "en") if entry else None) == expected


def test_a_reminder_of_a_pickup_is_told() -> None:
    reminder = fulfilment(
        "pickup",
        "ready",
        previous_state="ready",
        reminder=True,
        hold_until=instant_of("2026-11-27T20:00:00.000000Z"),
    )
    entry = entry_of(reminder)
    assert entry is not None
    assert sentence(entry, "en") == "Your order is still waiting for you. Pick it up by 27 Nov."


def test_what_a_parcel_has_said_is_not_said_again_by_its_fulfilment() -> None:
    echo = fulfilment("ship", "delivered", previous_state="shipped")
    assert entry_of(echo) is not None
    assert entry_of(echo.model_copy(update={"causationid": "evt_shp_1_7"})) is None


def test_every_state_of_every_fulfilment_has_an_entry_or_none_and_never_an_error() -> None:
    for kind in get_args(FulfillmentType):
        for state in get_args(FulfillmentState):
            for before in (None, *get_args(FulfillmentState)):
                entry = entry_of(fulfilment(kind, state, previous_state=before))
                assert entry is None or is_text(entry.key)


# --- parcels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("label_created", "The label is ready. DHL Express is expecting your parcel."),
        ("picked_up", "DHL Express has your parcel. Expected: 26–27 Nov."),
        ("in_transit", "Your parcel is on the move, last seen in Köln. Expected: 26–27 Nov."),
        ("customs", "Your parcel is going through customs. Customs is waiting for documents."),
        (
            "delayed",
            "Your parcel is running late. New estimate: 26–27 Nov. Customs is waiting for "
            "documents.",
        ),
        ("out_for_delivery", "Your parcel is out for delivery in Köln."),
        (
            "available_for_pickup",
            "Your parcel is waiting for you at Depot 7. Customs is waiting for documents.",
        ),
        ("delivered", "Your parcel was delivered in Köln."),
    ],
)
def test_a_parcel_is_told_by_its_status(status: str, expected: str) -> None:
    days = {"from_date": "2026-11-26", "to_date": "2026-11-27"}
    event = parcel(
        ShipmentStatus(status),
        estimate=Estimate.model_validate(days),
        reason=Reason.CUSTOMS_DOCUMENTS,
    )
    entry = entry_of(event)
    assert entry is not None
    assert sentence(entry, "en") == expected
    assert entry.channel == "carrier"
    assert (entry.shipment_id, entry.order_id) == ("shp_1", "ord_1")


def test_a_scan_that_changes_no_status_is_quiet() -> None:
    assert entry_of(parcel(ShipmentStatus.DELIVERED, changed=False)) is None
    assert entry_of(parcel(ShipmentStatus.DELAYED, "shipment.exception", changed=False)) is None


def test_without_its_own_word_a_change_is_seen_by_the_statuses() -> None:
    moved = {"status": "in_transit", "previous_status": "picked_up"}
    assert told("shipment.updated", moved) == "Your parcel is on the move."
    assert told("shipment.updated", moved | {"previous_status": "in_transit"}) == ""
    assert told("shipment.updated", {"status": "in_transit"}) == ""
    assert told("shipment.updated", {"status": "teleported", "changed": True}) == ""


def test_the_place_belongs_to_the_status_or_is_not_told() -> None:
    event = parcel(ShipmentStatus.IN_TRANSIT)
    later = {**event.data, "status": "out_for_delivery"}
    assert told("shipment.updated", later) == "Your parcel is out for delivery."


def test_a_parcel_is_announced_or_told_as_far_as_it_is() -> None:
    new = entry_of(parcel(ShipmentStatus.PENDING, "shipment.registered", changed=False))
    assert new is not None
    assert sentence(new, "en") == "A DHL Express parcel is planned for your order."
    again = parcel(ShipmentStatus.PENDING, "shipment.registered", changed=False, again=True)
    assert entry_of(again) is None
    under_way = entry_of(parcel(ShipmentStatus.IN_TRANSIT, "shipment.registered", changed=False))
    assert under_way is not None
    assert sentence(under_way, "en") == "Your parcel is on the move."


def test_a_parcel_registered_after_its_delivery_arrived_when_it_arrived() -> None:
    arrived = "2026-11-20T09:00:00.000000Z"
    entry = entry_of(
        parcel(
            ShipmentStatus.DELIVERED,
            "shipment.registered",
            changed=False,
            delivered_at=instant_of(arrived),
        )
    )
    assert entry is not None
    assert rfc3339(entry.occurred_at) == arrived


def test_a_registration_concerns_the_order_that_it_links() -> None:
    data = {"order_ids": ["ord_1", "ord_2"], "link": {"order_id": "ord_2"}, "occurred_at": AT}
    registered = event("shipment.registered", data)
    assert orders_of(registered) == ("ord_2",)
    entry = entry_of(registered)
    assert entry is not None
    assert entry.order_id == "ord_2"


def test_a_parcel_of_several_orders_leaves_the_order_to_who_asks() -> None:
    event = parcel(ShipmentStatus.DELIVERED, order_ids=("ord_1", "ord_2"))
    assert orders_of(event) == ("ord_1", "ord_2")
    entry = entry_of(event)
    assert entry is not None
    assert entry.order_id is None


def test_the_parcel_of_a_return_travels_the_other_way() -> None:
    arrived = entry_of(parcel(ShipmentStatus.DELIVERED, is_return=True))
    assert arrived is not None
    assert sentence(arrived, "en") == "Your return parcel has reached us."
    assert entry_of(parcel(ShipmentStatus.OUT_FOR_DELIVERY, is_return=True)) is None
    assert entry_of(parcel(ShipmentStatus.PENDING, "shipment.registered", is_return=True)) is None


# --- what an entry is -----------------------------------------------------------------------------


def test_an_entry_reads_back_as_it_was_stored() -> None:
    for one in (of(placed()), parcel(ShipmentStatus.DELIVERED)):
        entry = entry_of(one)
        assert entry is not None
        assert TimelineEntry.model_validate_json(entry.model_dump_json(exclude_none=True)) == entry


def test_no_entry_holds_personal_data_or_a_code() -> None:
    person = Customer(email="eva@example.org", phone="+491511234567", name="Eva Muster")
    home = Place(name="Eva Muster", city="Bonn", postal_code="53113", country="DE")
    events = [
        of(placed(customer=person, destination=home)),
        of(OrderUpdated(**about(claimed=True, customer=person))),
        fulfilment("pickup", "ready", pickup_code="4711"),
        parcel(ShipmentStatus.DELIVERED),
        parcel(ShipmentStatus.PENDING, "shipment.registered", destination=home),
        event("points.adjusted", {"points": 5, "reason": "Eva complained", "occurred_at": AT}),
        event("return.rejected", {"reason": "Eva complained", "occurred_at": AT}),
        event("withdrawal.matched", {"name": "Eva Muster", "statement": "Eva", "occurred_at": AT}),
    ]
    for one in events:
        entry = entry_of(one)
        assert entry is not None
        text = entry.model_dump_json()
        for secret in ("eva", "muster", "4711", "+49", "53113", "50667", "depot"):
            assert secret not in text.lower(), secret


def test_an_event_without_a_time_of_its_own_happened_when_it_was_recorded() -> None:
    entry = entry_of(event("account.enrolled", {}))
    assert entry is not None
    assert rfc3339(entry.occurred_at) == "2026-11-24T10:00:05.000000Z"
    assert entry_of(event("account.enrolled", {}, time="yesterday")) is None


def test_names_that_no_text_can_hold_are_left_out() -> None:
    data = {"order_ids": ["ord_1", "\ud800", "", 7], "link": {"order_id": "\ud800"}}
    assert orders_of(event("shipment.registered", data)) == ("ord_1",)


def test_a_country_or_city_that_is_none_does_no_harm() -> None:
    odd = {"place": {"country": "Germany", "city": "x" * 500}, "status": "delivered"}
    data = {"status": "delivered", "changed": True, "scan": odd, "occurred_at": AT}
    entry = entry_of(event("shipment.delivered", data))
    assert entry is not None
    assert entry.place is None
    assert sentence(entry, "en") == "Your parcel was delivered."


@given(
    kind=st.sampled_from(sorted(TOLD)),
    data=st.dictionaries(MEMBERS | st.text(), JSON),
    language=st.sampled_from(LANGUAGES),
)
def test_any_data_makes_an_entry_that_can_be_said_or_none(
    kind: str, data: dict[str, Any], language: Language
) -> None:
    entry = entry_of(event(kind, data))
    if entry is not None:
        assert sentence(entry, language).isprintable()
        assert TimelineEntry.model_validate_json(entry.model_dump_json()) == entry


@given(
    one=st.sampled_from(
        [
            of(placed()),
            parcel(ShipmentStatus.DELIVERED),
            fulfilment("pickup", "ready", previous_state="preparing"),
        ]
    ),
    path=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    value=JSON,
)
def test_an_event_with_one_odd_member_still_makes_a_sentence(
    one: Envelope, path: list[int], value: Any
) -> None:
    data = json.loads(json.dumps(one.data))
    inner = data
    for step in path[:-1]:
        members = list(inner.values() if isinstance(inner, dict) else inner)
        nested = [member for member in members if isinstance(member, dict | list) and member]
        inner = nested[step % len(nested)] if nested else inner
    place = list(inner)[path[-1] % len(inner)] if isinstance(inner, dict) else 0
    inner[place] = value
    entry = entry_of(one.model_copy(update={"data": data}))
    if entry is not None:
        assert sentence(entry, "de").isprintable()
