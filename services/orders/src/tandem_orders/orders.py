"""Orders of every channel in one form: lines, counters, and a status that is never stored.

The counters of a line hold `ordered >= cancelled + fulfilled` and `fulfilled >= delivered >=
returned`: fulfilled and delivered are counted from the fulfilments, so they cannot drift from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.money import EXACT_INTEGER, Currency, Money
from tandem_core.values import MAX_QUANTITY, Channel, Reference, Strict
from tandem_orders.fulfillments import ARRIVED, NOT_BEGUN, RELEASED, Fulfillment, Parcel
from tandem_orders.messages import Contact, Tender
from tandem_orders.places import Place

# The source of what a return gives instead of what came back.
EXCHANGE = "exchange"
MAX_LINES = 500
MAX_FULFILLMENTS = 50
MAX_RETURN_PARCELS = 50

Units = Annotated[int, Field(ge=0, le=MAX_QUANTITY), EXACT_INTEGER]
OrderStatus = Literal["placed", "confirmed", "in_progress", "completed", "cancelled"]
Flag = Literal[
    "partially_cancelled",
    "partially_fulfilled",
    "partially_delivered",
    "has_exception",
    "has_return",
]


class Customer(Strict):
    """Who an order is for, as far as its channel knows. All of it is personal data but the id."""

    customer_id: Reference | None = None
    email: Annotated[str, Field(max_length=512)] | None = None
    phone: Annotated[str, Field(max_length=512)] | None = None
    name: Annotated[str, Field(max_length=512)] | None = None

    @property
    def contact(self) -> Contact:
        return Contact(email=self.email, phone=self.phone, name=self.name)


class OrderLine(Strict):
    """`paid` is for all ordered units, after discounts and before points used as tender; None
    where a marketplace does not tell.

    `returned` are units that a shop says came back, `received` those that came back by a return of
    ours, `repaid` those that our returns have paid for. Shops tell of our returns as well, so they
    are the same units until there are more of one.
    """

    line_id: Reference
    sku: Reference
    name: str = ""
    category: Reference | None = None
    quantity: Units
    unit_price: Money | None = None
    paid: Money | None = None
    cancelled: Units = 0
    returned: Units = 0
    received: Units = 0
    repaid: Units = 0

    @property
    def back(self) -> int:
        """Units that have come back, whoever says so."""
        return max(self.returned, self.received)


class Counters(NamedTuple):
    ordered: int
    cancelled: int
    fulfilled: int
    delivered: int
    returned: int

    @property
    def open(self) -> int:
        """Units that are neither cancelled nor on their way."""
        return max(0, self.ordered - self.cancelled - self.fulfilled)


class Order(Strict):
    """The order's head. `reported_at` is its sender's time of the newest report heeded.

    `return_parcels` bring back what its customer returns: they move no fulfilment, and how far they
    are is not kept here.
    """

    id: str
    source: Reference
    external_id: Reference
    number: Reference | None = None
    channel: Channel
    placed_at: Instant
    currency: Currency
    customer: Customer = Customer()
    lines: tuple[OrderLine, ...]
    tenders: tuple[Tender, ...] = ()
    store_id: Reference | None = None
    terminal_id: Reference | None = None
    receipt_no: Reference | None = None
    promised_by: date | None = None
    destination: Place | None = None
    language: Reference | None = None
    source_state: str = ""
    reported_at: Instant | None = None
    fulfillments: tuple[Fulfillment, ...] = ()
    return_parcels: tuple[Parcel, ...] = ()
    refunds: tuple[str, ...] = ()
    completed_at: Instant | None = None
    erased: bool = False

    @property
    def counters(self) -> dict[str, Counters]:
        """The counters of each line, by line id."""
        fulfilled = self._fulfilled
        delivered = _units(one for one in self.fulfillments if one.state in ARRIVED)
        counters = {}
        for line in self.lines:
            # What came back had been sent and had arrived, whether or not anybody said so. A parcel
            # that turns up after its units were sent again does not make more of them.
            wanted = line.quantity - line.cancelled
            sent = min(max(fulfilled[line.line_id], line.back), wanted)
            counters[line.line_id] = Counters(
                ordered=line.quantity,
                cancelled=line.cancelled,
                fulfilled=sent,
                delivered=min(max(delivered[line.line_id], line.back), sent),
                returned=line.back,
            )
        return counters

    @property
    def unsent(self) -> dict[str, int]:
        """Units that no fulfilment has and nobody has cancelled, by line id. Unlike the open ones
        they may have come back: of what a shop reports, the return may come first."""
        fulfilled = self._fulfilled
        return {
            line.line_id: max(0, line.quantity - line.cancelled - fulfilled[line.line_id])
            for line in self.lines
        }

    @property
    def begun(self) -> tuple[Fulfillment, ...]:
        """Its fulfilments that somebody works on, that are on their way, or that have arrived."""
        return tuple(one for one in self.fulfillments if one.state not in RELEASED | NOT_BEGUN)

    @property
    def cancellable(self) -> dict[str, int]:
        """Units that can be cancelled, by line id: the open ones, and those of fulfilments that
        nobody has begun to work on."""
        counters = self.model_copy(update={"fulfillments": self.begun}).counters
        return {line_id: one.open for line_id, one in counters.items()}

    @property
    def _fulfilled(self) -> Counter[str]:
        return _units(one for one in self.fulfillments if one.state not in RELEASED)

    @property
    def status(self) -> OrderStatus:
        ordered = sum(line.quantity for line in self.lines)
        wanted = ordered - sum(line.cancelled for line in self.lines)
        if ordered and not wanted:
            return "cancelled"
        if wanted and sum(one.delivered for one in self.counters.values()) >= wanted:
            return "completed"
        states = {one.state for one in self.fulfillments if one.state != "cancelled"}
        if states - NOT_BEGUN:
            return "in_progress"
        return "confirmed" if states else "placed"

    @property
    def flags(self) -> tuple[Flag, ...]:
        counters = self.counters.values()
        wanted = sum(one.ordered - one.cancelled for one in counters)
        fulfilled = sum(one.fulfilled for one in counters)
        delivered = sum(one.delivered for one in counters)
        cancelled = sum(one.cancelled for one in counters)
        parcels = [parcel for one in self.fulfillments for parcel in one.parcels]
        raised: dict[Flag, bool] = {
            "partially_cancelled": bool(cancelled and wanted),
            "partially_fulfilled": 0 < fulfilled < wanted,
            "partially_delivered": 0 < delivered < wanted,
            "has_exception": any(parcel.exception or parcel.returned for parcel in parcels),
            "has_return": any(one.returned for one in counters),
        }
        return tuple(flag for flag, is_raised in raised.items() if is_raised)

    @property
    def arrived_at(self) -> datetime | None:
        """When the last of its units arrived, by the evidence of its fulfilments."""
        return max(
            (one.delivered_at for one in self.fulfillments if one.delivered_at), default=None
        )

    @property
    def shipment_ids(self) -> tuple[str, ...]:
        """Its parcels, those of returns last."""
        sent = (parcel for one in self.fulfillments for parcel in one.parcels)
        return tuple(parcel.shipment_id for parcel in (*sent, *self.return_parcels))

    def fulfillment(self, fulfillment_id: str) -> Fulfillment | None:
        return next((one for one in self.fulfillments if one.id == fulfillment_id), None)


def _units(fulfillments: Iterable[Fulfillment]) -> Counter[str]:
    units: Counter[str] = Counter()
    for fulfillment in fulfillments:
        for line in fulfillment.lines:
            units[line.line_id] += line.quantity
    return units
