"""What goes over the wire: bodies and queries in, answers out, and the events this service hears.

Requests refuse fields they do not know; events of other services are read tolerantly.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.clock import GivenInstant, Instant
from tandem_core.identifiers import Identifier
from tandem_core.money import EXACT_INTEGER, MAX_AMOUNT_MINOR, Currency, Money
from tandem_core.values import Channel, Quantity, Reference, Strict
from tandem_orders.fulfillments import (
    MAX_PARCELS,
    FulfillmentState,
    FulfillmentType,
    LineQuantity,
    Parcel,
)
from tandem_orders.messages import (
    LineReport,
    OrderReport,
    ParcelReference,
    Tender,
    Text,
)
from tandem_orders.orders import EXCHANGE, MAX_LINES, Customer, Flag, Order, OrderStatus
from tandem_orders.places import Place
from tandem_orders.statuses import Reason, ShipmentStatus
from tandem_orders.texts import Language

Limit = Annotated[int, Field(ge=1, le=200), EXACT_INTEGER]
LimitText = Annotated[int, Field(ge=1, le=200)]


def _day_of(value: Any) -> Any:
    """Take the day of a time as it is written: a promise is for a day where it is kept."""
    if not isinstance(value, str) or value[10:11] not in ("T", "t"):
        return value
    try:
        return datetime.fromisoformat(value).date()
    except ValueError:
        return value


Day = Annotated[date, BeforeValidator(_day_of)]
Cursor = Annotated[str, Field(min_length=1, max_length=512)]


# --- orders in ------------------------------------------------------------------------------------


class NewLine(Strict):
    """`paid` is for all units of the line, after discounts and before points used as tender."""

    line_id: Reference
    sku: Reference
    name: Annotated[str, Field(max_length=256)] = ""
    category: Reference | None = None
    quantity: Quantity
    unit_price: Money | None = None
    paid: Money


class NewOrder(Strict):
    """An order of any channel. With channel `pos` and without a destination it is a receipt: its
    goods were handed over."""

    source: Reference
    external_id: Reference
    channel: Channel
    customer: Customer = Customer()
    placed_at: GivenInstant
    currency: Currency
    lines: Annotated[tuple[NewLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    tenders: Annotated[tuple[Tender, ...], Field(max_length=20)] = ()
    number: Reference | None = None
    store_id: Reference | None = None
    terminal_id: Reference | None = None
    receipt_no: Reference | None = None
    promised_by: Day | None = None
    destination: Place | None = None
    language: Reference | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        amounts = [line.paid for line in self.lines] + [tender.paid for tender in self.tenders]
        amounts += [line.unit_price for line in self.lines if line.unit_price]
        if {amount.currency for amount in amounts} - {self.currency}:
            raise PydanticCustomError(
                "currency_mismatch", "all lines and tenders have the order's currency"
            )
        if len({line.line_id for line in self.lines}) < len(self.lines):
            raise PydanticCustomError("line_id", "two lines have the same line_id")
        if sum(line.paid.amount for line in self.lines) > MAX_AMOUNT_MINOR:
            raise PydanticCustomError("order_total", "the order's total is out of range")
        return self

    def report(self, store_id: str | None, terminal_id: str | None) -> OrderReport:
        """Return the order in the form that all senders' orders have."""
        return OrderReport(
            source=self.source,
            external_id=self.external_id,
            channel=self.channel,
            placed_at=self.placed_at,
            updated_at=self.placed_at,
            currency=self.currency,
            customer_id=self.customer.customer_id,
            contact=self.customer.contact,
            number=self.number,
            lines=tuple(LineReport(**line.model_dump()) for line in self.lines),
            tenders=self.tenders,
            store_id=store_id,
            terminal_id=terminal_id,
            receipt_no=self.receipt_no,
            promised_by=self.promised_by,
            destination=self.destination,
            language=self.language,
            is_receipt=self.channel == "pos" and self.destination is None,
        )


Lines = Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=MAX_LINES)]


class Cancel(Strict):
    """Without `lines` the whole order is cancelled."""

    lines: Lines | None = None
    reason: Annotated[str, Field(min_length=1, max_length=256)]


class NewFulfillment(Strict):
    """Units on their way. Parcels are for `ship` only; a pickup needs its store."""

    type: FulfillmentType
    lines: Lines
    store_id: Reference | None = None
    shipments: Annotated[tuple[ParcelReference, ...], Field(max_length=MAX_PARCELS)] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.shipments and self.type != "ship":
            raise PydanticCustomError("shipments", "only a shipped fulfilment has parcels")
        return self


class Transition(Strict):
    """A move. `collected` needs the pickup code, or who answers for handing over without it."""

    to: FulfillmentState
    pickup_code: Annotated[str, Field(max_length=16)] | None = None
    staff_id: Reference | None = None


class OrderQuery(Strict):
    """Orders of a customer, newest first, or the one order that a sender calls by a name."""

    customer_id: Reference | None = None
    source: Reference | None = None
    external_id: Reference | None = None
    limit: LimitText = 50
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> Self:
        if (self.source is None) != (self.external_id is None):
            raise PydanticCustomError("source", "give source and external_id together")
        if self.customer_id is not None and self.source is not None:
            raise PydanticCustomError("source", "give a customer_id, or source and external_id")
        return self


