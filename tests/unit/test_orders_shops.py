"""What shops and marketplaces say, in our words: exact ids, exact money, and nothing invented."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.money import Money
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
    OrderStateReport,
    ParcelReference,
    ParcelReport,
    QuantityReport,
    RefundLineReport,
    RefundReport,
    Tender,
    Unparseable,
)
from tandem_orders.places import Place
from tandem_orders.senders import amazon, shopify, square, woocommerce
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.shops import channel_named, tender_type
from tandem_orders.statuses import Reason, ShipmentStatus

# The first integer that a float cannot hold.
BIG = 2**53 + 1
Document = dict[str, Any]
Said = TypeVar("Said", bound=Message)


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def eur(minor: int) -> Money:
    return Money(amount=minor, currency="EUR")


def only(kind: type[Said], messages: list[Message]) -> Said:
    (message,) = messages
    assert isinstance(message, kind)
    return message


# Shopify


def shopify_line(line_id: int = BIG, **changes: Any) -> Document:
    return {
        "id": line_id,
        "sku": "MUG-1",
        "name": "Mug - blue",
        "title": "Mug",
        "quantity": 3,
        "current_quantity": 3,
        "price": "10.00",
        "total_discount": "0.00",
        "discount_allocations": [],
        "requires_shipping": True,
        "gift_card": False,
        "variant_id": 77,
    } | changes


def shopify_order(**changes: Any) -> Document:
    return {
        "id": BIG,
        "name": "#1001",
        "created_at": "2026-03-01T12:00:00+01:00",
        "processed_at": "2026-03-01T11:59:00+01:00",
        "updated_at": "2026-03-02T08:00:00-05:00",
        "currency": "EUR",
        "presentment_currency": "USD",
        "source_name": "web",
        "customer_locale": "de-AT",
        "financial_status": "paid",
        "fulfillment_status": None,
        "email": " Ada@Example.com ",
        "phone": None,
        "customer": {
            "id": 5,
            "first_name": "Ada",
            "last_name": "Byron",
            "phone": "+4312345",
        },
        "shipping_address": {
            "city": "Wien",
            "zip": "1010",
            "province": None,
            "country_code": "AT",
            "name": "Ada Byron",
        },
        "payment_gateway_names": ["shopify_payments"],
        "total_price": "35.90",
        "total_outstanding": "0.00",
        "line_items": [shopify_line()],
        "shipping_lines": [{"code": "Standard", "title": "Standard", "price": "5.90"}],
        "fulfillments": [],
        "refunds": [],
    } | changes


def shopify_fulfillment(**changes: Any) -> Document:
    return {
        "id": BIG + 2,
        "order_id": BIG,
        "status": "success",
        "created_at": "2026-03-02T09:00:00+01:00",
        "updated_at": "2026-03-02T10:00:00+01:00",
        "tracking_company": "DHL",
        "tracking_number": "JD01",
        "tracking_numbers": ["JD01", "JD02"],
        "shipment_status": None,
        "location_id": 9,
        "line_items": [{"id": BIG, "quantity": 2, "requires_shipping": True}],
    } | changes


def shopify_refund(**changes: Any) -> Document:
    return {
        "id": BIG + 4,
        "order_id": BIG,
        "created_at": "2026-03-09T09:00:00Z",
        "processed_at": "2026-03-09T09:00:01Z",
        "refund_line_items": [
            {
                "line_item_id": BIG,
                "quantity": 1,
                "restock_type": "return",
                "subtotal": 10.0,
                "subtotal_set": {"shop_money": {"amount": "10.00", "currency_code": "EUR"}},
            }
        ],
        "transactions": [
            {
                "id": 1,
                "kind": "refund",
                "status": "success",
                "gateway": "shopify_payments",
                "amount": "7.50",
                "currency": "EUR",
            },
            {
                "id": 2,
                "kind": "refund",
                "status": "success",
                "gateway": "gift_card",
                "amount": "2.50",
                "currency": None,
            },
            {"id": 3, "kind": "refund", "status": "failure", "gateway": "cash", "amount": "1"},
            {"id": 4, "kind": "void", "status": "success", "gateway": "cash", "amount": "1"},
        ],
    } | changes


def shopify_event(**changes: Any) -> Document:
    return {
        "id": BIG + 6,
        "order_id": BIG,
        "fulfillment_id": BIG + 2,
        "status": "out_for_delivery",
        "message": "On the van",
        "happened_at": "2026-03-03T07:30:00+01:00",
        "created_at": "2026-03-03T07:31:00+01:00",
        "updated_at": "2026-03-03T07:31:00+01:00",
        "estimated_delivery_at": "2026-03-03T18:00:00+01:00",
        "city": "Wien",
        "province": None,
        "country": "AT",
        "zip": "1010",
    } | changes


def ordered(**changes: Any) -> OrderReport:
    body = encoded(shopify_order(**changes))
    return only(OrderReport, shopify.parse("orders/updated", {}, body))


def sent(**changes: Any) -> FulfillmentReport:
    body = encoded(shopify_fulfillment(**changes))
    return only(FulfillmentReport, shopify.parse("fulfillments/update", {}, body))


def refunded(**changes: Any) -> RefundReport:
    body = encoded(shopify_refund(**changes))
    return only(RefundReport, shopify.parse("refunds/create", {}, body))


def scanned(**changes: Any) -> ParcelReport:
    body = encoded(shopify_event(**changes))
    return only(ParcelReport, shopify.parse("fulfillment_events/create", {}, body))


def test_an_order_of_a_shopify_shop() -> None:
    assert ordered() == OrderReport(
        source="shopify",
        external_id="9007199254740993",
        channel="web",
        placed_at=datetime(2026, 3, 1, 10, 59, tzinfo=UTC),
        updated_at=datetime(2026, 3, 2, 13, 0, tzinfo=UTC),
        currency="EUR",
        contact=Contact(email="Ada@Example.com", phone="+4312345", name="Ada Byron"),
        number="#1001",
        lines=(
            LineReport(
                line_id="9007199254740993",
                sku="MUG-1",
                name="Mug - blue",
                quantity=3,
                unit_price=eur(1000),
                paid=eur(3000),
            ),
        ),
        tenders=(Tender(type="card", paid=eur(3590)),),
        destination=Place(city="Wien", postal_code="1010", country="AT"),
        language="de-AT",
        source_state="paid/unfulfilled",
    )


def test_the_shops_customer_id_is_never_the_retailers() -> None:
    assert ordered().customer_id is None


def test_a_date_may_have_a_blank_between_day_and_time() -> None:
    report = ordered(processed_at=None, created_at="2019-01-01 00:00:00.000Z", updated_at=None)
    assert report.placed_at == report.updated_at == datetime(2019, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [1e18, 12.0, True, [1], {"id": 1}, "x" * 200, "a\nb"])
def test_an_id_that_is_not_exact_is_refused(wrong: object) -> None:
    for body in (
        shopify_order(id=wrong),
        shopify_order(line_items=[shopify_line() | {"id": wrong}]),
    ):
        with pytest.raises(Unparseable):
            shopify.parse("orders/create", {}, encoded(body))


@pytest.mark.parametrize(
    ("currency", "price", "minor"),
    [
        ("EUR", "10.00", 1000),
        ("EUR", "10", 1000),
        ("EUR", "10.500000", 1050),
        ("JPY", "1200", 1200),
        ("JPY", "1200.00", 1200),
        ("KWD", "1.250", 1250),
    ],
)
def test_money_is_exact_in_the_currency_of_the_order(currency: str, price: str, minor: int) -> None:
    line = shopify_line(price=price, quantity=1)
    report = ordered(currency=currency, line_items=[line], total_price=price)
    assert report.lines[0].paid == Money(amount=minor, currency=currency)


@pytest.mark.parametrize(
    ("currency", "price"),
    [("EUR", "10.005"), ("JPY", "0.5"), ("KWD", "1.2505"), ("EUR", "1e3"), ("EUR", "ten")],
)
def test_money_that_is_not_is_refused(currency: str, price: str) -> None:
    with pytest.raises(Unparseable, match=r"^line_items\.0\.price: "):
        ordered(currency=currency, line_items=[shopify_line(price=price)])


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Unparseable, match="currency"):
        ordered(currency="ABC")


def test_paid_is_after_all_discounts() -> None:
    shares = [{"amount": "2.50"}, {"amount": "1.25"}]
    both = shopify_line(total_discount="2.50", discount_allocations=shares)
    assert ordered(line_items=[both]).lines[0].paid == eur(3000 - 375)
    line = shopify_line(total_discount="2.50", discount_allocations=[])
    assert ordered(line_items=[line]).lines[0].paid == eur(3000 - 250)
    free = shopify_line(discount_allocations=[{"amount": "99.00"}])
    assert ordered(line_items=[free]).lines[0].paid == eur(0)


def test_units_edited_away_are_cancelled_and_refunded_ones_are_not_so_twice() -> None:
    edited = ordered(line_items=[shopify_line(current_quantity=1)])
    assert edited.lines[0].cancelled == 2
    both = ordered(line_items=[shopify_line(current_quantity=1)], refunds=[shopify_refund()])
    assert both.lines[0].cancelled == 1
    assert both.refunds[0].lines[0].quantity == 1
    unsaid = shopify_line()
    del unsaid["current_quantity"]
    assert ordered(line_items=[unsaid]).lines[0].cancelled == 0


def test_a_line_without_a_sku_is_known_by_its_variant() -> None:
    assert ordered(line_items=[shopify_line(sku="")]).lines[0].sku == "77"
    custom = shopify_line(sku=None, variant_id=None)
    assert ordered(line_items=[custom]).lines[0].sku == str(BIG)


def test_a_gift_card_that_is_sold_is_its_own_category() -> None:
    assert ordered(line_items=[shopify_line(gift_card=True)]).lines[0].category == "gift_card"


def test_two_lines_with_one_id_are_refused() -> None:
    with pytest.raises(Unparseable, match="another line's id"):
        ordered(line_items=[shopify_line(), shopify_line()])


def tenders_of(**changes: Any) -> dict[str, int]:
    return {tender.type: tender.paid.amount for tender in ordered(**changes).tenders}


def test_tenders_are_what_is_settled() -> None:
    assert tenders_of(total_outstanding="10.00") == {"card": 2590}
    assert tenders_of(total_outstanding="35.90") == {}
    assert tenders_of(total_outstanding="40.00") == {}
    assert tenders_of(total_outstanding=None) == {"card": 3590}
    assert tenders_of(total_outstanding=None, financial_status="pending") == {}
    assert tenders_of(payment_gateway_names=["gift_card"]) == {"gift_card": 3590}


def test_how_several_gateways_shared_the_total_is_not_guessed() -> None:
    both = ["gift_card", "shopify_payments"]
    assert tenders_of(payment_gateway_names=both) == {}
    transactions = [
        {"gateway": "gift_card", "kind": "sale", "status": "success", "amount": "15.90"},
        {"gateway": "shopify_payments", "kind": "capture", "status": "success", "amount": "12"},
        {"gateway": "shopify_payments", "kind": "capture", "status": "success", "amount": "8"},
        {"gateway": "shopify_payments", "kind": "authorization", "status": "success", "amount": 20},
        {"gateway": "shopify_payments", "kind": "capture", "status": "failure", "amount": "20.00"},
    ]
    split = tenders_of(payment_gateway_names=both, transactions=transactions)
    assert split == {"gift_card": 1590, "card": 2000}


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("web", "web"),
        ("", "web"),
        ("shopify_draft_order", "web"),
        ("pos", "pos"),
        ("129785", "pos"),
        ("android", "app"),
        ("instagram", "social"),
        ("TikTok Shop", "social"),
        ("amazon-us", "marketplace"),
        ("Square Point of Sale", "pos"),
    ],
)
def test_a_channel_is_known_by_its_name(name: str, channel: str) -> None:
    assert ordered(source_name=name, shipping_lines=[{}]).channel == channel


@pytest.mark.parametrize(
    ("name", "tender"),
    [
        ("shopify_payments", "card"),
        ("Visa", "card"),
        ("gift_card", "gift_card"),
        ("shopify_store_credit", "store_credit"),
        ("Loyalty points", "points"),
        ("cash", "cash"),
        ("cod", "cash"),
        ("Cash App Pay", "cash_app_pay"),
        ("paypal", "paypal"),
        ("", "unknown"),
    ],
)
def test_a_means_of_payment_is_known_by_its_name(name: str, tender: str) -> None:
    assert tender_type(name) == tender


def test_a_till_receipt_is_born_collected() -> None:
    at_till = {"source_name": "pos", "location_id": 9, "device_id": 4, "shipping_lines": []}
    report = ordered(**at_till, source_identifier="9-4-1001")
    assert (report.store_id, report.terminal_id, report.receipt_no) == ("9", "4", "9-4-1001")
    (handed_over,) = report.fulfillments
    assert (handed_over.type, handed_over.state) == ("in_store", "collected")
    assert handed_over.lines == (QuantityReport(line_id=str(BIG), quantity=3),)
    assert handed_over.occurred_at == report.placed_at

    (own,) = ordered(**at_till, fulfillments=[shopify_fulfillment()]).fulfillments
    assert (own.external_id, own.type, own.state) == (str(BIG + 2), "in_store", "collected")
    assert ordered(**at_till, cancelled_at="2026-03-02T08:00:00Z").fulfillments == ()
    sent_home = at_till | {"shipping_lines": [{"code": "Standard"}]}
    assert ordered(**sent_home).fulfillments == ()


def test_an_order_for_pickup_is_collected_and_not_shipped() -> None:
    for line in ({"delivery_category": "pickup"}, {"code": "Local Pickup"}):
        no_parcel = shopify_fulfillment(tracking_numbers=[], tracking_number=None)
        (pickup,) = ordered(shipping_lines=[line], fulfillments=[no_parcel]).fulfillments
        assert (pickup.type, pickup.state, pickup.store_id) == ("pickup", "collected", "9")
        waiting = no_parcel | {"shipment_status": "ready_for_pickup"}
        assert ordered(shipping_lines=[line], fulfillments=[waiting]).fulfillments[0].state == (
            "ready"
        )


def test_a_cancelled_order() -> None:
    report = ordered(cancelled_at="2026-03-02T08:00:00Z", cancel_reason="customer")
    assert report.cancelled_at == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert report.cancel_reason == "customer"


def test_a_fulfilment_names_all_its_parcels() -> None:
    assert sent() == FulfillmentReport(
        source="shopify",
        order_external_id=str(BIG),
        external_id=str(BIG + 2),
        type="ship",
        state="shipped",
        lines=(QuantityReport(line_id=str(BIG), quantity=2),),
        parcels=(
            ParcelReference(carrier="DHL", tracking_number="JD01"),
            ParcelReference(carrier="DHL", tracking_number="JD02"),
        ),
        occurred_at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        updated_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
    )
    alone = sent(tracking_numbers=[], tracking_company=None)
    assert alone.parcels == (ParcelReference(carrier="unknown", tracking_number="JD01"),)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("success", "shipped"),
        ("pending", "allocated"),
        ("open", "allocated"),
        ("cancelled", "cancelled"),
        ("error", "unfulfilled"),
        ("of another year", "unfulfilled"),
    ],
)
def test_a_fulfilments_status(status: str, state: str) -> None:
    # That the carrier has delivered is the carrier's to say.
    assert sent(status=status, shipment_status="delivered").state == state


def test_what_needs_no_shipping_has_arrived() -> None:
    lines = [{"id": 1, "quantity": 1, "requires_shipping": False}]
    assert sent(line_items=lines, tracking_numbers=[], tracking_number=None).state == "delivered"
    assert sent(line_items=[*lines, {"id": 2, "quantity": 1}]).state == "shipped"


def test_a_refund_has_legs_by_means_of_payment() -> None:
    assert refunded() == RefundReport(
        source="shopify",
        order_external_id=str(BIG),
        external_id=str(BIG + 4),
        lines=(RefundLineReport(line_id=str(BIG), quantity=1, kind="return"),),
        legs=(
            Tender(type="card", paid=eur(750), reference="1"),
            Tender(type="gift_card", paid=eur(250), reference="2"),
        ),
        occurred_at=datetime(2026, 3, 9, 9, 0, 1, tzinfo=UTC),
    )
    assert ordered(refunds=[shopify_refund()]).refunds == (refunded(),)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"restock_type": "return"}, "return"),
        ({"restock_type": "cancel"}, "cancel"),
        ({"restock_type": "no_restock"}, "keep"),
        ({"restock_type": "legacy_restock"}, "cancel"),
        (
            {"restock_type": "legacy_restock", "line_item": {"fulfillment_status": "fulfilled"}},
            "return",
        ),
        ({}, "keep"),
    ],
)
def test_what_became_of_refunded_units(line: Document, kind: str) -> None:
    item = {"line_item_id": 1, "quantity": 2} | line
    (said,) = refunded(refund_line_items=[item], transactions=[]).lines
    assert (said.quantity, said.kind) == (2, kind)


def test_money_that_went_back_in_nobody_knows_what_currency_is_refused() -> None:
    with pytest.raises(Unparseable, match="currency: missing"):
        refunded(refund_line_items=[])


def test_a_fulfilment_event_is_a_scan_of_its_parcels() -> None:
    report = scanned()
    assert report.fulfillment == FulfillmentReference(
        source="shopify", order_external_id=str(BIG), external_id=str(BIG + 2)
    )
    assert (report.carrier, report.tracking_number) == (None, None)
    assert report.estimate == Estimate(
        from_date=date(2026, 3, 3), to_date=date(2026, 3, 3), source="provider"
    )
    (scan,) = report.scans
    assert scan.status is ShipmentStatus.OUT_FOR_DELIVERY
    assert scan.occurred_at == datetime(2026, 3, 3, 6, 30, tzinfo=UTC)
    assert (scan.tz_source, scan.precision) == ("carrier_offset", "second")
    assert (scan.code, scan.raw) == (None, "shopify:out_for_delivery")
    assert scan.place == Place(city="Wien", postal_code="1010", country="AT")


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("confirmed", "pending", None),
        ("label_purchased", "label_created", None),
        ("label_printed", "label_created", None),
        ("carrier_picked_up", "picked_up", None),
        ("in_transit", "in_transit", None),
        ("DELAYED", "delayed", Reason.CARRIER_DELAY),
        ("attempted_delivery", "delivery_attempted", Reason.UNKNOWN),
        ("ready_for_pickup", "available_for_pickup", None),
        ("delivered", "delivered", None),
        ("picked_up", "delivered", None),
        ("failure", "failed", Reason.UNKNOWN),
        ("of another year", None, None),
    ],
)
def test_the_words_of_fulfilment_events(
    word: str, status: str | None, reason: Reason | None
) -> None:
    (scan,) = scanned(status=word).scans
    assert (scan.status, scan.reason) == (status, reason)


def test_a_customer_is_to_be_forgotten() -> None:
    body = encoded(
        {
            "shop_id": 1,
            "customer": {"id": 5, "email": "ada@example.com", "phone": None},
            "orders_to_redact": [BIG, 2],
            "shop_domain": "shop.example",
        }
    )
    headers = {"x-shopify-triggered-at": "2026-03-29T18:00:27.877041743Z"}
    assert shopify.parse("customers/redact", headers, body) == [
        CustomerRedaction(
            source="shopify",
            contact=Contact(email="ada@example.com"),
            order_external_ids=(str(BIG), "2"),
            requested_at=datetime(2026, 3, 29, 18, 0, 27, 877041, tzinfo=UTC),
        )
    ]


def test_a_customer_asks_what_is_stored() -> None:
    body = encoded(
        {
            "customer": {"id": 5, "email": "ada@example.com", "phone": "+431"},
            "orders_requested": [BIG],
            "data_request": {"id": 9},
        }
    )
    assert shopify.parse("customers/data_request", {}, body) == [
        CustomerDataRequest(
            source="shopify",
            request_id="9",
            contact=Contact(email="ada@example.com", phone="+431"),
            order_external_ids=(str(BIG),),
        )
    ]


def test_an_edit_says_nothing_that_the_updated_order_does_not() -> None:
    edit = {"order_edit": {"id": 1, "order_id": BIG, "line_items": {"additions": []}}}
    assert shopify.parse("orders/edited", {}, encoded(edit)) == []
    for other in (edit, {"order_id": "1", "risk_level": "low"}, {"response": shopify_order()}):
        with pytest.raises(Unparseable):
            shopify.parse("orders/updated", {}, encoded(other))


def test_one_event_of_shopify_is_known_across_its_subscriptions() -> None:
    order, later = encoded(shopify_order()), encoded(shopify_order(updated_at="2026-03-03"))
    headers = {"x-shopify-topic": "orders/updated", "x-shopify-event-id": "e-1"}
    first = shopify.dedupe_key({**headers, "x-shopify-webhook-id": "w-1"}, order)
    assert shopify.dedupe_key({**headers, "x-shopify-webhook-id": "w-2"}, order) == first
    events = {"shopify-topic": "orders/updated", "shopify-event-id": "e-1"}
    assert shopify.dedupe_key(events, order) == first
    # One action of the merchant has one id in all that it touches.
    others = [
        shopify.dedupe_key(headers | {"x-shopify-topic": "orders/paid"}, order),
        shopify.dedupe_key(headers | {"x-shopify-event-id": "e-2"}, order),
        shopify.dedupe_key(headers, later),
        shopify.dedupe_key({"x-shopify-topic": "orders/updated"}, order),
    ]
    assert len({first, *others}) == 5
    redactions = [encoded({"customer": {"email": name}}) for name in ("a@b.c", "d@e.f")]
    assert len({shopify.dedupe_key(headers, body) for body in redactions}) == 2


# WooCommerce


def woo_line(**changes: Any) -> Document:
    return {
        "id": 315,
        "name": "Woo Single #1",
        "product_id": 93,
        "variation_id": 0,
        "quantity": 2,
        "subtotal": "6.00",
        "subtotal_tax": "1.20",
        "total": "5.00",
        "total_tax": "1.00",
        "sku": "W-1",
        "price": 2.5,
    } | changes


def woo_order(**changes: Any) -> Document:
    return {
        "id": 727,
        "number": "727",
        "status": "processing",
        "currency": "EUR",
        "prices_include_tax": False,
        "created_via": "checkout",
        "date_created": "2026-03-22T18:28:02",
        "date_created_gmt": "2026-03-22T16:28:02",
        "date_modified_gmt": "2026-03-22T16:28:08",
        "date_paid_gmt": "2026-03-22T16:28:08",
        "date_completed_gmt": None,
        "total": "16.00",
        "customer_id": 26,
        "billing": {
            "first_name": "Ada",
            "last_name": "Byron",
            "email": "ada@example.com",
            "phone": "(555) 555-5555",
        },
        "shipping": {"city": "San Francisco", "state": "CA", "postcode": "94103", "country": "US"},
        "payment_method": "stripe",
        "line_items": [woo_line()],
        "shipping_lines": [{"method_id": "flat_rate"}],
        "meta_data": [],
        "refunds": [],
    } | changes


def woo(**changes: Any) -> OrderReport:
    body = encoded(woo_order(**changes))
    return only(OrderReport, woocommerce.parse("order.updated", {}, body))


def test_an_order_of_a_woocommerce_shop_is_dated_in_utc() -> None:
    assert woo() == OrderReport(
        source="woocommerce",
        external_id="727",
        channel="web",
        placed_at=datetime(2026, 3, 22, 16, 28, 2, tzinfo=UTC),
        updated_at=datetime(2026, 3, 22, 16, 28, 8, tzinfo=UTC),
        currency="EUR",
        contact=Contact(email="ada@example.com", phone="(555) 555-5555", name="Ada Byron"),
        number="727",
        lines=(
            LineReport(
                line_id="315",
                sku="W-1",
                name="Woo Single #1",
                quantity=2,
                unit_price=eur(300),
                paid=eur(500),
            ),
        ),
        tenders=(Tender(type="card", paid=eur(1600)),),
        destination=Place(city="San Francisco", region="CA", postal_code="94103", country="US"),
        source_state="processing",
    )


def test_tax_is_in_what_was_paid_when_the_shops_prices_include_it() -> None:
    (line,) = woo(prices_include_tax=True).lines
    assert (line.paid, line.unit_price) == (eur(600), eur(360))
    (odd,) = woo(line_items=[woo_line(quantity=7)]).lines
    assert (odd.paid, odd.unit_price) == (eur(500), None)


def test_a_product_without_a_sku_is_known_by_its_number() -> None:
    assert woo(line_items=[woo_line(sku="")]).lines[0].sku == "93"
    assert woo(line_items=[woo_line(sku="", variation_id=94)]).lines[0].sku == "94"


def test_what_is_not_paid_has_no_tender() -> None:
    assert woo(date_paid_gmt=None).tenders == ()
    cards = [{"id": 1, "code": "SECRET", "amount": "4.00"}]
    paid = woo(gift_cards=cards, payment_method="bacs").tenders
    assert {(one.type, one.paid.amount) for one in paid} == {("gift_card", 400), ("bacs", 1600)}


@pytest.mark.parametrize("status", ["cancelled", "trash"])
def test_a_cancelled_order_of_woocommerce(status: str) -> None:
    assert woo(status=status).cancelled_at == datetime(2026, 3, 22, 16, 28, 8, tzinfo=UTC)


@pytest.mark.parametrize("status", ["pending", "on-hold", "failed", "refunded"])
def test_other_states_of_woocommerce_are_told_and_cancel_nothing(status: str) -> None:
    report = woo(status=status)
    assert (report.source_state, report.cancelled_at, report.fulfillments) == (status, None, ())


def test_a_draft_of_the_checkout_is_no_order() -> None:
    body = encoded(woo_order(status="checkout-draft"))
    assert woocommerce.parse("order.created", {}, body) == []


@pytest.mark.parametrize(
    ("changes", "way", "state"),
    [
        ({}, "ship", "shipped"),
        ({"shipping_lines": [{"method_id": "local_pickup"}]}, "pickup", "collected"),
        ({"shipping_lines": []}, "ship", "delivered"),
        ({"shipping_lines": [], "created_via": "pos-rest-api"}, "in_store", "collected"),
    ],
)
def test_a_completed_order_is_one_fulfilment(changes: Document, way: str, state: str) -> None:
    done = {"status": "completed", "date_completed_gmt": "2026-03-23T10:00:00"}
    report = woo(**done, **changes)
    (fulfillment,) = report.fulfillments
    assert (fulfillment.type, fulfillment.state) == (way, state)
    assert fulfillment.lines == (QuantityReport(line_id="315", quantity=2),)
    assert fulfillment.occurred_at == report.completed_at == datetime(2026, 3, 23, 10, tzinfo=UTC)


def test_what_is_paid_at_woocommerces_till_is_collected() -> None:
    report = woo(created_via="pos-rest-api", shipping_lines=[])
    assert report.channel == "pos"
    (fulfillment,) = report.fulfillments
    assert (fulfillment.type, fulfillment.state) == ("in_store", "collected")


def test_parcels_are_those_of_the_tracking_extension() -> None:
    done = {"status": "completed", "date_completed_gmt": "2026-03-23T10:00:00"}
    key = "_wc_shipment_tracking_items"
    items = [
        {"tracking_provider": "usps", "tracking_number": "94001"},
        {"custom_tracking_provider": "Bike", "tracking_number": 7},
    ]
    (told,) = woo(**done, meta_data=[{"key": key, "value": items}]).fulfillments
    assert told.parcels == (
        ParcelReference(carrier="usps", tracking_number="94001"),
        ParcelReference(carrier="Bike", tracking_number="7"),
    )
    (odd,) = woo(**done, meta_data=[{"key": key, "value": "?"}]).fulfillments
    assert odd.parcels == ()


def test_a_refund_of_woocommerce_is_an_amount() -> None:
    refunds = [{"id": 731, "reason": "", "total": "-9.50"}]
    (refund,) = woo(refunds=refunds).refunds
    assert refund.external_id == "731"
    assert refund.lines == ()
    assert refund.legs == (Tender(type="card", paid=eur(950)),)


def test_the_trial_of_a_saved_webhook_says_nothing() -> None:
    for body in (b"webhook_id=42", b"webhook_id=43"):
        assert woocommerce.topic_of({}, body) == "ping"
        assert woocommerce.dedupe_key({}, body) == "ping"
        assert woocommerce.parse("ping", {}, body) == []


def test_two_changes_within_a_second_are_two_messages_of_woocommerce() -> None:
    first, second = encoded(woo_order(status="pending")), encoded(woo_order())
    assert woocommerce.dedupe_key({}, first).startswith("727:2026-03-22T16:28:08:")
    assert woocommerce.dedupe_key({}, first) != woocommerce.dedupe_key({}, second)
    assert woocommerce.topic_of({"x-wc-webhook-topic": "order.updated"}, first) == "order.updated"


# Square


def square_event(topic: str, body: Document) -> Document:
    return {
        "merchant_id": "M1",
        "type": topic,
        "event_id": "ev-1",
        "created_at": "2026-03-01T10:00:05.037339943Z",
        "data": {"type": "order", "id": "sq-1", "object": body},
    }


def square_notice(topic: str = "order.fulfillment.updated", **changes: Any) -> Document:
    notice = {
        "order_id": "sq-1",
        "location_id": "L1",
        "state": "OPEN",
        "version": 7,
        "created_at": "2026-03-01T09:00:00Z",
        "updated_at": "2026-03-01T10:00:00Z",
        "fulfillment_update": [
            {"fulfillment_uid": "f-1", "old_state": "RESERVED", "new_state": "PREPARED"}
        ],
    } | changes
    return square_event(topic, {topic.replace(".", "_"): notice})


def money(amount: int, currency: str = "EUR") -> Document:
    return {"amount": amount, "currency": currency}


def square_order(**changes: Any) -> Document:
    order = {
        "id": "sq-1",
        "location_id": "L1",
        "state": "OPEN",
        "version": 3,
        "created_at": "2026-03-01T09:00:00Z",
        "updated_at": "2026-03-01T10:00:00Z",
        "source": {"name": "Square Online"},
        "total_money": money(1320),
        "line_items": [
            {
                "uid": "li-1",
                "catalog_object_id": "CAT-1",
                "name": "Tea",
                "variation_name": "Green",
                "quantity": "2",
                "base_price_money": money(600),
                "gross_sales_money": money(1200),
                "total_discount_money": money(100),
                "total_tax_money": money(220),
                "total_money": money(1320),
            }
        ],
        "fulfillments": [
            {
                "uid": "f-1",
                "type": "PICKUP",
                "state": "PROPOSED",
                "pickup_details": {
                    "recipient": {"display_name": "Ada", "email_address": "ada@example.com"}
                },
            }
        ],
        "tenders": [{"id": "t-1", "type": "CARD", "amount_money": money(1320)}],
    } | changes
    return square_event("order.updated", {"order": order})


def squared(**changes: Any) -> OrderReport:
    body = encoded(square_order(**changes))
    return only(OrderReport, square.parse("order.updated", {}, body))


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PROPOSED", "proposed"),
        ("RESERVED", "reserved"),
        ("PREPARED", "ready"),
        ("COMPLETED", "collected"),
        ("CANCELED", "cancelled"),
        ("FAILED", "cancelled"),
    ],
)
def test_a_notification_of_square_moves_a_fulfilment(word: str, state: str) -> None:
    update = [{"fulfillment_uid": "f-1", "old_state": "PROPOSED", "new_state": word}]
    body = encoded(square_notice(fulfillment_update=update))
    assert square.topic_of({}, body) == "order.fulfillment.updated"
    assert square.dedupe_key({}, body) == "ev-1"
    report = only(OrderStateReport, square.parse("order.fulfillment.updated", {}, body))
    assert (report.order_external_id, report.state) == ("sq-1", "open")
    assert report.occurred_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    (moved,) = report.fulfillments
    assert (moved.external_id, moved.state, moved.store_id) == ("f-1", state, "L1")


@pytest.mark.parametrize(
    ("word", "state"), [("OPEN", "open"), ("COMPLETED", "completed"), ("CANCELED", "cancelled")]
)
def test_a_notification_of_square_moves_an_order(word: str, state: str) -> None:
    for topic in ("order.created", "order.updated"):
        body = encoded(square_notice(topic, state=word, fulfillment_update=None))
        report = only(OrderStateReport, square.parse(topic, {}, body))
        assert (report.state, report.fulfillments) == (state, ())


def test_a_draft_of_square_is_no_order() -> None:
    notice = encoded(square_notice("order.updated", state="DRAFT"))
    assert square.parse("order.updated", {}, notice) == []
    assert square.parse("order.updated", {}, encoded(square_order(state="DRAFT"))) == []


def test_a_whole_order_of_square() -> None:
    report = squared()
    assert (report.external_id, report.channel, report.store_id) == ("sq-1", "web", "L1")
    assert report.contact == Contact(email="ada@example.com", name="Ada")
    assert report.lines == (
        LineReport(
            line_id="li-1",
            sku="CAT-1",
            name="Tea Green",
            quantity=2,
            unit_price=eur(600),
            paid=eur(1100),
        ),
    )
    assert report.tenders == (Tender(type="card", paid=eur(1320), reference="t-1"),)
    (pickup,) = report.fulfillments
    assert (pickup.type, pickup.state) == ("pickup", "proposed")
    assert pickup.lines == (QuantityReport(line_id="li-1", quantity=2),)


def test_a_shipment_of_square() -> None:
    shipment = {
        "uid": "f-2",
        "type": "SHIPMENT",
        "state": "COMPLETED",
        "entries": [{"line_item_uid": "li-1", "quantity": "1"}],
        "shipment_details": {
            "carrier": "UPS",
            "tracking_number": "1Z9",
            "recipient": {"address": {"locality": "Graz", "country": "AT"}},
        },
    }
    report = squared(fulfillments=[shipment])
    (one,) = report.fulfillments
    assert (one.type, one.state, one.store_id) == ("ship", "shipped", None)
    assert one.lines == (QuantityReport(line_id="li-1", quantity=1),)
    assert one.parcels == (ParcelReference(carrier="UPS", tracking_number="1Z9"),)
    assert report.destination == Place(city="Graz", country="AT")


def test_a_sale_at_squares_till_is_collected() -> None:
    at = "2026-03-01T09:05:00Z"
    report = squared(source={}, fulfillments=[], state="COMPLETED", closed_at=at)
    assert report.channel == "pos"
    (one,) = report.fulfillments
    assert (one.type, one.state) == ("in_store", "collected")
    assert one.occurred_at == report.completed_at == datetime(2026, 3, 1, 9, 5, tzinfo=UTC)


def test_what_is_cut_to_measure_is_one_unit() -> None:
    line = {"uid": "li-1", "quantity": "1.275", "gross_sales_money": money(999)}
    (cut,) = squared(line_items=[line]).lines
    assert (cut.quantity, cut.paid) == (1, eur(999))


def test_a_refund_of_square_goes_back_to_its_tender() -> None:
    refund = {
        "id": "r-1",
        "tender_id": "t-1",
        "status": "APPROVED",
        "amount_money": money(300),
        "created_at": "2026-03-04T09:00:00Z",
    }
    report = squared(refunds=[refund, refund | {"id": "r-2", "status": "PENDING"}])
    (only_one,) = report.refunds
    assert only_one.legs == (Tender(type="card", paid=eur(300), reference="r-1"),)


# Amazon


def amazon_order(**changes: Any) -> Document:
    summary = {
        "MarketplaceId": "A1PA6795UKMFR9",
        "OrderStatus": "PartiallyShipped",
        "PurchaseDate": "2026-03-01T09:00:00.123Z",
        "DestinationPostalCode": "1010",
        "LatestDeliveryDate": "2026-03-08T22:59:59Z",
        "OrderItems": [
            {"OrderItemId": "I1", "SellerSKU": "S-1", "Quantity": 3, "QuantityShipped": 2},
            {"OrderItemId": "I2", "SellerSKU": "S-2", "Quantity": 1, "QuantityShipped": 0},
        ],
    } | changes
    return {
        "NotificationType": "ORDER_CHANGE",
        "EventTime": "2026-03-02T09:00:05Z",
        "Payload": {
            "OrderChangeNotification": {
                "NotificationLevel": "OrderLevel",
                "AmazonOrderId": "903-1111111-2222222",
                "OrderChangeTrigger": {
                    "TimeOfOrderChange": "2026-03-02T09:00:00Z",
                    "ChangeReason": "Buyer Requested Cancel",
                },
                "Summary": summary,
            }
        },
        "NotificationMetadata": {"NotificationId": "n-1"},
    }


def amazon_parcel(**changes: Any) -> Document:
    delivered = {
        "status": {"code": "DELIVERED", "subCode": "PORCH", "description": "On the porch"},
        "location": {"address": {"city": "Austin", "region": "TX", "countryCode": "US"}},
        "occurredAt": "2026-06-14T01:26:56Z",
    }
    shipped = {"status": {"code": "SHIPPED"}, "occurredAt": "2026-06-13T05:21:43Z"}
    detail = {
        "identifier": {"aftn": "AFTN1"},
        "latestMilestone": delivered,
        "milestoneHistory": [delivered, shipped],
        "trackingEstimates": [
            {
                "type": "ESTIMATED_DELIVERY_DATE",
                "estimatedInterval": {
                    "startTime": "2026-06-14T03:00:00Z",
                    "endTime": "2026-06-15T03:00:00Z",
                },
            }
        ],
    } | changes
    return {
        "notificationType": "SHIPMENT_TRACKING_MILESTONE_CHANGED",
        "eventTime": "2026-06-14T01:27:00Z",
        "notificationMetadata": {"notificationId": "n-2"},
        "payload": {"shipmentTrackingMilestoneChangedNotification": {"trackingDetail": detail}},
    }


def sold(**changes: Any) -> OrderReport:
    body = encoded(amazon_order(**changes))
    return only(OrderReport, amazon.parse(amazon.topic_of({}, body), {}, body))


def tracked(**changes: Any) -> ParcelReport:
    body = encoded(amazon_parcel(**changes))
    return only(ParcelReport, amazon.parse(amazon.topic_of({}, body), {}, body))


def camel(value: Any) -> Any:
    if isinstance(value, list):
        return [camel(one) for one in value]
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: camel(one) for name, one in value.items()}
    return value


def test_an_order_of_amazon_has_neither_prices_nor_a_customer() -> None:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert sold() == OrderReport(
        source="amazon",
        external_id="903-1111111-2222222",
        number="903-1111111-2222222",
        channel="marketplace",
        placed_at=datetime(2026, 3, 1, 9, 0, 0, 123000, tzinfo=UTC),
        updated_at=at,
        currency="EUR",
        lines=(
            LineReport(line_id="I1", sku="S-1", quantity=3),
            LineReport(line_id="I2", sku="S-2", quantity=1),
        ),
        promised_by=date(2026, 3, 8),
        destination=Place(postal_code="1010"),
        source_state="PartiallyShipped",
        fulfillments=(
            FulfillmentReport(
                source="amazon",
                order_external_id="903-1111111-2222222",
                external_id="I1",
                type="ship",
                state="shipped",
                lines=(QuantityReport(line_id="I1", quantity=2),),
                occurred_at=at,
                updated_at=at,
            ),
        ),
    )


def test_a_promise_of_amazon_is_a_day_of_the_marketplace() -> None:
    american = sold(MarketplaceId="ATVPDKIKX0DER", LatestDeliveryDate="2026-02-09T07:59:59Z")
    assert (american.promised_by, american.currency) == (date(2026, 2, 8), "USD")
    with pytest.raises(Unparseable, match="marketplace"):
        sold(MarketplaceId="NEW")


def test_an_order_of_amazon_that_is_shipped_or_cancelled() -> None:
    item = {"OrderItemId": "I1", "SellerSKU": "S-1", "Quantity": 3}
    (whole,) = sold(OrderStatus="Shipped", OrderItems=[item]).fulfillments
    assert whole.lines == (QuantityReport(line_id="I1", quantity=3),)
    (arrived,) = sold(EasyShipShipmentStatus="Delivered").fulfillments
    assert arrived.state == "delivered"
    cancelled = sold(OrderStatus="Canceled")
    assert cancelled.cancelled_at == cancelled.updated_at
    assert cancelled.cancel_reason == "Buyer Requested Cancel"
    asked = sold(OrderItems=[item | {"IsBuyerRequestedCancel": True}])
    assert (asked.cancelled_at, asked.lines[0].cancelled) == (None, 0)


def test_both_spellings_and_all_wrappings_of_amazon_say_the_same() -> None:
    bare = amazon_order()
    wrapped = (
        camel(bare),
        {"version": "0", "detail-type": "ORDER_CHANGE", "detail": bare},
        {"Type": "Notification", "Message": json.dumps(bare)},
        {"messageId": "1", "body": json.dumps({"Message": json.dumps(bare)})},
    )
    for document in wrapped:
        body = encoded(document)
        assert amazon.topic_of({}, body) == "ORDER_CHANGE"
        assert amazon.dedupe_key({}, body) == "n-1"
        assert amazon.parse("ORDER_CHANGE", {}, body) == [sold()]


def test_a_parcel_of_amazon_with_its_history() -> None:
    report = tracked()
    assert (report.carrier, report.tracking_number) == ("amazon", "AFTN1")
    assert report.reported_at == datetime(2026, 6, 14, 1, 27, tzinfo=UTC)
    delivered, shipped = report.scans
    assert (delivered.status, shipped.status) == ("delivered", "in_transit")
    assert delivered.occurred_at == datetime(2026, 6, 14, 1, 26, 56, tzinfo=UTC)
    assert (delivered.code, delivered.raw) == ("DELIVERED", "amazon:DELIVERED/PORCH")
    assert delivered.place == Place(city="Austin", region="TX", country="US")


def test_an_estimate_of_amazon_is_a_local_day() -> None:
    # Three in the morning in UTC is ten in the evening in Texas.
    assert tracked().estimate == Estimate(from_date=date(2026, 6, 13), to_date=date(2026, 6, 14))


def test_a_parcel_that_another_carrier_has() -> None:
    for identifier in (
        {"carrierTrackingNumber": "1Z9", "carrierCode": "UPS", "aftn": "A1"},
        {"carrierTrackingNumber": {"trackingNumber": "1Z9", "carrierCode": "UPS"}},
    ):
        report = tracked(identifier=identifier)
        assert (report.carrier, report.tracking_number) == ("UPS", "1Z9")
        # Amazon's word is not the carrier's code.
        assert report.scans[0].code is None
    with pytest.raises(Unparseable, match="identifier"):
        tracked(identifier={})


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("EVENT_101", "label_created", None),
        ("EVENT_102", "picked_up", None),
        ("EVENT_202", "in_transit", None),
        ("EVENT_205", "customs", None),
        ("EVENT_302", "out_for_delivery", None),
        ("EVENT_304", "delivery_attempted", Reason.UNKNOWN),
        ("EVENT_308", "available_for_pickup", None),
        ("EVENT_309", "returned", Reason.UNKNOWN),
        ("EVENT_401", "on_hold", Reason.RECIPIENT_ADDRESS),
        ("EVENT_402", "customs", Reason.CUSTOMS_CLEARANCE),
        ("EVENT_404", "delayed", Reason.UNKNOWN),
        ("EVENT_408", "returning", Reason.UNKNOWN),
        ("EVENT_409", "failed", Reason.CARRIER_LOST),
        ("EVENT_801", "available_for_pickup", None),
        ("EVENT_804", "delivered", None),
        ("CANCELLED", "cancelled", None),
        ("EVENT_999", None, None),
    ],
)
def test_the_codes_of_amazon(code: str, status: str | None, reason: Reason | None) -> None:
    milestone = {"status": {"code": code}, "occurredAt": "2026-06-14T01:26:56Z"}
    (scan,) = tracked(latestMilestone=milestone, milestoneHistory=[]).scans
    assert (scan.status, scan.reason) == (status, reason)


# Everybody

Case = tuple[Sender, str, Document]
CASES: Mapping[str, Case] = {
    "shopify order": (
        shopify.SENDER,
        "orders/updated",
        shopify_order(fulfillments=[shopify_fulfillment()], refunds=[shopify_refund()]),
    ),
    "shopify fulfilment": (shopify.SENDER, "fulfillments/create", shopify_fulfillment()),
    "shopify event": (shopify.SENDER, "fulfillment_events/create", shopify_event()),
    "shopify refund": (shopify.SENDER, "refunds/create", shopify_refund()),
    "woocommerce order": (
        woocommerce.SENDER,
        "order.updated",
        woo_order(status="completed", date_completed_gmt="2026-03-23T10:00:00"),
    ),
    "square notice": (square.SENDER, "order.fulfillment.updated", square_notice()),
    "square order": (square.SENDER, "order.updated", square_order()),
    "amazon order": (amazon.SENDER, "ORDER_CHANGE", amazon_order()),
    "amazon parcel": (
        amazon.SENDER,
        "SHIPMENT_TRACKING_MILESTONE_CHANGED",
        amazon_parcel(),
    ),
}
EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**310)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1e18", "-1.5", "2026-03-01T09:00:00Z", "0001-01-01T00:00:00+14:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document where something stands."""
    inner: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inner = enumerate(value)
    for name, one in inner:
        yield (*path, name)
        yield from places(one, (*path, name))


