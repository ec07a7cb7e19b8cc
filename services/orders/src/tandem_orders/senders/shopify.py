"""Shopify's webhooks, as its REST resources of 2024-01 to 2026-04 come in them.

Choices that are ours:
- Money is the shop's: the plain fields (`price`, `total_price`), which are in `currency`. A leg of
  a refund keeps the currency that its transaction names: the customer may have paid in another.
- `paid` of a line is price times quantity less all its discounts: tax is in it when the shop's
  prices include it, as `taxes_included` says, and otherwise not.
- Tenders: the transactions where the body has them; else what is settled of the total, if there is
  one gateway. Shopify does not tell how several shared it, so then there is none.
- `customer.id` is Shopify's, not the retailer's: an order is its customer's by contact.
- `current_quantity` counts what is neither edited away nor refunded; the refunds say the latter.
- A fulfilment's `shipment_status` is the carrier's axis and comes with `fulfillment_events/create`.
- What is bought at a till and not sent is in the customer's hands; what needs no shipping has
  arrived when it is fulfilled.
- `orders/edited` carries differences only, and the whole order follows with `orders/updated`.
- Test orders (`test`) are orders: a shop in test mode shows what it would do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Literal

from tandem_core.money import Money
from tandem_core.signatures import Headers
from tandem_core.values import Channel
from tandem_orders.messages import (
    Contact,
    CustomerDataRequest,
    CustomerRedaction,
    Estimate,
    FulfillmentReference,
    FulfillmentReport,
    LineReport,
    Message,
    OrderReport,
    ParcelReference,
    ParcelReport,
    QuantityReport,
    RefundLineReport,
    RefundReport,
    ReportedState,
    ReportedType,
    Tender,
    Unparseable,
)
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders.documents import digest
from tandem_orders.senders.fields import Fields, document, identity, place, refusals
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.shops import TILL, channel_named, tender_type, tenders
from tandem_orders.statuses import Reason, ShipmentStatus

NAME = "shopify"


_SETTLED = {"paid", "partially_refunded", "refunded"}
# `source_name` may also be the number of a channel's app.
_APPS: Mapping[str, Channel] = {"129785": "pos", "3890849": "app"}
_PICKUP = {"pickup", "pick_up", "local_pickup", "local pickup", "pick up", "pick up in store"}
_SCANS: Mapping[str, tuple[ShipmentStatus, Reason | None]] = {
    "confirmed": (ShipmentStatus.PENDING, None),
    "label_purchased": (ShipmentStatus.LABEL_CREATED, None),
    "label_printed": (ShipmentStatus.LABEL_CREATED, None),
    "carrier_picked_up": (ShipmentStatus.PICKED_UP, None),
    "in_transit": (ShipmentStatus.IN_TRANSIT, None),
    "delayed": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "buyer_action_required": (ShipmentStatus.ON_HOLD, Reason.UNKNOWN),
    "out_for_delivery": (ShipmentStatus.OUT_FOR_DELIVERY, None),
    "attempted_delivery": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.UNKNOWN),
    "ready_for_pickup": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "returning_to_sender": (ShipmentStatus.RETURNING, Reason.UNKNOWN),
    "delivered": (ShipmentStatus.DELIVERED, None),
    "picked_up": (ShipmentStatus.DELIVERED, None),
    "failure": (ShipmentStatus.FAILED, Reason.UNKNOWN),
}


def topic_of(headers: Headers, _body: bytes) -> str:
    return _header(headers, "topic").lower()


def dedupe_key(headers: Headers, body: bytes) -> str:
    """Return the event's id with what it is about: one action of the merchant may touch many.

    Shopify repeats a message with its first body, and gives one event id to all subscriptions.
    """
    event = _header(headers, "event-id") or _header(headers, "webhook-id")
    about = identity(body, "id", "updated_at") or digest(body)
    return f"{topic_of(headers, body)}:{event}:{about}" if event else digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:
    """Read one webhook. Raises Unparseable."""
    reader = _READERS.get(topic)
    if reader is None:
        raise Unparseable("the topic has no reader")
    with refusals():
        return reader(document(body), headers)


def _order(order: Fields, _headers: Headers) -> list[Message]:
    order_id = order.required_reference("id")
    currency = order.currency("currency") or order.refuse("currency", "missing")
    placed_at = order.instant("processed_at") or order.instant("created_at")
    if placed_at is None:
        order.refuse("created_at", "missing")
    if "line_items" not in order:
        order.refuse("line_items", "missing")
    channel = _channel(order)
    refunds = tuple(_refund(refund, order_id, currency) for refund in order.each("refunds"))
    lines = tuple(_lines(order, currency, refunds))
    way = _way(order, channel)
    fulfillments = tuple(
        _fulfillment(fulfillment, order_id, way) for fulfillment in order.each("fulfillments")
    )
    cancelled_at = order.instant("cancelled_at")
    if way == "in_store" and not fulfillments and not cancelled_at:
        fulfillments = _handed_over(order, order_id, lines, placed_at)
    at_till = channel == "pos"
    return [
        OrderReport(
            source=NAME,
            external_id=order_id,
            channel=channel,
            placed_at=placed_at,
            updated_at=order.instant("updated_at") or placed_at,
            currency=currency,
            contact=_contact(order),
            number=order.label("name"),
            lines=lines,
            tenders=_tenders(order, currency),
            store_id=order.reference("location_id"),
            terminal_id=order.reference("device_id") if at_till else None,
            receipt_no=order.label("source_identifier") if at_till else None,
            destination=_destination(order.inside("shipping_address")),
            language=order.label("customer_locale"),
            source_state="/".join(
                (
                    order.text("financial_status") or "unknown",
                    order.text("fulfillment_status") or "unfulfilled",
                )
            ),
            cancelled_at=cancelled_at,
            cancel_reason=order.text("cancel_reason"),
            fulfillments=fulfillments,
            refunds=refunds,
        )
    ]


def _channel(order: Fields) -> Channel:
    name = order.text("source_name")
    return _APPS.get(name) or channel_named(name)


def _way(order: Fields, channel: Channel) -> ReportedType:
    sent = order.each("shipping_lines")
    for line in sent:
        if {line.text("delivery_category").lower(), line.text("code").lower()} & _PICKUP:
            return "pickup"
    return "in_store" if channel == "pos" and not sent else "ship"


def _lines(order: Fields, currency: str, refunds: tuple[RefundReport, ...]) -> Iterator[LineReport]:
    refunded = Counter[str]()
    for refund in refunds:
        for one in refund.lines:
            refunded[one.line_id] += one.quantity
    seen: set[str] = set()
    for line in order.each("line_items"):
        line_id = line.required_reference("id")
        if line_id in seen:
            line.refuse("id", "another line's id")
        seen.add(line_id)
        quantity = line.units("quantity") or 0
        left = line.units("current_quantity")
        gone = 0 if left is None else quantity - left - refunded[line_id]
        unit_price = line.money("price", currency)
        yield LineReport(
            line_id=line_id,
            sku=line.label("sku") or line.label("variant_id") or line_id,
            name=line.first_text("name", "title"),
            category="gift_card" if line.is_true("gift_card") else None,
            quantity=quantity,
            cancelled=max(0, gone),
            unit_price=unit_price,
            paid=_paid(line, unit_price, quantity),
        )


def _paid(line: Fields, unit_price: Money | None, quantity: int) -> Money | None:
    if unit_price is None:
        return None
    paid_minor = unit_price.amount * quantity - _discount(line, unit_price.currency)
    return Money(amount=max(0, paid_minor), currency=unit_price.currency)


def _discount(line: Fields, currency: str) -> int:
    """Return all that was taken off a line: `total_discount` leaves out the order's discounts."""
    shares = line.each("discount_allocations")
    if shares:
        return sum(share.minor_units("amount", currency) or 0 for share in shares)
    return line.minor_units("total_discount", currency) or 0