class PageQuery(Strict):
    limit: LimitText = 50
    cursor: Cursor | None = None


# --- orders out -----------------------------------------------------------------------------------


class LineView(Strict):
    line_id: str
    sku: str
    name: str
    category: str | None
    unit_price: Money | None
    paid: Money | None
    ordered: int
    cancelled: int
    fulfilled: int
    delivered: int
    returned: int


class FulfillmentView(Strict):
    """`allowed` names the moves that are legal now. `pickup_code` is shown to its customer only."""

    id: str
    order_id: str
    type: FulfillmentType
    state: FulfillmentState
    allowed: tuple[FulfillmentState, ...]
    lines: tuple[LineQuantity, ...]
    store_id: str | None
    shipment_ids: tuple[str, ...]
    created_at: Instant
    delivered_at: Instant | None
    hold_until: Instant | None
    pickup_code: str | None = None


class EstimatedWindow(Strict):
    """Local dates at the destination, both inclusive."""

    from_date: date
    to_date: date


class ParcelView(Strict):
    """A parcel in short; GET /shipments/{id} tells the rest. One with `is_return` brings back what
    the customer returns, and belongs to no fulfilment."""

    id: str
    carrier: str
    tracking_number: str
    fulfillment_id: str | None
    is_return: bool
    status: ShipmentStatus
    reason: Reason | None
    delivered_at: Instant | None
    estimated: EstimatedWindow | None


class OrderView(Strict):
    id: str
    source: str
    external_id: str
    number: str | None
    channel: Channel
    status: OrderStatus
    flags: tuple[Flag, ...]
    customer: Customer
    placed_at: Instant
    completed_at: Instant | None
    currency: Currency
    lines: tuple[LineView, ...]
    tenders: tuple[Tender, ...]
    store_id: str | None
    terminal_id: str | None
    receipt_no: str | None
    promised_by: date | None
    destination: Place | None
    source_state: str
    fulfillments: tuple[FulfillmentView, ...]
    shipments: tuple[ParcelView, ...]
    tracking_token: str | None
    version: int


class OrderPage(Strict):
    orders: tuple[OrderView, ...]
    cursor: str | None = None


# --- parcels --------------------------------------------------------------------------------------


class RegisterShipment(ParcelReference):
    """`label_created_at` keeps out the scans of an earlier parcel with the same number."""

    order_id: Reference | None = None
    label_created_at: GivenInstant | None = None


class ShipmentQuery(Strict):
    carrier: Reference
    tracking_number: Reference


class RegisteredView(Strict):
    """A parcel as it was when it was registered."""

    id: str
    carrier: str
    tracking_number: str
    generation: int
    status: ShipmentStatus
    reason: Reason | None
    sub_status: str | None
    delivered_at: Instant | None
    order_ids: tuple[str, ...]
    registered_at: Instant


# --- the public view ------------------------------------------------------------------------------


class TrackedScan(Strict):
    """`day` is the local one, as the scan's sender wrote it."""

    occurred_at: Instant | None
    day: date | None
    status: ShipmentStatus
    city: str | None
    country: str | None
    text: str


class TrackedParcel(Strict):
    """A parcel without its number: who has the link need not be who may redirect the parcel."""

    carrier: str
    status: ShipmentStatus
    text: str
    milestones: dict[ShipmentStatus, Instant]
    estimated: EstimatedWindow | None
    scans: tuple[TrackedScan, ...]


class TrackedLine(Strict):
    name: str
    ordered: int
    cancelled: int
    fulfilled: int
    delivered: int


class TrackedFulfillment(Strict):
    type: FulfillmentType
    state: FulfillmentState
    store_id: str | None
    hold_until: Instant | None
    text: str


class TrackedOrder(Strict):
    """An order for whoever holds its link: no names, no contacts, no address, no amounts."""

    language: Language
    number: str | None
    channel: Channel
    status: OrderStatus
    text: str
    placed_at: Instant
    promised_by: date | None
    lines: tuple[TrackedLine, ...]
    fulfillments: tuple[TrackedFulfillment, ...]
    parcels: tuple[TrackedParcel, ...]


# --- customers ------------------------------------------------------------------------------------


class LanguageQuery(Strict):
    """`language` is a BCP 47 tag; without it, Accept-Language counts."""

    language: Annotated[str, Field(max_length=64)] | None = None


class TimelineQuery(PageQuery):
    """`language` is a BCP 47 tag; without it, the customer's own, then Accept-Language."""

    language: Annotated[str, Field(max_length=64)] | None = None


class TimelineLine(Strict):
    id: str
    type: str
    occurred_at: Instant
    channel: str
    location_id: str | None
    place: Place | None
    order_id: str | None
    shipment_id: str | None
    text: str


class TimelinePage(Strict):
    entries: tuple[TimelineLine, ...]
    language: str
    cursor: str | None = None


class ClaimContacts(Strict):
    """Contacts that the caller has verified to be the customer's."""

    contacts: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=10)]


