"""The decisions about an order: place, cancel, fulfil, move, claim, erase.

A draft starts from an order and collects facts; the order is folded along, so that each decision
sees what those before it have done. Nothing here reads a clock or writes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tandem_core.ids import derived_id
from tandem_core.problems import Conflict, Missing, Unprocessable, invalid_field
from tandem_orders.fulfillments import (
    ARRIVED,
    HOLD,
    INITIAL,
    MAX_PARCELS,
    NOT_BEGUN,
    RELEASED,
    REMINDER_AFTER,
    Fulfillment,
    FulfillmentState,
    FulfillmentType,
    Handover,
    LineQuantity,
    Parcel,
    carried,
    legal_moves,
    moved,
    without,
)
from tandem_orders.messages import OrderReport, units_by_line
from tandem_orders.order_facts import (
    FulfillmentChanged,
    OrderCancelled,
    OrderCompleted,
    OrderErased,
    OrderFact,
    OrderPlaced,
    OrderUpdated,
    apply,
    placed_order,
)
from tandem_orders.orders import (
    MAX_FULFILLMENTS,
    MAX_RETURN_PARCELS,
    Customer,
    Order,
    OrderLine,
)

# How far a terminal's clock may run ahead of ours.
MAX_CLOCK_SKEW = timedelta(minutes=5)


class QuantityExceedsOrder(Conflict):
    code, title = "QUANTITY_EXCEEDS_ORDER", "More units than are left of a line"


class OrderNotCancellable(Conflict):
    code, title = "ORDER_NOT_CANCELLABLE", "The order cannot be cancelled"


class UnknownLine(Unprocessable):
    code, title = "UNKNOWN_LINE", "The order has no such line"
    field = "lines"


class FulfillmentNotFound(Missing):
    code, title = "FULFILLMENT_NOT_FOUND", "The order has no such fulfilment"


class TooManyFulfillments(Conflict):
    code, title = "TOO_MANY_FULFILLMENTS", f"An order has at most {MAX_FULFILLMENTS} fulfilments"


@dataclass
class Draft:
    """An order on its way to a new version. `order` is None until it has been placed."""

    order: Order | None
    now: datetime
    facts: list[OrderFact] = field(default_factory=list)

    @property
    def placed(self) -> Order:
        assert self.order is not None  # noqa: S101  whoever decides has placed or loaded it
        return self.order

    def record(self, fact: OrderFact) -> None:
        self.facts.append(fact)
        if isinstance(fact, OrderPlaced):
            self.order = placed_order(fact)
        else:
            self.order = apply(self.placed, fact)

    def about(self, occurred_at: datetime) -> dict[str, Any]:
        """Return what every fact of this order says."""
        order = self.placed
        return {
            "order_id": order.id,
            "source": order.source,
            "external_id": order.external_id,
            "channel": order.channel,
            "customer_id": order.customer.customer_id,
            "number": order.number,
            "occurred_at": occurred_at,
        }

    def settle(self) -> None:
        """Write down that all has arrived, or that it has not after all."""
        order = self.placed
        unwritten = order.completed_at is None or _arrived_before(order)
        if order.status == "completed" and unwritten:
            arrived = order.arrived_at or self.now
            self.record(OrderCompleted(**self.about(arrived), completed_at=arrived))
        elif order.status != "completed" and order.completed_at is not None:
            self.record(OrderUpdated(**self.about(self.now), reopened=True))


def _arrived_before(order: Order) -> bool:
    """Tell whether evidence has come that the last unit arrived earlier than was written down."""
    arrived, completed = order.arrived_at, order.completed_at
    return arrived is not None and completed is not None and arrived < completed


def order_id_of(source: str, external_id: str) -> str:
    """Return the id of an order: its sender's name for it is the business fact."""
    return derived_id("ord", source, external_id)


# --- placing --------------------------------------------------------------------------------------


def place(draft: Draft, report: OrderReport, customer_id: str | None) -> OrderPlaced:
    """Place an order as reported. `customer_id` may be known where the report does not say it."""
    contact = report.contact
    order_id = order_id_of(report.source, report.external_id)
    lines = tuple(OrderLine(**line.model_dump(exclude={"cancelled"})) for line in report.lines)
    handed_over = _handed_over(order_id, report, lines) if _is_receipt(report) else None
    fact = OrderPlaced(
        order_id=order_id,
        source=report.source,
        external_id=report.external_id,
        channel=report.channel,
        customer_id=customer_id,
        occurred_at=report.placed_at,
        number=report.number,
        placed_at=report.placed_at,
        currency=report.currency,
        lines=lines,
        tenders=report.tenders,
        store_id=report.store_id,
        terminal_id=report.terminal_id,
        receipt_no=report.receipt_no,
        promised_by=report.promised_by,
        language=report.language,
        source_state=report.source_state,
        reported_at=report.updated_at,
        handed_over=handed_over,
        completed_at=report.placed_at if handed_over else None,
        customer=Customer(
            customer_id=customer_id, email=contact.email, phone=contact.phone, name=contact.name
        ),
        destination=report.destination,
    )
    draft.record(fact)
    return fact