def changed(document: Document, path: tuple[str | int, ...], *values: object) -> bytes:
    """The document with another value at a place, or with none."""
    copy = json.loads(json.dumps(document))
    found = copy
    for name in path[:-1]:
        found = found[name]
    del found[path[-1]]
    if values and isinstance(found, list):
        found.append(values[0])
    elif values:
        found[path[-1]] = values[0]
    return encoded(copy)


def understood(sender: Sender, topic: str, body: bytes) -> list[Message]:
    """What a sender's body says; nothing but Unparseable may come of it."""
    sender.topic_of({}, body)
    assert sender.dedupe_key({}, body)
    try:
        return sender.parse(topic, {}, body)
    except Unparseable:
        return []


@EVERY_CASE
def test_what_everybody_says_is_understood(case: Case) -> None:
    sender, topic, document = case
    assert sender.topics is not None
    assert topic in sender.topics
    assert sender.parse(topic, {}, encoded(document))


def of_another_year(value: object) -> Any:
    """The document with a field in every object that nobody knows."""
    if isinstance(value, list):
        return [of_another_year(one) for one in value]
    if isinstance(value, dict):
        known = {name: of_another_year(one) for name, one in value.items()}
        return {"of another year": [{"a": 1.5}], **known}
    return value


@EVERY_CASE
def test_fields_nobody_knows_change_nothing(case: Case) -> None:
    sender, topic, document = case
    body = encoded(of_another_year(document))
    assert sender.parse(topic, {}, body) == sender.parse(topic, {}, encoded(document))


