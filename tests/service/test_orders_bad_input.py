"""Requests that are wrong: each is refused by a stable code and changes nothing, on every route."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.service.every_route import INVENTED_CURSORS, RefusedOnEveryRoute, allowed, replaced
from tests.service.orders_endpoints import (
    BODIES,
    CANCEL,
    CLOSED,
    CONTACTS,
    ENDPOINTS,
    ERASE,
    FIND_SHIPMENT,
    FULFIL,
    INBOX,
    MOVE,
    OF_ORDER,
    ORDER,
    ORDERS,
    PLACE,
    POSTING,
    PREFER,
    READING,
    REGISTER,
    REPLAY,
    SHIPMENT,
    TIMELINE,
    TRACK,
    WEBHOOK,
    WITH_BODY,
    World,
    endpoint,
)
from tests.service.orders_service import Orders, units
from tests.service.table_contents import contents, nothing_changes, refusal

ANSWERED = [name for name in ENDPOINTS if name != WEBHOOK]


@pytest.fixture
def world(orders: Orders) -> World:
    return World.of(orders)


class TestEveryRoute(RefusedOnEveryRoute):
    endpoints = ENDPOINTS
    closed = CLOSED
    posting = POSTING
    with_body = WITH_BODY


# --- the good requests are good -------------------------------------------------------------------


def test_the_requests_that_will_be_spoilt_are_good(world: World) -> None:
    for name in ANSWERED:
        reply = world.call(name)
        assert reply.status == endpoint(name).status, (name, reply.body)
        assert reply.headers["Content-Type"] == "application/json"


def test_a_question_writes_nothing_and_needs_no_key(world: World) -> None:
    with nothing_changes(world.orders):
        for name in READING:
            assert world.call(name, key="").status == 200


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POSTING)
def test_a_post_repeated_with_its_key_is_answered_as_the_first_time(
    world: World, name: str
) -> None:
    first = world.call(name, key="k")
    assert (first.status, first.replayed) == (endpoint(name).status, False)
    world.orders.pump()
    with nothing_changes(world.orders):
        again = world.call(name, key="k")
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)
    assert again.headers.get("ETag") == first.headers.get("ETag")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (PLACE, {"external_id": "2002"}),
        (PLACE, {"number": "#9"}),
        (CANCEL, {"reason": "other"}),
        (FULFIL, {"shipments": []}),
        (MOVE, {"to": "cancelled"}),
        (REGISTER, {"tracking_number": "JD2"}),
        (CONTACTS, {"contacts": [{"type": "phone", "value": "+4915112345678"}]}),
    ],
)
def test_a_key_with_another_request_is_refused(
    world: World, name: str, other: dict[str, Any]
) -> None:
    assert world.call(name, key="k").status == endpoint(name).status
    with nothing_changes(world.orders):
        body = world.body(name) | other
        refusal(world.call(name, body=body, key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("first", OF_ORDER)
def test_a_key_of_one_command_is_refused_for_another_of_the_same_order(
    world: World, first: str
) -> None:
    assert world.call(first, key="k").status == endpoint(first).status
    with nothing_changes(world.orders):
        for other in OF_ORDER:
            if other != first:
                refusal(world.call(other, key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_keys_are_the_callers_own(world: World) -> None:
    for subject in ("shop", "other shop"):
        body = world.body(CANCEL) | {"lines": units({"1": 1} if subject == "shop" else {"2": 1})}
        reply = world.call(CANCEL, body=body, key="k", role="integration", subject=subject)
        assert (reply.status, reply.replayed) == (200, False), reply.body


# --- who calls ------------------------------------------------------------------------------------


def test_who_may_do_what_is_what_the_contract_says() -> None:
    may = allowed(ENDPOINTS)
    assert may["customer"] == {
        ORDER, ORDERS, CANCEL, MOVE, SHIPMENT, FIND_SHIPMENT, TIMELINE, PREFER,
        PREFER.replace("PUT", "GET"),
    }  # fmt: skip
    assert may["terminal"] == {PLACE, ORDER, ORDERS, FULFIL, MOVE, SHIPMENT, FIND_SHIPMENT}
    assert may["integration"] == may["terminal"] | {CANCEL, REGISTER, CONTACTS}
    assert may["staff"] == may["admin"] == set(CLOSED)


# --- whose ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (ORDER, "ORDER_NOT_FOUND"),
        (CANCEL, "ORDER_NOT_FOUND"),
        (MOVE, "ORDER_NOT_FOUND"),
        (SHIPMENT, "SHIPMENT_NOT_FOUND"),
        (FIND_SHIPMENT, "SHIPMENT_NOT_FOUND"),
        (ORDERS, "NOT_FOUND"),
        (TIMELINE, "NOT_FOUND"),
        (PREFER, "NOT_FOUND"),
        (PREFER.replace("PUT", "GET"), "NOT_FOUND"),
    ],
)
def test_what_belongs_to_another_customer_does_not_exist_for_this_one(
    world: World, name: str, code: str
) -> None:
    body = {"to": "checked_in"} if name == MOVE else world.body(name)
    with nothing_changes(world.orders):
        theirs = world.call(name, role="customer", subject="cus_2", body=body)
        refusal(theirs, 404, code)
        nobodys = world.call(name, role="customer", subject="", body=body)
        assert nobodys.status == 404
    if name in (ORDER, SHIPMENT):
        assert world.call(name, role="customer", subject="cus_1").status == 200


def test_a_list_of_orders_never_shows_those_of_others(world: World) -> None:
    def listed(**options: Any) -> list[str]:
        reply = world.call(ORDERS, **options)
        assert reply.status == 200, reply.body
        assert reply.body["cursor"] is None
        return [one["external_id"] for one in reply.body["orders"]]

    by_name = {"source": "shop", "external_id": "1001"}
    guests = {"source": "shop", "external_id": "1002"}
    assert listed(role="customer", subject="cus_1", query=None) == ["1001"]
    assert listed(role="customer", subject="cus_2", query=None) == []
    assert listed(role="customer", subject="cus_1", query=by_name) == ["1001"]
    assert listed(role="customer", subject="cus_2", query=by_name) == []
    assert listed(role="customer", subject="cus_2", query=guests) == []
    assert listed(role="staff", query=guests) == ["1002"]
    assert listed(role="staff", query={"source": "shop", "external_id": "unknown"}) == []


UNKNOWN = ["ord_" + "0" * 26, "nobody", "HEAD", "..", "A" * 128]


def test_what_does_not_exist_is_not_found(world: World) -> None:
    with nothing_changes(world.orders):
        for unknown in UNKNOWN:
            for name in (ORDER, CANCEL, FULFIL, MOVE):
                refusal(world.call(name, order_id=unknown), 404, "ORDER_NOT_FOUND")
            refusal(world.call(MOVE, fulfillment_id=unknown), 404, "FULFILLMENT_NOT_FOUND")
            refusal(world.call(SHIPMENT, shipment_id=unknown), 404, "SHIPMENT_NOT_FOUND")
            refusal(world.call(TRACK, token=unknown), 404, "TRACKING_LINK_INVALID")
            refusal(world.call(WEBHOOK, source=unknown, raw=b"{}"), 404, "SENDER_NOT_FOUND")
            body = {"message_id": unknown}
            refusal(world.call(REPLAY, body=body), 404, "MESSAGE_NOT_FOUND")
            body = world.body(REGISTER) | {"order_id": unknown}
            refusal(world.call(REGISTER, body=body), 404, "ORDER_NOT_FOUND")
        query = {"carrier": "ups", "tracking_number": "nobody's"}
        refusal(world.call(FIND_SHIPMENT, query=query), 404, "SHIPMENT_NOT_FOUND")


def test_a_customer_of_whom_nothing_is_known_has_an_empty_page(world: World) -> None:
    reply = world.call(TIMELINE, customer_id="cus_new", role="customer", subject="cus_new")
    assert (reply.status, reply.body["entries"], reply.body["cursor"]) == (200, [], None)
    reply = world.call(PREFER.replace("PUT", "GET"), customer_id="cus_new")
    assert reply.body["channels"] == ["push", "email"]
    assert reply.headers["ETag"] == '"0"'


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (PLACE, "lines.0.weight"),
        (PLACE, "lines.1.paid.tax"),
        (PLACE, "customer.address"),
        (PLACE, "tenders.0.terminal"),
        (PLACE, "destination.street"),
        (CANCEL, "lines.0.reason"),
        (FULFIL, "shipments.0.service"),
        (PREFER, "quiet_hours.days"),
        (CONTACTS, "contacts.0.verified"),
    ],
)
def test_an_unknown_field_is_refused_at_any_depth(world: World, name: str, path: str) -> None:
    with nothing_changes(world.orders):
        reply = world.call(name, body=replaced(world.body(name), path, 1))
        problem = refusal(reply, 422, "VALIDATION_FAILED")
    errors = [(error["field"], error["code"]) for error in problem["errors"]]
    assert (path, "UNKNOWN_FIELD") in errors


LINE = {"line_id": "1", "sku": "s", "quantity": 1, "paid": {"amount": 1, "currency": "EUR"}}
WRONG: list[tuple[str, str, list[Any]]] = [
    (PLACE, "external_id", ["", None, 1, "x" * 129, "a\nb", [], True]),
    (PLACE, "source", ["", None, 1, "x" * 129]),
    (PLACE, "channel", ["", "WEB", "fax", None, 1]),
    (PLACE, "currency", ["", "eur", "EURO", "XXX", None, 978]),
    (PLACE, "placed_at", ["", "2026-03-10", "2026-03-10T09:30:00", 1, None, "1899-12-31T23:00Z"]),
    (PLACE, "lines", [[], None, {}, [LINE] * 501, [LINE, LINE]]),
    (PLACE, "lines.0.quantity", [0, -1, 1.5, "1", True, None, 100_001]),
    (PLACE, "lines.0.paid.amount", [-1, 1.5, "1", True, None, 10**12 + 1]),
    (PLACE, "lines.0.paid.currency", ["USD", "", None]),
    (PLACE, "lines.0.sku", ["", None, "x" * 129]),
    (PLACE, "lines.0.name", [None, 1, "x" * 257]),
    (PLACE, "tenders", [None, {}, [{"type": "card", "paid": LINE["paid"]}] * 21]),
    (PLACE, "tenders.0.paid.currency", ["USD"]),
    (PLACE, "customer", [None, [], "cus_1", {"customer_id": ""}]),
    (PLACE, "promised_by", ["", "14.03.2026", "2026-02-30", "2026-02-14Tea", 1]),
    (PLACE, "destination", [[], "Köln", {"country": "Germany"}]),
    (CANCEL, "reason", ["", None, 1, "x" * 257]),
    (CANCEL, "lines", [[], {}, "1"]),
    (CANCEL, "lines.0.quantity", [0, -1, 1.5, True, None, 100_001]),
    (FULFIL, "type", ["", "SHIP", "drone", None]),
    (FULFIL, "lines", [[], None]),
    (FULFIL, "shipments", [None, {}, [{"carrier": "u", "tracking_number": "1"}] * 21]),
    (FULFIL, "shipments.0.tracking_number", ["", None, "x" * 129]),
    (MOVE, "to", ["", "lost", None, "READY"]),
    (REGISTER, "carrier", ["", None, "x" * 129]),
    (REGISTER, "tracking_number", ["", None, "x" * 129]),
    (PREFER, "channels", [["fax"], ["sms", "sms"], None, "sms"]),
    (PREFER, "language", ["", "xx", 1]),
    (PREFER, "quiet_hours.from", ["", "24:00", "9:00", 9]),
    (PREFER, "quiet_hours.time_zone", ["", "Europe/Bonn", "x" * 65, "../etc/passwd"]),
    (CONTACTS, "contacts", [[], None, [{"type": "email", "value": "a@b.co"}] * 11]),
    (CONTACTS, "contacts.0", [{"type": "fax", "value": "1"}, {"type": "email", "value": "a b"}]),
    (REPLAY, "message_id", ["", None, 1]),
]  # fmt: skip


def test_a_member_that_is_wrong_is_refused(world: World) -> None:
    with nothing_changes(world.orders):
        for name, path, values in WRONG:
            for value in values:
                reply = world.call(name, body=replaced(world.body(name), path, value))
                problem = refusal(reply, 422, "VALIDATION_FAILED")
                assert problem["errors"], (name, path, value)


DAY = "2026-03-{:02d}T00:00:00Z"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"source": "shopify"},
        {"source": "shopify", "from": "2026-03-01T00:00:00Z"},
        {"message_id": "m", "source": "s", "from": DAY.format(1), "to": DAY.format(2)},
        {"source": "s", "from": DAY.format(2), "to": DAY.format(1)},
        {"source": "s", "from": DAY.format(1), "to": DAY.format(1).replace("-03-", "-09-")},
    ],
)  # fmt: skip
def test_a_replay_names_one_message_or_a_senders_time(world: World, body: Any) -> None:
    with nothing_changes(world.orders):
        refusal(world.call(REPLAY, body=body), 422, "VALIDATION_FAILED")


def test_an_order_may_be_as_large_as_the_limits_allow(world: World) -> None:
    lines = [
        {**LINE, "line_id": str(number), "quantity": 100_000, "paid": money(2 * 10**9)}
        for number in range(500)
    ]
    body = BODIES[PLACE] | {"lines": lines, "tenders": []}
    reply = world.call(PLACE, body=body)
    assert (reply.status, len(reply.body["lines"])) == (201, 500), reply.body

    with nothing_changes(world.orders):
        more = deepcopy(body) | {"external_id": "one more"}
        more["lines"][0]["paid"]["amount"] += 1
        refusal(world.call(PLACE, body=more), 422, "VALIDATION_FAILED")


def money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


# --- queries --------------------------------------------------------------------------------------


def test_a_query_that_is_wrong_is_refused(world: World) -> None:
    wrong: list[tuple[str, dict[str, str]]] = [
        (ORDERS, {}),
        (ORDERS, {"source": "shop"}),
        (ORDERS, {"external_id": "1001"}),
        (ORDERS, {"customer_id": "cus_1", "source": "shop", "external_id": "1001"}),
        (ORDERS, {"customer_id": ""}),
        (FIND_SHIPMENT, {"carrier": "ups"}),
        (FIND_SHIPMENT, {"carrier": "", "tracking_number": "1"}),
        (INBOX, {"state": "all"}),
        (TIMELINE, {"language": "x" * 65}),
        (TRACK, {"language": "x" * 65}),
        *[
            (name, {**(world.query(name) or {}), "limit": limit})
            for name in (ORDERS, TIMELINE, INBOX)
            for limit in ("0", "201", "-1", "1.5", "x", "")
        ],
        *[
            (name, {**(world.query(name) or {}), "colour": "red"})
            for name in (ORDERS, TIMELINE, INBOX, FIND_SHIPMENT, TRACK)
        ],
    ]
    with nothing_changes(world.orders):
        for name, query in wrong:
            refusal(world.call(name, query=query), 422, "VALIDATION_FAILED")


def test_a_cursor_that_nobody_gave_is_refused(world: World) -> None:
    with nothing_changes(world.orders):
        for name in (ORDERS, TIMELINE, INBOX):
            for cursor in INVENTED_CURSORS:
                query = {**(world.query(name) or {}), "cursor": cursor}
                refusal(world.call(name, query=query), 422, "VALIDATION_FAILED")
        ranged = {
            "source": "easypost",
            "from": "2026-03-01T00:00:00Z",
            "to": "2026-04-01T00:00:00Z",
        }
        for cursor in [*INVENTED_CURSORS, "2026-03-10.x", "2026-02-30.", "zzz."]:
            body = {**ranged, "cursor": cursor}
            refusal(world.call(REPLAY, body=body), 422, "VALIDATION_FAILED")


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*OF_ORDER, PREFER])
def test_a_write_that_names_another_version_is_refused(world: World, name: str) -> None:
    reading = PREFER.replace("PUT", "GET") if name == PREFER else ORDER
    tag = world.call(reading).headers["ETag"]
    with nothing_changes(world.orders):
        for other in ('"99"', 'W/"98"'):
            refusal(world.call(name, headers={"If-Match": other}), 412, "VERSION_CONFLICT")
        for broken in ("99", '"x"', '""', '"1", "2"'):
            refusal(world.call(name, headers={"If-Match": broken}), 400, "BAD_REQUEST")
    assert world.call(name, headers={"If-Match": tag}).status == endpoint(name).status


def test_a_repeat_is_answered_although_the_version_it_named_is_gone(world: World) -> None:
    tag = {"If-Match": world.call(ORDER).headers["ETag"]}
    for name in OF_ORDER:
        fresh = {"If-Match": world.call(ORDER).headers["ETag"]}
        first = world.call(name, key=name, headers=fresh)
        again = world.call(name, key=name, headers=fresh)
        assert (again.body, again.replayed) == (first.body, True)
    refusal(world.call(CANCEL, headers=tag), 412, "VERSION_CONFLICT")


def test_the_version_that_a_write_answers_can_be_named_by_the_next_one(world: World) -> None:
    tag = world.call(ORDER).headers["ETag"]
    for name in OF_ORDER:
        reply = world.call(name, headers={"If-Match": tag})
        assert reply.status == endpoint(name).status, reply.body
        tag = reply.headers["ETag"]
        assert world.call(ORDER).headers["ETag"] == tag


def test_a_refused_command_leaves_its_key_to_a_better_one(world: World) -> None:
    with nothing_changes(world.orders):
        body = world.body(CANCEL) | {"lines": units({"2": 2})}
        refusal(world.call(CANCEL, body=body, key="k"), 409, "QUANTITY_EXCEEDS_ORDER")
    assert world.call(CANCEL, key="k").status == 200
    assert any("KEY#" in sk for _, sk in contents(world.orders))


def test_erasing_needs_no_body_and_takes_none(world: World) -> None:
    assert ERASE not in WITH_BODY
    with nothing_changes(world.orders):
        problem = refusal(
            world.call(ERASE, body={"customer_id": "cus_2"}), 422, "VALIDATION_FAILED"
        )
    assert [error["field"] for error in problem["errors"]] == ["customer_id"]
    assert world.call(ERASE, body=None).body == {"orders": 1}