def _is_receipt(report: OrderReport) -> bool:
    """Tell whether all goods left over the counter: who says so, or whose till handed them over."""
    if report.is_receipt:
        return True
    sold = {line.line_id: line.quantity for line in report.lines if line.quantity}
    taken = units_by_line(
        one
        for each in report.fulfillments
        if (each.type, each.state) == ("in_store", "collected")
        for one in each.lines
    )
    return report.channel == "pos" and not report.cancelled_at and bool(sold) and taken == sold


def _handed_over(
    order_id: str, report: OrderReport, lines: Sequence[OrderLine]
) -> Fulfillment | None:
    """Return the fulfilment that a receipt is born with: goods that left over the counter."""
    units = tuple(
        LineQuantity(line_id=line.line_id, quantity=line.quantity)
        for line in lines
        if line.quantity
    )
    if not units:
        return None
    return Fulfillment(
        id=derived_id("ful", order_id, "receipt"),
        type="in_store",
        state="collected",
        lines=units,
        store_id=report.store_id,
        created_at=report.placed_at,
        delivered_at=report.placed_at,
    )


def check_not_in_future(field_name: str, instant: datetime, now: datetime) -> None:
    """Refuse a time that a caller's clock can have only by mistake."""
    if instant > now + MAX_CLOCK_SKEW:
        raise invalid_field(field_name, "IN_THE_FUTURE", "is more than five minutes from now")


# --- cancelling -----------------------------------------------------------------------------------


def cancel(
    draft: Draft,
    cancellation_id: str,
    quantities: Sequence[LineQuantity] | None,
    reason: str,
    occurred_at: datetime,
) -> OrderCancelled:
    """Take units off, or, without `quantities`, the whole order, as long as nobody has begun to
    work on them.

    Raises OrderNotCancellable, QuantityExceedsOrder, UnknownLine.
    """
    order = draft.placed
    if quantities is None:
        quantities = _whole(order)
    else:
        _check_left(order.cancellable, quantities, order.begun)
    return take_off(draft, cancellation_id, quantities, reason, occurred_at)


def _whole(order: Order) -> tuple[LineQuantity, ...]:
    """Return all units of an order of which none is on its way."""
    left = cancellable_lines(order)
    wanted = sum(line.quantity - line.cancelled for line in order.lines)
    if not wanted:
        raise OrderNotCancellable(
            "All units of the order are cancelled already", lines=[], fulfillments=[]
        )
    if sum(one.quantity for one in left) < wanted:
        why = _ways_out(order.begun) or ["Units of the order have come back already"]
        if left:
            why.append("What is in `lines` can be cancelled now")
        raise OrderNotCancellable(
            ". ".join(why),
            lines=[one.model_dump() for one in left],
            fulfillments=_named(order.begun),
        )
    return left


def take_off(
    draft: Draft,
    cancellation_id: str,
    quantities: Sequence[LineQuantity],
    reason: str,
    occurred_at: datetime,
) -> OrderCancelled:
    """Take units off an order, and out of the fulfilments that were to send them."""
    _take_out(draft, quantities, occurred_at)
    order = draft.placed
    units = sum(one.quantity for one in quantities)
    left = sum(line.quantity - line.cancelled for line in order.lines) - units
    fact = OrderCancelled(
        **draft.about(occurred_at),
        cancellation_id=cancellation_id,
        lines=tuple(quantities),
        reason=reason,
        cancelled_at=occurred_at,
        whole=left == 0,
    )
    draft.record(fact)
    return fact


def _take_out(draft: Draft, quantities: Sequence[LineQuantity], occurred_at: datetime) -> None:
    """Leave units that are cancelled to no fulfilment: first those that none has, then those of
    the newest that nobody has begun to work on. Its parcels stay with what stays of it."""
    order = draft.placed
    missing = units_by_line(quantities) - Counter(order.unsent)
    for fulfillment in reversed(order.fulfillments):
        taken = fulfillment.units & missing
        if taken and fulfillment.state in NOT_BEGUN:
            missing -= taken
            changed(draft, without(fulfillment, taken, draft.now), fulfillment, occurred_at)


