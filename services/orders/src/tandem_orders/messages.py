"""What senders say, in our words: the one form that every shop, marketplace and carrier is put in.

Senders' modules return these and nothing else; use cases take them and know no sender. A message is
a report, not a command: it may be old, repeated, or about something not known yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, Protocol

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.money import Currency, Money
from tandem_core.values import Channel, Reference, Strict
from tandem_orders.places import Place
from tandem_orders.scans import Scan

Text = Annotated[str, Field(max_length=512)]
# How units reach their customer, and how far they are, as far as senders tell.
ReportedType = Literal["ship", "pickup", "in_store"]
ReportedState = Literal[
    "unfulfilled",
    "allocated",
    "packed",
    "shipped",
    "delivered",
    "proposed",
    "reserved",
    "preparing",
    "ready",
    "collected",
    "cancelled",
]
Units = Annotated[int, Field(ge=0, le=100_000)]


class Contact(Strict):
    """Personal data of an order: as the shop wrote it, not yet normalised."""

    email: Text | None = None
    phone: Text | None = None
    name: Text | None = None


class LineReport(Strict):
    """`quantity` counts the units ever ordered, `cancelled` those taken off again. `paid` is for
    all ordered units, after discounts, with tax when the shop's prices include it; None when the
    sender does not tell (marketplaces)."""

    line_id: Reference
    sku: Reference
    name: Text = ""
    category: Reference | None = None
    quantity: Units
    cancelled: Units = 0
    unit_price: Money | None = None
    paid: Money | None = None


class Tender(Strict):
    """A means of payment and what was paid with it. For points, `reference` is the redemption."""

    type: Reference
    paid: Money
    reference: Reference | None = None


class ParcelReference(Strict):
    """`carrier` as its sender writes it; see carriers.canonical."""

    carrier: Reference
    tracking_number: Reference


class QuantityReport(Strict):
    line_id: Reference
    quantity: Units


class FulfillmentReport(Strict):
    """Some units of an order on their way. `state` is how far the sender says they are.

    `updated_at` tells an older report from a newer one.
    """

    source: Reference
    order_external_id: Reference
    external_id: Reference
    type: ReportedType
    state: ReportedState
    lines: tuple[QuantityReport, ...] = ()
    parcels: tuple[ParcelReference, ...] = ()
    store_id: Reference | None = None
    occurred_at: Instant
    updated_at: Instant | None = None


class RefundLineReport(Strict):
    """`kind`: units that came back, units that never left, or money alone for units kept."""

    line_id: Reference
    quantity: Units
    kind: Literal["return", "cancel", "keep"]


class RefundReport(Strict):
    """Money paid back by the sender. `legs` are what went back, by means of payment."""

    source: Reference
    order_external_id: Reference
    external_id: Reference
    lines: tuple[RefundLineReport, ...] = ()
    legs: tuple[Tender, ...] = ()
    occurred_at: Instant


class OrderReport(Strict):
    """An order as a whole, as the sender sees it at `updated_at`.

    `source_state` is the sender's own word for its state. Units that a fulfilment or a refund of
    the report names need not be repeated elsewhere. `is_receipt`: its goods left over the counter
    when it was written.
    """

    source: Reference
    external_id: Reference
    channel: Channel
    placed_at: Instant
    updated_at: Instant
    currency: Currency
    customer_id: Reference | None = None
    contact: Contact = Contact()
    number: Reference | None = None
    lines: tuple[LineReport, ...]
    tenders: tuple[Tender, ...] = ()
    store_id: Reference | None = None
    terminal_id: Reference | None = None
    receipt_no: Reference | None = None
    promised_by: date | None = None
    destination: Place | None = None
    language: Reference | None = None
    source_state: Text = ""
    cancelled_at: Instant | None = None
    cancel_reason: Text = ""
    completed_at: Instant | None = None
    is_receipt: bool = False
    fulfillments: tuple[FulfillmentReport, ...] = ()
    refunds: tuple[RefundReport, ...] = ()


class OrderStateReport(Strict):
    """A sender's word that an order it does not describe has moved (Square's notifications)."""

    source: Reference
    order_external_id: Reference
    state: Literal["open", "completed", "cancelled"]
    occurred_at: Instant
    fulfillments: tuple[FulfillmentReport, ...] = ()


class Estimate(Strict):
    """When a parcel should arrive: local dates, both inclusive; never an instant."""

    from_date: date
    to_date: date
    source: Literal["carrier", "provider", "rule"] = "carrier"


class FulfillmentReference(Strict):
    """Names a fulfilment by its sender's own ids, for scans that carry no tracking number."""

    source: Reference
    order_external_id: Reference
    external_id: Reference


class ParcelReport(Strict):
    """What a provider knows of one parcel: its whole history, or the newest part of it.

    Without a tracking number it belongs to the parcels of `fulfillment`. `reported_at` is the
    provider's own time of this report; it orders estimates. `destination` helps to date scans.
    """

    provider: Reference
    carrier: Reference | None = None
    tracking_number: Reference | None = None
    fulfillment: FulfillmentReference | None = None
    scans: tuple[Scan, ...]
    reported_at: Instant | None = None
    estimate: Estimate | None = None
    first_estimate: Estimate | None = None
    label_created_at: Instant | None = None
    destination: Place | None = None
    service: Text | None = None
    is_return: bool = False


class CustomerRedaction(Strict):
    """A shop's order to forget a customer: the orders named, and all with these contacts."""

    source: Reference
    contact: Contact
    order_external_ids: tuple[Reference, ...] = ()
    requested_at: Instant | None = None


class CustomerDataRequest(Strict):
    """A shop's question what is stored about a customer; answered by the retailer's staff."""

    source: Reference
    request_id: Reference
    contact: Contact
    order_external_ids: tuple[Reference, ...] = ()


Message = (
    OrderReport
    | OrderStateReport
    | FulfillmentReport
    | RefundReport
    | ParcelReport
    | CustomerRedaction
    | CustomerDataRequest
)


class Unparseable(Exception):
    """The body is not what its topic promises. The text says where, without personal data."""


class UnitsOfLine(Protocol):
    @property
    def line_id(self) -> str: ...

    @property
    def quantity(self) -> int: ...


def units_by_line(quantities: Iterable[UnitsOfLine]) -> Counter[str]:
    """Add up units by line: a report may name a line several times."""
    units: Counter[str] = Counter()
    for one in quantities:
        units[one.line_id] += one.quantity
    return units
