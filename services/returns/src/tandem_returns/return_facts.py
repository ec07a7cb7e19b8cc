"""What can happen to a return book: the documents of its journal, and the data of its events.

One model is both, as in every service. What happens to a return is told with the return as it is
afterwards; what happens to a refund with that refund. `apply` is the only way in which a return
changes, and `rebooked` follows it in the book: what a return holds is a function of the return.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.money import Currency, Money
from tandem_core.values import Channel, Document, Quantity, Reference, Strict
from tandem_returns.logistics import Disposition
from tandem_returns.purchases import Arrival, Book, BookLine, BookTender, LineQuantity
from tandem_returns.returns import Refund, Return, ReturnData, Status, held_by


class BookFact(Document):
    """What every fact says. `number` is the order's name among people, `channel` where it was
    placed; `occurred_at` is when it happened, however late it was reported."""

    order_id: str
    customer_id: Reference | None = None
    number: Reference | None = None
    channel: str
    occurred_at: Instant

    @property
    def type(self) -> str:
        raise NotImplementedError


# --- the book -------------------------------------------------------------------------------------


class ReturnBookOpened(BookFact):
    """An order that things can come back from. `contacts` are digests, erased with the person."""

    private = frozenset({"contacts"})

    source: Reference
    external_id: Reference
    order_channel: Channel
    country: str | None = None
    store_id: Reference | None = None
    placed_at: Instant
    placed_by: str | None = None
    currency: Currency
    policy: str
    lines: tuple[BookLine, ...]
    tenders: tuple[BookTender, ...] = ()
    arrivals: dict[str, Arrival] = {}
    contacts: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        return "return_book.opened"

    @property
    def book(self) -> Book:
        names = Book.model_fields.keys() & type(self).model_fields.keys() - {"channel"}
        said = {name: getattr(self, name) for name in names}
        return Book(**said, channel=self.order_channel)


class ReturnBookUpdated(BookFact):
    """What has become known of the purchase. Members are whole; absent ones have not changed."""

    private = frozenset({"contacts"})

    lines: tuple[BookLine, ...] | None = None
    tenders: tuple[BookTender, ...] | None = None
    arrivals: dict[str, Arrival] | None = None
    edited: int | None = None
    refund_elsewhere: str | None = None
    erased: bool = False
    contacts: tuple[str, ...] | None = None

    @property
    def type(self) -> str:
        return "return_book.updated"


# --- returns --------------------------------------------------------------------------------------


class ReturnFact(BookFact, ReturnData):
    """What happened to a return, with the return as it is now."""

    kind: ClassVar[str]

    status: Status

    @property
    def type(self) -> str:
        return f"return.{self.kind}"


class ReturnRequested(ReturnFact):
    """`amount` is what was asked back, in minor units."""

    kind = "requested"

    amount: Annotated[int, Field(ge=0)]


class ReturnApproved(ReturnFact):
    """`reason` is that of the person who approved it, `revived` that its parcel came after all."""

    kind = "approved"

    reason: str = ""
    revived: bool = False


class ReturnRejected(ReturnFact):
    kind = "rejected"

    reason: str = ""


class ReturnCancelled(ReturnFact):
    kind = "cancelled"

    reason: str = ""


class ReturnExpired(ReturnFact):
    kind = "expired"


class ReturnOverdue(ReturnFact):
    """A person should look: nobody has decided on it for two days, or its parcel has not moved for
    two weeks."""

    kind = "overdue"


class ReturnUpdated(ReturnFact):
    """Where it is: its parcel was scanned, its label is being made."""

    kind = "updated"


class ReturnParcelAdded(ReturnFact):
    """A parcel on its way back, with our label or the customer's own. The address of the label is
    the customer's affair: who has it can print it."""

    kind = "parcel_added"
    private = frozenset({"label_url"})

    carrier: Reference
    tracking_number: Reference
    label_created_at: Instant
    label_url: str | None = None


