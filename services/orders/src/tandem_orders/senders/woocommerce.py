"""WooCommerce's webhooks: the order of its REST API v3, sent when it is created and updated.

Choices that are ours:
- Only the `_gmt` times are read: the others are in the shop's zone, which is not told.
- `paid` of a line is its `total`, which is without tax, with `total_tax` when the shop's prices
  include tax (`prices_include_tax`).
- There is one means of payment per order; gift cards of the Gift Cards extension stand beside it.
- There are no fulfilments. A `completed` order is one, of all its units: collected when it was for
  pickup, arrived when it has no shipping, and shipped otherwise. What is paid at a till is in the
  customer's hands. Parcels are those of the Shipment Tracking extension.
- A refund in an order is an amount without units, dated by the order's change.
- `customer_id` is the shop's, not the retailer's: an order is its customer's by contact.
- A draft of the checkout is no order yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Literal

from tandem_core.money import Money
from tandem_core.signatures import Headers
from tandem_core.values import Channel
from tandem_orders.messages import (
    Contact,
    FulfillmentReport,
    LineReport,
    Message,
    OrderReport,
    ParcelReference,
    QuantityReport,
    RefundReport,
    ReportedType,
    Tender,
    Unparseable,
)
from tandem_orders.places import Place
from tandem_orders.senders.documents import digest
from tandem_orders.senders.fields import Fields, document, identity, place, refusals
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.shops import channel_named, tender_type, tenders

NAME = "woocommerce"
# A webhook that is saved is tried with a form that names its id.
PING = "ping"
# The one fulfilment of an order.
COMPLETION = "completed"

_ORDERS = frozenset({"order.created", "order.updated"})


_DRAFTS = {"checkout-draft", "auto-draft", "draft"}
_CANCELLED = {"cancelled", "trash"}
_COLLECTED: Mapping[ReportedType, Literal["shipped", "collected"]] = {
    "ship": "shipped",
    "pickup": "collected",
    "in_store": "collected",
}


def topic_of(headers: Headers, body: bytes) -> str:
    if body.startswith(b"webhook_id="):
        return PING
    return headers.get("x-wc-webhook-topic", "").strip().lower()


def dedupe_key(headers: Headers, body: bytes) -> str:
    """Return the order's id and version, with the body's hash.

    Versions are told to the second, and a checkout saves its order more often than that.
    """
    if topic_of(headers, body) == PING:
        return PING
    version = identity(body, "id", "date_modified_gmt")
    return f"{version}:{digest(body)}" if version else digest(body)


def parse(topic: str, _headers: Headers, body: bytes) -> list[Message]:
    """Read one webhook. Raises Unparseable."""
    if topic == PING:
        return []
    if topic not in _ORDERS:
        raise Unparseable("the topic has no reader")
    with refusals():
        order = document(body)
        return [] if order.text("status") in _DRAFTS else [_order(order)]


def _order(order: Fields) -> OrderReport:
    order_id = order.required_reference("id")
    currency = order.currency("currency") or order.refuse("currency", "missing")
    placed_at = order.instant("date_created_gmt", utc=True)
    if placed_at is None:
        order.refuse("date_created_gmt", "missing")
    updated_at = order.instant("date_modified_gmt", utc=True) or placed_at
    if "line_items" not in order:
        order.refuse("line_items", "missing")
    status = order.text("status")
    completed_at = order.instant("date_completed_gmt", utc=True)
    channel = _channel(order)
    lines = tuple(_lines(order, currency))
    return OrderReport(
        source=NAME,
        external_id=order_id,
        channel=channel,
        placed_at=placed_at,
        updated_at=updated_at,
        currency=currency,
        contact=_contact(order.inside("billing")),
        number=order.label("number"),
        lines=lines,
        tenders=_tenders(order, currency),
        destination=_destination(order.inside("shipping")),
        source_state=status,
        cancelled_at=updated_at if status in _CANCELLED else None,
        completed_at=completed_at,
        fulfillments=_fulfillments(order, order_id, _way(order, channel), lines, completed_at),
        refunds=tuple(
            _refund(refund, order, order_id, currency, updated_at)
            for refund in order.each("refunds")
        ),
    )


def _channel(order: Fields) -> Channel:
    return channel_named(order.text("created_via"))


def _way(order: Fields, channel: Channel) -> ReportedType:
    methods = {line.text("method_id") for line in order.each("shipping_lines")}
    if methods & {"local_pickup", "pickup_location"}:
        return "pickup"
    return "in_store" if channel == "pos" and not methods else "ship"


def _lines(order: Fields, currency: str) -> Iterator[LineReport]:
    with_tax = order.is_true("prices_include_tax")
    seen: set[str] = set()
    for line in order.each("line_items"):
        line_id = line.required_reference("id")
        if line_id in seen:
            line.refuse("id", "another line's id")
        seen.add(line_id)
        quantity = line.units("quantity") or 0
        paid = line.money("total", currency)
        tax_minor = line.minor_units("total_tax", currency) or 0
        if paid and with_tax:
            paid = Money(amount=paid.amount + tax_minor, currency=currency)
        yield LineReport(
            line_id=line_id,
            sku=line.label("sku") or _product(line) or line_id,
            name=line.text("name"),
            quantity=quantity,
            unit_price=_unit_price(line, quantity, currency, with_tax=bool(with_tax)),
            paid=paid,
        )


def _product(line: Fields) -> str | None:
    """Return the id of what was sold: a variation has 0 for none."""
    ids = (line.reference("variation_id"), line.reference("product_id"))
    return next((found for found in ids if found and found != "0"), None)


def _unit_price(line: Fields, quantity: int, currency: str, *, with_tax: bool) -> Money | None:
    """Return the price of one before discounts, where it is a whole number of minor units."""
    minor = line.minor_units("subtotal", currency)
    if minor is None or not quantity:
        return None
    if with_tax:
        minor += line.minor_units("subtotal_tax", currency) or 0
    each, rest = divmod(minor, quantity)
    return None if rest or each < 0 else Money(amount=each, currency=currency)


def _tenders(order: Fields, currency: str) -> tuple[Tender, ...]:
    """Say what was paid, once it was: `total` is what the gift cards have left."""
    if "date_paid_gmt" not in order:
        return ()
    cards = [
        ("gift_card", card.minor_units("amount", currency) or 0)
        for card in order.each("gift_cards")
    ]
    rest = order.minor_units("total", currency) or 0
    return tenders([*cards, (order.text("payment_method"), rest)], currency)


def _contact(billing: Fields) -> Contact:
    names = (billing.text("first_name"), billing.text("last_name"))
    return Contact(
        email=billing.text("email") or None,
        phone=billing.text("phone") or None,
        name=" ".join(filter(None, names)) or None,
    )


def _destination(shipping: Fields) -> Place | None:
    found = place(
        city=shipping.text("city"),
        region=shipping.text("state"),
        postal_code=shipping.text("postcode"),
        country=shipping.text("country"),
    )
    return found if found != place() else None


def _fulfillments(
    order: Fields,
    order_id: str,
    way: ReportedType,
    lines: tuple[LineReport, ...],
    completed_at: datetime | None,
) -> tuple[FulfillmentReport, ...]:
    quantities = tuple(
        QuantityReport(line_id=line.line_id, quantity=line.quantity)
        for line in lines
        if line.quantity
    )
    at, states = completed_at, {"completed", "refunded"}
    if way == "in_store":
        at, states = at or order.instant("date_paid_gmt", utc=True), states | {"processing"}
    if at is None or order.text("status") not in states or not quantities:
        return ()
    parcels = tuple(_parcels(order))
    sent = parcels or order.each("shipping_lines")
    return (
        FulfillmentReport(
            source=NAME,
            order_external_id=order_id,
            external_id=COMPLETION,
            type=way,
            state="delivered" if way == "ship" and not sent else _COLLECTED[way],
            lines=quantities,
            parcels=parcels,
            occurred_at=at,
            updated_at=order.instant("date_modified_gmt", utc=True),
        ),
    )


def _parcels(order: Fields) -> Iterator[ParcelReference]:
    for meta in order.each("meta_data"):
        if meta.text("key") != "_wc_shipment_tracking_items":
            continue
        # Another author's data: whatever it is, the order stands.
        with suppress(Unparseable):
            for parcel in meta.each("value"):
                number = parcel.label("tracking_number")
                carrier = parcel.first_text("tracking_provider", "custom_tracking_provider")[:128]
                if number:
                    yield ParcelReference(carrier=carrier or "unknown", tracking_number=number)


def _refund(
    refund: Fields, order: Fields, order_id: str, currency: str, updated_at: datetime
) -> RefundReport:
    """Read a refund, whose `total` is below zero."""
    minor = abs(refund.minor_units("total", currency) or 0)
    leg = Tender(
        type=tender_type(order.text("payment_method")),
        paid=Money(amount=minor, currency=currency),
    )
    return RefundReport(
        source=NAME,
        order_external_id=order_id,
        external_id=refund.required_reference("id"),
        legs=(leg,) if minor else (),
        occurred_at=updated_at,
    )


SENDER = Sender(NAME, _ORDERS | {PING}, topic_of, dedupe_key, parse)