@EVERY_CASE
def test_any_field_may_be_missing(case: Case) -> None:
    sender, topic, document = case
    for path in places(document):
        understood(sender, topic, changed(document, path))


def test_little_is_needed_to_understand_an_order() -> None:
    needed: dict[str, set[str | int]] = {}
    for case in ("shopify order", "woocommerce order", "square order", "amazon order"):
        sender, topic, document = CASES[case]
        needed[case] = {
            path[-1]
            for path in places(document)
            if not understood(sender, topic, changed(document, path)) and path[-1] != 0
        }
    assert needed == {
        # Of the order and its lines, of a fulfilment, of a refund and its leg.
        "shopify order": {"id", "currency", "line_items", "line_item_id", "amount"},
        "woocommerce order": {"id", "currency", "date_created_gmt", "line_items"},
        "square order": {"id", "data", "object", "order", "created_at", "line_items", "uid"}
        | {"currency"},
        "amazon order": {"Payload", "OrderChangeNotification", "AmazonOrderId", "Summary"}
        | {"MarketplaceId", "OrderItems", "OrderItemId"},
    }


@EVERY_CASE
@given(data=st.data())
def test_any_field_may_say_anything(case: Case, data: st.DataObject) -> None:
    sender, topic, document = case
    path = data.draw(st.sampled_from(list(places(document))))
    understood(sender, topic, changed(document, path, data.draw(anything)))


