"""Messages of senders: verified on their bytes, kept once, understood later, never lost."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tandem_core.clock import rfc3339
from tandem_core.table import Put, Table
from tandem_orders import senders
from tandem_orders.messages import Unparseable
from tandem_orders.use_cases import inbox
from tests.service.orders_service import SENDERS, Orders, signature
from tests.service.sender_payloads import (
    amazon_order,
    at,
    easypost,
    in_transit,
    picked_up,
    shopify_fulfillment,
    shopify_order,
    shopify_redaction,
    shopify_refund,
    shopify_scan,
)
from tests.service.table_contents import contents, nothing_changes, refusal

ORDER = ("shopify", "450789469")


def found(orders: Orders, source: str = "shopify", external_id: str = "450789469") -> Any:
    query = {"source": source, "external_id": external_id}
    page = orders.call("GET", "/orders", query=query).body["orders"]
    return page[0] if page else None


def messages(orders: Orders) -> list[tuple[str, str]]:
    return [key for key in contents(orders) if key[0].startswith("IN#")]


# --- at the door ----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SENDERS)
def test_a_message_is_taken_if_its_sender_signed_these_bytes(orders: Orders, source: str) -> None:
    body = b'{"a": "\xc3\xbc", "b":1 }'
    good = signature(source, body, f"local-{source}-secret", orders.now)
    forged = signature(source, body, "guessed", orders.now)
    other = signature(source, body + b" ", f"local-{source}-secret", orders.now)

    def sent(headers: dict[str, str]) -> Any:
        return orders.call(
            "POST", "/webhooks/{source}", role=None, raw=body, headers=headers, source=source
        )

    with nothing_changes(orders):
        for headers in (forged, other, {}, dict.fromkeys(good, ""), dict.fromkeys(good, "☃")):
            problem = refusal(sent(headers), 401, "SIGNATURE_INVALID")
            assert "secret" not in str(problem)
    assert sent(good).status == 202
    assert len(messages(orders)) == 1


@pytest.mark.parametrize("source", ["shippo", "amazon", "ups"])
def test_a_signature_lives_for_five_minutes_where_it_is_dated(orders: Orders, source: str) -> None:
    with nothing_changes(orders):
        for minutes in (-6, 6):
            when = orders.now + timedelta(minutes=minutes)
            reply = orders.send(source, {"n": 1}, signed_at=when)
            refusal(reply, 401, "SIGNATURE_INVALID")
    assert orders.send(source, {}, signed_at=orders.now - timedelta(minutes=4)).status == 202


def test_a_secret_is_changed_with_both_alive(orders: Orders) -> None:
    orders.secrets_are(shopify=["new", "old"], easypost="other")
    for number, secret in enumerate(("new", "old")):
        body = shopify_order(number + 1)
        assert orders.send("shopify", body, "orders/create", secret=secret).status == 202

    orders.secrets_are(shopify=["new"])
    with nothing_changes(orders):
        body = shopify_order(3)
        refusal(orders.send("shopify", body, secret="old"), 401, "SIGNATURE_INVALID")
        # Who has no secret at all is let in by none, not by the empty one.
        refusal(orders.send("easypost", {}, secret="other"), 401, "SIGNATURE_INVALID")
        orders.secrets_are(easypost=["", ""])
        refusal(orders.send("easypost", {}, secret=""), 401, "SIGNATURE_INVALID")


def test_secrets_that_cannot_be_read_ask_the_sender_to_come_again(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_SECRETS", "another-secret")
    with nothing_changes(orders):
        reply = orders.send("shopify", shopify_order(), "orders/create")
        refusal(reply, 503, "SECRETS_UNAVAILABLE")
    assert reply.headers["Retry-After"]


def test_nobody_sends_under_an_unknown_name(orders: Orders) -> None:
    with nothing_changes(orders):
        for source in ("etsy", "SHOPIFY", "constructor"):
            reply = orders.call("POST", "/webhooks/{source}", role=None, raw=b"{}", source=source)
            refusal(reply, 404, "SENDER_NOT_FOUND")


def test_a_message_is_kept_in_one_write_before_anything_is_understood(orders: Orders) -> None:
    calls: list[str] = []
    client = orders.store.table.client
    client.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name), unique_id="count"
    )
    message_id = orders.said("shopify", shopify_order(), "orders/create")
    client.meta.events.unregister("before-call.dynamodb", unique_id="count")

    assert calls == ["PutItem"]
    assert found(orders) is None
    (told,) = orders.unpublished()
    assert (told.type, told.data) == (
        "webhook.received",
        {"message_id": message_id, "source": "shopify", "topic": "orders/create"},
    )


def test_a_message_that_comes_again_is_here_already(orders: Orders) -> None:
    event = {"X-Shopify-Event-Id": "e1", "X-Shopify-Webhook-Id": "w1"}
    first = orders.send("shopify", shopify_order(), "orders/create", headers=event)
    orders.later(hours=5)
    with nothing_changes(orders):
        again = orders.send("shopify", shopify_order(), "orders/create", headers=event)
    assert again.body == {"message_id": first.body["message_id"], "state": "duplicate"}
    assert again.status == 202

    orders.pump(times=3)
    assert orders.kinds(found(orders)["id"]) == ["order.placed"] + ["order.updated"] * (
        len(orders.kinds(found(orders)["id"])) - 1
    )


@pytest.mark.parametrize(
    ("source", "topic"),
    [("shopify", "carts/update"), ("woocommerce", "coupon.created"), ("square", "")],
)
def test_a_topic_without_a_meaning_is_kept_and_told_to_nobody(
    orders: Orders, source: str, topic: str
) -> None:
    body = {"type": "payment.updated", "id": 1}
    reply = orders.send(source, body, topic)
    assert (reply.status, reply.body["state"]) == (202, "ignored")
    assert orders.send(source, body, topic).body["state"] == "duplicate"
    assert len(messages(orders)) == 1
    assert orders.unpublished() == []

    # To replay it does no harm, and it is not shown as unreadable.
    with nothing_changes(orders):
        answer = orders.replay(message_id=reply.body["message_id"]).body
        assert (answer["understood"], answer["parked"]) == (1, 0)
        day = {"from": rfc3339(at(hours=-1)), "to": rfc3339(at(hours=1))}
        assert orders.replay(source=source, **day).body["understood"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00\x01",
        b"null",
        b"[]",
        b'{"id": 1}',
        b'{"id": 1, "currency": "EUR", "created_at": "yesterday", "line_items": []}',
        b"<order/>",
        b'{"id": 1e999}',
        b"[" * 50_000,
    ],
)
def test_a_body_that_nobody_can_read_is_kept_parked_and_shown(orders: Orders, body: bytes) -> None:
    message_id = orders.said("shopify", body, "orders/create")
    orders.pump(times=2)

    (parked,) = orders.parked()
    assert parked["message_id"] == message_id
    assert (parked["source"], parked["topic"]) == ("shopify", "orders/create")
    assert parked["reason"].startswith("UNPARSEABLE: ")
    assert parked["received_at"] == rfc3339(orders.now)
    assert orders.store.inbox.message(message_id).body == body


def test_a_message_may_be_large_and_not_endless(orders: Orders) -> None:
    note = "x" * 3_000_000
    orders.said("shopify", shopify_order(note=note), "orders/create")
    orders.pump()
    assert found(orders)["status"] == "placed"

    noise = random.Random(1).randbytes(3_000_000)
    with nothing_changes(orders):
        refusal(orders.send("shopify", noise, "orders/create"), 413, "PAYLOAD_TOO_LARGE")
        refusal(orders.send("shopify", b" " * (4 * 1024 * 1024 + 1)), 413, "PAYLOAD_TOO_LARGE")


def test_no_address_and_no_credential_of_the_journey_is_kept(orders: Orders) -> None:
    journey = {"X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer x", "X-Api-Key": "k"}
    name = orders.said("shopify", shopify_order(), "orders/create", headers=journey)
    kept = orders.store.inbox.message(name).headers
    assert "x-shopify-topic" in kept
    assert not {"x-forwarded-for", "authorization", "x-api-key"} & set(kept)


# --- a bad one among good ones --------------------------------------------------------------------


def test_a_message_that_fails_keeps_no_other_of_its_batch(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        orders.said("shopify", shopify_order(number), "orders/create")
    batch = orders.unpublished()
    get = Table.get
    bad = batch[1].data["message_id"]

    def broken(table: Table, *keys: Any) -> Any:
        if any(bad in key.pk for key in keys):
            raise ReadTimeoutError(endpoint_url="dynamodb")
        return get(table, *keys)

    with monkeypatch.context() as patched:
        patched.setattr(Table, "get", broken)
        assert orders.deliver(*batch) == [batch[1].id]
    known = [found(orders, external_id=str(number)) is not None for number in (1, 2, 3)]
    assert known.count(False) == 1
    assert orders.parked() == []

    # The queue brings it again.
    assert orders.deliver(batch[1]) == []
    assert all(found(orders, external_id=str(number)) for number in (1, 2, 3))


def test_a_store_that_is_out_while_a_message_is_understood_is_asked_again(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.said("shopify", shopify_order(), "orders/create")
    (told,) = orders.unpublished()

    def out(_table: Table, _puts: Sequence[Put]) -> None:
        raise ReadTimeoutError(endpoint_url="dynamodb")

    with monkeypatch.context() as patched:
        patched.setattr(Table, "transact", out)
        with nothing_changes(orders):
            assert orders.deliver(told) == [told.id]
    assert orders.deliver(told) == []
    assert found(orders)["status"] == "placed"


def test_a_message_that_is_gone_does_not_come_back_for_ever(orders: Orders) -> None:
    name = orders.said("shopify", shopify_order(), "orders/create")
    (told,) = orders.unpublished()
    client = orders.store.table.client
    client.delete_item(
        TableName=orders.store.table.name,
        Key={"pk": {"S": f"IN#{name}"}, "sk": {"S": "MESSAGE"}},
    )
    with nothing_changes(orders):
        assert orders.deliver(told) == []
        refusal(orders.replay(message_id=name), 404, "MESSAGE_NOT_FOUND")


# --- after a mend ---------------------------------------------------------------------------------


@pytest.fixture
def unreadable() -> Iterator[pytest.MonkeyPatch]:
    """The version before the mend: it cannot read Shopify's orders. Undone, it is mended."""
    sender, scheme = senders.SENDERS["shopify"]

    def stumble(*_message: Any) -> Any:
        raise Unparseable("line_items.0.id: not a number")

    broken = {**senders.SENDERS, "shopify": (dataclasses.replace(sender, parse=stumble), scheme)}
    patch = pytest.MonkeyPatch()
    patch.setattr(inbox, "SENDERS", broken)
    yield patch
    patch.undo()


