"""Square's webhooks of orders: ids and states, and the whole order where the body has it.

Choices that are ours:
- A notification moves an order and its fulfilments and describes neither. It does not tell a
  pickup from a shipment either: its states are told in a pickup's words.
- `paid` of a line is its gross sales less its discounts: tax is in it when it is inclusive.
- What is sold by weight or length is one unit.
- What is sold at a till without fulfilments is in the customer's hands.
- `customer_id` is Square's, not the retailer's: an order is its customer's by contact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    OrderStateReport,
    ParcelReference,
    QuantityReport,
    RefundReport,
    ReportedState,
    ReportedType,
    Tender,
    Unparseable,
)
from tandem_orders.places import Place
from tandem_orders.senders.documents import digest
from tandem_orders.senders.fields import Fields, document, identity, place, refusals
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.shops import TILL, channel_named

NAME = "square"


_TOPICS = frozenset({"order.created", "order.updated", "order.fulfillment.updated"})
# Where the notification of a topic stands.
_NOTICES: Mapping[str, str] = {
    "order.created": "order_created",
    "order.updated": "order_updated",
    "order.fulfillment.updated": "order_fulfillment_updated",
}
_ORDER_STATES: Mapping[str, Literal["open", "completed", "cancelled"]] = {
    "OPEN": "open",
    "COMPLETED": "completed",
    "CANCELED": "cancelled",
}
_WAYS: Mapping[str, ReportedType] = {"PICKUP": "pickup", "IN_STORE": "in_store"}
_PICKUP: Mapping[str, ReportedState] = {
    "PROPOSED": "proposed",
    "RESERVED": "reserved",
    "PREPARED": "ready",
    "COMPLETED": "collected",
    "CANCELED": "cancelled",
    "FAILED": "cancelled",
}
_SHIP: Mapping[str, ReportedState] = {
    "PROPOSED": "unfulfilled",
    "RESERVED": "allocated",
    "PREPARED": "packed",
    "COMPLETED": "shipped",
    "CANCELED": "cancelled",
    "FAILED": "cancelled",
}
_TENDERS: Mapping[str, str] = {
    "CARD": "card",
    "CASH": "cash",
    "SQUARE_GIFT_CARD": "gift_card",
    "WALLET": "wallet",
    "BUY_NOW_PAY_LATER": "buy_now_pay_later",
    "BANK_ACCOUNT": "bank_account",
    "SQUARE_ACCOUNT": "store_credit",
}


def topic_of(_headers: Headers, body: bytes) -> str:
    return identity(body, "type")


def dedupe_key(_headers: Headers, body: bytes) -> str:
    return identity(body, "event_id") or digest(body)


def parse(topic: str, _headers: Headers, body: bytes) -> list[Message]:
    """Read one event. Raises Unparseable."""
    if topic not in _TOPICS:
        raise Unparseable("the topic has no reader")
    with refusals():
        event = document(body)
        whole = event.inside("data", "object", "order")
        if whole:
            return [] if whole.text("state") == "DRAFT" else [_order(whole)]
        return _moves(event, event.inside("data", "object", _NOTICES[topic]))


def _moves(event: Fields, notice: Fields) -> list[Message]:
    order_id = notice.reference("order_id") or event.inside("data").reference("id")
    if order_id is None:
        notice.refuse("order_id", "missing")
    at = notice.instant("updated_at") or event.instant("created_at") or notice.instant("created_at")
    if at is None:
        event.refuse("created_at", "missing")
    state = notice.text("state")
    if state == "DRAFT":
        return []
    return [
        OrderStateReport(
            source=NAME,
            order_external_id=order_id,
            state=_ORDER_STATES.get(state) or notice.refuse("state", "not a known state"),
            occurred_at=at,
            fulfillments=tuple(
                FulfillmentReport(
                    source=NAME,
                    order_external_id=order_id,
                    external_id=move.required_reference("fulfillment_uid"),
                    type="pickup",
                    state=_PICKUP.get(move.text("new_state"))
                    or move.refuse("new_state", "not a known state"),
                    store_id=notice.reference("location_id"),
                    occurred_at=at,
                    updated_at=at,
                )
                for move in notice.each("fulfillment_update")
            ),
        )
    ]


def _order(order: Fields) -> OrderReport:
    order_id = order.required_reference("id")
    placed_at = order.instant("created_at")
    if placed_at is None:
        order.refuse("created_at", "missing")
    updated_at = order.instant("updated_at") or placed_at
    if "line_items" not in order:
        order.refuse("line_items", "missing")
    state = order.text("state")
    lines = tuple(_lines(order))
    total = _money(order, "total_money")
    currency = total or next((line.paid for line in lines if line.paid), None)
    if currency is None:
        order.refuse("total_money", "missing")
    channel = _channel(order)
    fulfillments = tuple(_fulfillments(order, order_id))
    if channel == "pos" and not fulfillments and state == "COMPLETED":
        fulfillments = tuple(_handed_over(order, order_id, lines))
    return OrderReport(
        source=NAME,
        external_id=order_id,
        channel=channel,
        placed_at=placed_at,
        updated_at=updated_at,
        currency=currency.currency,
        contact=_contact(order),
        number=order.label("reference_id"),
        lines=lines,
        tenders=tuple(_tenders(order)),
        store_id=order.reference("location_id"),
        destination=_destination(order),
        source_state=state,
        cancelled_at=updated_at if state == "CANCELED" else None,
        completed_at=order.instant("closed_at") if state == "COMPLETED" else None,
        fulfillments=fulfillments,
        refunds=tuple(_refunds(order, order_id)),
    )


def _channel(order: Fields) -> Channel:
    """Say where it was sold: an order that names no application is the till's own."""
    name = order.inside("source").text("name")
    if name:
        return channel_named(name)
    return "web" if order.each("fulfillments") else "pos"