@EVERY_CASE
@given(body=st.binary(max_size=60))
def test_any_bytes_may_come(case: Case, body: bytes) -> None:
    sender, topic, _ = case
    understood(sender, topic, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"order"',
        b"{",
        b'{"id": NaN}',
        b'{"id": 1e999999999999}',
        b'{"id": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"id": "\\ud800", "type": "\\ud800", "notificationType": "\\ud800"}',
        b"\xff\xfe\x00",
    ],
)
def test_broken_bodies_are_refused_and_still_have_an_identity(body: bytes) -> None:
    for sender, topic, _ in CASES.values():
        assert sender.topic_of({}, body) in {"", "\ufffd"}
        assert sender.dedupe_key({}, body) == sender.dedupe_key({}, body) != ""
        with pytest.raises(Unparseable):
            sender.parse(topic, {}, body)


def test_a_refusal_names_the_place_and_never_what_stands_there() -> None:
    secret = "ada@example.com"
    for changes in ({"currency": secret}, {"processed_at": secret}, {"total_price": secret}):
        with pytest.raises(Unparseable) as refused:
            ordered(**changes)
        assert secret.lower() not in str(refused.value).lower()
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_topic_without_a_reader_is_refused() -> None:
    for sender, _, document in CASES.values():
        with pytest.raises(Unparseable):
            sender.parse("of another year", {}, encoded(document))


def test_a_channel_nobody_knows_is_the_shop_itself() -> None:
    assert channel_named("of another year") == "web"


def test_no_other_body_passes_for_an_order_to_forget_somebody() -> None:
    with pytest.raises(Unparseable):
        shopify.parse("customers/redact", {}, encoded(shopify_order()))