def test_what_was_parked_is_understood_by_its_id_after_a_mend(
    orders: Orders, unreadable: pytest.MonkeyPatch
) -> None:
    name = orders.said("shopify", shopify_order(), "orders/create")
    orders.pump()
    (parked,) = orders.parked()
    assert parked["reason"] == "UNPARSEABLE: line_items.0.id: not a number"
    assert orders.replay(message_id=name).body["parked"] == 1
    assert len(orders.parked()) == 1

    unreadable.undo()
    assert orders.replay(message_id=name).body == {
        "understood": 1, "waiting": 0, "parked": 0, "cursor": None,
    }  # fmt: skip
    assert orders.parked() == []
    assert found(orders)["status"] == "placed"
    journal = orders.entries(found(orders)["id"])
    assert orders.replay(message_id=name).body["understood"] == 1
    assert orders.entries(found(orders)["id"]) == journal


def test_what_was_parked_is_understood_by_its_time_after_a_mend(
    orders: Orders, unreadable: pytest.MonkeyPatch
) -> None:
    for number in range(1, 8):
        orders.said("shopify", shopify_order(number), "orders/create")
        orders.later(hours=7)
    orders.said("easypost", easypost("1Z", picked_up()))
    orders.pump()
    assert len(orders.parked()) == 7
    unreadable.undo()

    span: dict[str, Any] = {"from": rfc3339(at(hours=6)), "to": rfc3339(at(hours=36)), "limit": 2}
    understood = []
    for _ in range(10):
        reply = orders.replay(source="shopify", **span)
        assert reply.status == 200, reply.body
        understood.append(reply.body["understood"])
        if reply.body["cursor"] is None:
            break
        span["cursor"] = reply.body["cursor"]
    assert (sum(understood), max(understood)) == (5, 2)
    assert [found(orders, external_id=str(number)) is not None for number in range(1, 8)] == [
        False, True, True, True, True, True, False,
    ]  # fmt: skip
    assert len(orders.parked()) == 2