def _lines(order: Fields) -> Iterator[LineReport]:
    seen: set[str] = set()
    for line in order.each("line_items"):
        line_id = line.required_reference("uid")
        if line_id in seen:
            line.refuse("uid", "another line's id")
        seen.add(line_id)
        gross, discount = _money(line, "gross_sales_money"), _money(line, "total_discount_money")
        paid = gross or _money(line, "total_money")
        if gross and discount:
            paid = Money(amount=max(0, gross.amount - discount.amount), currency=gross.currency)
        yield LineReport(
            line_id=line_id,
            sku=line.label("catalog_object_id") or line.text("name")[:128] or line_id,
            name=" ".join(filter(None, (line.text("name"), line.text("variation_name"))))[:512],
            category="gift_card" if line.text("item_type") == "GIFT_CARD" else None,
            quantity=_units(line),
            unit_price=_money(line, "base_price_money"),
            paid=paid,
        )


def _units(line: Fields) -> int:
    """Return a line's units: a quantity with decimals is one piece cut to measure."""
    _, _, decimals = line.text("quantity").partition(".")
    return 1 if decimals.strip("0") else line.units("quantity") or 0


def _money(fields: Fields, name: str) -> Money | None:
    """Return an amount of Square's, which is in minor units already."""
    money = fields.inside(name)
    if "amount" not in money:
        return None
    minor = money.units("amount")
    currency = money.currency("currency")
    if minor is None or currency is None:
        money.refuse("currency", "missing")
    return Money(amount=minor, currency=currency)


def _tenders(order: Fields) -> Iterator[Tender]:
    for tender in order.each("tenders"):
        paid = _money(tender, "amount_money")
        if paid and paid.amount:
            yield Tender(type=_tender(tender), paid=paid, reference=tender.label("id"))


def _tender(tender: Fields) -> str:
    name = tender.text("type")
    return _TENDERS.get(name) or name.lower()[:128] or "unknown"