class ReceivedUnits(Strict):
    """`condition` is the retailer's own grade, or `wrong_item`, `short`, `empty_box`."""

    line_id: Reference
    quantity: Quantity
    condition: Reference = "as_new"


class ReturnReceived(ReturnFact):
    """`received` is what the store or warehouse says; `accepted` are the units really back."""

    kind = "received"

    received: tuple[ReceivedUnits, ...]
    accepted: tuple[LineQuantity, ...]


class InspectedUnits(Strict):
    """`condition` is the retailer's own grade. Without a `disposition`, units were looked at."""

    line_id: Reference
    quantity: Quantity
    condition: Reference | None = None
    disposition: Disposition | None = None


class ReturnInspected(ReturnFact):
    kind = "inspected"

    inspected: tuple[InspectedUnits, ...]


class ReturnClosed(ReturnFact):
    """Nothing more is expected of it."""

    kind = "closed"


# --- money ----------------------------------------------------------------------------------------


class RefundLeg(Strict):
    """Money, or points, that go back; for points, `reference` is the redemption."""

    tender: Reference
    paid: Money
    points: int | None = None
    reference: Reference | None = None


class PayoutFact(BookFact):
    return_id: str


class RefundPlanned(PayoutFact):
    """What the policy waited for has come: these refunds are reserved, and to be paid."""

    refunds: tuple[Refund, ...]
    lines: tuple[LineQuantity, ...]

    @property
    def type(self) -> str:
        return "refund.planned"


class RefundChanged(PayoutFact):
    """A refund as it is now; the event's type says what has happened to it.

    `lines` are the units it answers for: each unit stands in one refund of its payout.
    """

    refund_id: str
    lines: tuple[LineQuantity, ...] = ()
    legs: tuple[RefundLeg, ...] = ()
    succeeded_at: Instant | None = None
    reason: str = ""
    refund: Refund

    @property
    def type(self) -> str:
        return f"refund.{self.refund.state}"


class RefundLate(PayoutFact):
    """The money is not on its way by the time that the policy promises."""

    triggered_at: Instant
    refund_due_by: Instant

    @property
    def type(self) -> str:
        return "refund.late"


# --- what follows ---------------------------------------------------------------------------------


class ExchangedLine(Strict):
    line_id: Reference
    sku: Reference
    name: str = ""
    category: Reference | None = None
    quantity: Quantity
    unit_price: Money
    paid: Money


class ExchangedTender(Strict):
    type: Reference
    paid: Money
    reference: Reference | None = None


class ExchangeCreated(PayoutFact):
    """A replacement order, paid with what was paid for the returned units."""

    exchange_id: str
    source: Reference
    external_id: Reference
    currency: Currency
    lines: tuple[ExchangedLine, ...]
    tenders: tuple[ExchangedTender, ...]
    store_id: Reference | None = None
    handed_over: bool = False

    @property
    def type(self) -> str:
        return "exchange.created"


class ItemRestocked(PayoutFact):
    """Units that can be sold again."""

    line_id: Reference
    sku: Reference
    quantity: Quantity
    store_id: Reference | None = None
    disposition: Disposition = "restocked"

    @property
    def type(self) -> str:
        return "item.restocked"


_RETURN_FACTS: tuple[type[ReturnFact], ...] = (
    ReturnRequested,
    ReturnApproved,
    ReturnRejected,
    ReturnCancelled,
    ReturnExpired,
    ReturnOverdue,
    ReturnUpdated,
    ReturnParcelAdded,
    ReturnReceived,
    ReturnInspected,
    ReturnClosed,
)
_REFUND_EVENTS = (
    "refund.submitted refund.pending refund.requires_action refund.unknown refund.succeeded "
    "refund.failed refund.replanned"
).split()

FACTS: dict[str, type[BookFact]] = {
    "return_book.opened": ReturnBookOpened,
    "return_book.updated": ReturnBookUpdated,
    **{f"return.{model.kind}": model for model in _RETURN_FACTS},
    "refund.planned": RefundPlanned,
    **dict.fromkeys(_REFUND_EVENTS, RefundChanged),
    "refund.late": RefundLate,
    "exchange.created": ExchangeCreated,
    "item.restocked": ItemRestocked,
}


