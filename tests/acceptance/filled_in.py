"""Captured bodies whose values were blanked, with values again: their shape is what is real.

Whoever published them put "example string" for every text, 123 for every number and one day for
every time. Which fields there are, and which are null or missing, is the sender's own. Nothing
else is added or taken away.
"""

from __future__ import annotations

from typing import Any

BLANK = "example string"
ORDER_ID = "123"
FIRST_LINE_ID = 123

_TEXTS = {
    "country": "Belgium",
    "country_name": "Belgium",
    "country_code": "BE",
    "fulfillment_status": "fulfilled",
    "financial_status": "paid",
    "restock_type": "return",
    "kind": "refund",
    "source_name": "web",
    "tracking_company": "DPD",
    "tracking_number": "05308801410058",
    "customer_locale": "nl-BE",
}
_STATUS = {"fulfillments": "success", "fulfillment_events": "in_transit", "transactions": "success"}
_AMOUNT = ("amount", "price", "total", "subtotal", "discount")


def filled(document: Any, kind: str, price: str, currency: str) -> Any:
    """Return a body with values. `kind` is the folder that it was captured in."""
    return _filled(document, kind, "", price, currency)


def _filled(value: Any, kind: str, name: str, price: str, currency: str) -> Any:
    """`name` is the field's that the value stands in."""
    if isinstance(value, dict):
        return {key: _filled(one, kind, key, price, currency) for key, one in value.items()}
    if isinstance(value, list):
        inner = name if name in _STATUS else kind
        items = [_filled(one, inner, name, price, currency) for one in value]
        return [_numbered(one, index, name) for index, one in enumerate(items)]
    return _text(kind, name, price, currency) if value == BLANK else value


def _text(kind: str, name: str, price: str, currency: str) -> str:
    if name == "status":
        return _STATUS.get(kind, BLANK)
    if "currency" in name:
        return currency
    if any(part in name for part in _AMOUNT):
        # Nothing is taken off, and nothing still to be paid.
        return "0" if "discount" in name or "outstanding" in name else price
    return _TEXTS.get(name.removesuffix("s") if name == "tracking_numbers" else name, BLANK)


def _numbered(item: Any, index: int, name: str) -> Any:
    """Give the lines of an order names of their own, the same wherever they are named."""
    if name == "line_items":
        return {**item, "id": FIRST_LINE_ID + index}
    if name == "refund_line_items":
        return {**item, "line_item_id": FIRST_LINE_ID + index}
    return item
