"""Requests that are wrong: each is refused by a stable code and changes nothing, on every route."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Returns
from tests.service.every_route import INVENTED_CURSORS, RefusedOnEveryRoute, allowed, replaced
from tests.service.returns_endpoints import (
    ANSWERED,
    APPROVE,
    CANCEL,
    CLOSED,
    CODE,
    COMMANDS,
    CONFIRM,
    DECLARE,
    DRY_RUN,
    ENDPOINTS,
    INBOX,
    INSPECT,
    KEYS,
    OF_RETURN,
    OPEN,
    PARCEL,
    POLICY,
    POSTING,
    PUBLISH,
    QUOTE,
    READING,
    RECEIVE,
    REDEEM,
    REJECT,
    REPLAN,
    REPLAY,
    RETURN,
    RETURNS,
    SEARCH,
    SETTLE,
    WEBHOOK,
    WITH_BODY,
    World,
    endpoint,
)
from tests.service.returns_service import euros, order_id_of
from tests.service.table_contents import nothing_changes, refusal

QUESTIONS = [*READING, DRY_RUN, SEARCH]


@pytest.fixture
def world(returns: Returns) -> World:
    return World.of(returns)


class TestEveryRoute(RefusedOnEveryRoute):
    endpoints = ENDPOINTS
    closed = CLOSED
    posting = POSTING
    with_body = WITH_BODY


# --- the good requests are good -------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERED)
def test_the_requests_that_will_be_spoilt_are_good(world: World, name: str) -> None:
    reply = world.call(name)
    assert reply.status == endpoint(name).status, reply.body
    assert reply.headers["Content-Type"] == "application/json"


def test_a_question_writes_nothing_and_needs_no_key(world: World) -> None:
    with nothing_changes(world.returns):
        for name in QUESTIONS:
            assert world.call(name, key="").status == 200


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POSTING)
def test_a_post_repeated_with_its_key_is_answered_as_the_first_time(
    world: World, name: str
) -> None:
    first = world.call(name, key="k")
    assert (first.status, first.replayed) == (endpoint(name).status, False), first.body
    world.returns.pump()
    if name in COMMANDS:
        # The return has moved on, and time has.
        world.returns.command(world.return_of(name), "receive")
        world.returns.pump()
    world.returns.later(days=1)
    with nothing_changes(world.returns):
        again = world.call(name, key="k")
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)
    assert again.headers.get("ETag") == first.headers.get("ETag")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (QUOTE, {"method": "store"}),
        (QUOTE, {"lines": [{"line_id": "1", "quantity": 2, "reason": "too_small"}]}),
        (OPEN, {"address": None}),
        (APPROVE, {"reason": "other"}),
        (REJECT, {"reason": "other"}),
        (CANCEL, {"reason": "other"}),
        (RECEIVE, {"lines": []}),
        (INSPECT, {"lines": [{"line_id": "1", "quantity": 1}]}),
        (PARCEL, {"tracking_number": "1Z3"}),
        (SETTLE, {"reference": "slip 8"}),
        (REPLAN, {"tender": "gift_card"}),
        (REDEEM, {"lines": []}),
    ],
)
def test_a_key_with_another_request_is_refused(
    world: World, name: str, other: dict[str, Any]
) -> None:
    assert world.call(name, key="k").status == endpoint(name).status
    with nothing_changes(world.returns):
        body = world.body(name) | other
        refusal(world.call(name, body=body, key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("first", [OPEN, PARCEL, RECEIVE, REDEEM])
def test_a_key_of_one_command_is_refused_for_another_of_the_same_order(
    world: World, first: str
) -> None:
    assert world.call(first, key="k").status == endpoint(first).status
    with nothing_changes(world.returns):
        for other in (OPEN, PARCEL, RECEIVE, CANCEL, INSPECT):
            if other != first:
                refusal(world.call(other, key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_a_key_that_found_an_executed_quote_is_not_for_another(world: World) -> None:
    assert world.call(OPEN, key="one till").status == 201
    assert world.call(OPEN, key="another till").replayed
    other = world.returns.quoted(world.order_id)
    with nothing_changes(world.returns):
        body = world.body(OPEN) | {"quote_id": other}
        refusal(world.call(OPEN, body=body, key="another till"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_another_channel_that_executes_the_same_quote_gets_the_same_return(world: World) -> None:
    body = {"quote_id": world.quote_id}
    first = world.call(OPEN, body=body, role="customer", subject="cus_1")
    again = world.call(OPEN, body=body, role="terminal", subject="till")
    assert (first.status, first.replayed) == (201, False)
    assert (again.status, again.body, again.replayed) == (201, first.body, True)
    assert world.returns.kinds(world.order_id).count("return.requested") == 5


def test_keys_are_the_callers_own(world: World) -> None:
    for subject in ("one", "two"):
        body = world.body(PARCEL) | {"tracking_number": subject}
        reply = world.call(PARCEL, body=body, key="k", role="integration", subject=subject)
        assert (reply.status, reply.replayed) == (201, False), reply.body


def test_a_refused_command_leaves_its_key_to_a_better_one(world: World) -> None:
    with nothing_changes(world.returns):
        body = {"lines": [{"line_id": "1", "quantity": 2, "condition": "as_new"}]}
        refusal(world.call(RECEIVE, body=body, key="k"), 409, "RETURN_EXCEEDS_PURCHASE")
    assert world.call(RECEIVE, key="k").status == 200


# --- who ------------------------------------------------------------------------------------------


def test_who_may_do_what_is_what_the_contract_says() -> None:
    may = allowed(ENDPOINTS)
    assert may["customer"] == {POLICY, QUOTE, OPEN, RETURN, RETURNS, CANCEL, PARCEL, CODE}
    assert may["terminal"] == may["customer"] | {SEARCH, RECEIVE, INSPECT, REDEEM, SETTLE}
    assert may["integration"] == may["terminal"]
    assert may["staff"] == set(CLOSED) - {PUBLISH}
    assert may["admin"] == set(CLOSED)


def test_open_routes_ask_for_no_token(world: World) -> None:
    assert {name for name in ENDPOINTS if name not in CLOSED} == {KEYS, DECLARE, CONFIRM, WEBHOOK}
    for name in (KEYS, DECLARE, CONFIRM):
        assert world.call(name, role=None).status == endpoint(name).status


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (QUOTE, "ORDER_NOT_FOUND"),
        (OPEN, "QUOTE_NOT_FOUND"),
        (RETURN, "RETURN_NOT_FOUND"),
        (CANCEL, "RETURN_NOT_FOUND"),
        (PARCEL, "RETURN_NOT_FOUND"),
        (CODE, "RETURN_NOT_FOUND"),
        (RETURNS, "NOT_FOUND"),
    ],
)
def test_what_belongs_to_another_customer_does_not_exist_for_this_one(
    world: World, name: str, code: str
) -> None:
    with nothing_changes(world.returns):
        for subject in ("cus_2", ""):
            reply = world.call(name, role="customer", subject=subject)
            refusal(reply, 404, code)
    mine = world.call(name, role="customer", subject="cus_1")
    assert mine.status == endpoint(name).status, mine.body


def test_the_returns_of_another_customers_order_are_not_listed(world: World) -> None:
    query = {"order_id": world.order_id}
    theirs = world.call(RETURNS, role="customer", subject="cus_2", query=query)
    refusal(theirs, 404, "ORDER_NOT_FOUND")
    unknown = {"order_id": order_id_of("nobody's")}
    nobodys = world.call(RETURNS, role="customer", subject="cus_2", query=unknown)
    # Nothing tells the two apart.
    assert {**theirs.body, "detail": "", "order_id": ""} == {
        **nobodys.body,
        "detail": "",
        "order_id": "",
    }
    mine = world.call(RETURNS, role="customer", subject="cus_1", query=query)
    assert len(mine.body["returns"]) == 4


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (QUOTE, {"override_reason": "I want it"}),
        (QUOTE, {"gift": True}),
        (
            QUOTE,
            {
                "outcome": "exchange",
                "exchange_for": [
                    {"line_id": "1", "sku": "GOLD", "quantity": 1, "unit_price": euros(1)}
                ],
            },
        ),
        (OPEN, {"payment": {"type": "cash", "paid": euros(1)}}),
    ],
)
def test_what_is_the_stores_to_say_is_not_the_customers(
    world: World, name: str, change: Any
) -> None:
    with nothing_changes(world.returns):
        body = world.body(name) | change
        refusal(world.call(name, body=body, role="customer", subject="cus_1"), 403, "FORBIDDEN")


def test_staff_alone_override_and_only_with_the_right_to_decide(world: World) -> None:
    body = world.body(QUOTE) | {"override_reason": "goodwill"}
    scopes = "returns:returns.request returns:returns.read"
    with nothing_changes(world.returns):
        for options in ({"role": "terminal"}, {"role": "integration"}, {"scope": scopes}):
            refusal(world.call(QUOTE, body=body, **options), 403, "FORBIDDEN")


@pytest.mark.parametrize("name", [QUOTE, RECEIVE, REDEEM])
def test_a_terminal_acts_in_its_own_store_only(world: World, name: str) -> None:
    body = world.body(name) | {"store_id": "store_99"}
    with nothing_changes(world.returns):
        refusal(world.call(name, body=body, role="terminal"), 403, "FORBIDDEN")
        refusal(world.call(name, role="terminal", store_id=""), 403, "FORBIDDEN")


# --- what there is --------------------------------------------------------------------------------

UNKNOWN = ["ret_" + "0" * 36, "ret_x", "nobody", "HEAD", "..", "A" * 128]


def test_what_does_not_exist_is_not_found(world: World) -> None:
    with nothing_changes(world.returns):
        for unknown in UNKNOWN:
            for name in OF_RETURN:
                refusal(world.call(name, return_id=unknown), 404, "RETURN_NOT_FOUND")
            for name in (SETTLE, REPLAN):
                refusal(world.call(name, refund_id=unknown), 404, "REFUND_NOT_FOUND")
            for name, member, code in (
                (QUOTE, "order_id", "ORDER_NOT_FOUND"),
                (OPEN, "quote_id", "QUOTE_NOT_FOUND"),
                (REPLAY, "message_id", "MESSAGE_NOT_FOUND"),
            ):
                body = world.body(name) | {member: unknown}
                refusal(world.call(name, body=body), 404, code)
            refusal(world.call(CONFIRM, withdrawal_id=unknown), 404, "WITHDRAWAL_NOT_FOUND")
            refusal(world.call(WEBHOOK, source=unknown, raw=b"{}"), 404, "SENDER_NOT_FOUND")
            refusal(world.call(POLICY, policy_id=unknown), 404, "POLICY_NOT_FOUND")
            query = {"order_id": unknown}
            refusal(world.call(RETURNS, query=query), 404, "ORDER_NOT_FOUND")
        refusal(world.call(POLICY, query={"version": "99"}), 404, "POLICY_NOT_FOUND")


def test_an_order_of_another_return_is_not_this_ones(world: World) -> None:
    other = world.returns.ordered("1003")
    mixed = "ret_" + other.removeprefix("ord_") + world.sent[-10:]
    with nothing_changes(world.returns):
        for name in OF_RETURN:
            refusal(world.call(name, return_id=mixed), 404, "RETURN_NOT_FOUND")


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (PUBLISH, "rules.0.if"),
        (PUBLISH, "rules.0.then.window"),
        (DRY_RUN, "policy.colour"),
        (SEARCH, "identifier.country"),
        (QUOTE, "lines.0.condition"),
        (OPEN, "address.company"),
        (RECEIVE, "lines.0.disposition"),
        (INSPECT, "lines.0.store_id"),
        (DECLARE, "lines.0.reason"),
    ],
)
def test_an_unknown_field_is_refused_at_any_depth(world: World, name: str, path: str) -> None:
    with nothing_changes(world.returns):
        reply = world.call(name, body=replaced(world.body(name), path, 1))
        problem = refusal(reply, 422, "VALIDATION_FAILED")
    errors = [(error["field"], error["code"]) for error in problem["errors"]]
    assert (path, "UNKNOWN_FIELD") in errors


UNITS = {"line_id": "1", "quantity": 1}
WRONG: list[tuple[str, str, list[Any]]] = [
    (PUBLISH, "name", ["", None, 1, "x" * 129]),
    (PUBLISH, "rules.0.then", [{}, None, {"window_days": -1}, {"decision": "maybe"}]),
    (PUBLISH, "rules.0.id", ["", "A b", None]),
    (PUBLISH, "quote_minutes", [0, 1.5, "10", True, 10_081]),
    (DRY_RUN, "from", ["", "2026-03-10", "2026-03-12T00:00:00Z", "2024-01-01T00:00:00Z", None]),
    (DRY_RUN, "limit", [0, 101, "1", True]),
    (SEARCH, "identifier", [None, {}, {"type": "fax", "value": "1"}]),
    (SEARCH, "customer_id", ["cus_1"]),
    (QUOTE, "order_id", ["", None, 1, "x" * 129]),
    (QUOTE, "lines", [[], None, {}, [{**UNITS, "reason": "r"}] * 501]),
    (QUOTE, "lines", [[{**UNITS, "reason": "r"}, {**UNITS, "reason": "r"}]]),
    (QUOTE, "lines.0.quantity", [0, -1, 1.5, "1", True, None, 100_001]),
    (QUOTE, "lines.0.reason", ["", None, "x" * 129]),
    (QUOTE, "outcome", ["", "cash", None, "REFUND"]),
    (QUOTE, "method", ["", "pigeon", None]),
    (QUOTE, "override_reason", ["", "x" * 513, 1]),
    (QUOTE, "gift", ["yes", 1, None]),
    (OPEN, "quote_id", ["", None, 1]),
    (OPEN, "payment", [{}, [], {"type": "card", "paid": {"amount": -1, "currency": "EUR"}}]),
    (OPEN, "address.country", ["", "de", "Germany", None]),
    (OPEN, "address.name", ["", None, "x" * 129, "a\nb"]),
    (APPROVE, "reason", [None, 1, "x" * 513]),
    (REJECT, "reason", ["", None, 1, "x" * 513]),
    (CANCEL, "reason", [None, 1, "x" * 513]),
    (RECEIVE, "lines.0.condition", ["", 1, None]),
    (RECEIVE, "lines.0.quantity", [0, -1, 1.5, "1", True, None]),
    (INSPECT, "lines", [[], None]),
    (INSPECT, "lines.0.disposition", ["", "shelf", "received"]),
    (PARCEL, "carrier", ["", None, "x" * 129]),
    (PARCEL, "tracking_number", ["", None, "x" * 129]),
    (SETTLE, "outcome", ["", "pending", "unknown", None]),
    (REPLAN, "tender", ["", None, 1]),
    (REPLAN, "reason", ["", None]),
    (REDEEM, "code", ["", None, "x" * 2049]),
    (REDEEM, "occurred_at", ["", "2026-03-10", "2026-03-10T09:35:01Z", 1]),
    (DECLARE, "order_reference", ["", None, "x" * 129]),
    (DECLARE, "email", ["", "amy", "a b@c.de"]),
    (DECLARE, "lines.0", [{"quantity": 1}, {"line_id": "1", "quantity": 0}]),
    (DECLARE, "language", ["", "e", "english language"]),
    (REPLAY, "message_id", ["", None, 1]),
]


def test_a_member_that_is_wrong_is_refused(world: World) -> None:
    with nothing_changes(world.returns):
        for name, path, values in WRONG:
            for value in values:
                reply = world.call(name, body=replaced(world.body(name), path, value))
                assert reply.status == 422, (name, path, value, reply.body)
                problem = refusal(reply, 422, "VALIDATION_FAILED")
                assert problem["errors"], (name, path, value)


# --- queries and versions -------------------------------------------------------------------------


def test_a_query_that_is_wrong_is_refused(world: World) -> None:
    wrong: list[tuple[str, dict[str, str]]] = [
        (RETURNS, {}),
        (RETURNS, {"customer_id": "cus_1", "order_id": "ord"}),
        (RETURNS, {"customer_id": ""}),
        (INBOX, {"state": "all"}),
        (POLICY, {"version": "0"}),
        (POLICY, {"version": "x"}),
        *[
            (name, {**(world.query(name) or {}), "limit": limit})
            for name in (RETURNS, INBOX)
            for limit in ("0", "201", "-1", "1.5", "x", "")
        ],
        *[
            (name, {**(world.query(name) or {}), "colour": "red"})
            for name in (RETURNS, INBOX, POLICY)
        ],
    ]
    with nothing_changes(world.returns):
        for name, query in wrong:
            refusal(world.call(name, query=query), 422, "VALIDATION_FAILED")


def test_a_cursor_that_nobody_gave_is_refused(world: World) -> None:
    by_order = {"order_id": world.order_id}
    with nothing_changes(world.returns):
        for cursor in INVENTED_CURSORS:
            for query in ({"customer_id": "cus_1"}, by_order):
                reply = world.call(RETURNS, query={**query, "cursor": cursor})
                refusal(reply, 422, "VALIDATION_FAILED")
            refusal(world.call(INBOX, query={"cursor": cursor}), 422, "VALIDATION_FAILED")
        for cursor in [*INVENTED_CURSORS, "2026-03-10.x", "2026-02-30.", "zzz."]:
            body = world.body(DRY_RUN) | {"cursor": cursor}
            refusal(world.call(DRY_RUN, body=body), 422, "VALIDATION_FAILED")


def test_lists_come_in_pages_and_each_return_once(world: World) -> None:
    for query in ({"customer_id": "cus_1"}, {"order_id": world.order_id}):
        whole = [one["id"] for one in world.call(RETURNS, query=query).body["returns"]]
        pages: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = world.call(RETURNS, query={**query, "limit": "2", **cursor}).body
            pages += [one["id"] for one in page["returns"]]
            if page["cursor"] is None:
                break
            cursor = {"cursor": page["cursor"]}
        assert sorted(pages) == sorted(whole)
        assert len(whole) == len(set(whole)) == (5 if "customer_id" in query else 4)


@pytest.mark.parametrize("name", [*COMMANDS, PUBLISH])
def test_a_write_that_names_another_version_is_refused(world: World, name: str) -> None:
    reading = POLICY if name == PUBLISH else RETURN
    tag = world.call(reading, **_named(world, name)).headers["ETag"]
    with nothing_changes(world.returns):
        for other in ('"99"', 'W/"98"'):
            refusal(world.call(name, headers={"If-Match": other}), 412, "VERSION_CONFLICT")
        for broken in ("99", '"x"', '""', '"1", "2"'):
            refusal(world.call(name, headers={"If-Match": broken}), 400, "BAD_REQUEST")
    written = world.call(name, headers={"If-Match": tag}, key="k")
    assert written.status == endpoint(name).status, written.body
    assert written.headers["ETag"] == world.call(reading, **_named(world, name)).headers["ETag"]
    if name != PUBLISH:
        again = world.call(name, headers={"If-Match": tag}, key="k")
        assert (again.body, again.replayed) == (written.body, True)


def _named(world: World, name: str) -> dict[str, str]:
    return {} if name == PUBLISH else {"return_id": world.return_of(name)}
