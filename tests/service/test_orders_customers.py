"""Customers: one timeline of every touchpoint, guests who become members, one message for each
milestone, and what is left of a person who asks to be forgotten."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_core.identifiers import Identifier
from tandem_core.journal import Origin
from tandem_core.table import _from_wire
from tandem_orders.store import Store
from tandem_orders.use_cases import customers
from tests.service.orders_service import Orders, units
from tests.service.sender_payloads import (
    aftership,
    amazon_order,
    at,
    delivered,
    easypost,
    in_transit,
    on_the_van,
    picked_up,
    shopify_fulfillment,
    shopify_order,
    shopify_redaction,
    shopify_scan,
)
from tests.service.table_contents import contents, nothing_changes, refusal

SYSTEM = Origin("system", "system")
ADA = [{"type": "email", "value": "ada@example.org"}]
NUMBER = "1Z12345E0205271688"
PARCEL = [{"carrier": "UPS", "tracking_number": NUMBER}]


def earned(orders: Orders, order_id: str, points: int, kind: str = "points.earned") -> None:
    """Loyalty tells of points, as it publishes them."""
    data = {
        "account_id": "acc_1",
        "customer_id": "cus_1",
        "order_id": order_id,
        "channel": "web",
        "points": points,
        "occurred_at": rfc3339(orders.now),
    }
    orders.hear("loyalty", kind, data)


def enrolled(orders: Orders, identifiers: Any = None, customer_id: str | None = "cus_1") -> None:
    data = {
        "account_id": "acc_1",
        "customer_id": customer_id,
        "identifiers": ADA if identifiers is None else identifiers,
        "occurred_at": rfc3339(orders.now),
    }
    orders.hear("loyalty", "account.enrolled", data)
    orders.pump()


def owner(orders: Orders, order_id: str) -> Any:
    return orders.order(order_id)["customer"]["customer_id"]


def kinds(orders: Orders, customer_id: str = "cus_1") -> list[str]:
    return [one["type"] for one in orders.timeline(customer_id)]


# --- the timeline ---------------------------------------------------------------------------------


def three_touchpoints(orders: Orders) -> list[str]:
    """A web order, a receipt and a marketplace order of cus_1, with the points of two of them."""
    web = orders.placed("web", number="#1")
    orders.later(hours=1)
    till = orders.placed("till", channel="pos", role="terminal")
    earned(orders, till, 125)
    orders.later(hours=1)
    orders.said("amazon", amazon_order(minutes=120))
    orders.pump()
    query = {"source": "amazon", "external_id": "333-7777777-7777777"}
    (amazon,) = orders.call("GET", "/orders", query=query).body["orders"]
    customers.claim_order(orders.store, amazon["id"], "cus_1", SYSTEM, orders.now)
    orders.pump()
    orders.later(hours=1)
    earned(orders, web, 125, "points.pending")
    return [web, till, amazon["id"]]


def test_all_touchpoints_of_a_customer_are_one_timeline_newest_first(orders: Orders) -> None:
    ids = three_touchpoints(orders)
    entries = orders.timeline()

    assert sorted((one["type"], one["channel"]) for one in entries) == [
        ("order.placed", "marketplace"),
        ("order.placed", "pos"),
        ("order.placed", "web"),
        ("order.updated", "marketplace"),
        ("points.earned", "web"),
        ("points.pending", "web"),
    ]
    times = [one["occurred_at"] for one in entries]
    assert times == sorted(times, reverse=True)
    assert {one["order_id"] for one in entries} == set(ids)
    assert [one["location_id"] for one in entries if one["channel"] == "pos"] == ["store_12"]


@pytest.mark.parametrize(
    ("tag", "language", "word"),
    [
        ("en", "en", "order"),
        ("de-AT", "de", "Bestellung"),
        ("es-MX", "es", "pedido"),
        ("zh-TW", "zh-Hant", "謝"),
        ("zh-CN", "zh-Hans", "谢"),
        ("fr", "en", "order"),
    ],
)
def test_a_timeline_speaks_the_readers_language(
    orders: Orders, tag: str, language: str, word: str
) -> None:
    orders.placed()
    orders.pump()

    def read(**options: Any) -> Any:
        reply = orders.call(
            "GET",
            "/customers/{customer_id}/timeline",
            role="customer",
            subject="cus_1",
            customer_id="cus_1",
            **options,
        )
        return reply.body["language"], reply.body["entries"][0]["text"]

    for said, text in (read(query={"language": tag}), read(headers={"Accept-Language": tag})):
        assert said == language
        assert word in text
    prefer = {"channels": ["push"], "language": "de"}
    route = "/customers/{customer_id}/preferences"
    assert orders.call("PUT", route, prefer, role="staff", customer_id="cus_1").status == 200
    assert read(headers={"Accept-Language": tag})[0] == "de"
    assert read(query={"language": tag})[0] == language


def test_a_timeline_is_read_page_by_page(orders: Orders) -> None:
    three_touchpoints(orders)
    whole = orders.timeline()
    paged, query = [], {"limit": "2"}
    for _ in range(9):
        reply = orders.call(
            "GET",
            "/customers/{customer_id}/timeline",
            role="customer",
            subject="cus_1",
            customer_id="cus_1",
            query=query,
        )
        paged += reply.body["entries"]
        if reply.body["cursor"] is None:
            break
        query["cursor"] = reply.body["cursor"]
    assert paged == whole


def test_a_timeline_is_the_same_however_often_and_in_whatever_order_it_is_told(
    orders: Orders,
) -> None:
    order_id = orders.placed()
    orders.fulfilled(order_id, shipments=PARCEL)
    orders.later(hours=6)
    orders.said("easypost", easypost(NUMBER, picked_up(), in_transit(), delivered()))
    told = orders.pump()
    before = orders.timeline()

    for envelope in (*reversed(told), *told):
        assert orders.deliver(envelope) == []
    assert orders.timeline() == before
    assert orders.unpublished() == []
    lines = [(one["type"], one["text"]) for one in before]
    assert len(lines) == len(set(lines))


def test_nothing_personal_is_kept_in_a_timeline(orders: Orders) -> None:
    order_id = orders.placed(
        customer={"customer_id": "cus_1", "email": "ada@example.org", "name": "Ada Lovelace"},
        destination={"name": "Ada", "city": "Köln", "postal_code": "50667", "country": "DE"},
    )
    pickup = orders.fulfilled(order_id, "pickup", lines=units({"1": 1}))
    orders.moved(order_id, pickup, "reserved", "preparing", "ready")
    orders.fulfilled(order_id, shipments=PARCEL, lines=units({"2": 1}))
    orders.later(hours=6)
    orders.said("easypost", easypost(NUMBER, picked_up(), delivered(), signed_by="LOVELACE"))
    orders.pump()
    (seen, _) = orders.order(order_id, role="customer", subject="cus_1")["fulfillments"]
    assert seen["pickup_code"]

    lines = [item for (pk, _), item in contents(orders).items() if pk.startswith("TL#")]
    text = json.dumps(lines).lower()
    assert len(lines) >= 5
    for secret in ("ada@", "lovelace", "50667", seen["pickup_code"]):
        assert secret not in text


# --- guests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["ada@example.org", " ADA@Example.org"])
def test_a_guests_order_is_theirs_when_they_enrol(orders: Orders, written: str) -> None:
    order_id = orders.placed(customer={"email": written})
    orders.fulfilled(order_id, shipments=PARCEL)
    orders.pump()
    assert (owner(orders, order_id), kinds(orders)) == (None, [])

    enrolled(orders)
    assert owner(orders, order_id) == "cus_1"
    assert sorted(kinds(orders)) == sorted(
        ["account.enrolled", "order.updated", "order.placed", "fulfillment.created"]
        + ["shipment.registered"]
    )
    mine = orders.call("GET", "/orders", role="customer", subject="cus_1").body["orders"]
    assert [one["id"] for one in mine] == [order_id]
    with nothing_changes(orders):
        enrolled(orders, customer_id=None)
    # Who claims it later comes too late.
    enrolled(orders, customer_id="cus_2")
    assert owner(orders, order_id) == "cus_1"


def test_an_order_placed_with_a_members_contact_is_theirs_from_the_start(orders: Orders) -> None:
    enrolled(orders, [*ADA, {"type": "card", "value": "1234 5678"}, {"type": "fax"}, "nonsense"])
    assert owner(orders, orders.placed(customer={"email": "ADA@example.org"})) == "cus_1"
    orders.said("shopify", shopify_order(), "orders/create")
    orders.pump()
    mine = orders.call("GET", "/orders", role="customer", subject="cus_1").body["orders"]
    assert {one["source"] for one in mine} == {"shop", "shopify"}


def test_contacts_that_were_verified_claim_guests_orders(orders: Orders) -> None:
    by_mail = orders.placed("1", customer={"email": "ada@example.org"})
    by_phone = orders.placed("2", customer={"phone": "+49 151 12345678"})
    other = orders.placed("3", customer={"email": "bo@example.org"})
    body = {"contacts": [*ADA, {"type": "phone", "value": "+4915112345678"}]}

    def claim() -> Any:
        return orders.call(
            "POST", "/customers/{customer_id}/contacts", body, customer_id="cus_1", key="k"
        )

    first = claim()
    assert first.body["order_ids"] == sorted([by_mail, by_phone])
    orders.pump()
    assert claim().body == first.body
    assert claim().replayed
    assert [owner(orders, one) for one in (by_mail, by_phone, other)] == ["cus_1", "cus_1", None]


def test_a_customer_who_enrols_while_they_order_gets_the_order(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking for the customer and writing the guest's order, the guest enrols: their
    orders are looked for when this one is not there yet."""
    append = Store.append_order

    def overtaken(store: Store, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(Store, "append_order", append)
        enrolled(orders)
        return append(store, *arguments, **options)

    monkeypatch.setattr(Store, "append_order", overtaken)
    order_id = orders.placed(customer={"email": "ada@example.org"})
    assert owner(orders, order_id) is None

    orders.pump()
    assert owner(orders, order_id) == "cus_1"
    assert not [sk for _, sk in contents(orders) if sk.startswith("ORDER#")]


def test_a_contact_that_a_shop_tells_later_is_a_contact(orders: Orders) -> None:
    orders.said("shopify", shopify_order(email=None), "orders/create")
    orders.pump()
    later = shopify_order(updated_at="2026-03-10T10:30:00+01:00")
    orders.said("shopify", later, "orders/updated")
    orders.pump()
    enrolled(orders)
    mine = orders.call("GET", "/orders", role="customer", subject="cus_1").body["orders"]
    assert [one["source"] for one in mine] == ["shopify"]


# --- messages -------------------------------------------------------------------------------------


def test_each_milestone_is_told_once_under_duplicates_reordering_and_two_providers(
    orders: Orders,
) -> None:
    order_id = orders.placed()
    orders.fulfilled(order_id, shipments=PARCEL)
    orders.pump(times=2)
    for scans in ((picked_up(),), (picked_up(), on_the_van()), (on_the_van(), delivered())):
        orders.now = max(one[2] for one in scans) + timedelta(minutes=1)
        orders.said("easypost", easypost(NUMBER, *scans, event_id=f"e{len(scans)}{scans[0][0]}"))
        orders.pump(times=2)
    checkpoints = [
        ("InTransit", "InTransit_002", at(hours=2)),
        ("Delivered", "Delivered_001", at(hours=5)),
    ]
    orders.said("aftership", aftership(NUMBER, *checkpoints))
    orders.pump(times=2)
    for envelope in sorted(orders.published.values(), key=lambda one: one.id, reverse=True):
        orders.deliver(envelope)

    told = orders.notifications()
    assert [one["milestone"] for one in told] == [
        "order_placed", "picked_up", "out_for_delivery", "delivered",
    ]  # fmt: skip
    assert len({one["notification_id"] for one in told}) == 4
    assert all(one["customer_id"] == "cus_1" and one["text"] and one["title"] for one in told)
    assert told[3]["reason"] == "shipment.delivered"
    assert told[3]["tracking_url"].startswith("https://tandem.example/orders/v1/tracking/")
    orders.entries("cus_1")


def test_late_facts_are_in_the_timeline_and_send_nothing(orders: Orders) -> None:
    order_id = orders.placed()
    orders.fulfilled(order_id, shipments=PARCEL)
    orders.pump()
    orders.now = at(hours=5) + timedelta(hours=48, minutes=1)
    orders.said("easypost", easypost(NUMBER, picked_up(), on_the_van(), delivered()))
    orders.placed("old", placed_at=rfc3339(orders.now - timedelta(days=3)))
    orders.pump()

    assert orders.milestones() == ["order_placed"]
    assert "shipment.delivered" in kinds(orders)
    assert orders.order(order_id)["status"] == "completed"


def test_messages_follow_what_their_customer_prefers(orders: Orders) -> None:
    route = "/customers/{customer_id}/preferences"

    def prefer(body: Any, **options: Any) -> Any:
        return orders.call(
            "PUT", route, body, role="customer", subject="cus_1", customer_id="cus_1", **options
        )

    quiet = {"from": "08:00", "to": "12:00", "time_zone": "Europe/Berlin"}
    first = prefer({"channels": ["sms", "email"], "language": "zh-TW", "quiet_hours": quiet})
    assert (first.status, first.body["language"], first.headers["ETag"]) == (200, "zh-Hant", '"1"')
    customer = {"customer_id": "cus_1", "email": "ada@example.org", "phone": "+4915112345678"}
    orders.placed("1", customer=customer)
    orders.pump()
    (told,) = orders.notifications()
    assert (told["channel"], told["channels"], told["language"]) == (
        "sms",
        ["sms", "email"],
        "zh-Hant",
    )
    assert told["deliver_after"] == "2026-03-10T11:00:00.000000Z"
    assert (told["email"], told["phone"]) == ("ada@example.org", "+4915112345678")

    refusal(prefer({"channels": []}, headers={"If-Match": '"7"'}), 412, "VERSION_CONFLICT")
    with nothing_changes(orders):
        same = {"channels": ["sms", "email"], "language": "zh-Hant", "quiet_hours": quiet}
        assert prefer(same).headers["ETag"] == '"2"'
    assert prefer({"channels": []}, headers={"If-Match": '"2"'}).status == 200
    orders.placed("2", customer=customer)
    orders.pump()
    assert len(orders.notifications()) == 1
    seen = orders.call("GET", route, role="customer", subject="cus_1", customer_id="cus_1")
    assert (seen.body["channels"], seen.body["language"]) == ([], None)


def test_a_code_and_a_contact_stand_in_private_data_only(orders: Orders) -> None:
    order_id = orders.placed(customer={"email": "ada@example.org", "phone": "+4915112345678"})
    pickup = orders.fulfilled(order_id, "pickup")
    orders.moved(order_id, pickup, "reserved", "preparing", "ready")
    orders.pump()
    (ready,) = [one for one in orders.notifications() if one["milestone"] == "pickup_ready"]
    (entry,) = [one for one in orders.entries(order_id) if one.type == "pickup.ready"]
    code = json.loads(entry.private)["pickup_code"]

    assert code in ready["text"]
    for one in orders.journal():
        assert not [word for word in (code, "ada@", "49151", "Lovelace") if word in one.data]


def test_a_guest_who_becomes_a_customer_is_not_told_again(orders: Orders) -> None:
    orders.placed(customer={"email": "ada@example.org"})
    told = orders.pump()
    assert orders.milestones() == ["order_placed"]
    enrolled(orders)
    for envelope in told:
        orders.deliver(envelope)
    assert orders.milestones() == ["order_placed"]


# --- forgetting -----------------------------------------------------------------------------------

PERSON = ("ada@example.org", "49151", "lovelace", "50667", "domkloster", "köln")


def stored(orders: Orders, *, raw: bool = False) -> str:
    """Everything in the table as text, inflated; messages as they came only if `raw`."""
    found = []
    for (pk, _), wire in contents(orders).items():
        for name, value in _from_wire(wire).items():
            if name != "raw" or raw:
                found.append(f"{pk} {name} {_readable(value)}")
    return "\n".join(found).lower()


def _readable(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return zlib.decompress(value, wbits=-zlib.MAX_WBITS).decode()
    except (zlib.error, UnicodeDecodeError):
        return "a hash"


def left_of(orders: Orders, **options: Any) -> list[str]:
    text = stored(orders, **options)
    return [word for word in PERSON if word in text]


def lived(orders: Orders) -> tuple[str, str]:
    """An order of a shop and one of a caller, sent, delivered and told of; all of one person."""
    person = {
        "email": "ada@example.org",
        "phone": "+4915112345678",
        "name": "Ada Lovelace",
    }
    place = {"name": "Ada Lovelace", "city": "Köln", "postal_code": "50667", "country": "DE"}
    mine = orders.placed(
        "1", key="k", customer={"customer_id": "cus_1", **person}, destination=place
    )
    pickup = orders.fulfilled(mine, "pickup", lines=units({"1": 1}))
    orders.moved(mine, pickup, "reserved", "preparing", "ready")
    orders.fulfilled(
        mine, shipments=[{"carrier": "UPS", "tracking_number": "1ZM"}], lines=units({"2": 1})
    )
    orders.said("shopify", shopify_order(phone="+4915112345678"), "orders/create")
    orders.pump()
    orders.said("shopify", shopify_fulfillment(), "fulfillments/create")
    orders.later(hours=6)
    for number in (NUMBER, "1ZM"):
        orders.said("easypost", easypost(number, delivered(), signed_by="LOVELACE"))
    orders.pump()
    query = {"source": "shopify", "external_id": "450789469"}
    (theirs,) = orders.call("GET", "/orders", query=query).body["orders"]
    assert set(left_of(orders)) >= {"ada@example.org", "49151", "lovelace", "50667", "köln"}
    return mine, str(theirs["id"])  # fmt: skip


def test_a_customer_who_is_erased_leaves_no_trace_but_the_books(orders: Orders) -> None:
    enrolled(orders)
    mine, shops = lived(orders)
    assert owner(orders, shops) == "cus_1"
    before = {
        one: [(entry.seq, entry.data, entry.hash) for entry in orders.entries(one)]
        for one in (mine, shops, "cus_1")
    }
    totals = [line["paid"] for line in orders.order(mine)["lines"]]

    erase: dict[str, Any] = {"role": "staff", "customer_id": "cus_1", "key": "e"}
    first = orders.call("POST", "/customers/{customer_id}/erase", **erase)
    orders.pump()
    assert first.body == {"orders": 2}
    assert left_of(orders) == []
    again = orders.call("POST", "/customers/{customer_id}/erase", **erase)
    assert (again.body, again.replayed) == (first.body, True)

    # The books remain, and their seals hold.
    for subject, entries in before.items():
        kept = [(entry.seq, entry.data, entry.hash) for entry in orders.entries(subject)]
        assert kept[: len(entries)] == entries
    order = orders.order(mine)
    assert order["customer"] == {"customer_id": "cus_1", "email": None, "phone": None, "name": None}
    assert order["destination"] is None
    assert [line["paid"] for line in order["lines"]] == totals
    for subject in {entry.subject for entry in orders.journal()}:
        orders.entries(subject)
    # What was asked before is answered, without the person.
    reply = orders.place("1", key="k", placed_at=rfc3339(at()), **_as_lived())
    assert (reply.status, reply.replayed) == (201, True)
    assert reply.body["customer"]["email"] is None
    # Contacts are nobody's now.
    assert owner(orders, orders.placed("new", customer={"email": "ada@example.org"})) is None


def _as_lived() -> dict[str, Any]:
    return {
        "customer": {
            "customer_id": "cus_1",
            "email": "ada@example.org",
            "phone": "+4915112345678",
            "name": "Ada Lovelace",
        },
        "destination": {
            "name": "Ada Lovelace", "city": "Köln", "postal_code": "50667", "country": "DE",
        },
    }  # fmt: skip


def test_a_shop_that_asks_to_forget_a_customer_is_obeyed(orders: Orders) -> None:
    guest = orders.placed("guest", customer={"email": "ada@example.org", "name": "Ada Lovelace"})
    orders.said("shopify", shopify_order(), "orders/create")
    orders.pump()
    orders.said("shopify", shopify_fulfillment(), "fulfillments/create")
    orders.said("shopify", shopify_scan("delivered", at(hours=-0.2)), "fulfillment_events/create")
    orders.pump()
    orders.said("shopify", shopify_redaction(450789469), "customers/redact")
    orders.pump(times=2)

    assert orders.parked() == []
    assert [word for word in left_of(orders) if word != "köln"] == []
    # The message as it came is kept for its 90 days, and then ends by itself.
    assert "ada@example.org" in stored(orders, raw=True)
    raw = [item for (pk, _), item in contents(orders).items() if pk.startswith("IN#")]
    assert all(
        int(item["ttl"]["N"]) == int((orders.now + timedelta(days=90)).timestamp()) for item in raw
    )
    assert orders.kinds(guest)[-1] == "order.erased"

    # Nor does what comes later, or again, bring the person back.
    later = shopify_order(updated_at="2026-03-10T12:30:00+01:00")
    orders.said("shopify", later, "orders/updated")
    orders.pump()
    span = {"from": rfc3339(at(hours=-1)), "to": rfc3339(at(hours=9))}
    assert orders.replay(source="shopify", **span).body["understood"] == 5
    orders.pump()
    assert [word for word in left_of(orders) if word != "köln"] == []
    assert not [sk for _, sk in contents(orders) if sk.startswith("ORDER#")]  # fmt: skip


def test_a_shop_that_asks_to_forget_whom_nobody_knows_is_answered(orders: Orders) -> None:
    orders.said("shopify", shopify_redaction(1, 2, email="nobody@example.org"), "customers/redact")
    before = set(contents(orders))
    orders.pump()
    assert set(contents(orders)) == before
    assert orders.parked() == []


def test_a_contact_that_is_somebody_elses_by_now_stays_theirs(orders: Orders) -> None:
    enrolled(orders, customer_id="cus_1")
    enrolled(orders, customer_id="cus_2")
    orders.call("POST", "/customers/{customer_id}/erase", role="staff", customer_id="cus_1")
    assert owner(orders, orders.placed(customer={"email": "ada@example.org"})) == "cus_2"
    orders.call("POST", "/customers/{customer_id}/erase", role="staff", customer_id="cus_2")
    assert owner(orders, orders.placed("2", customer={"email": "ada@example.org"})) is None
    assert Identifier.model_validate(ADA[0]).value == "ada@example.org"
