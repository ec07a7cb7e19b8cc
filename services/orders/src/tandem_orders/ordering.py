"""The decisions about an order: place, cancel, fulfil, move, merge a report, claim, erase.

A draft starts from an order and collects facts; the order is folded along, so that each decision
sees what those before it have done. Nothing here reads a clock or writes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tandem_core.ids import derived_id
from tandem_core.problems import Conflict, Missing, Unprocessable, invalid_field
from tandem_orders.fulfillments import (
    ARRIVED,
    INITIAL,
    MAX_PARCELS,
    RELEASED,
    REMINDER_AFTER,
    Fulfillment,
    FulfillmentState,
    FulfillmentType,
    Handover,
    LineQuantity,
    Parcel,
    advanced,
    carried,
    moved,
)
from tandem_orders.messages import (
    FulfillmentReport,
    OrderReport,
    OrderStateReport,
    QuantityReport,
    RefundLineReport,
    RefundReport,
)
from tandem_orders.order_facts import (
    FulfillmentChanged,
    OrderCancelled,
    OrderCompleted,
    OrderErased,
    OrderFact,
    OrderPlaced,
    OrderUpdated,
    RefundLeg,
    RefundSucceeded,
    apply,
    placed_order,
)
from tandem_orders.orders import MAX_FULFILLMENTS, Customer, Order, OrderLine, Tender

# How far a terminal's clock may run ahead of ours.
MAX_CLOCK_SKEW = timedelta(minutes=5)


class QuantityExceedsOrder(Conflict):
    code, title = "QUANTITY_EXCEEDS_ORDER", "More units than are left of a line"


class OrderNotCancellable(Conflict):
    code, title = "ORDER_NOT_CANCELLABLE", "Units of the order are on their way already"


class UnknownLine(Unprocessable):
    code, title = "UNKNOWN_LINE", "The order has no such line"


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
        tenders=tuple(Tender(**tender.model_dump()) for tender in report.tenders),
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
    taken = _summed(
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
    """Take units off, or, without `quantities`, the whole order.

    Raises OrderNotCancellable, QuantityExceedsOrder, UnknownLine.
    """
    order = draft.placed
    if quantities is None:
        if any(one.fulfilled for one in order.counters.values()):
            raise OrderNotCancellable(
                "Cancel its fulfilments first, or name lines that are not on their way",
                lines=_left(order),
            )
        quantities = _open_lines(order)
        if not quantities:
            raise OrderNotCancellable("The order is cancelled already", lines=[])
    else:
        _check_open(order, quantities)
    return _cancelled(draft, cancellation_id, quantities, reason, occurred_at)


def _cancelled(
    draft: Draft,
    cancellation_id: str,
    quantities: Sequence[LineQuantity],
    reason: str,
    occurred_at: datetime,
) -> OrderCancelled:
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


def _open_lines(order: Order) -> tuple[LineQuantity, ...]:
    return tuple(
        LineQuantity(line_id=line_id, quantity=counters.open)
        for line_id, counters in order.counters.items()
        if counters.open
    )


def _left(order: Order) -> list[dict[str, Any]]:
    return [one.model_dump() for one in _open_lines(order)]


def _check_open(order: Order, quantities: Sequence[LineQuantity]) -> None:
    """Refuse lines the order does not have, and more units than are open."""
    wanted: Counter[str] = Counter()
    for one in quantities:
        wanted[one.line_id] += one.quantity
    counters = order.counters
    for line_id, units in wanted.items():
        if line_id not in counters:
            raise UnknownLine(f"The order has no line {line_id}", line_id=line_id)
        if units > counters[line_id].open:
            raise QuantityExceedsOrder(
                f"Line {line_id} has {counters[line_id].open} units left",
                line_id=line_id,
                available=counters[line_id].open,
            )


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
    _check_open(order, quantities)
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
    known = {one.shipment_id for each in order.fulfillments for one in each.parcels}
    if parcel.shipment_id in known:
        return
    for fulfillment in order.fulfillments:
        ends = fulfillment.state in RELEASED or fulfillment.state in ARRIVED
        meant = fulfillment.id == fulfillment_id if fulfillment_id else not ends
        if fulfillment.type == "ship" and meant and len(fulfillment.parcels) < MAX_PARCELS:
            after = fulfillment.model_copy(update={"parcels": (*fulfillment.parcels, parcel)})
            changed(draft, after, fulfillment, occurred_at)
            return
    lines = _open_lines(order)
    if lines and not fulfillment_id and len(order.fulfillments) < MAX_FULFILLMENTS:
        fulfillment_id = derived_id("ful", order.id, parcel.shipment_id)
        fulfil(draft, fulfillment_id, "ship", lines, (parcel,), None, occurred_at)


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
    return hold_until - timedelta(days=3) + REMINDER_AFTER


def next_due(order: Order) -> datetime | None:
    """Return when time next does something to the order by itself."""
    waiting = [
        one.hold_until if one.reminded else reminder_at(one.hold_until)
        for one in order.fulfillments
        if one.type == "pickup" and one.state == "ready" and one.hold_until
    ]
    return min(waiting, default=None)


# --- what senders report --------------------------------------------------------------------------


def merge(draft: Draft, report: OrderReport, parcels: dict[tuple[str, str], Parcel]) -> None:
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
    tenders = tuple(Tender(**tender.model_dump()) for tender in report.tenders)
    changes: dict[str, Any] = {}
    if added:
        changes["added"] = added
    if tenders and tenders != order.tenders and (is_newer or not order.tenders):
        changes["tenders"] = tenders
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
    counters = order.counters
    # Its refunds cancel units of their own, beside those that are simply gone from a line.
    refunded = _summed(
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
        units = min(reported - mine.cancelled, mine.open)
        if units > 0:
            taken.append(LineQuantity(line_id=line_id, quantity=units))
    if taken:
        at = report.cancelled_at or report.updated_at
        what = "whole" if report.cancelled_at else at.isoformat()
        name = _name_of_cancellation(order, report.source, what)
        _cancelled(draft, name, taken, report.cancel_reason, at)


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


def merge_fulfillment(
    draft: Draft, report: FulfillmentReport, parcels: dict[tuple[str, str], Parcel]
) -> None:
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
        return _open_lines(order)
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
    for line_id, quantity in _summed(reported).items():
        mine = units.get(line_id, 0)
        most = min(quantity, mine + room.get(line_id, 0))
        if fulfillment.state not in RELEASED and most > mine:
            units[line_id] = most
    return tuple(LineQuantity(line_id=name, quantity=count) for name, count in units.items())


def _in_words_of(kind: FulfillmentType, state: FulfillmentState) -> FulfillmentState:
    """Say a state in the words of a kind: senders that name no kind use those of a pickup."""
    return _AS_SHIPPED.get(state, state) if kind == "ship" else state


_AS_SHIPPED: dict[FulfillmentState, FulfillmentState] = {
    "proposed": "unfulfilled",
    "reserved": "allocated",
    "preparing": "allocated",
    "ready": "packed",
    "collected": "shipped",
}


def _at_most(
    room: Mapping[str, int], quantities: Iterable[QuantityReport | RefundLineReport]
) -> tuple[LineQuantity, ...]:
    """Return the units of a report that there is room for; a sender may count what we do not."""
    lines = []
    for line_id, quantity in _summed(quantities).items():
        units = min(quantity, room.get(line_id, 0))
        if units > 0:
            lines.append(LineQuantity(line_id=line_id, quantity=units))
    return tuple(lines)


def _summed(quantities: Iterable[QuantityReport | RefundLineReport]) -> Counter[str]:
    """Add up units by line: a report may name a line several times."""
    units: Counter[str] = Counter()
    for one in quantities:
        units[one.line_id] += one.quantity
    return units


def merge_refund(draft: Draft, report: RefundReport) -> None:
    """Take over a refund that was paid elsewhere, once."""
    order = draft.placed
    refund_id = f"{report.source}:{report.external_id}"
    if refund_id in order.refunds:
        return
    still_open = {line_id: one.open for line_id, one in order.counters.items()}
    cancelled = _at_most(still_open, [one for one in report.lines if one.kind == "cancel"])
    if cancelled:
        _cancelled(draft, f"refund:{refund_id}", cancelled, "", report.occurred_at)
    # What comes back may be reported before it was sent.
    bought = {
        line_id: one.ordered - one.cancelled - one.returned
        for line_id, one in draft.placed.counters.items()
    }
    returned = _at_most(bought, [one for one in report.lines if one.kind == "return"])
    draft.record(
        RefundSucceeded(
            **draft.about(report.occurred_at),
            refund_id=refund_id,
            succeeded_at=report.occurred_at,
            lines=returned,
            legs=tuple(
                RefundLeg(tender=leg.type, paid=leg.paid, reference=leg.reference)
                for leg in report.legs
            ),
        )
    )


def merge_state(
    draft: Draft, report: OrderStateReport, parcels: dict[tuple[str, str], Parcel]
) -> None:
    """Follow a sender's word about an order whose lines it does not repeat."""
    for fulfillment in report.fulfillments:
        merge_fulfillment(draft, fulfillment, parcels)
    order = draft.placed
    if report.state == "cancelled":
        left = _open_lines(order)
        if left:
            name = _name_of_cancellation(order, report.source, "whole")
            _cancelled(draft, name, left, "", report.occurred_at)
    elif report.state == "completed":
        for one in order.fulfillments:
            # Complete for a shop is what it has sent; that it has arrived is the carrier's word.
            done: FulfillmentState = "shipped" if one.type == "ship" else "collected"
            after = advanced(one, done, report.occurred_at)
            if after != one:
                changed(draft, after, one, report.occurred_at)
    draft.settle()


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