def open_lines(order: Order) -> tuple[LineQuantity, ...]:
    return _lines({line_id: one.open for line_id, one in order.counters.items()})


def cancellable_lines(order: Order) -> tuple[LineQuantity, ...]:
    return _lines(order.cancellable)


def _lines(units: Mapping[str, int]) -> tuple[LineQuantity, ...]:
    return tuple(
        LineQuantity(line_id=line_id, quantity=count) for line_id, count in units.items() if count
    )


def _check_left(
    left: Mapping[str, int],
    quantities: Sequence[LineQuantity],
    fulfillments: Iterable[Fulfillment],
) -> None:
    """Refuse lines that the order does not have, and more units than are left of one; name those
    of the fulfilments that have the others."""
    for line_id, units in units_by_line(quantities).items():
        if line_id not in left:
            raise UnknownLine(f"The order has no line {line_id}", line_id=line_id)
        if units > left[line_id]:
            holding = [one for one in fulfillments if line_id in one.units]
            raise QuantityExceedsOrder(
                ". ".join([f"Line {line_id} has {left[line_id]} units left", *_ways_out(holding)]),
                line_id=line_id,
                available=left[line_id],
                fulfillments=_named(holding),
            )


def _ways_out(fulfillments: Iterable[Fulfillment]) -> list[str]:
    """Say which fulfilments stand in the way, and what can be done about them."""
    ways: dict[bool, list[str]] = {True: [], False: []}
    for one in fulfillments:
        can_end = "cancelled" in legal_moves(one)
        ways[can_end].append(f"{one.id} ({one.type}, {one.state})")
    said = []
    if ways[True]:
        said.append(f"The merchant can cancel {', '.join(ways[True])} first")
    if ways[False]:
        said.append(f"What left with {', '.join(ways[False])} can only be returned")
    return said


def _named(fulfillments: Iterable[Fulfillment]) -> list[dict[str, Any]]:
    return [one.model_dump(include={"id", "type", "state"}) for one in fulfillments]


# --- fulfilments ----------------------------------------------------------------------------------


def fulfil(  # noqa: PLR0913  what a fulfilment says
    draft: Draft,
    fulfillment_id: str,
    kind: FulfillmentType,
    quantities: Sequence[LineQuantity],
    parcels: Sequence[Parcel],
    store_id: str | None,
    occurred_at: datetime,
) -> FulfillmentChanged:
    """Send units on their way. Raises QuantityExceedsOrder, UnknownLine, TooManyFulfillments."""
    order = draft.placed
    if len(order.fulfillments) >= MAX_FULFILLMENTS:
        raise TooManyFulfillments
    left = {line_id: one.open for line_id, one in order.counters.items()}
    _check_left(left, quantities, [one for one in order.fulfillments if one.state not in RELEASED])
    state = INITIAL[kind]
    fulfillment = Fulfillment(
        id=fulfillment_id,
        type=kind,
        state=state,
        lines=tuple(quantities),
        parcels=tuple(parcels),
        store_id=store_id,
        created_at=occurred_at,
        delivered_at=occurred_at if state in ARRIVED else None,
    )
    return changed(draft, fulfillment, None, occurred_at)


def move(
    draft: Draft,
    fulfillment_id: str,
    state: FulfillmentState,
    handover: Handover,
    new_code: str,
) -> FulfillmentChanged:
    """Make a merchant's move. Raises FulfillmentNotFound, InvalidTransition, PickupCodeInvalid."""
    before = found(draft.placed, fulfillment_id)
    after = moved(before, state, draft.now, handover=handover, new_code=new_code)
    return changed(draft, after, before, draft.now)


def found(order: Order, fulfillment_id: str) -> Fulfillment:
    """Return a fulfilment of the order. Raises FulfillmentNotFound."""
    fulfillment = order.fulfillment(fulfillment_id)
    if fulfillment is None:
        raise FulfillmentNotFound(f"The order has no fulfilment {fulfillment_id}")
    return fulfillment


def changed(
    draft: Draft,
    after: Fulfillment,
    before: Fulfillment | None,
    occurred_at: datetime,
    *,
    reminder: bool = False,
) -> FulfillmentChanged:
    """Record a fulfilment as it is now."""
    fact = FulfillmentChanged(
        **draft.about(occurred_at),
        fulfillment_id=after.id,
        fulfillment_type=after.type,
        state=after.state,
        previous_state=before.state if before else None,
        lines=after.lines,
        parcels=after.parcels,
        store_id=after.store_id,
        fulfillment_external_id=after.external_id,
        reported_at=after.reported_at,
        created_at=after.created_at,
        delivered_at=after.delivered_at,
        hold_until=after.hold_until,
        reminded=after.reminded,
        reminder=reminder,
        pickup_code=after.pickup_code,
    )
    draft.record(fact)
    return fact