def _refunds(order: Fields, order_id: str) -> Iterator[RefundReport]:
    kinds = {tender.label("id"): _tender(tender) for tender in order.each("tenders")}
    for refund in order.each("refunds"):
        paid = _money(refund, "amount_money")
        occurred_at = refund.instant("created_at")
        if refund.text("status") not in {"APPROVED", "COMPLETED"}:
            continue
        if paid is None or occurred_at is None:
            refund.refuse("amount_money", "missing")
        kind = kinds.get(refund.label("tender_id"), "unknown")
        yield RefundReport(
            source=NAME,
            order_external_id=order_id,
            external_id=refund.required_reference("id"),
            legs=(Tender(type=kind, paid=paid, reference=refund.label("id")),),
            occurred_at=occurred_at,
        )


def _fulfillments(order: Fields, order_id: str) -> Iterator[FulfillmentReport]:
    created_at = order.instant("created_at")
    for one in order.each("fulfillments"):
        kind = one.text("type")
        way: ReportedType = (
            "pickup" if kind == "PICKUP" else "in_store" if kind == "IN_STORE" else "ship"
        )
        states = _SHIP if way == "ship" else _PICKUP
        details = _details(one)
        updated_at = order.instant("updated_at") or created_at
        if updated_at is None:
            order.refuse("updated_at", "missing")
        number = details.label("tracking_number")
        yield FulfillmentReport(
            source=NAME,
            order_external_id=order_id,
            external_id=one.required_reference("uid"),
            type=way,
            state=states.get(one.text("state"), states["PROPOSED"]),
            lines=tuple(_fulfilled(order, one)),
            parcels=(
                ParcelReference(
                    carrier=details.label("carrier") or "unknown", tracking_number=number
                ),
            )
            if number
            else (),
            store_id=None if way == "ship" else order.reference("location_id"),
            occurred_at=updated_at,
            updated_at=updated_at,
        )


def _fulfilled(order: Fields, fulfillment: Fields) -> Iterator[QuantityReport]:
    """Yield the units of a fulfilment: those it lists, or all of the order."""
    entries = fulfillment.each("entries")
    name = "line_item_uid" if entries else "uid"
    for line in entries or order.each("line_items"):
        if units := _units(line):
            yield QuantityReport(line_id=line.required_reference(name), quantity=units)


def _handed_over(
    order: Fields, order_id: str, lines: tuple[LineReport, ...]
) -> Iterator[FulfillmentReport]:
    at = order.instant("closed_at") or order.instant("created_at")
    quantities = tuple(
        QuantityReport(line_id=line.line_id, quantity=line.quantity)
        for line in lines
        if line.quantity
    )
    if at and quantities:
        yield FulfillmentReport(
            source=NAME,
            order_external_id=order_id,
            external_id=TILL,
            type="in_store",
            state="collected",
            lines=quantities,
            store_id=order.reference("location_id"),
            occurred_at=at,
        )


def _details(fulfillment: Fields) -> Fields:
    names = ("pickup_details", "shipment_details", "delivery_details")
    return next(
        (found for name in names if (found := fulfillment.inside(name))), fulfillment.inside("")
    )


def _recipient(order: Fields) -> Fields:
    found = (_details(one).inside("recipient") for one in order.each("fulfillments"))
    return next((recipient for recipient in found if recipient), order.inside(""))


def _contact(order: Fields) -> Contact:
    recipient = _recipient(order)
    return Contact(
        email=recipient.text("email_address") or None,
        phone=recipient.text("phone_number") or None,
        name=recipient.text("display_name") or None,
    )


def _destination(order: Fields) -> Place | None:
    address = _recipient(order).inside("address")
    if not address:
        return None
    return place(
        city=address.text("locality"),
        region=address.text("administrative_district_level_1"),
        postal_code=address.text("postal_code"),
        country=address.text("country"),
    )


SENDER = Sender(NAME, _TOPICS, topic_of, dedupe_key, parse)