def _tenders(order: Fields, currency: str) -> tuple[Tender, ...]:
    if "transactions" in order:
        return tenders(
            (
                (one.text("gateway"), one.minor_units("amount", currency) or 0)
                for one in order.each("transactions")
                if one.text("status") == "success" and one.text("kind") in {"sale", "capture"}
                if one.currency("currency") in {None, currency}
            ),
            currency,
        )
    gateways = {name for name in order.texts("payment_gateway_names") if name}
    total = order.minor_units("total_price", currency) or 0
    outstanding = order.minor_units("total_outstanding", currency)
    if outstanding is None:
        outstanding = 0 if order.text("financial_status") in _SETTLED else total
    if len(gateways) != 1:
        return ()
    return tenders([(gateways.pop(), total - max(0, outstanding))], currency)


def _contact(order: Fields) -> Contact:
    customer = order.inside("customer")
    names = (customer.text("first_name"), customer.text("last_name"))
    return Contact(
        email=order.first_text("email", "contact_email") or customer.text("email") or None,
        phone=order.text("phone") or customer.text("phone") or None,
        name=" ".join(filter(None, names)) or order.inside("billing_address").text("name") or None,
    )


def _destination(address: Fields) -> Place | None:
    if not address:
        return None
    return place(
        city=address.text("city"),
        region=address.first_text("province_code", "province"),
        postal_code=address.text("zip"),
        country=address.first_text("country_code", "country"),
    )