class ClaimedOrders(Strict):
    order_ids: tuple[str, ...]


class ErasedOrders(Strict):
    orders: int


# --- the inbox ------------------------------------------------------------------------------------


class WebhookAnswer(Strict):
    """`ignored`: kept, and without a meaning for us. `duplicate`: was here before."""

    message_id: str
    state: Literal["accepted", "duplicate", "ignored"]


class InboxQuery(PageQuery):
    state: Literal["parked"] = "parked"


class ParkedMessage(Strict):
    message_id: str
    source: str
    topic: str
    received_at: str
    reason: str


class InboxPage(Strict):
    messages: tuple[ParkedMessage, ...]
    cursor: str | None = None


class Replay(Strict):
    """One message, or a sender's messages of a time; go on with `cursor` until there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    message_id: Reference | None = None
    source: Reference | None = None
    since: GivenInstant | None = Field(default=None, alias="from")
    until: GivenInstant | None = Field(default=None, alias="to")
    limit: Annotated[int, Field(ge=1, le=50), EXACT_INTEGER] = 25
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        ranged = self.source is not None and self.since is not None and self.until is not None
        if (self.message_id is not None) == ranged:
            raise PydanticCustomError("replay", "give a message_id, or source, from and to")
        if self.since and self.until and not 0 <= (self.until - self.since).days <= _REPLAY_DAYS:
            raise PydanticCustomError("replay", "from must lie before to, at most 92 days")
        return self


_REPLAY_DAYS = 92


class ReplayResult(Strict):
    understood: int
    waiting: int
    parked: int
    cursor: str | None = None


# --- events in ------------------------------------------------------------------------------------


class Heard(BaseModel):
    """Data of an event: what is needed of it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class WebhookReceived(Heard):
    """`webhook.received`: a message was kept."""

    message_id: str
    source: str
    topic: str


class OrderHeard(Heard):
    order_id: str
    customer_id: str | None = None


class FulfillmentHeard(Heard):
    """`fulfillment.*` and `pickup.created`. Parcels never `seen` may not know of their order."""

    order_id: str
    fulfillment_id: str
    previous_state: str | None = None
    parcels: tuple[Parcel, ...] = ()


class HeardScan(Heard):
    occurred_at: Instant | None = None


class ShipmentHeard(Heard):
    shipment_id: str
    order_ids: tuple[str, ...] = ()
    changed: bool = False
    delivered_at: Instant | None = None
    scan: HeardScan | None = None

    @property
    def moves_orders(self) -> bool:
        """Tell whether orders must look: at a new status, or at other evidence of a delivery (an
        earlier scan, or other scans that count)."""
        if self.changed or self.delivered_at is None:
            return self.changed
        return self.scan is None or self.scan.occurred_at == self.delivered_at


class ReturnParcelAdded(Heard):
    """`return.parcel_added` of returns. A label's date keeps out earlier scans of its number."""

    order_id: str
    carrier: Reference
    tracking_number: Reference
    label_created_at: GivenInstant | None = None


class HeardUnits(Heard):
    line_id: Reference
    quantity: Quantity


class ReturnReceived(Heard):
    """`return.received` of returns: `accepted` are the units that are really back."""

    order_id: str
    occurred_at: Instant
    accepted: tuple[HeardUnits, ...] = ()


class RefundSucceeded(Heard):
    """`refund.succeeded` of returns: `lines` are the units that were paid for."""

    order_id: str
    occurred_at: Instant
    lines: tuple[HeardUnits, ...] = ()


class HeardLine(HeardUnits):
    sku: Reference
    name: Text = ""
    category: Reference | None = None
    unit_price: Money | None = None
    paid: Money


class HeardTender(Heard):
    type: Reference
    paid: Money
    reference: Reference | None = None


class ExchangeCreated(Heard):
    """`exchange.created` of returns: what its customer gets instead of what comes back.
    `handed_over`: they have it already. `order_id` is the order that it came with."""

    order_id: str
    external_id: Reference
    occurred_at: Instant
    currency: Currency
    lines: Annotated[tuple[HeardLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    tenders: tuple[HeardTender, ...] = ()
    store_id: Reference | None = None
    handed_over: bool = False

    def report(self, original: Order) -> OrderReport:
        """Return the replacement in the form that all orders have: for who placed the original, and
        sent where that went."""
        return OrderReport(
            source=EXCHANGE,
            external_id=self.external_id,
            channel=original.channel,
            placed_at=self.occurred_at,
            updated_at=self.occurred_at,
            currency=self.currency,
            customer_id=original.customer.customer_id,
            contact=original.customer.contact,
            lines=tuple(LineReport(**line.model_dump()) for line in self.lines),
            tenders=tuple(Tender(**tender.model_dump()) for tender in self.tenders),
            store_id=self.store_id,
            destination=None if self.handed_over else original.destination,
            language=original.language,
            is_receipt=self.handed_over,
        )


class AccountEnrolled(Heard):
    """`account.enrolled` of loyalty. Identifiers that we cannot read are left out."""

    customer_id: Reference | None = None
    identifiers: tuple[Any, ...] = ()