def test_parked_messages_are_listed_newest_first_page_by_page(orders: Orders) -> None:
    for number in range(5):
        orders.said("shopify", {"n": number}, "orders/create")
        orders.later(minutes=1)
    orders.pump()
    listed, query = [], {"limit": "2"}
    for _ in range(4):
        page = orders.call("GET", "/inbox", role="staff", query=query).body
        listed += page["messages"]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    times = [one["received_at"] for one in listed]
    assert (len(times), times) == (5, sorted(times, reverse=True))


def test_a_question_for_a_persons_data_waits_for_staff(orders: Orders) -> None:
    body = {**shopify_redaction(), "orders_requested": [1], "data_request": {"id": 9999}}
    orders.said("shopify", body, "customers/data_request")
    orders.pump()
    (parked,) = orders.parked()
    assert parked["reason"] == "DATA_REQUEST: 9999 is to be answered"
    assert "ada@example.org" not in json.dumps(parked)


# --- before its order -----------------------------------------------------------------------------

EARLY: list[tuple[str, Any]] = [
    ("fulfillments/create", shopify_fulfillment()),
    ("refunds/create", shopify_refund((2, 1, "return"))),
    ("fulfillment_events/create", shopify_scan("in_transit", at(hours=3))),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_what_comes_before_its_order_waits_for_it(orders: Orders, order: tuple[int, ...]) -> None:
    orders.later(hours=4)
    for position in order:
        topic, body = EARLY[position]
        orders.said("shopify", body, topic)
        orders.pump()
    assert found(orders) is None
    assert orders.parked() == []

    orders.said("shopify", shopify_order(), "orders/create")
    orders.pump(times=2)
    seen = found(orders)
    assert seen["status"] == "in_progress"
    assert [one["state"] for one in seen["fulfillments"]] == ["shipped"]
    assert [one["status"] for one in seen["shipments"]] == ["in_transit"]
    assert [one["returned"] for one in seen["lines"]] == [0, 1]
    assert not [sk for pk, sk in contents(orders) if sk.startswith("PARKED#")]
    assert orders.kinds(seen["id"]).count("refund.succeeded") == 1


def test_an_order_that_is_placed_while_its_message_starts_to_wait_is_not_missed(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.said("shopify", shopify_fulfillment(), "fulfillments/create")
    (told,) = orders.unpublished()
    wait = type(orders.store).await_order

    def overtaken(store: Any, *arguments: Any) -> None:
        monkeypatch.setattr(type(store), "await_order", wait)
        orders.said("shopify", shopify_order(), "orders/create")
        placed = [one for one in orders.unpublished() if one.id != told.id]
        assert orders.deliver(*placed) == []
        wait(store, *arguments)

    monkeypatch.setattr(type(orders.store), "await_order", overtaken)
    assert orders.deliver(told) == []
    assert [one["state"] for one in found(orders)["fulfillments"]] == ["shipped"]
    orders.pump()
    assert not [sk for _, sk in contents(orders) if sk.startswith("PARKED#")]


def test_messages_of_one_order_may_come_in_any_order(orders: Orders) -> None:
    told: list[tuple[str, str, Any]] = [
        ("shopify", "orders/create", shopify_order()),
        ("shopify", "fulfillments/create", shopify_fulfillment()),
        (
            "shopify",
            "orders/updated",
            shopify_order(
                updated_at="2026-03-10T13:00:00+01:00",
                fulfillment_status="fulfilled",
                fulfillments=[shopify_fulfillment()],
            ),
        ),
        ("shopify", "refunds/create", shopify_refund((1, 1, "return"))),
        ("easypost", "", easypost("1Z12345E0205271688", picked_up(), in_transit())),
    ]
    orders.later(days=3)
    ends = []
    for shift in (0, 1, 3):
        name = 1_000 + shift
        for source, topic, body in told[shift:] + told[:shift]:
            text = json.dumps(body).replace("450789469", str(name)).replace("1Z12345", f"1Z{name}")
            text = text.replace('"number": 7', f'"number": {name}')
            orders.said(source, text.encode(), topic)
            orders.pump()
        seen = found(orders, external_id=str(name))
        ends.append(
            (
                seen["status"],
                seen["flags"],
                [{**line} for line in seen["lines"]],
                [one["state"] for one in seen["fulfillments"]],
                [one["status"] for one in seen["shipments"]],
            )
        )
    assert all(end == ends[0] for end in ends), ends
    assert ends[0][0] == "in_progress"


def test_an_order_of_a_marketplace_may_be_told_of_backwards(orders: Orders) -> None:
    orders.later(hours=1)
    orders.said("amazon", amazon_order("Shipped", shipped=1, minutes=30))
    orders.said("amazon", amazon_order("Unshipped", minutes=0))
    orders.pump()
    seen = found(orders, "amazon", "333-7777777-7777777")
    assert (seen["status"], seen["source_state"]) == ("in_progress", "Shipped")
