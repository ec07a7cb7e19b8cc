"""What a shop's order says, read from its body by itself: none of the readers' code is used."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_DECIMALS = {"JPY": 0, "KWD": 3}


def instant(written: str) -> str:
    """Return a time as our interface writes it."""
    at = datetime.fromisoformat(written.replace(" ", "T")).astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def minor(amount: str, currency: str) -> int:
    return int(Decimal(amount) * 10 ** _DECIMALS.get(currency, 2))


def order_told(body: Any) -> dict[str, Any]:
    """Return the members of an order that a Shopify body tells, as `GET /orders` shows them."""
    customer = body.get("customer") or {}
    names = [customer.get("first_name"), customer.get("last_name")]
    billing = body.get("billing_address") or {}
    told = {
        "source": "shopify",
        "external_id": str(body["id"]),
        "number": body["name"],
        "channel": "web",
        "currency": body["currency"],
        "placed_at": instant(body["processed_at"]),
        "customer": {
            "customer_id": None,
            "email": body.get("email") or body.get("contact_email") or customer.get("email"),
            "phone": body.get("phone") or customer.get("phone"),
            "name": " ".join(filter(None, names)) or billing.get("name"),
        },
        "source_state": f"{body['financial_status']}/{body['fulfillment_status'] or 'unfulfilled'}",
        "lines": [_line(line, body) for line in body["line_items"]],
    }
    if address := body.get("shipping_address"):
        told["destination"] = {
            "name": None,
            "city": address.get("city"),
            "region": address["province_code"],
            "postal_code": address.get("zip"),
            "country": address["country_code"],
        }
    return told


def _line(line: Any, order: Any) -> dict[str, Any]:
    currency = order["currency"]
    price, units = minor(line["price"], currency), line["quantity"]
    shares = [minor(share["amount"], currency) for share in line["discount_allocations"]]
    off = sum(shares) if shares else minor(line["total_discount"], currency)
    sent = sum(
        one["quantity"]
        for fulfillment in order["fulfillments"]
        for one in fulfillment["line_items"]
        if one["id"] == line["id"] and fulfillment["status"] == "success"
    )
    return {
        "line_id": str(line["id"]),
        "sku": line["sku"] or str(line["variant_id"]),
        "name": line["name"],
        "category": None,
        "unit_price": {"amount": price, "currency": currency},
        "paid": {"amount": price * units - off, "currency": currency},
        "ordered": units,
        "cancelled": units if order.get("cancelled_at") else 0,
        "fulfilled": sent,
        "delivered": 0,
        "returned": 0,
    }
