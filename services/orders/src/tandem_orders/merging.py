"""What senders report of an order, merged into what is known of it.

A report is a whole view or a part of one; it may be old, repeated, or ahead of others. So facts are
only ever added: a fulfilment moves forward, a refund counts once, units are taken off once. Only
what describes the order (contact, lines, tenders) follows the newest report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Any

from tandem_core.ids import derived_id
from tandem_orders.fulfillments import (
    ARRIVED,
    INITIAL,
    MAX_PARCELS,
    RELEASED,
    Fulfillment,
    FulfillmentState,
    FulfillmentType,
    LineQuantity,
    Parcel,
    advanced,
)
from tandem_orders.messages import (
    FulfillmentReport,
    OrderReport,
    OrderStateReport,
    QuantityReport,
    RefundReport,
    UnitsOfLine,
    units_by_line,
)
from tandem_orders.order_facts import OrderUpdated, RefundLeg, RefundSucceeded
from tandem_orders.ordering import Draft, cancellable_lines, changed, open_lines, take_off
from tandem_orders.orders import MAX_FULFILLMENTS, Customer, Order, OrderLine

Parcels = Mapping[tuple[str, str], Parcel]

# Senders that name no kind of fulfilment use the words of a pickup.
_AS_SHIPPED: dict[FulfillmentState, FulfillmentState] = {
    "proposed": "unfulfilled",
    "reserved": "allocated",
    "preparing": "allocated",
    "ready": "packed",
    "collected": "shipped",
}


def merge(draft: Draft, report: OrderReport, parcels: Parcels) -> None:
    """Add what a report says and the order does not know. Older reports only ever add facts.

    `parcels` holds the shipments of the report's (carrier, tracking number) pairs.
    """
    reported_at = draft.placed.reported_at
    is_newer = reported_at is None or report.updated_at > reported_at
    # A repeat knows the lines that it brought itself, and must not take the others for gone.
    known = {line.line_id for line in draft.placed.lines} if is_newer else set()
    if is_newer or report.updated_at == reported_at:
        _describe(draft, report, is_newer=is_newer)
    # What is cancelled leaves its units to the others.
    for fulfillment in sorted(
        report.fulfillments, key=lambda one: (one.state != "cancelled", *_by_time(one))
    ):
        merge_fulfillment(draft, fulfillment, parcels)
    for refund in sorted(report.refunds, key=_by_time):
        merge_refund(draft, refund)
    _merge_cancellation(draft, report, known)
    draft.settle()


def _by_time(report: FulfillmentReport | RefundReport) -> tuple[datetime, str]:
    return report.occurred_at, report.external_id


def _describe(draft: Draft, report: OrderReport, *, is_newer: bool) -> None:
    """Take over what a newer report says of the order itself.

    Senders tell the second and change an order twice in one: of two such reports each may know
    more, and which is the newer nobody can say.
    """
    order = draft.placed
    known = {line.line_id: line.quantity for line in order.lines}
    added = tuple(
        OrderLine(**line.model_dump(exclude={"cancelled"}))
        for line in report.lines
        if line.line_id not in known or line.quantity > known[line.line_id]
    )
    contact = report.contact
    customer = Customer(
        customer_id=order.customer.customer_id or report.customer_id,
        email=contact.email or order.customer.email,
        phone=contact.phone or order.customer.phone,
        name=contact.name or order.customer.name,
    )
    changes: dict[str, Any] = {}
    if added:
        changes["added"] = added
    paid = report.tenders
    if paid and paid != order.tenders and (is_newer or not order.tenders):
        changes["tenders"] = paid
    if not order.erased and customer != order.customer:
        changes["customer"] = customer
    if not is_newer and not changes:
        return
    if is_newer and report.source_state != order.source_state:
        changes["source_state"] = report.source_state
    if not order.erased and report.destination and report.destination != order.destination:
        changes["destination"] = report.destination
    # Recorded also without a change: an older report must not describe it after this one.
    about = draft.about(report.updated_at) | {
        "customer_id": customer.customer_id,
        "number": report.number or order.number,
    }
    draft.record(OrderUpdated(**about, reported_at=report.updated_at, **changes))


def _merge_cancellation(draft: Draft, report: OrderReport, known: Set[str]) -> None:
    """Take off the units that the report says are cancelled and we do not.

    `known` are the lines that the order had before this report, none before an older one.
    """
    order = draft.placed
    counters, cancellable = order.counters, order.cancellable
    # Its refunds cancel units of their own, beside those that are simply gone from a line.
    refunded = units_by_line(
        one for refund in report.refunds for one in refund.lines if one.kind == "cancel"
    )
    gone = _gone(order, report, known)
    told = {line.line_id: line for line in report.lines}
    taken: list[LineQuantity] = []
    for line_id, mine in counters.items():
        line = told.get(line_id)
        reported = gone[line_id] + refunded[line_id] + (line.cancelled if line else 0)
        if report.cancelled_at and line:
            reported = mine.ordered
        units = min(reported - mine.cancelled, cancellable[line_id])
        if units > 0:
            taken.append(LineQuantity(line_id=line_id, quantity=units))
    if taken:
        at = report.cancelled_at or report.updated_at
        what = "whole" if report.cancelled_at else at.isoformat()
        name = _name_of_cancellation(order, report.source, what)
        take_off(draft, name, taken, report.cancel_reason, at)


def _gone(order: Order, report: OrderReport, known: Set[str]) -> Counter[str]:
    """Return the units that the newest report no longer has, by line: shops let lines be edited.

    Who has only lines that we have never heard of may have other names for ours.
    """
    told = {line.line_id: line.quantity for line in report.lines}
    if order.reported_at != report.updated_at or not known & told.keys():
        return Counter()
    return Counter(
        {line.line_id: max(0, line.quantity - told.get(line.line_id, 0)) for line in order.lines}
    )


def _name_of_cancellation(order: Order, source: str, what: str) -> str:
    """Return a name that no other cancellation of the order has: those who hear of it twice by one
    name take the second for a repeat."""
    return f"{source}:{what}:{sum(line.cancelled for line in order.lines)}"


def merge_fulfillment(draft: Draft, report: FulfillmentReport, parcels: Parcels) -> None:
    """Create the fulfilment that a sender reports, or move it on."""
    order = draft.placed
    fulfillment_id = derived_id("ful", order.id, report.source, report.external_id)
    before = order.fulfillment(fulfillment_id)
    after = before
    if after is None:
        lines = _to_fulfil(order, report)
        if not lines or len(order.fulfillments) >= MAX_FULFILLMENTS:
            return
        # Kept also when it is cancelled: what came before may yet be reported after it.
        state = "cancelled" if report.state == "cancelled" else INITIAL[report.type]
        after = Fulfillment(
            id=fulfillment_id,
            type=report.type,
            state=state,
            lines=lines,
            store_id=report.store_id,
            external_id=report.external_id,
            created_at=report.occurred_at,
            delivered_at=report.occurred_at if state in ARRIVED else None,
        )
    else:
        after = after.model_copy(update={"lines": _grown(order, after, report.lines)})
    reached = _in_words_of(after.type, report.state)
    after = advanced(after, reached, report.updated_at or report.occurred_at)
    known = {parcel.shipment_id for parcel in after.parcels}
    new = [parcels[one.carrier, one.tracking_number] for one in report.parcels]
    joined = (*after.parcels, *(parcel for parcel in new if parcel.shipment_id not in known))
    after = after.model_copy(update={"parcels": joined[:MAX_PARCELS]})
    if after != before:
        changed(draft, after, before, report.updated_at or report.occurred_at)


def _to_fulfil(order: Order, report: FulfillmentReport) -> tuple[LineQuantity, ...]:
    """Return the units of a fulfilment that is new: those reported, or all that are left."""
    if not report.lines:
        return open_lines(order)
    room = order.unsent
    if report.state == "cancelled":
        room = {line.line_id: line.quantity for line in order.lines}
    return _at_most(room, report.lines)


def _grown(
    order: Order, fulfillment: Fulfillment, reported: Iterable[QuantityReport]
) -> tuple[LineQuantity, ...]:
    """Return a fulfilment's lines with the units that its sender has added since."""
    units = {line.line_id: line.quantity for line in fulfillment.lines}
    room = order.unsent
    for line_id, quantity in units_by_line(reported).items():
        mine = units.get(line_id, 0)
        most = min(quantity, mine + room.get(line_id, 0))
        if fulfillment.state not in RELEASED and most > mine:
            units[line_id] = most
    return tuple(LineQuantity(line_id=name, quantity=count) for name, count in units.items())


