"""What can happen to an order: the documents of its journal, and the data of its events.

One model is both, as in every service. Personal data (`private`) are stored beside the
document and not in it; the event carries both, and erasure removes the one without the other.
`apply` is the only way in which an order changes: an order is the fold of its facts.
"""

from __future__ import annotations

from datetime import date

from tandem_core.clock import Instant
from tandem_core.money import Currency, Money
from tandem_core.values import Channel, Document, Reference, Strict
from tandem_orders.fulfillments import (
    Fulfillment,
    FulfillmentState,
    FulfillmentType,
    LineQuantity,
    Parcel,
)
from tandem_orders.messages import Tender
from tandem_orders.orders import Customer, Order, OrderLine
from tandem_orders.places import Place


class OrderFact(Document):
    """What every fact says. `occurred_at` is when it happened, however late it was reported;
    `number` is the order's name among people."""

    order_id: str
    source: Reference
    external_id: Reference
    channel: Channel
    customer_id: Reference | None = None
    number: Reference | None = None
    occurred_at: Instant

    @property
    def type(self) -> str:
        raise NotImplementedError


class OrderPlaced(OrderFact):
    """An order, whoever reported it first. A receipt of a till is born completed: its goods are
    handed over, `completed_at` is set, and no `order.completed` follows."""

    private = frozenset({"customer", "destination"})

    placed_at: Instant
    currency: Currency
    lines: tuple[OrderLine, ...]
    tenders: tuple[Tender, ...] = ()
    store_id: Reference | None = None
    terminal_id: Reference | None = None
    receipt_no: Reference | None = None
    promised_by: date | None = None
    language: Reference | None = None
    source_state: str = ""
    reported_at: Instant | None = None
    handed_over: Fulfillment | None = None
    completed_at: Instant | None = None
    customer: Customer = Customer()
    destination: Place | None = None

    @property
    def type(self) -> str:
        return "order.placed"


class OrderUpdated(OrderFact):
    """What its sender says anew of an order. Absent members have not changed.

    `added`: lines that are new, or have more units. `claimed`: a customer has been found for a
    guest's order. `reopened`: what had arrived has not, after all. `return_parcel`: it brings back
    what the customer returns. `received`, `repaid`: units that a return of ours has brought back,
    and paid for.
    """

    private = frozenset({"customer", "destination"})

    source_state: str | None = None
    reported_at: Instant | None = None
    added: tuple[OrderLine, ...] = ()
    tenders: tuple[Tender, ...] | None = None
    return_parcel: Parcel | None = None
    received: tuple[LineQuantity, ...] = ()
    repaid: tuple[LineQuantity, ...] = ()
    claimed: bool = False
    reopened: bool = False
    customer: Customer | None = None
    destination: Place | None = None

    @property
    def type(self) -> str:
        return "order.updated"


class OrderCancelled(OrderFact):
    """Units taken off. `whole`: nothing else is left of the order. Fulfilments that were to send
    them have lost them by then, and have said so in events of their own."""

    cancellation_id: str
    lines: tuple[LineQuantity, ...]
    reason: str = ""
    cancelled_at: Instant
    whole: bool = False

    @property
    def type(self) -> str:
        return "order.cancelled"


class OrderCompleted(OrderFact):
    """All that was not cancelled has arrived; `completed_at` is the evidence of the last unit."""

    completed_at: Instant

    @property
    def type(self) -> str:
        return "order.completed"


class OrderErased(OrderFact):
    """The personal data of the order are gone; its books remain."""

    @property
    def type(self) -> str:
        return "order.erased"


class FulfillmentChanged(OrderFact):
    """A fulfilment as it is now. The event's type says what has happened to it; one that waits may
    have fewer units than before."""

    private = frozenset({"pickup_code"})

    fulfillment_id: str
    fulfillment_type: FulfillmentType
    state: FulfillmentState
    previous_state: FulfillmentState | None = None
    lines: tuple[LineQuantity, ...]
    parcels: tuple[Parcel, ...] = ()
    store_id: Reference | None = None
    fulfillment_external_id: Reference | None = None
    reported_at: Instant | None = None
    created_at: Instant
    delivered_at: Instant | None = None
    hold_until: Instant | None = None
    reminded: bool = False
    reminder: bool = False
    pickup_code: str | None = None

    @property
    def type(self) -> str:
        family = "pickup" if self.fulfillment_type == "pickup" else "fulfillment"
        if self.previous_state is None:
            return f"{family}.created"
        if self.reminder:
            return "pickup.expiring"
        return f"{family}.{'updated' if self.previous_state == self.state else self.state}"

    @property
    def fulfillment(self) -> Fulfillment:
        return Fulfillment(
            id=self.fulfillment_id,
            type=self.fulfillment_type,
            state=self.state,
            lines=self.lines,
            parcels=self.parcels,
            store_id=self.store_id,
            external_id=self.fulfillment_external_id,
            reported_at=self.reported_at,
            created_at=self.created_at,
            delivered_at=self.delivered_at,
            hold_until=self.hold_until,
            reminded=self.reminded,
            pickup_code=self.pickup_code,
        )


class RefundLeg(Strict):
    """Money that went back to where it came from; for points, `reference` is the redemption."""

    tender: Reference
    paid: Money
    points: int | None = None
    reference: Reference | None = None


