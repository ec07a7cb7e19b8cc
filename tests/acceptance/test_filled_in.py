"""Captured webhooks of Shopify 2024-01 and 2025-04: blanked as published they name no price, so
no order can be made of them without inventing one. With values again each yields its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.filled_in import FIRST_LINE_ID, ORDER_ID, filled
from tests.acceptance.inbound import SHOPIFY_CAPTURED, Row, content
from tests.acceptance.service import Sender, Sent
from tests.acceptance.told import order_told

ORDERS = [row for row in SHOPIFY_CAPTURED if row.outcome == "parked"]
FOLLOWERS = [row for row in SHOPIFY_CAPTURED if row.outcome == "waiting"]
_BASE = ORDERS[0]


def _kind(row: Row) -> str:
    return Path(row.file).parent.name


def _send(orders: Sender, row: Row, document: Any) -> Sent:
    headers = {"X-Shopify-Event-Id": row.name}
    return orders.send("shopify", json.dumps(document).encode(), row.topic, headers)


@pytest.mark.parametrize(
    ("price", "currency"), [("12.34", "EUR"), ("1234", "JPY"), ("1.234", "KWD")]
)
@pytest.mark.parametrize("row", ORDERS, ids=lambda row: row.name)
def test_an_order_of_every_version_is_understood(
    data: Path, orders: Sender, row: Row, price: str, currency: str
) -> None:
    document = filled(content(data, row), _kind(row), price, currency)

    assert _send(orders, row, document).outcome == "understood"

    order = orders.order("shopify", ORDER_ID)
    told = order_told(document)
    assert {name: order[name] for name in told} == told
    assert {line["unit_price"]["amount"] for line in order["lines"]} == {1234}
    assert len(order["lines"]) == len(document["line_items"])


@pytest.mark.parametrize("row", FOLLOWERS, ids=lambda row: row.name)
@pytest.mark.parametrize("values", ["blanked", "filled in"])
def test_what_came_before_its_order_is_understood_when_that_comes(
    data: Path, orders: Sender, row: Row, values: str
) -> None:
    order = filled(content(data, _BASE), "orders", "12.34", "EUR")
    document = content(data, row)
    if values == "filled in":
        document = filled(document, _kind(row), "12.34", "EUR")
    early = _send(orders, row, document)
    assert early.outcome == "waiting"
    if _kind(row) == "fulfillment_events":
        (fulfillment,) = [
            one for one in FOLLOWERS if one.file.endswith("2025-04/fulfillments/1.json")
        ]
        _send(
            orders, fulfillment, filled(content(data, fulfillment), "fulfillments", "12.34", "EUR")
        )

    assert _send(orders, _BASE, order).outcome == "understood"

    known = orders.order("shopify", ORDER_ID)
    if _kind(row) == "refunds":
        _check_refund(orders, known, values)
    else:
        _check_fulfillment(orders, known, document, values, _kind(row))


def _check_refund(orders: Sender, order: Any, values: str) -> None:
    refunds = [entry for entry in orders.service.journal() if entry.type == "refund.succeeded"]
    assert len(refunds) == 1
    # Blanked, a refund does not say what became of the goods: nothing is said to have come back.
    returned = order["lines"][0]["returned"]
    assert returned == (123 if values == "filled in" else 0)


def _check_fulfillment(orders: Sender, order: Any, document: Any, values: str, kind: str) -> None:
    (fulfillment,) = order["fulfillments"]
    (parcel,) = order["shipments"]
    shown = orders.parcel(parcel["carrier"], parcel["tracking_number"])
    if kind == "fulfillment_events":
        scan = shown["scans"][0]
        assert (parcel["carrier"], parcel["tracking_number"]) == ("dpd", "05308801410058")
        assert scan["occurred_at"] == "2019-01-01T00:00:00.000000Z"
        assert scan["status"] == ("in_transit" if values == "filled in" else None)
        return
    expected = ("dpd", "05308801410058", "shipped")
    blanked = ("example_string", "EXAMPLESTRING", "unfulfilled")
    assert (parcel["carrier"], parcel["tracking_number"], fulfillment["state"]) == (
        expected if values == "filled in" else blanked
    )
    lines = {line["line_id"]: line["quantity"] for line in fulfillment["lines"]}
    numbered = values == "filled in"
    assert set(lines) == {
        str(FIRST_LINE_ID + (index if numbered else 0))
        for index in range(len(document["line_items"]))
    }
