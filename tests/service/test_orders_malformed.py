"""Requests and messages that nobody would think of: never our fault, and nothing is left half."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_core.auth import Role
from tests.service.accidents import FUZZ, TEXTS, TIMES, spoilt, written
from tests.service.orders_endpoints import ENDPOINTS, WEBHOOK, WITH_BODY, World, endpoint
from tests.service.orders_service import Orders
from tests.service.sender_payloads import (
    aftership,
    amazon_milestone,
    amazon_order,
    at,
    delivered,
    easypost,
    picked_up,
    shippo,
    shopify_fulfillment,
    shopify_order,
    shopify_redaction,
    shopify_refund,
    shopify_scan,
    square_event,
    square_order,
    woocommerce_order,
)
from tests.service.table_contents import PROBLEM_MEMBERS, contents

# There are many routes and senders, and each answer is compared with the whole table.
FEW = settings(FUZZ, max_examples=max(10, settings().max_examples // 6))


@st.composite
def requests(draw: st.DrawFn, name: str, world: World) -> dict[str, Any]:
    """Changes to the good request of a route."""
    changes: dict[str, Any] = {"role": draw(st.sampled_from(["admin", "admin", *Role])).lower()}
    if name in WITH_BODY:
        changes |= {"body": None, "raw": draw(written(draw(spoilt(world.body(name)))))}
    for part in world.parts(name):
        if not draw(st.integers(0, 3)):
            changes[part] = draw(st.text(max_size=140) | st.just(world.order_id))
    names = st.sampled_from(["limit", "cursor", "customer_id", "language"]) | st.text(max_size=8)
    extra = draw(st.dictionaries(names, st.text(max_size=40) | TIMES, max_size=2))
    changes["query"] = {**(world.query(name) or {}), **extra}
    headers = st.sampled_from(["Idempotency-Key", "If-Match", "traceparent", "Accept-Language"])
    tags = st.sampled_from(['"1"', 'W/"3"', "*", "de;q=0.1, zh-TW", "k"])
    changes["headers"] = draw(st.dictionaries(headers, TEXTS | tags, max_size=2))
    return changes


@pytest.mark.parametrize("name", [name for name in ENDPOINTS if name != WEBHOOK])
def test_a_malformed_request_is_refused_and_changes_nothing(orders: Orders, name: str) -> None:
    world = World.of(orders)
    state = [contents(orders)]

    @FEW
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        reply = world.call(name, **data.draw(requests(name, world)))
        before, state[0] = state[0], contents(orders)
        assert reply.status < 500, reply.body
        if reply.status >= 400:
            assert reply.body.keys() >= PROBLEM_MEMBERS
            assert state[0] == before
        else:
            assert reply.status == endpoint(name).status

    check()
    assert orders.order(world.order_id)


MESSAGES: dict[str, tuple[str, str, Any]] = {
    "an order of shopify": (
        "shopify",
        "orders/updated",
        shopify_order(
            fulfillments=[shopify_fulfillment()], refunds=[shopify_refund((1, 1, "return"))]
        ),
    ),
    "a fulfilment of shopify": ("shopify", "fulfillments/update", shopify_fulfillment()),
    "a scan of shopify": ("shopify", "fulfillment_events/create", shopify_scan("delivered", at())),
    "a redaction of shopify": ("shopify", "customers/redact", shopify_redaction(450789469)),
    "an order of woocommerce": (
        "woocommerce",
        "order.updated",
        woocommerce_order("completed", date_completed_gmt="2026-03-10T09:00:00"),
    ),
    "an order of square": (
        "square",
        "",
        square_event("order.updated", "1", {"order": square_order()}),
    ),
    "an order of amazon": ("amazon", "", amazon_order("Shipped", shipped=1)),
    "a milestone of amazon": ("amazon", "", amazon_milestone("1ZA", "DELIVERED", at())),
    "a tracker of easypost": ("easypost", "", easypost("1ZE", picked_up(), delivered())),
    "a tracking of aftership": (
        "aftership",
        "",
        aftership("1ZF", ("Delivered", "Delivered_001", at())),
    ),
    "a track of shippo": ("shippo", "", shippo("1ZS", "DELIVERED", "delivered", at())),
}


@pytest.mark.parametrize("what", list(MESSAGES))
def test_a_malformed_message_is_understood_or_parked_and_blocks_nothing(
    orders: Orders, what: str
) -> None:
    source, topic, good = MESSAGES[what]
    known = [("shopify", "orders/create", shopify_order()), (source, topic, good)]
    for sender, about, body in known:
        orders.send(sender, body, about)
    orders.pump()
    numbers = iter(range(10**6))

    @FEW
    @given(text=spoilt(good).flatmap(written))
    def check(text: str) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        headers = {"X-Shopify-Event-Id": f"e{next(numbers)}"}
        reply = orders.send(source, raw, topic, headers=headers)
        assert reply.status == 202, reply.body
        message_id = reply.body["message_id"]
        if reply.body["state"] != "duplicate":
            assert orders.store.inbox.message(message_id).body == raw
        answer = orders.replay(message_id=message_id)
        assert answer.status == 200, answer.body

    check()
    # Everything that it made of them can be read, told and shown.
    orders.pump()
    for subject in {entry.subject for entry in orders.journal()}:
        orders.entries(subject)
        if subject.startswith("ord_"):
            orders.order(subject)
        elif subject.startswith("shp_"):
            orders.shipment(subject)
    assert all(json.dumps(one) for one in orders.parked())