def fact_of(kind: str, document: str) -> BookFact:
    """Read a fact from its type and its document, with the personal data that are left of it."""
    return FACTS[kind].model_validate_json(document)


def return_of(fact: ReturnFact) -> Return:
    """Return the return as a fact left it."""
    return Return(**{name: getattr(fact, name) for name in ReturnData.model_fields})


def updated(book: Book, fact: ReturnBookUpdated) -> Book:
    """Return the book after what has become known of the purchase."""
    changes: dict[str, Any] = {
        name: value
        for name in ("lines", "tenders", "edited", "contacts", "customer_id")
        if (value := getattr(fact, name)) is not None
    }
    if fact.arrivals is not None:
        changes["arrivals"] = book.arrivals | fact.arrivals
    if fact.refund_elsewhere:
        changes["refunds_elsewhere"] = (*book.refunds_elsewhere, fact.refund_elsewhere)
    if fact.erased:
        changes |= {"contacts": (), "erased": True}
    return book.model_copy(update=changes)


def apply(back: Return | None, fact: BookFact) -> Return:
    """Return a return after a fact. A fact of the return itself carries all of it."""
    if isinstance(fact, ReturnFact):
        return return_of(fact)
    assert back is not None  # noqa: S101  it was requested first
    match fact:
        case RefundPlanned():
            return _with_refunds(back, fact)
        case RefundChanged():
            refunds = tuple(
                fact.refund if one.refund_id == fact.refund_id else one for one in back.refunds
            )
            after = back.model_copy(update={"refunds": refunds})
            settled_at = fact.occurred_at if not after.payable else None
            return after.model_copy(update={"refunded_at": settled_at})
        case RefundLate():
            return back.model_copy(update={"late": True})
        case ExchangeCreated():
            assert back.exchange is not None  # noqa: S101  there is nothing else to create
            created = back.exchange.model_copy(update={"created": True})
            return back.model_copy(update={"exchange": created})
    return back


def _with_refunds(back: Return, fact: RefundPlanned) -> Return:
    units = {one.line_id: one.quantity for one in fact.lines}
    lines = tuple(
        line.model_copy(update={"paid_units": line.paid_units + units.get(line.line_id, 0)})
        for line in back.lines
    )
    legs = list(back.legs)
    for refund in fact.refunds:
        leg = legs[refund.leg] if legs else None
        if leg and not refund.replaces:
            reached = {
                "refunded": leg.refunded + refund.paid.amount,
                "refunded_points": leg.refunded_points + (refund.points or 0),
            }
            legs[refund.leg] = leg.model_copy(update=reached)
    return back.model_copy(
        update={
            "lines": lines,
            "legs": tuple(legs),
            "refunds": (*back.refunds, *fact.refunds),
            "triggered_at": back.triggered_at or fact.occurred_at,
            "refunded_at": None,
        }
    )


def rebooked(book: Book, before: Return | None, after: Return) -> Book:
    """Return the book after one of its returns has changed: what that held, and what it holds."""
    old, new = held_by(before), held_by(after)
    lines = tuple(
        line.model_copy(
            update={
                "held": line.held + new.units[line.line_id] - old.units.get(line.line_id, 0),
                "held_amount": line.held_amount
                + new.amounts[line.line_id]
                - old.amounts.get(line.line_id, 0),
            }
        )
        if line.line_id in new.units
        else line
        for line in book.lines
    )
    tenders = tuple(
        tender.model_copy(
            update={
                "held": tender.held + new.tenders.get(tender.id, 0) - old.tenders.get(tender.id, 0),
                "held_points": tender.held_points
                + new.points.get(tender.id, 0)
                - old.points.get(tender.id, 0),
            }
        )
        for tender in book.tenders
    )
    delivery = book.held_delivery + new.delivery - old.delivery
    changes = {"lines": lines, "tenders": tenders, "held_delivery": delivery}
    return book.model_copy(update=changes)