def _handed_over(
    order: Fields, order_id: str, lines: tuple[LineReport, ...], at: datetime
) -> tuple[FulfillmentReport, ...]:
    quantities = tuple(
        QuantityReport(line_id=line.line_id, quantity=line.quantity - line.cancelled)
        for line in lines
        if line.quantity > line.cancelled
    )
    if not quantities:
        return ()
    return (
        FulfillmentReport(
            source=NAME,
            order_external_id=order_id,
            external_id=TILL,
            type="in_store",
            state="collected",
            lines=quantities,
            store_id=order.reference("location_id"),
            occurred_at=at,
        ),
    )


def _fulfillment_alone(fulfillment: Fields, _headers: Headers) -> list[Message]:
    """Read a fulfilment without its order, which knows better whether it is sent or collected."""
    way: ReportedType = "ship"
    if fulfillment.text("shipment_status") in {"ready_for_pickup", "picked_up"}:
        way = "ship" if _numbers(fulfillment) else "pickup"
    return [_fulfillment(fulfillment, fulfillment.required_reference("order_id"), way)]


def _fulfillment(fulfillment: Fields, order_id: str, way: ReportedType) -> FulfillmentReport:
    created_at = fulfillment.instant("created_at")
    updated_at = fulfillment.instant("updated_at") or created_at
    if updated_at is None:
        fulfillment.refuse("updated_at", "missing")
    lines = fulfillment.each("line_items")
    carrier = fulfillment.label("tracking_company") or "unknown"
    return FulfillmentReport(
        source=NAME,
        order_external_id=order_id,
        external_id=fulfillment.required_reference("id"),
        type=way,
        state=_state(fulfillment, lines, way),
        lines=tuple(
            QuantityReport(line_id=line.required_reference("id"), quantity=units)
            for line in lines
            if (units := line.units("quantity"))
        ),
        parcels=tuple(
            ParcelReference(carrier=carrier, tracking_number=number)
            for number in _numbers(fulfillment)
        ),
        store_id=None if way == "ship" else fulfillment.reference("location_id"),
        occurred_at=created_at or updated_at,
        updated_at=updated_at,
    )


def _state(fulfillment: Fields, lines: tuple[Fields, ...], way: ReportedType) -> ReportedState:
    status = fulfillment.text("status")
    if way == "pickup" and fulfillment.text("shipment_status") == "ready_for_pickup":
        return "ready"
    # Downloads and services: nothing is on its way.
    sent = not lines or any(line.is_true("requires_shipping") is not False for line in lines)
    if way == "ship" and status == "success" and not sent:
        return "delivered"
    return _STATES.get(status, _NOT_YET)[way]


def _numbers(fulfillment: Fields) -> tuple[str, ...]:
    """Return the tracking numbers, each once; the single field repeats the first of them."""
    numbers = fulfillment.texts("tracking_numbers") or fulfillment.texts("tracking_number")
    return tuple(dict.fromkeys(number for number in numbers if number))


def _scan(event: Fields, _headers: Headers) -> list[Message]:
    status = event.text("status").lower()
    known, reason = _SCANS.get(status, (None, None))
    when = "happened_at" if "happened_at" in event else "created_at"
    happened_at = event.instant(when)
    arrives_on = event.written_date("estimated_delivery_at")
    return [
        ParcelReport(
            provider=NAME,
            fulfillment=FulfillmentReference(
                source=NAME,
                order_external_id=event.required_reference("order_id"),
                external_id=event.required_reference("fulfillment_id"),
            ),
            scans=(
                Scan(
                    provider=NAME,
                    occurred_at=happened_at,
                    occurred_local=event.text(when, 64),
                    tz_source="carrier_offset",
                    precision="second" if happened_at else "none",
                    status=known,
                    reason=reason,
                    raw=f"{NAME}:{status[:100]}",
                    description=event.text("message"),
                    place=place(
                        city=event.text("city"),
                        region=event.text("province"),
                        postal_code=event.text("zip"),
                        country=event.text("country"),
                    ),
                ),
            ),
            reported_at=event.instant("updated_at") or event.instant("created_at"),
            estimate=Estimate(from_date=arrives_on, to_date=arrives_on, source="provider")
            if arrives_on
            else None,
        )
    ]


def _refund_alone(refund: Fields, _headers: Headers) -> list[Message]:
    return [_refund(refund, refund.required_reference("order_id"), _shop_currency(refund))]


