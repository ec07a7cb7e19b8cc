"""Decisions about an order, sentence by sentence; what must always hold is in the properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tandem_orders import merging, ordering
from tandem_orders.fulfillments import (
    TRANSITIONS,
    FulfillmentState,
    FulfillmentType,
    Handover,
    InvalidTransition,
    LineQuantity,
    Parcel,
    PickupCodeInvalid,
    legal_moves,
)
from tandem_orders.messages import (
    FulfillmentReport,
    LineReport,
    OrderReport,
    OrderStateReport,
    QuantityReport,
    RefundLineReport,
    RefundReport,
)
from tandem_orders.order_facts import RefundSucceeded
from tandem_orders.ordering import Draft
from tandem_orders.orders import MAX_FULFILLMENTS, MAX_RETURN_PARCELS

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
AMY = Handover(staff_id="amy")


def report(quantity: int = 3, **changes: Any) -> OrderReport:
    line = LineReport(line_id="1", sku="a", quantity=quantity, cancelled=changes.pop("gone", 0))
    return OrderReport(
        **{
            "source": "shop",
            "external_id": "1001",
            "channel": "web",
            "placed_at": NOW,
            "updated_at": NOW,
            "currency": "EUR",
            "lines": (line,),
            **changes,
        }
    )


def placed(quantity: int = 3, **changes: Any) -> Draft:
    draft = Draft(None, NOW)
    ordering.place(draft, report(quantity, **changes), "cus_1")
    return draft


def counted(draft: Draft) -> tuple[int, int, int, int]:
    """Cancelled, fulfilled, delivered and returned units of the only line."""
    (one,) = draft.placed.counters.values()
    return one.cancelled, one.fulfilled, one.delivered, one.returned


def units(count: int) -> list[LineQuantity]:
    return [LineQuantity(line_id="1", quantity=count)]


def some(count: int) -> list[LineQuantity]:
    return units(count) if count else []


def shipped(
    name: str = "f1", count: int = 3, state: Any = "shipped", hours: int = 1, **changes: Any
) -> FulfillmentReport:
    at = NOW + timedelta(hours=hours)
    return FulfillmentReport(
        **{
            "source": "shop",
            "order_external_id": "1001",
            "external_id": name,
            "type": "ship",
            "state": state,
            "lines": (QuantityReport(line_id="1", quantity=count),),
            "occurred_at": at,
            **changes,
        }
    )


def refund(name: str, *lines: tuple[int, str]) -> RefundReport:
    told: list[Any] = [
        RefundLineReport.model_validate({"line_id": "1", "quantity": count, "kind": kind})
        for count, kind in lines
    ]
    return RefundReport(
        source="shop",
        order_external_id="1001",
        external_id=name,
        lines=tuple(told),
        occurred_at=NOW,
    )


def parcel(seen: int, **changes: Any) -> Parcel:
    return Parcel(shipment_id="shp_1", carrier="ups", tracking_number="A1", seen=seen, **changes)


def fulfilled(kind: FulfillmentType, *ways: FulfillmentState) -> Draft:
    draft = placed()
    ordering.fulfil(draft, "ful_1", kind, units(3), [], None, NOW)
    for state in ways:
        ordering.move(draft, "ful_1", state, AMY, "123456")
    return draft


# --- machines -------------------------------------------------------------------------------------

WAYS: list[tuple[FulfillmentType, list[FulfillmentState]]] = [
    ("ship", ["allocated", "packed", "shipped", "delivered"]),
    ("ship", ["cancelled"]),
    ("ship", ["allocated", "cancelled"]),
    ("ship", ["allocated", "packed", "cancelled"]),
    ("pickup", ["reserved", "preparing", "ready", "checked_in", "collected"]),
    ("pickup", ["reserved", "preparing", "ready", "collected"]),
    ("pickup", ["reserved", "preparing", "ready", "expired", "restocked"]),
    ("pickup", ["cancelled"]),
    ("pickup", ["reserved", "cancelled"]),
    ("pickup", ["reserved", "preparing", "cancelled"]),
    ("pickup", ["reserved", "preparing", "ready", "cancelled"]),
    ("pickup", ["reserved", "preparing", "ready", "checked_in", "cancelled"]),
]


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_every_legal_way_can_be_gone_and_ends_where_nothing_more_is_legal(
    kind: FulfillmentType, way: list[FulfillmentState]
) -> None:
    draft = fulfilled(kind, *way)
    (one,) = draft.placed.fulfillments
    assert (one.state, legal_moves(one)) == (way[-1], ())


def test_every_move_that_the_table_does_not_name_is_refused_with_those_that_it_names() -> None:
    everything = {state for ways in TRANSITIONS.values() for state in ways} | {
        state for ways in TRANSITIONS.values() for moves in ways.values() for state in moves
    }
    reached: dict[tuple[FulfillmentType, FulfillmentState], Draft] = {}
    for kind, way in WAYS:
        for length in range(len(way) + 1):
            draft = fulfilled(kind, *way[:length])
            reached[kind, draft.placed.fulfillments[0].state] = draft
    reached["in_store", "collected"] = fulfilled("in_store")
    assert len(reached) == 6 + 9 + 1

    for (kind, state), draft in reached.items():
        legal = TRANSITIONS[kind].get(state, ())
        for to in sorted(everything - set(legal)):
            before = list(draft.facts)
            with pytest.raises(InvalidTransition) as refused:
                ordering.move(draft, "ful_1", to, AMY, "")
            assert refused.value.extra == {"state": state, "allowed": list(legal)}
            assert draft.facts == before


@pytest.mark.parametrize(
    "shown", [Handover(), Handover("654321"), Handover(""), Handover("123456 "), Handover("12345")]
)
def test_nothing_is_handed_over_for_a_wrong_code(shown: Handover) -> None:
    draft = fulfilled("pickup", "reserved", "preparing", "ready")
    with pytest.raises(PickupCodeInvalid):
        ordering.move(draft, "ful_1", "collected", shown, "")
    ordering.move(draft, "ful_1", "collected", Handover("123456"), "")
    assert draft.placed.fulfillments[0].pickup_code is None


def test_a_pickup_that_a_shop_made_ready_has_no_code_that_nothing_could_match() -> None:
    draft = placed()
    told = shipped(state="ready", type="pickup")
    merging.merge_fulfillment(draft, told, {})
    (one,) = draft.placed.fulfillments
    assert (one.state, one.pickup_code) == ("ready", None)
    for shown in (Handover(), Handover(""), Handover("None")):
        with pytest.raises(PickupCodeInvalid):
            ordering.move(draft, one.id, "collected", shown, "")
    ordering.move(draft, one.id, "collected", AMY, "")


def test_an_order_has_at_most_fifty_fulfilments() -> None:
    draft = placed(MAX_FULFILLMENTS + 2)
    for number in range(MAX_FULFILLMENTS):
        ordering.fulfil(draft, f"ful_{number}", "ship", units(1), [], None, NOW)
    with pytest.raises(ordering.TooManyFulfillments):
        ordering.fulfil(draft, "ful_x", "ship", units(1), [], None, NOW)
    told = len(draft.facts)
    merging.merge_fulfillment(draft, shipped("f9", 1), {})
    ordering.attach(draft, parcel(0), NOW)
    # The parcel found room in one that is there; the shop's did not.
    assert len(draft.facts) == told + 1
    assert len(draft.placed.fulfillments) == MAX_FULFILLMENTS


# --- cancelling -----------------------------------------------------------------------------------

WAITING: list[tuple[FulfillmentType, list[FulfillmentState]]] = [
    ("ship", []),
    ("pickup", []),
    ("pickup", ["reserved"]),
]
BEGUN: list[tuple[FulfillmentType, list[FulfillmentState]]] = [
    ("ship", ["allocated"]),
    ("ship", ["allocated", "packed"]),
    ("pickup", ["reserved", "preparing"]),
    ("pickup", ["reserved", "preparing", "ready"]),
    ("pickup", ["reserved", "preparing", "ready", "checked_in"]),
]
GONE: list[tuple[FulfillmentType, list[FulfillmentState]]] = [
    ("ship", ["allocated", "packed", "shipped"]),
    ("ship", ["allocated", "packed", "shipped", "delivered"]),
    ("pickup", ["reserved", "preparing", "ready", "collected"]),
    ("in_store", []),
]


def kinds(draft: Draft) -> list[str]:
    return [one.type for one in draft.facts]


def waits(draft: Draft, fulfillment_id: str, count: int, *parcels: Parcel) -> None:
    ordering.fulfil(draft, fulfillment_id, "ship", units(count), parcels, None, NOW)


def held(draft: Draft) -> dict[str, tuple[str, int]]:
    """State and units of every fulfilment."""
    return {one.id: (one.state, one.units["1"]) for one in draft.placed.fulfillments}


@pytest.mark.parametrize(("kind", "way"), WAITING)
@pytest.mark.parametrize("wanted", [None, units(3)])
def test_what_only_waits_is_cancelled_with_the_order(
    kind: FulfillmentType, way: list[FulfillmentState], wanted: list[LineQuantity] | None
) -> None:
    draft = fulfilled(kind, *way)
    told = len(draft.facts)
    fact = ordering.cancel(draft, "can_1", wanted, "", NOW)

    family = "fulfillment" if kind == "ship" else "pickup"
    assert kinds(draft)[told:] == [f"{family}.cancelled", "order.cancelled"]
    assert (fact.whole, list(fact.lines)) == (True, units(3))
    assert held(draft) == {"ful_1": ("cancelled", 3)}
    assert (draft.placed.status, counted(draft)) == ("cancelled", (3, 0, 0, 0))


@pytest.mark.parametrize(("kind", "way", "ends"), [
    *[(kind, way, True) for kind, way in BEGUN], *[(kind, way, False) for kind, way in GONE]
])  # fmt: skip
@pytest.mark.parametrize("wanted", [None, units(1)])
def test_what_somebody_has_begun_stands_in_the_way_by_name(
    kind: FulfillmentType,
    way: list[FulfillmentState],
    ends: bool,
    wanted: list[LineQuantity] | None,
) -> None:
    draft = fulfilled(kind, *way)
    (one,) = draft.placed.fulfillments
    before = list(draft.facts)
    refusals = (ordering.OrderNotCancellable, ordering.QuantityExceedsOrder)
    with pytest.raises(refusals) as refused:
        ordering.cancel(draft, "can_1", wanted, "", NOW)

    assert isinstance(refused.value, refusals[wanted is not None])
    assert refused.value.extra["fulfillments"] == [
        {"id": "ful_1", "type": kind, "state": one.state}
    ]
    assert f"ful_1 ({kind}, {one.state})" in refused.value.detail
    assert ("The merchant can cancel" in refused.value.detail) == ends
    assert ("can only be returned" in refused.value.detail) != ends
    assert draft.facts == before


def test_units_of_a_line_come_from_what_is_open_and_then_from_the_newest_that_waits() -> None:
    draft = placed(9)
    waits(draft, "old", 3)
    waits(draft, "new", 3)
    steps = [
        (2, {"old": ("unfulfilled", 3), "new": ("unfulfilled", 3)}, []),
        (2, {"old": ("unfulfilled", 3), "new": ("unfulfilled", 2)}, ["updated"]),
        (3, {"old": ("unfulfilled", 2), "new": ("cancelled", 2)}, ["cancelled", "updated"]),
    ]
    for number, (count, after, changes) in enumerate(steps):
        told = len(draft.facts)
        ordering.cancel(draft, f"can_{number}", units(count), "", NOW)
        assert held(draft) == after
        assert kinds(draft)[told:] == [
            *[f"fulfillment.{one}" for one in changes],
            "order.cancelled",
        ]
    assert counted(draft) == (7, 2, 0, 0)
    assert (draft.placed.status, draft.placed.flags) == ("confirmed", ("partially_cancelled",))


def test_what_waits_can_be_cancelled_beside_what_has_been_begun() -> None:
    draft = placed()
    waits(draft, "begun", 2)
    ordering.move(draft, "begun", "allocated", AMY, "")
    waits(draft, "waiting", 1)
    with pytest.raises(ordering.OrderNotCancellable) as refused:
        ordering.cancel(draft, "can_1", None, "", NOW)
    assert refused.value.extra["lines"] == [{"line_id": "1", "quantity": 1}]
    assert [one["id"] for one in refused.value.extra["fulfillments"]] == ["begun"]
    with pytest.raises(ordering.QuantityExceedsOrder) as beyond:
        ordering.cancel(draft, "can_1", units(2), "", NOW)
    assert beyond.value.extra["available"] == 1

    ordering.cancel(draft, "can_1", units(1), "", NOW)
    assert held(draft) == {"begun": ("allocated", 2), "waiting": ("cancelled", 1)}
    assert counted(draft) == (1, 2, 0, 0)


def test_a_line_that_a_fulfilment_names_twice_loses_its_units_once() -> None:
    draft = placed(4)
    ordering.fulfil(draft, "ful_1", "ship", [*units(2), *units(2)], [], None, NOW)
    ordering.cancel(draft, "can_1", units(3), "", NOW)
    assert [list(one.lines) for one in draft.placed.fulfillments] == [units(1)]
    assert counted(draft) == (3, 1, 0, 0)


def test_a_parcel_goes_on_with_what_is_left_in_it() -> None:
    draft = placed()
    waits(draft, "ful_1", 3, parcel(0))
    ordering.cancel(draft, "can_1", units(2), "", NOW)
    ordering.reflect(draft, parcel(1, handed_over=True, delivered_at=NOW), NOW)
    assert held(draft) == {"ful_1": ("delivered", 1)}
    assert (draft.placed.status, counted(draft)) == ("completed", (2, 1, 1, 0))


def test_a_parcel_of_a_cancelled_order_brings_nothing_back_into_it() -> None:
    draft = placed()
    ordering.attach(draft, parcel(0), NOW)
    ordering.cancel(draft, "can_1", None, "", NOW)
    ordering.attach(draft, parcel(0), NOW)
    ordering.attach(draft, parcel(0).model_copy(update={"shipment_id": "shp_2"}), NOW)
    ordering.reflect(draft, parcel(1, handed_over=True), NOW)
    assert [one.state for one in draft.placed.fulfillments] == ["cancelled"]
    assert (draft.placed.status, counted(draft)) == ("cancelled", (3, 0, 0, 0))


def test_units_that_are_back_are_not_cancelled_though_nobody_has_said_that_they_were_sent() -> None:
    draft = placed()
    waits(draft, "ful_1", 3)
    merging.merge_refund(draft, refund("r1", (2, "return")))
    with pytest.raises(ordering.OrderNotCancellable) as refused:
        ordering.cancel(draft, "can_1", None, "", NOW)
    assert refused.value.extra["fulfillments"] == []
    assert refused.value.extra["lines"] == [{"line_id": "1", "quantity": 1}]
    assert "come back already" in refused.value.detail
    ordering.cancel(draft, "can_1", units(1), "", NOW)
    assert counted(draft) == (1, 2, 2, 2)


@pytest.mark.parametrize("wanted", [None, units(1)])
def test_an_order_that_is_cancelled_is_said_to_be_so(wanted: list[LineQuantity] | None) -> None:
    draft = fulfilled("ship")
    ordering.cancel(draft, "can_1", None, "", NOW)
    refusals = (ordering.OrderNotCancellable, ordering.QuantityExceedsOrder)
    with pytest.raises(refusals) as refused:
        ordering.cancel(draft, "can_2", wanted, "", NOW)
    said = "All units of the order are cancelled already", "Line 1 has 0 units left"
    assert refused.value.detail == said[wanted is not None]
    assert refused.value.extra["fulfillments"] == []


@pytest.mark.parametrize("told", [
    report(cancelled_at=NOW),
    report(gone=3),
    refund("r1", (3, "cancel")),
    OrderStateReport(source="shop", order_external_id="1001", state="cancelled", occurred_at=NOW),
])  # fmt: skip
def test_a_shop_that_cancels_takes_what_waits_and_leaves_what_has_been_begun(told: Any) -> None:
    for begun in (0, 2):
        draft = placed()
        if begun:
            waits(draft, "begun", begun)
            ordering.move(draft, "begun", "allocated", AMY, "")
        waits(draft, "waiting", 3 - begun)
        for _ in range(2):
            match told:
                case OrderReport():
                    merging.merge(draft, told, {})
                case RefundReport():
                    merging.merge_refund(draft, told)
                case _:
                    merging.merge_state(draft, told, {})
            assert held(draft)["waiting"] == ("cancelled", 3 - begun)
            assert counted(draft) == (3 - begun, begun, 0, 0)
        assert kinds(draft).count("order.cancelled") == 1
        assert draft.placed.status == ("in_progress" if begun else "cancelled")


# --- reports that come in another order -----------------------------------------------------------


def test_units_that_came_back_before_anybody_said_that_they_were_sent_are_counted_once() -> None:
    draft = placed()
    merging.merge_refund(draft, refund("r1", (2, "return")))
    assert counted(draft) == (0, 2, 2, 2)

    merging.merge_fulfillment(draft, shipped(count=3), {})
    assert counted(draft) == (0, 3, 2, 2)
    assert "has_return" in draft.placed.flags


@pytest.mark.parametrize(
    ("received", "repaid", "shop_before", "shop_says", "unheard", "booked"),
    [
        (0, 0, 0, 2, 2, 0),
        (1, 0, 0, 1, 0, 1),
        (0, 1, 0, 1, 0, 1),
        (1, 2, 0, 3, 1, 2),
        (1, 1, 1, 1, 1, 0),
        (2, 2, 1, 2, 1, 1),
    ],
)
def test_a_shop_tells_only_of_the_units_that_our_returns_have_not_told_of(  # noqa: PLR0913
    received: int, repaid: int, shop_before: int, shop_says: int, unheard: int, booked: int
) -> None:
    draft = placed()
    if shop_before:
        merging.merge_refund(draft, refund("before", (shop_before, "return")))
    merging.merge_return(draft, NOW, some(received), some(repaid))
    merging.merge_refund(draft, refund("r", (shop_says, "return")))
    fact = draft.facts[-1]
    assert isinstance(fact, RefundSucceeded)
    assert sum(one.quantity for one in fact.lines) == unheard
    assert sum(one.quantity for one in fact.booked) == booked
    assert counted(draft)[3] == max(received, shop_before + shop_says)


def test_units_that_a_return_brings_back_are_no_longer_open() -> None:
    draft = placed()
    assert merging.merge_return(draft, NOW, units(2), ()) is not None
    assert counted(draft) == (0, 2, 2, 2)
    assert merging.merge_return(draft, NOW, units(9), ()) is not None
    draft.settle()
    assert counted(draft) == (0, 3, 3, 3)
    assert draft.placed.status == "completed"
    assert merging.merge_return(draft, NOW, units(1), ()) is None


def test_a_parcel_that_was_sent_is_not_expected_back() -> None:
    draft = fulfilled("ship")
    ordering.attach(draft, parcel(1), NOW, "ful_1")
    told = len(draft.facts)
    ordering.expect_back(draft, parcel(2))
    assert len(draft.facts) == told
    for seen in (3, 4):
        ordering.expect_back(draft, parcel(seen).model_copy(update={"shipment_id": "shp_2"}))
    assert len(draft.facts) == told + 1
    assert draft.placed.shipment_ids == ("shp_1", "shp_2")
    for number in range(2 * MAX_RETURN_PARCELS):
        back = parcel(1).model_copy(update={"shipment_id": f"shp_back_{number}"})
        ordering.expect_back(draft, back)
    assert len(draft.placed.return_parcels) == MAX_RETURN_PARCELS


def test_a_fulfilment_that_was_cancelled_before_it_was_reported_is_cancelled() -> None:
    draft = placed()
    merging.merge_fulfillment(draft, shipped(state="cancelled", hours=2), {})
    merging.merge_fulfillment(draft, shipped(state="shipped", hours=1), {})
    assert counted(draft) == (0, 0, 0, 0)
    assert [one.state for one in draft.placed.fulfillments] == ["cancelled"]

    merging.merge_fulfillment(draft, shipped("f2", hours=3), {})
    assert counted(draft) == (0, 3, 0, 0)


def test_within_one_report_what_is_cancelled_leaves_its_units_to_the_rest() -> None:
    draft = placed()
    merging.merge_fulfillment(draft, shipped("f2"), {})
    again = (shipped("f1", hours=1), shipped("f2", state="cancelled", hours=2))
    merging.merge(draft, report(fulfillments=again), {})
    states = {one.external_id: one.state for one in draft.placed.fulfillments}
    assert states == {"f1": "shipped", "f2": "cancelled"}
    assert counted(draft) == (0, 3, 0, 0)


def test_a_line_that_a_report_names_twice_is_added_up() -> None:
    draft = placed()
    twice = tuple(QuantityReport(line_id="1", quantity=count) for count in (1, 1))
    merging.merge_fulfillment(draft, shipped(lines=twice), {})
    assert counted(draft)[1] == 2
    merging.merge_refund(draft, refund("r1", (1, "return"), (1, "return")))
    assert counted(draft) == (0, 2, 2, 2)
    merging.merge_refund(draft, refund("r2", (1, "cancel"), (1, "cancel")))
    assert counted(draft) == (1, 2, 2, 2)


def test_units_edited_away_and_units_refunded_unsent_are_both_cancelled() -> None:
    draft = placed()
    told = report(gone=1, refunds=(refund("r1", (1, "cancel")),), updated_at=NOW)
    merging.merge(draft, told, {})
    assert counted(draft) == (2, 0, 0, 0)
    before = len(draft.facts)
    merging.merge(draft, told, {})
    assert len(draft.facts) == before


def test_money_for_units_that_are_kept_moves_none() -> None:
    draft = placed()
    merging.merge_fulfillment(draft, shipped(), {})
    merging.merge_refund(draft, refund("r1", (2, "keep")))
    assert counted(draft) == (0, 3, 0, 0)
    assert draft.placed.refunds == ("shop:r1",)


def test_a_shop_that_names_lines_and_units_that_we_do_not_know_moves_what_we_know() -> None:
    draft = placed()
    lines = (
        QuantityReport(line_id="1", quantity=9),
        QuantityReport(line_id="unknown", quantity=1),
    )
    merging.merge_fulfillment(draft, shipped(lines=lines), {})
    assert counted(draft) == (0, 3, 0, 0)


@pytest.mark.parametrize(
    ("changes", "receipt"),
    [
        ({"channel": "pos"}, True),
        ({"channel": "pos", "is_receipt": True, "fulfillments": ()}, True),
        ({"channel": "web"}, False),
        ({"channel": "pos", "fulfillments": ()}, False),
        ({"channel": "pos", "cancelled_at": NOW}, False),
    ],
)
def test_a_till_that_reports_all_of_a_sale_handed_over_reports_a_receipt(
    changes: dict[str, Any], receipt: bool
) -> None:
    taken = shipped("till", 3, "collected", type="in_store")
    told = report(**{"fulfillments": (taken,), **changes})
    draft = Draft(None, NOW)
    ordering.place(draft, told, None)
    assert (draft.placed.completed_at is not None) == receipt
    before = len(draft.facts)
    if receipt:
        merging.merge(draft, told, {})
        assert [one.type for one in draft.facts[before:]] == []
        assert counted(draft) == (0, 3, 3, 0)


def test_a_report_with_other_names_for_its_lines_takes_none_away_however_often_it_comes() -> None:
    draft = placed()
    other = LineReport(line_id="x", sku="a", quantity=3)
    told = report(lines=(other,), updated_at=NOW + timedelta(hours=1))
    for _ in range(3):
        merging.merge(draft, told, {})
    assert [one.cancelled for one in draft.placed.counters.values()] == [0, 0]


# --- carriers -------------------------------------------------------------------------------------


def carried(*readings: Parcel) -> Draft:
    draft = placed()
    ordering.fulfil(draft, "ful_1", "ship", units(3), [parcel(0)], None, NOW)
    for reading in readings:
        ordering.reflect(draft, reading, NOW)
    return draft


def test_units_that_went_back_can_be_sent_again_and_are_not_counted_twice_when_they_turn_up() -> (
    None
):
    draft = carried(parcel(1, handed_over=True), parcel(2, handed_over=True, returned=True))
    assert counted(draft) == (0, 0, 0, 0)
    ordering.fulfil(draft, "ful_2", "ship", units(3), [], None, NOW)

    ordering.reflect(draft, parcel(3, handed_over=True, delivered_at=NOW), NOW)
    assert counted(draft) == (0, 3, 3, 0)
    assert draft.placed.status == "completed"


def test_units_that_went_back_and_were_cancelled_stay_cancelled_when_they_turn_up() -> None:
    draft = carried(parcel(1, handed_over=True, returned=True))
    ordering.cancel(draft, "can_1", None, "", NOW)
    ordering.reflect(draft, parcel(2, handed_over=True, delivered_at=NOW), NOW)
    assert counted(draft) == (3, 0, 0, 0)
    assert draft.placed.status == "cancelled"


def test_a_delivery_that_is_retracted_opens_the_order_until_it_is_delivered_again() -> None:
    gone = parcel(1, handed_over=True, delivered_at=NOW)
    draft = carried(gone)
    assert (draft.placed.status, draft.placed.completed_at) == ("completed", NOW)

    ordering.reflect(draft, parcel(2, handed_over=True), NOW)
    assert (draft.placed.status, draft.placed.completed_at) == ("in_progress", None)

    later = NOW + timedelta(days=1)
    ordering.reflect(draft, parcel(3, handed_over=True, delivered_at=later), NOW)
    assert (draft.placed.status, draft.placed.completed_at) == ("completed", later)
    assert [one.type for one in draft.facts].count("order.completed") == 2


def test_an_older_reading_of_a_parcel_changes_nothing() -> None:
    draft = carried(parcel(5, handed_over=True, delivered_at=NOW))
    before = len(draft.facts)
    ordering.reflect(draft, parcel(4, handed_over=True), NOW)
    ordering.reflect(draft, parcel(5, handed_over=True, returned=True), NOW)
    assert len(draft.facts) == before