def reflect(draft: Draft, parcel: Parcel, occurred_at: datetime) -> None:
    """Let what a carrier says of a parcel reach the fulfilments that it belongs to."""
    for fulfillment in draft.placed.fulfillments:
        after = carried(fulfillment, parcel)
        if _says_more(fulfillment, after):
            changed(draft, after, fulfillment, occurred_at)
    draft.settle()


def _says_more(before: Fulfillment, after: Fulfillment) -> bool:
    """Tell whether anything but the version of a reading has changed."""
    parcels = tuple(parcel.model_copy(update={"seen": 0}) for parcel in after.parcels)
    known = tuple(parcel.model_copy(update={"seen": 0}) for parcel in before.parcels)
    return after.state != before.state or parcels != known


def attach(
    draft: Draft, parcel: Parcel, occurred_at: datetime, fulfillment_id: str | None = None
) -> None:
    """Give a parcel that was registered for the order its place.

    Without a fulfilment it joins the shipment under way that has room, else it carries all that is
    left.
    """
    order = draft.placed
    if parcel.shipment_id in order.shipment_ids:
        return
    for fulfillment in order.fulfillments:
        ends = fulfillment.state in RELEASED or fulfillment.state in ARRIVED
        meant = fulfillment.id == fulfillment_id if fulfillment_id else not ends
        if fulfillment.type == "ship" and meant and len(fulfillment.parcels) < MAX_PARCELS:
            after = fulfillment.model_copy(update={"parcels": (*fulfillment.parcels, parcel)})
            changed(draft, after, fulfillment, occurred_at)
            return
    lines = open_lines(order)
    if lines and not fulfillment_id and len(order.fulfillments) < MAX_FULFILLMENTS:
        fulfillment_id = derived_id("ful", order.id, parcel.shipment_id)
        fulfil(draft, fulfillment_id, "ship", lines, (parcel,), None, occurred_at)


def expect_back(draft: Draft, parcel: Parcel) -> None:
    """Note the parcel of a return, once. What it brings has nothing to do with what was sent."""
    order = draft.placed
    is_known = parcel.shipment_id in order.shipment_ids
    if not is_known and len(order.return_parcels) < MAX_RETURN_PARCELS:
        bare = Parcel(
            shipment_id=parcel.shipment_id,
            carrier=parcel.carrier,
            tracking_number=parcel.tracking_number,
        )
        draft.record(OrderUpdated(**draft.about(draft.now), return_parcel=bare))


def time_passes(draft: Draft) -> None:
    """Remind of pickups that wait, and let those expire that waited too long."""
    for fulfillment in draft.placed.fulfillments:
        if fulfillment.type != "pickup" or fulfillment.state != "ready":
            continue
        if fulfillment.hold_until is None:
            continue
        if fulfillment.hold_until <= draft.now:
            changed(draft, moved(fulfillment, "expired", draft.now), fulfillment, draft.now)
        elif not fulfillment.reminded and reminder_at(fulfillment.hold_until) <= draft.now:
            after = fulfillment.model_copy(update={"reminded": True})
            changed(draft, after, fulfillment, draft.now, reminder=True)


def reminder_at(hold_until: datetime) -> datetime:
    """Return when to remind of a pickup: a day after it became ready."""
    return hold_until - HOLD + REMINDER_AFTER


def next_due(order: Order) -> datetime | None:
    """Return when time next does something to the order by itself."""
    waiting = [
        one.hold_until if one.reminded else reminder_at(one.hold_until)
        for one in order.fulfillments
        if one.type == "pickup" and one.state == "ready" and one.hold_until
    ]
    return min(waiting, default=None)


# --- the customer ---------------------------------------------------------------------------------


def claim(draft: Draft, customer_id: str) -> OrderUpdated | None:
    """Give a guest's order to its customer; one that has a customer stays as it is."""
    order = draft.placed
    if order.customer.customer_id is not None:
        return None
    about = draft.about(draft.now) | {"customer_id": customer_id}
    fact = OrderUpdated(**about, claimed=True)
    draft.record(fact)
    return fact


def erase(draft: Draft) -> OrderErased | None:
    """Forget who ordered; None when that is done already."""
    if draft.placed.erased:
        return None
    fact = OrderErased(**draft.about(draft.now))
    draft.record(fact)
    return fact
