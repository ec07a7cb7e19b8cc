"""An order from its placing to its end: every channel, cancelling, fulfilling, who may do what."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tests.service.orders_service import Orders, new_order, units
from tests.service.services import START
from tests.service.table_contents import contents, nothing_changes, refusal


def counters(order: Any, line_id: str = "1") -> tuple[int, ...]:
    """Cancelled, fulfilled, delivered and returned units of a line."""
    (line,) = [one for one in order["lines"] if one["line_id"] == line_id]
    return tuple(line[name] for name in ("cancelled", "fulfilled", "delivered", "returned"))


# --- placing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["web", "app", "marketplace", "social"])
def test_an_order_of_any_channel_is_placed_and_told(orders: Orders, channel: str) -> None:
    reply = orders.place(channel=channel, number="#1001", receipt_no=None)

    assert reply.status == 201
    assert reply.headers["ETag"] == '"1"'
    assert reply.body["status"] == "placed"
    assert reply.body["flags"] == []
    assert reply.body["id"].startswith("ord_")
    assert counters(reply.body) == (0, 0, 0, 0)
    assert orders.order(reply.body["id"]) == reply.body
    (entry,) = orders.entries(reply.body["id"])
    assert (entry.type, entry.origin.channel) == ("order.placed", channel)
    assert entry.origin.actor == "integration:shop"


@pytest.mark.parametrize(
    ("changes", "receipt"),
    [
        ({"channel": "pos"}, True),
        ({"channel": "pos", "destination": {"city": "Köln", "country": "DE"}}, False),
        ({"channel": "web"}, False),
    ],
)
def test_what_is_handed_over_at_the_till_is_born_collected(
    orders: Orders, changes: dict[str, Any], receipt: bool
) -> None:
    reply = orders.place(role="terminal", receipt_no="R-7", **changes)

    assert reply.status == 201
    assert reply.body["store_id"] == "store_12"
    assert reply.body["terminal_id"] == "till_3"
    assert reply.body["status"] == ("completed" if receipt else "placed")
    assert counters(reply.body) == ((0, 2, 2, 0) if receipt else (0, 0, 0, 0))
    assert (reply.body["completed_at"] == rfc3339(START)) == receipt
    assert [one["type"] for one in reply.body["fulfillments"]] == ["in_store"] * receipt
    assert orders.kinds(reply.body["id"]) == ["order.placed"]


def test_a_till_places_orders_of_its_own_store_only(orders: Orders) -> None:
    with nothing_changes(orders):
        refusal(orders.place(role="terminal", store_id="store_99"), 403, "FORBIDDEN")
    assert orders.place(role="terminal", store_id="store_12").status == 201


def test_two_callers_who_report_one_order_get_the_same_one(orders: Orders) -> None:
    first = orders.place(subject="shop")
    again = orders.place(subject="shop", key="other")
    assert (again.replayed, again.body) == (True, first.body)
    theirs = orders.place(subject="erp", number="#7", channel="app")

    assert (theirs.status, theirs.replayed, theirs.body) == (201, True, first.body)
    assert orders.kinds(first.body["id"]) == ["order.placed"]
    other = orders.place(source="other shop")
    assert other.body["id"] != first.body["id"]


def test_a_repeat_is_answered_as_at_first_whatever_has_happened_to_the_order(
    orders: Orders,
) -> None:
    first = orders.place(key="k")
    order_id = first.body["id"]
    hat = {"lines": units({"2": 1}), "reason": "x"}
    cancelled = orders.cancel(order_id, hat, key="c")
    pickup = orders.fulfil(order_id, "pickup", lines=units({"1": 2}), key="f")
    orders.moved(order_id, pickup.body["id"], "reserved", "preparing", "ready")
    ready = orders.move(order_id, pickup.body["id"], "collected", staff_id="amy", key="m")
    assert orders.order(order_id)["status"] == "completed"
    orders.pump()

    with nothing_changes(orders):
        for before, again in (
            (first, orders.place(key="k")),
            (
                cancelled,
                orders.cancel(order_id, {"lines": units({"2": 1}), "reason": "x"}, key="c"),
            ),
            (pickup, orders.fulfil(order_id, "pickup", lines=units({"1": 2}), key="f")),
            (
                ready,
                orders.move(order_id, pickup.body["id"], "collected", staff_id="amy", key="m"),
            ),
        ):
            assert (again.status, again.body, again.replayed) == (before.status, before.body, True)
            assert again.headers["ETag"] == before.headers["ETag"]


def test_an_order_may_be_late_or_five_minutes_early_and_no_more(orders: Orders) -> None:
    orders.placed("old", placed_at="2019-05-01T08:00:00+02:00")
    orders.placed("skewed", placed_at="2026-03-10T09:35:00Z")
    with nothing_changes(orders):
        reply = orders.place("early", placed_at="2026-03-10T09:35:00.000001Z")
        problem = refusal(reply, 422, "VALIDATION_FAILED")
    assert [(one["field"], one["code"]) for one in problem["errors"]] == [
        ("placed_at", "IN_THE_FUTURE")
    ]


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", "USD"])
def test_amounts_are_minor_units_of_any_currency(orders: Orders, currency: str) -> None:
    reply = orders.place(currency=currency)
    assert reply.body["lines"][0]["paid"] == {"amount": 10_000, "currency": currency}
    orders.pump()
    (text,) = [one["text"] for one in orders.timeline()]
    shown = {"EUR": "€125.00", "JPY": "JPY 12,500", "KWD": "12.500", "USD": "$125.00"}
    assert shown[currency] in text


def test_amounts_of_two_currencies_are_no_order(orders: Orders) -> None:
    body = new_order(START)
    body["tenders"][0]["paid"]["currency"] = "USD"
    with nothing_changes(orders):
        problem = refusal(orders.call("POST", "/orders", body), 422, "VALIDATION_FAILED")
    assert problem["errors"][0]["code"] == "CURRENCY_MISMATCH"


def test_orders_are_listed_newest_first_page_by_page(orders: Orders) -> None:
    for hours in (3, 1, 2, 5, 4, 1):
        at = START.replace(hour=hours)
        orders.placed(f"{hours}-{next(orders.keys)}", placed_at=rfc3339(at))
    orders.placed("guest", customer={"email": "a@b.co"})

    found, query = [], {"customer_id": "cus_1", "limit": "2"}
    for is_last in (False, False, True):
        page = orders.call("GET", "/orders", query=query).body
        found += page["orders"]
        assert (page["cursor"] is None) is is_last
        query["cursor"] = page["cursor"]
    times = [one["placed_at"] for one in found]
    assert times == sorted(times, reverse=True)
    assert len({one["id"] for one in found}) == len(found) == 6


# --- cancelling -----------------------------------------------------------------------------------


def test_lines_are_cancelled_until_nothing_is_left(orders: Orders) -> None:
    order_id = orders.placed()

    part = orders.cancel(order_id, {"lines": units({"1": 1}), "reason": "too big"})
    assert (part.body["status"], part.body["flags"]) == ("placed", ["partially_cancelled"])
    assert counters(part.body) == (1, 0, 0, 0)
    with nothing_changes(orders):
        more = {"lines": units({"1": 2}), "reason": "x"}
        problem = refusal(orders.cancel(order_id, more), 409, "QUANTITY_EXCEEDS_ORDER")
        assert (problem["line_id"], problem["available"]) == ("1", 1)
        twice = {"lines": [*units({"1": 1}), *units({"1": 1})], "reason": "x"}
        refusal(orders.cancel(order_id, twice), 409, "QUANTITY_EXCEEDS_ORDER")
        unknown = {"lines": units({"9": 1}), "reason": "x"}
        assert refusal(orders.cancel(order_id, unknown), 422, "UNKNOWN_LINE")["line_id"] == "9"

    rest = orders.cancel(order_id)
    assert (rest.body["status"], rest.body["flags"]) == ("cancelled", [])
    with nothing_changes(orders):
        problem = refusal(orders.cancel(order_id), 409, "ORDER_NOT_CANCELLABLE")
        assert problem["lines"] == []
    assert [entry.type for entry in orders.entries(order_id)][1:] == ["order.cancelled"] * 2


def test_the_whole_order_cannot_be_cancelled_once_something_is_on_its_way(orders: Orders) -> None:
    order_id = orders.placed()
    fulfillment_id = orders.fulfilled(order_id, lines=units({"1": 1}))
    orders.moved(order_id, fulfillment_id, "allocated")

    with nothing_changes(orders):
        problem = refusal(orders.cancel(order_id), 409, "ORDER_NOT_CANCELLABLE")
    assert problem["lines"] == units({"1": 1, "2": 1})
    assert orders.cancel(order_id, {"lines": problem["lines"], "reason": "x"}).status == 200

    orders.moved(order_id, fulfillment_id, "cancelled")
    assert orders.cancel(order_id).body["status"] == "cancelled"


def test_a_customer_cancels_what_is_theirs(orders: Orders) -> None:
    order_id = orders.placed()
    with nothing_changes(orders):
        reply = orders.cancel(order_id, role="customer", subject="cus_2")
        refusal(reply, 404, "ORDER_NOT_FOUND")
    assert orders.cancel(order_id, role="customer", subject="cus_1").body["status"] == "cancelled"
    assert orders.entries(order_id)[-1].origin.actor == "customer:cus_1"


def test_cancelling_the_last_open_units_completes_what_has_arrived(orders: Orders) -> None:
    order_id = orders.placed()
    orders.fulfilled(order_id, "in_store", lines=units({"1": 2}))
    first = orders.cancel(order_id, {"lines": units({"2": 1}), "reason": "x"}, key="k")

    assert first.body["status"] == "completed"
    assert first.body["completed_at"] == rfc3339(START)
    assert orders.kinds(order_id)[-2:] == ["order.cancelled", "order.completed"]
    again = orders.cancel(order_id, {"lines": units({"2": 1}), "reason": "x"}, key="k")
    assert (again.body, again.replayed) == (first.body, True)


# --- fulfilling -----------------------------------------------------------------------------------


def test_the_status_is_what_the_counters_say_all_along(orders: Orders) -> None:
    order_id = orders.placed()
    seen: list[tuple[str, list[str]]] = [("placed", [])]

    def look() -> None:
        order = orders.order(order_id)
        if (order["status"], order["flags"]) != seen[-1]:
            seen.append((order["status"], order["flags"]))

    one = orders.fulfilled(order_id, lines=units({"1": 1}))
    look()
    for state in ("allocated", "packed", "shipped", "delivered"):
        orders.moved(order_id, one, state)
        look()
    other = orders.fulfilled(order_id, lines=units({"1": 1, "2": 1}))
    look()
    orders.moved(order_id, other, "allocated", "packed", "shipped", "delivered")
    look()
    assert seen == [
        ("placed", []),
        ("confirmed", ["partially_fulfilled"]),
        ("in_progress", ["partially_fulfilled"]),
        ("in_progress", ["partially_fulfilled", "partially_delivered"]),
        ("in_progress", ["partially_delivered"]),
        ("completed", []),
    ]
    assert orders.order(order_id)["completed_at"] == rfc3339(START)
    assert orders.kinds(order_id).count("order.completed") == 1


def test_no_more_units_are_sent_than_are_left(orders: Orders) -> None:
    order_id = orders.placed()
    orders.cancel(order_id, {"lines": units({"1": 1}), "reason": "x"})
    with nothing_changes(orders):
        for lines in (units({"1": 2}), units({"2": 2}), [*units({"2": 1}), *units({"2": 1})]):
            refusal(orders.fulfil(order_id, lines=lines), 409, "QUANTITY_EXCEEDS_ORDER")
        refusal(orders.fulfil(order_id, lines=units({"x": 1})), 422, "UNKNOWN_LINE")
    first = orders.fulfilled(order_id, lines=units({"1": 1, "2": 1}))
    with nothing_changes(orders):
        refusal(orders.fulfil(order_id, lines=units({"2": 1})), 409, "QUANTITY_EXCEEDS_ORDER")
    orders.moved(order_id, first, "cancelled")
    assert orders.fulfil(order_id, lines=units({"1": 1, "2": 1})).status == 201


def test_a_fulfilment_without_a_store_or_with_parcels_that_it_cannot_have_is_refused(
    orders: Orders,
) -> None:
    order_id = orders.placed()
    parcels = [{"carrier": "ups", "tracking_number": "1Z"}]
    with nothing_changes(orders):
        body = {"type": "pickup", "lines": units({"1": 1})}
        reply = orders.call("POST", "/orders/{order_id}/fulfillments", body, order_id=order_id)
        problem = refusal(reply, 422, "VALIDATION_FAILED")
        assert problem["errors"][0]["field"] == "store_id"
        refusal(orders.fulfil(order_id, "pickup", shipments=parcels), 422, "VALIDATION_FAILED")
        refusal(orders.fulfil(order_id, "in_store", shipments=parcels), 422, "VALIDATION_FAILED")
        other = orders.fulfil(order_id, "in_store", role="terminal", store_id="store_99")
        refusal(other, 403, "FORBIDDEN")
    assert orders.fulfil(order_id, "in_store", role="terminal").body["store_id"] == "store_12"


def test_an_illegal_move_is_refused_with_the_legal_ones(orders: Orders) -> None:
    order_id = orders.placed()
    fulfillment_id = orders.fulfilled(order_id)
    way = ("allocated", "packed", "shipped", "delivered")
    legal = [["allocated", "cancelled"], ["packed", "cancelled"], ["shipped", "cancelled"]]
    for state, allowed in zip(way, [*legal, ["delivered"]], strict=True):
        with nothing_changes(orders):
            for to in ("expired", "unfulfilled", "ready"):
                refused = orders.move(order_id, fulfillment_id, to)
                problem = refusal(refused, 409, "INVALID_TRANSITION")
                assert problem["allowed"] == allowed
        reply = orders.move(order_id, fulfillment_id, state)
        assert (reply.status, reply.body["state"]) == (200, state)
    assert orders.order(order_id)["fulfillments"][0]["allowed"] == []
    refusal(orders.move(order_id, fulfillment_id, "cancelled"), 409, "INVALID_TRANSITION")
    assert orders.kinds(order_id)[1:] == [
        "fulfillment.created",
        *[f"fulfillment.{state}" for state in way],
        "order.completed",
    ]


# --- pickups --------------------------------------------------------------------------------------


def ready(orders: Orders) -> tuple[str, str, str]:
    """A pickup that is ready: the order, the fulfilment, the code as its customer sees it."""
    order_id = orders.placed()
    fulfillment_id = orders.fulfilled(order_id, "pickup")
    orders.moved(order_id, fulfillment_id, "reserved", "preparing", "ready")
    (seen,) = orders.order(order_id, role="customer", subject="cus_1")["fulfillments"]
    return order_id, fulfillment_id, seen["pickup_code"]


def test_a_pickup_goes_its_whole_way(orders: Orders) -> None:
    order_id, fulfillment_id, code = ready(orders)
    assert orders.order(order_id)["status"] == "in_progress"
    mine = orders.move(order_id, fulfillment_id, "checked_in", role="customer", subject="cus_1")
    assert (mine.status, mine.body["state"]) == (200, "checked_in")

    till = orders.move(order_id, fulfillment_id, "collected", role="terminal", pickup_code=code)
    assert (till.status, till.body["state"]) == (200, "collected")
    assert till.body["delivered_at"] == rfc3339(START)
    assert orders.order(order_id)["status"] == "completed"
    assert orders.kinds(order_id)[1:] == [
        f"pickup.{state}"
        for state in ("created", "reserved", "preparing", "ready", "checked_in", "collected")
    ] + ["order.completed"]


def test_the_code_is_shown_to_its_customer_and_to_nobody_else(orders: Orders) -> None:
    order_id, fulfillment_id, code = ready(orders)
    assert len(code) == 6
    assert code.isdigit()

    answers = [
        orders.order(order_id, role=role) for role in ("staff", "admin", "integration", "terminal")
    ]
    token = answers[0]["tracking_token"]
    answers.append(orders.call("GET", "/tracking/{token}", role=None, token=token).body)
    answers.append(orders.call("GET", "/orders", query={"customer_id": "cus_1"}).body)
    answers.append(orders.move(order_id, fulfillment_id, "checked_in").body)
    orders.pump()
    answers.append(orders.timeline())
    assert not any(code in str(answer) for answer in answers)

    shown = orders.call("GET", "/orders", role="customer", subject="cus_1").body["orders"]
    assert [one["pickup_code"] for one in shown[0]["fulfillments"]] == [code]
    (entry,) = [one for one in orders.entries(order_id) if one.type == "pickup.ready"]
    assert code not in entry.data
    assert code in entry.private


def test_without_the_code_somebody_has_to_answer_for_it(orders: Orders) -> None:
    order_id, fulfillment_id, code = ready(orders)
    wrong = "000000" if code != "000000" else "111111"
    with nothing_changes(orders):
        for shown in ({}, {"pickup_code": wrong}, {"pickup_code": ""}, {"pickup_code": code + "0"}):
            reply = orders.move(order_id, fulfillment_id, "collected", role="terminal", **shown)
            assert code not in str(refusal(reply, 422, "PICKUP_CODE_INVALID"))
    reply = orders.move(order_id, fulfillment_id, "collected", role="terminal", staff_id="amy")
    assert reply.status == 200


def test_a_till_acts_in_its_own_store_and_ships_nothing(orders: Orders) -> None:
    order_id, fulfillment_id, code = ready(orders)
    parcel = orders.fulfilled(orders.placed("1002"), lines=units({"1": 1}))
    with nothing_changes(orders):
        body = {"to": "collected", "pickup_code": code}
        reply = orders.call(
            "POST",
            "/orders/{order_id}/fulfillments/{fulfillment_id}/transition",
            body,
            role="terminal",
            store_id="store_99",
            order_id=order_id,
            fulfillment_id=fulfillment_id,
        )
        refusal(reply, 403, "FORBIDDEN")
        other = orders.call("GET", "/orders", query={"source": "shop", "external_id": "1002"})
        shipped = orders.move(other.body["orders"][0]["id"], parcel, "allocated", role="terminal")
        refusal(shipped, 403, "FORBIDDEN")


def test_customers_check_in_and_do_nothing_else(orders: Orders) -> None:
    order_id, fulfillment_id, code = ready(orders)
    mine: Any = {"role": "customer", "subject": "cus_1"}
    with nothing_changes(orders):
        for to in ("collected", "cancelled", "expired"):
            reply = orders.move(order_id, fulfillment_id, to, pickup_code=code, **mine)
            refusal(reply, 403, "FORBIDDEN")
        theirs = orders.move(
            order_id, fulfillment_id, "checked_in", role="customer", subject="cus_2"
        )
        refusal(theirs, 404, "ORDER_NOT_FOUND")
    assert orders.move(order_id, fulfillment_id, "checked_in", **mine).status == 200
    with nothing_changes(orders):
        again = orders.move(order_id, fulfillment_id, "checked_in", **mine)
        refusal(again, 409, "INVALID_TRANSITION")


def test_a_pickup_that_waits_is_reminded_of_once_and_expires_after_three_days(
    orders: Orders,
) -> None:
    order_id, fulfillment_id, code = ready(orders)
    orders.pump()
    (waiting,) = orders.order(order_id)["fulfillments"]
    assert waiting["hold_until"] == "2026-03-13T09:30:00.000000Z"

    def watched() -> tuple[str, list[str]]:
        with_time = orders.watch()
        assert with_time["failed"] == 0
        orders.pump()
        (one,) = orders.order(order_id)["fulfillments"]
        return one["state"], orders.milestones()[1:]

    orders.later(hours=23, minutes=59)
    assert watched() == ("ready", ["pickup_ready"])
    orders.later(minutes=1)
    for _ in range(2):
        assert watched() == ("ready", ["pickup_ready", "pickup_expiring"])
    orders.later(hours=47, minutes=59)
    assert watched() == ("ready", ["pickup_ready", "pickup_expiring"])
    orders.later(minutes=1)
    for _ in range(2):
        assert watched()[0] == "expired"
    assert orders.milestones()[1:] == ["pickup_ready", "pickup_expiring", "pickup_expired"]
    assert orders.watch() == {"seen": 0, "failed": 0}

    assert counters(orders.order(order_id)) == (0, 0, 0, 0)
    refusal(
        orders.move(order_id, fulfillment_id, "collected", pickup_code=code),
        409,
        "INVALID_TRANSITION",
    )
    orders.moved(order_id, fulfillment_id, "restocked")
    assert orders.fulfil(order_id, "pickup").status == 201
    assert orders.kinds(order_id)[-4:] == [
        "pickup.expiring", "pickup.expired", "pickup.restocked", "pickup.created",
    ]  # fmt: skip


def test_a_pickup_that_was_collected_is_not_looked_at_again(orders: Orders) -> None:
    order_id, fulfillment_id, code = ready(orders)
    orders.moved(order_id, fulfillment_id, "collected", pickup_code=code)
    orders.later(days=10)
    assert orders.watch() == {"seen": 0, "failed": 0}


def test_one_that_cannot_be_looked_at_hides_no_other(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, _ = ready(orders)
    other = orders.placed("1002")
    pickup = orders.fulfilled(other, "pickup")
    orders.moved(other, pickup, "reserved", "preparing", "ready")
    orders.later(days=4)
    load = type(orders.store).load_order

    def broken(store: Any, order_id: str, *keys: Any) -> Any:
        if order_id == first:
            raise ValueError("broken")
        return load(store, order_id, *keys)

    with monkeypatch.context() as patched:
        patched.setattr(type(orders.store), "load_order", broken)
        assert orders.watch() == {"seen": 2, "failed": 1}
    assert orders.order(other)["fulfillments"][0]["state"] == "expired"
    assert orders.watch() == {"seen": 1, "failed": 0}
    assert orders.order(first)["fulfillments"][0]["state"] == "expired"


# --- the public view ------------------------------------------------------------------------------


def test_the_link_to_an_order_shows_nothing_personal(orders: Orders) -> None:
    customer = {"customer_id": "cus_1", "email": "ada@example.org", "phone": "+4915112345678"}
    place = {"name": "Ada Lovelace", "city": "Köln", "postal_code": "50667", "country": "DE"}
    order_id = orders.placed(customer={**customer, "name": "Ada"}, destination=place)
    orders.fulfilled(order_id, shipments=[{"carrier": "UPS", "tracking_number": "1Z999"}])
    orders.pump()
    order = orders.order(order_id)

    reply = orders.call(
        "GET", "/tracking/{token}", role=None, token=order["tracking_token"], key=""
    )
    assert (reply.status, reply.body["status"]) == (200, "confirmed")
    hidden = ("ada", "49151", "50667", "Köln", "1Z999", "cus_1", "12500", "10000")
    assert not [word for word in hidden if word.lower() in str(reply.body).lower()]
    for token in (order_id, order["tracking_token"][:-1], order["tracking_token"] + "A"):
        other = orders.call("GET", "/tracking/{token}", role=None, token=token)
        refusal(other, 404, "TRACKING_LINK_INVALID")


def test_everything_that_is_stored_of_orders_is_chained(orders: Orders) -> None:
    order_id, fulfillment_id, _ = ready(orders)
    orders.moved(order_id, fulfillment_id, "collected", staff_id="amy")
    orders.pump()
    for subject in {entry.subject for entry in orders.journal()}:
        orders.entries(subject)
    assert all(pk for pk, _ in contents(orders))


def test_a_promise_is_a_day_also_when_it_is_told_as_a_time(orders: Orders) -> None:
    order_id = orders.placed(promised_by="2026-03-14T23:30:00-05:00")
    assert orders.order(order_id)["promised_by"] == "2026-03-14"
