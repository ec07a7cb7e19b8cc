"""What returns reads of the events of others: the members it needs, whatever else there is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from tandem_core.clock import GivenInstant
from tandem_core.money import EXACT_INTEGER, Currency, Money
from tandem_core.values import Channel, Reference


class Heard(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class HeardQuantity(Heard):
    line_id: Reference
    quantity: Annotated[int, Field(ge=0), EXACT_INTEGER]


class HeardLine(HeardQuantity):
    sku: Reference
    name: str = ""
    category: Reference | None = None
    unit_price: Money | None = None
    paid: Money | None = None


class HeardTender(Heard):
    type: Reference
    paid: Money
    reference: Reference | None = None


class HeardCustomer(Heard):
    customer_id: Reference | None = None
    email: str | None = None
    phone: str | None = None


class HeardPlace(Heard):
    country: str | None = None


class HandedOver(Heard):
    id: str
    lines: tuple[HeardQuantity, ...]
    delivered_at: GivenInstant | None = None


class OrderHeard(Heard):
    """What every event of an order says."""

    order_id: Reference
    customer_id: Reference | None = None


class OrderPlaced(OrderHeard):
    source: Reference
    external_id: Reference
    number: Reference | None = None
    channel: Channel
    placed_at: GivenInstant
    currency: Currency
    lines: tuple[HeardLine, ...]
    tenders: tuple[HeardTender, ...] = ()
    store_id: Reference | None = None
    handed_over: HandedOver | None = None
    customer: HeardCustomer = HeardCustomer()
    destination: HeardPlace | None = None


class OrderUpdated(OrderHeard):
    """`added` and `tenders` are whole, not increments."""

    added: tuple[HeardLine, ...] = ()
    tenders: tuple[HeardTender, ...] | None = None
    customer: HeardCustomer | None = None


class OrderCancelled(OrderHeard):
    lines: tuple[HeardQuantity, ...] = ()


class FulfillmentHeard(OrderHeard):
    """A fulfilment as it is now."""

    fulfillment_id: str
    state: str
    previous_state: str | None = None
    lines: tuple[HeardQuantity, ...] = ()
    delivered_at: GivenInstant | None = None
    occurred_at: GivenInstant


class HeardLeg(Heard):
    tender: Reference
    paid: Money
    reference: Reference | None = None


class RefundHeard(OrderHeard):
    """Money that a shop platform has paid back. `lines` are units that nobody else has told of,
    `booked` those that our own returns had told of before."""

    refund_id: Reference
    lines: tuple[HeardQuantity, ...] = ()
    booked: tuple[HeardQuantity, ...] = ()
    legs: tuple[HeardLeg, ...] = ()


class ParcelHeard(Heard):
    """A parcel on its way back."""

    carrier: Reference
    tracking_number: Reference
    order_ids: tuple[str, ...] = ()
    status: str
    handed_over_at: GivenInstant | None = None
    delivered_at: GivenInstant | None = None


class EarnedLine(HeardQuantity):
    points: Annotated[int, Field(ge=0), EXACT_INTEGER]


class PointsGranted(Heard):
    """`points.earned` and `points.pending`. Points of an action have no order."""

    order_id: Reference | None = None
    lines: tuple[EarnedLine, ...] | None = None


class Redemption(Heard):
    id: Reference
    captured_points: Annotated[int, Field(ge=0), EXACT_INTEGER]
    captured_value: Money | None = None


class RedemptionCaptured(Heard):
    redemption: Redemption


class AccountEnrolled(Heard):
    customer_id: Reference | None = None
    identifiers: tuple[Any, ...] = ()


class TierChanged(Heard):
    customer_id: Reference
    tier: Reference | None = None