def _refund(refund: Fields, order_id: str, currency: str | None) -> RefundReport:
    """Read a refund; `currency` is for transactions that name none."""
    occurred_at = refund.instant("processed_at") or refund.instant("created_at")
    if occurred_at is None:
        refund.refuse("created_at", "missing")
    return RefundReport(
        source=NAME,
        order_external_id=order_id,
        external_id=refund.required_reference("id"),
        lines=tuple(
            RefundLineReport(
                line_id=line.required_reference("line_item_id"), quantity=units, kind=_kind(line)
            )
            for line in refund.each("refund_line_items")
            if (units := line.units("quantity"))
        ),
        legs=tuple(
            leg
            for transaction in refund.each("transactions")
            if transaction.text("kind") == "refund" and transaction.text("status") == "success"
            if (leg := _leg(transaction, currency)).paid.amount
        ),
        occurred_at=occurred_at,
    )


def _leg(transaction: Fields, currency: str | None) -> Tender:
    own = transaction.currency("currency") or currency
    if own is None:
        transaction.refuse("currency", "missing")
    paid = transaction.money("amount", own)
    if paid is None:
        transaction.refuse("amount", "missing")
    return Tender(
        type=tender_type(transaction.text("gateway")), paid=paid, reference=transaction.label("id")
    )


def _kind(line: Fields) -> Literal["return", "cancel", "keep"]:
    """Say what became of refunded units.

    The old `legacy_restock` does not tell goods that came back from goods that never left.
    """
    kind = line.text("restock_type")
    if kind == "legacy_restock":
        return "return" if "fulfillment_status" in line.inside("line_item") else "cancel"
    return "return" if kind == "return" else "cancel" if kind == "cancel" else "keep"


def _shop_currency(refund: Fields) -> str | None:
    """Find the shop's currency in a refund's amounts: it has no field of its own for it."""
    amounts = [
        one.inside(name, "shop_money")
        for items, name in _SHOP_AMOUNTS
        for one in refund.each(items)
    ]
    return next((code for one in amounts if (code := one.currency("currency_code"))), None)


def _redaction(request: Fields, headers: Headers) -> list[Message]:
    # The topic is not signed: no other signed body may be passed off as this one.
    request.required_reference("shop_domain")
    customer = request.inside("customer")
    triggered = Fields({"triggered-at": _header(headers, "triggered-at")})
    return [
        CustomerRedaction(
            source=NAME,
            contact=_only_contact(customer),
            order_external_ids=request.references("orders_to_redact"),
            requested_at=triggered.instant("triggered-at"),
        )
    ]


def _data_request(request: Fields, _headers: Headers) -> list[Message]:
    return [
        CustomerDataRequest(
            source=NAME,
            request_id=request.inside("data_request").required_reference("id"),
            contact=_only_contact(request.inside("customer")),
            order_external_ids=request.references("orders_requested"),
        )
    ]


def _only_contact(customer: Fields) -> Contact:
    return Contact(email=customer.text("email") or None, phone=customer.text("phone") or None)


def _edit(edited: Fields, _headers: Headers) -> list[Message]:
    edited.inside("order_edit").required_reference("order_id")
    return []


def _header(headers: Headers, name: str) -> str:
    """Return a header of either family, that of webhooks and that of events."""
    return (headers.get(f"x-shopify-{name}") or headers.get(f"shopify-{name}") or "").strip()


# Every status by the way that the goods take. Of an unknown one only the least is said: that the
# units are set apart.
_NOT_YET: Mapping[ReportedType, ReportedState] = {
    "ship": "unfulfilled",
    "pickup": "proposed",
    "in_store": "collected",
}
_STATES: Mapping[str, Mapping[ReportedType, ReportedState]] = {
    **dict.fromkeys(
        ("pending", "open"), {"ship": "allocated", "pickup": "preparing", "in_store": "collected"}
    ),
    "success": {"ship": "shipped", "pickup": "collected", "in_store": "collected"},
    **dict.fromkeys(("error", "failure"), _NOT_YET),
    "cancelled": {"ship": "cancelled", "pickup": "cancelled", "in_store": "cancelled"},
}
_SHOP_AMOUNTS = (
    ("refund_line_items", "subtotal_set"),
    ("refund_line_items", "total_tax_set"),
    ("order_adjustments", "amount_set"),
    ("refund_shipping_lines", "subtotal_amount_set"),
)
_READERS: Mapping[str, Callable[[Fields, Headers], list[Message]]] = {
    **dict.fromkeys(
        (
            "orders/create",
            "orders/updated",
            "orders/cancelled",
            "orders/paid",
            "orders/fulfilled",
            "orders/partially_fulfilled",
        ),
        _order,
    ),
    "orders/edited": _edit,
    "fulfillments/create": _fulfillment_alone,
    "fulfillments/update": _fulfillment_alone,
    "fulfillment_events/create": _scan,
    "refunds/create": _refund_alone,
    "customers/redact": _redaction,
    "customers/data_request": _data_request,
}

SENDER = Sender(NAME, frozenset(_READERS), topic_of, dedupe_key, parse)