class RefundSucceeded(OrderFact):
    """Money that another system has paid back for this order; `lines` are units that came back.

    `booked` are units of which our own returns have told: the shop only enters them in its books.
    """

    refund_id: str
    succeeded_at: Instant
    lines: tuple[LineQuantity, ...] = ()
    booked: tuple[LineQuantity, ...] = ()
    legs: tuple[RefundLeg, ...] = ()

    @property
    def type(self) -> str:
        return "refund.succeeded"


_FULFILLMENT_EVENTS = (
    "fulfillment.created fulfillment.allocated fulfillment.packed fulfillment.shipped "
    "fulfillment.delivered fulfillment.returned fulfillment.cancelled fulfillment.updated "
    "pickup.created pickup.reserved pickup.preparing pickup.ready pickup.checked_in "
    "pickup.collected pickup.expiring pickup.expired pickup.restocked pickup.cancelled "
    "pickup.updated"
).split()

FACTS: dict[str, type[OrderFact]] = {
    "order.placed": OrderPlaced,
    "order.updated": OrderUpdated,
    "order.cancelled": OrderCancelled,
    "order.completed": OrderCompleted,
    "order.erased": OrderErased,
    "refund.succeeded": RefundSucceeded,
    **dict.fromkeys(_FULFILLMENT_EVENTS, FulfillmentChanged),
}


def fact_of(kind: str, document: str) -> OrderFact:
    """Read a fact from its type and its document, with the personal data that are left of it."""
    return FACTS[kind].model_validate_json(document)


def settles(fact: OrderFact) -> bool:
    """Tell whether a fact only writes down what those before it come to. See Draft.settle."""
    return isinstance(fact, OrderCompleted) or (isinstance(fact, OrderUpdated) and fact.reopened)


def placed_order(fact: OrderPlaced) -> Order:
    """Return the order as it was placed."""
    return Order(
        id=fact.order_id,
        source=fact.source,
        external_id=fact.external_id,
        number=fact.number,
        channel=fact.channel,
        placed_at=fact.placed_at,
        currency=fact.currency,
        customer=fact.customer.model_copy(update={"customer_id": fact.customer_id}),
        lines=fact.lines,
        tenders=fact.tenders,
        store_id=fact.store_id,
        terminal_id=fact.terminal_id,
        receipt_no=fact.receipt_no,
        promised_by=fact.promised_by,
        destination=fact.destination,
        language=fact.language,
        source_state=fact.source_state,
        reported_at=fact.reported_at,
        fulfillments=(fact.handed_over,) if fact.handed_over else (),
        completed_at=fact.completed_at,
    )


def apply(order: Order, fact: OrderFact) -> Order:
    """Return the order after a fact. `order.placed` makes it; see placed_order."""
    changes: dict[str, object] = {}
    match fact:
        case OrderUpdated():
            changes = _updates(order, fact)
        case OrderCancelled():
            changes = {"lines": _counted(order.lines, fact.lines, "cancelled")}
        case OrderCompleted():
            changes = {"completed_at": fact.completed_at}
        case OrderErased():
            kept = Customer(customer_id=order.customer.customer_id)
            changes = {"customer": kept, "destination": None, "erased": True}
        case FulfillmentChanged():
            others = {one.id: one for one in order.fulfillments}
            others[fact.fulfillment_id] = fact.fulfillment
            changes = {"fulfillments": tuple(others.values())}
        case RefundSucceeded():
            changes = {
                "refunds": (*order.refunds, fact.refund_id),
                "lines": _counted(order.lines, (*fact.lines, *fact.booked), "returned"),
            }
        case _:
            raise TypeError(f"{fact.type} does not change an order")
    return order.model_copy(update=changes)


def _updates(order: Order, fact: OrderUpdated) -> dict[str, object]:
    changes: dict[str, object] = {
        name: value
        for name in ("number", "source_state", "reported_at", "tenders", "destination")
        if (value := getattr(fact, name)) is not None
    }
    if fact.customer is not None or fact.claimed:
        customer = fact.customer or order.customer
        changes["customer"] = customer.model_copy(update={"customer_id": fact.customer_id})
    if fact.reopened:
        changes["completed_at"] = None
    if fact.return_parcel:
        changes["return_parcels"] = (*order.return_parcels, fact.return_parcel)
    if fact.added:
        lines = {line.line_id: line for line in order.lines}
        for line in fact.added:
            known = lines.get(line.line_id, line)
            kept = known.model_dump(include={"cancelled", "returned", "received", "repaid"})
            lines[line.line_id] = line.model_copy(update=kept)
        changes["lines"] = tuple(lines.values())
    if fact.received or fact.repaid:
        received = _counted(order.lines, fact.received, "received")
        changes["lines"] = _counted(received, fact.repaid, "repaid")
    return changes


def _counted(
    lines: tuple[OrderLine, ...], quantities: tuple[LineQuantity, ...], counter: str
) -> tuple[OrderLine, ...]:
    """Return the lines with units added to one of their counters."""
    units: dict[str, int] = {}
    for one in quantities:
        units[one.line_id] = units.get(one.line_id, 0) + one.quantity
    return tuple(
        line.model_copy(update={counter: getattr(line, counter) + units[line.line_id]})
        if line.line_id in units
        else line
        for line in lines
    )