def _in_words_of(kind: FulfillmentType, state: FulfillmentState) -> FulfillmentState:
    """Say a state in the words of a kind of fulfilment."""
    return _AS_SHIPPED.get(state, state) if kind == "ship" else state


def _at_most(
    room: Mapping[str, int], quantities: Iterable[UnitsOfLine]
) -> tuple[LineQuantity, ...]:
    """Return the units of a report that there is room for; a sender may count what we do not."""
    lines = []
    for line_id, quantity in units_by_line(quantities).items():
        units = min(quantity, room.get(line_id, 0))
        if units > 0:
            lines.append(LineQuantity(line_id=line_id, quantity=units))
    return tuple(lines)


def merge_refund(draft: Draft, report: RefundReport) -> None:
    """Take over a refund that was paid elsewhere, once."""
    order = draft.placed
    refund_id = f"{report.source}:{report.external_id}"
    if refund_id in order.refunds:
        return
    unsent = [one for one in report.lines if one.kind == "cancel"]
    cancelled = _at_most(order.cancellable, unsent)
    if cancelled:
        take_off(draft, f"refund:{refund_id}", cancelled, "", report.occurred_at)
    # What comes back may be reported before it was sent.
    bought = {
        line.line_id: line.quantity - line.cancelled - line.returned for line in draft.placed.lines
    }
    returned = _at_most(bought, [one for one in report.lines if one.kind == "return"])
    unheard, booked = _by_who_told(draft.placed, returned)
    draft.record(
        RefundSucceeded(
            **draft.about(report.occurred_at),
            refund_id=refund_id,
            succeeded_at=report.occurred_at,
            lines=unheard,
            booked=booked,
            legs=tuple(
                RefundLeg(tender=leg.type, paid=leg.paid, reference=leg.reference)
                for leg in report.legs
            ),
        )
    )


def _by_who_told(
    order: Order, returned: Iterable[LineQuantity]
) -> tuple[tuple[LineQuantity, ...], tuple[LineQuantity, ...]]:
    """Divide units that a shop says came back: those that nobody has told of, and those of which
    our own returns have. Whoever takes back what they earned must hear of each unit once."""
    lines = {line.line_id: line for line in order.lines}
    unheard, booked = {}, {}
    for one in returned:
        line = lines[one.line_id]
        ours = max(0, max(line.received, line.repaid) - line.returned)
        booked[one.line_id] = min(one.quantity, ours)
        unheard[one.line_id] = one.quantity - booked[one.line_id]
    return _units(unheard), _units(booked)


def _units(quantities: Mapping[str, int]) -> tuple[LineQuantity, ...]:
    return tuple(
        LineQuantity(line_id=line_id, quantity=units)
        for line_id, units in quantities.items()
        if units
    )


def merge_return(
    draft: Draft,
    occurred_at: datetime,
    received: Iterable[UnitsOfLine],
    repaid: Iterable[UnitsOfLine],
) -> OrderUpdated | None:
    """Count what a return of ours has brought back, or paid for: at most what was bought."""
    bought = {line.line_id: line.quantity - line.cancelled for line in draft.placed.lines}
    lines = draft.placed.lines
    back = _at_most({one.line_id: bought[one.line_id] - one.received for one in lines}, received)
    paid = _at_most({one.line_id: bought[one.line_id] - one.repaid for one in lines}, repaid)
    if not back and not paid:
        return None
    fact = OrderUpdated(**draft.about(occurred_at), received=back, repaid=paid)
    draft.record(fact)
    return fact


def merge_state(draft: Draft, report: OrderStateReport, parcels: Parcels) -> None:
    """Follow a sender's word about an order whose lines it does not repeat."""
    for fulfillment in report.fulfillments:
        merge_fulfillment(draft, fulfillment, parcels)
    order = draft.placed
    if report.state == "cancelled":
        left = cancellable_lines(order)
        if left:
            name = _name_of_cancellation(order, report.source, "whole")
            take_off(draft, name, left, "", report.occurred_at)
    elif report.state == "completed":
        for one in order.fulfillments:
            # Complete for a shop is what it has sent; that it has arrived is the carrier's word.
            done: FulfillmentState = "shipped" if one.type == "ship" else "collected"
            after = advanced(one, done, report.occurred_at)
            if after != one:
                changed(draft, after, one, report.occurred_at)
    draft.settle()
