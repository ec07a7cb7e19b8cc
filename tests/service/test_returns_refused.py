"""What is not possible is refused by a stable code, tells what would be, and moves nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_core.journal import Origin
from tandem_core.money import Money
from tandem_returns import codes
from tandem_returns.payments import RefundOrder, RefundResult
from tandem_returns.use_cases.refunds import pay
from tests.service.conftest import START, Returns
from tests.service.returns_endpoints import foreign_refund
from tests.service.returns_service import (
    SEED,
    euros,
    news_of,
    order_id_of,
    stripe_news,
)
from tests.service.table_contents import nothing_changes, refusal


def codes_of(quote: Any) -> list[str | None]:
    return [line["code"] for line in quote["lines"]]


# --- units ----------------------------------------------------------------------------------------


def test_more_than_was_bought_is_refused_and_told_what_is_left(returns: Returns) -> None:
    order_id = returns.bought()
    with nothing_changes(returns):
        problem = refusal(returns.quote(order_id, {"1": 3}), 409, "RETURN_EXCEEDS_PURCHASE")
    assert problem["left"] == [{"line_id": "1", "quantity": 2}]
    returns.opened(order_id, {"1": 2})
    with nothing_changes(returns):
        problem = refusal(returns.quote(order_id, {"1": 1, "2": 1}), 409, "RETURN_EXCEEDS_PURCHASE")
    assert problem["left"] == [{"line_id": "1", "quantity": 0}, {"line_id": "2", "quantity": 1}]


def test_two_quotes_for_the_last_unit_are_executed_once(returns: Returns) -> None:
    order_id = returns.bought()
    first, second = returns.quoted(order_id, {"2": 1}), returns.quoted(order_id, {"2": 1})
    assert returns.open(first).status == 201
    with nothing_changes(returns):
        problem = refusal(returns.open(second), 409, "RETURN_EXCEEDS_PURCHASE")
    assert problem["left"] == [{"line_id": "2", "quantity": 0}]


def test_more_than_was_asked_back_is_not_received_by_its_return(returns: Returns) -> None:
    return_id = returns.opened(returns.bought(), {"1": 1})
    body = {"lines": [{"line_id": "1", "quantity": 2, "condition": "as_new"}]}
    unknown = {"lines": [{"line_id": "2", "quantity": 1, "condition": "as_new"}]}
    with nothing_changes(returns):
        problem = refusal(
            returns.command(return_id, "receive", body), 409, "RETURN_EXCEEDS_PURCHASE"
        )
        refusal(returns.command(return_id, "receive", unknown), 422, "UNKNOWN_LINE")
    assert problem["left"] == [{"line_id": "1", "quantity": 1}]


def test_more_than_is_still_to_come_is_not_received_and_told_how_many_can(
    returns: Returns,
) -> None:
    return_id = returns.opened(returns.bought(), {"1": 2})
    returns.received(return_id, ("1", 1, "as_new"), role="integration")
    body = {"lines": [{"line_id": "1", "quantity": 2, "condition": "as_new"}]}
    with nothing_changes(returns):
        reply = returns.command(return_id, "receive", body, role="integration")
        problem = refusal(reply, 409, "INVALID_TRANSITION")
    assert (problem["movable"], problem["units"]) == (1, {"awaiting": 1, "received": 1})
    assert problem["detail"] == "Line 1 has 1 that can move to received, not 2"


def test_a_line_that_was_not_bought_is_unknown(returns: Returns) -> None:
    order_id = returns.bought()
    with nothing_changes(returns):
        refusal(returns.quote(order_id, {"3": 1}), 422, "UNKNOWN_LINE")


def test_units_that_were_cancelled_do_not_come_back(returns: Returns) -> None:
    order_id = returns.bought()
    returns.hear(
        "orders",
        "order.cancelled",
        {"order_id": order_id, "lines": [{"line_id": "1", "quantity": 1}]},
    )
    with nothing_changes(returns):
        problem = refusal(returns.quote(order_id, {"1": 2}), 409, "RETURN_EXCEEDS_PURCHASE")
    assert problem["left"] == [{"line_id": "1", "quantity": 1}]


# --- whose order it is ----------------------------------------------------------------------------


def opened_by_staff(returns: Returns, order_id: str) -> str:
    quote_id = returns.quoted(order_id, role="staff")
    return str(returns.done(returns.open(quote_id, role="staff"))["id"])


SHOP: dict[str, Any] = {"role": "integration", "subject": "shop"}
OTHER: dict[str, Any] = {"role": "integration", "subject": "other_shop"}
STAFF: dict[str, Any] = {"role": "staff"}


def test_an_integration_returns_what_it_has_placed_and_no_other(returns: Returns) -> None:
    order_id = returns.bought(actor="integration:shop")
    quote_id = returns.quoted(order_id, **SHOP)
    with nothing_changes(returns):
        refusal(returns.quote(order_id, **OTHER), 404, "ORDER_NOT_FOUND")
        refusal(returns.open(quote_id, **OTHER), 404, "QUOTE_NOT_FOUND")
    return_id = str(returns.done(returns.open(quote_id, **SHOP))["id"])
    parcel = {"carrier": "ups", "tracking_number": "1Z999AA10123456784"}
    with nothing_changes(returns):
        refusal(returns.open(quote_id, **OTHER), 404, "QUOTE_NOT_FOUND")
        for verb, body in (("cancel", {"reason": "no"}), ("parcels", parcel)):
            reply = returns.command(return_id, verb, body, **OTHER)
            refusal(reply, 404, "RETURN_NOT_FOUND")
    for path in ("/returns/{return_id}", "/returns/{return_id}/code"):
        reply = returns.call("GET", path, return_id=return_id, **OTHER)
        refusal(reply, 404, "RETURN_NOT_FOUND")
        assert returns.call("GET", path, return_id=return_id, **SHOP).status == 200
    reply = returns.call("GET", "/returns", query={"order_id": order_id}, **OTHER)
    refusal(reply, 404, "ORDER_NOT_FOUND")
    assert returns.done(returns.command(return_id, "parcels", parcel, **SHOP))


def test_an_integration_finds_its_own_among_the_orders_of_a_customer(returns: Returns) -> None:
    orders = [
        returns.bought(f"100{number}", actor=actor)
        for number, actor in enumerate(["integration:shop", "integration:other_shop", "system"])
    ]
    opened = [opened_by_staff(returns, order_id) for order_id in orders]
    for caller, seen in ((SHOP, (0, 2)), (OTHER, (1, 2)), (STAFF, (0, 1, 2))):
        found = returns.call("POST", "/purchases/search", {"customer_id": "cus_1"}, **caller)
        of_customer = returns.call("GET", "/returns", query={"customer_id": "cus_1"}, **caller)
        assert {one["order_id"] for one in found.body["orders"]} == {orders[at] for at in seen}
        assert {one["id"] for one in of_customer.body["returns"]} == {opened[at] for at in seen}


def test_whoever_takes_goods_in_takes_those_of_any_integration(returns: Returns) -> None:
    return_id = opened_by_staff(returns, returns.bought(actor="integration:shop"))
    warehouse: dict[str, Any] = {"role": "integration", "subject": "warehouse"}
    assert returns.received(return_id, **warehouse)["status"] == "in_progress"
    line = {"line_id": "1", "quantity": 1, "disposition": "restocked"}
    returns.done(returns.command(return_id, "inspect", {"lines": [line]}, **warehouse))
    code = returns.code(opened_by_staff(returns, returns.bought("1002", actor="integration:shop")))
    assert returns.done(returns.redeem(code, **warehouse))["status"] == "in_progress"


# --- what the policy says -------------------------------------------------------------------------


def test_what_has_not_arrived_does_not_come_back(returns: Returns) -> None:
    order_id = returns.ordered()
    quote = returns.quote(order_id).body
    assert codes_of(quote) == ["NOT_DELIVERED"]
    with nothing_changes(returns):
        problem = refusal(returns.open(quote["id"]), 409, "NOT_RETURNABLE")
    assert problem["lines"] == [{"line_id": "1", "code": "NOT_DELIVERED"}]


def test_half_of_what_arrived_is_half_of_what_comes_back(returns: Returns) -> None:
    order_id = returns.ordered()
    returns.delivered(order_id, {"1": 1})
    assert codes_of(returns.quote(order_id, {"1": 1}).body) == [None]
    assert codes_of(returns.quote(order_id, {"1": 2}).body) == ["NOT_DELIVERED"]
    quote = returns.quote(order_id, {"1": 1, "2": 1}).body
    assert codes_of(quote) == [None, "NOT_DELIVERED"]
    assert quote["refund"]["legs"][0]["paid"] == euros(5_000)
    # What is eligible comes back, and nothing else.
    back = returns.done(returns.open(quote["id"]))
    assert [line["line_id"] for line in back["lines"]] == ["1"]


def test_a_delivery_that_is_taken_back_was_none(returns: Returns) -> None:
    order_id = returns.bought()
    returns.delivered(order_id, state="shipped", previous_state="delivered", delivered_at=None)
    assert codes_of(returns.quote(order_id).body) == ["NOT_DELIVERED"]


def test_the_window_closes_at_the_end_of_its_last_local_day(returns: Returns) -> None:
    returns.publish(time_zone="Europe/Berlin", terms={"window_days": 14})
    order_id = returns.bought()
    returns.now = returns.now.replace(day=24, hour=22, minute=59)
    assert codes_of(returns.quote(order_id).body) == [None]
    returns.later(minutes=1)
    quote = returns.quote(order_id).body
    assert codes_of(quote) == ["OUTSIDE_WINDOW"]
    refusal(returns.open(quote["id"]), 409, "NOT_RETURNABLE")


@pytest.mark.parametrize(
    ("terms", "change", "code"),
    [
        ({"final_sale": True}, {}, "FINAL_SALE"),
        ({"decision": "reject"}, {}, "REJECTED_BY_POLICY"),
        ({"outcomes": ["exchange"]}, {}, "OUTCOME_NOT_OFFERED"),
        ({"methods": ["store"]}, {}, "METHOD_NOT_OFFERED"),
        ({"keep_below": [euros(5_000)]}, {"method": "keep"}, "METHOD_NOT_OFFERED"),
    ],
)
def test_what_the_policy_does_not_allow_is_explained_and_not_opened(
    returns: Returns, terms: Any, change: Any, code: str
) -> None:
    returns.publish(terms=terms)
    quote = returns.quote(returns.bought(), **change).body
    assert (codes_of(quote), quote["decision"]) == ([code], "rejected")
    assert quote["lines"][0]["explanation"]
    with nothing_changes(returns):
        refusal(returns.open(quote["id"]), 409, "NOT_RETURNABLE")


def test_what_nobody_knows_the_price_of_is_not_refunded(returns: Returns) -> None:
    lines = [{"line_id": "1", "sku": "SHOE", "name": "Shoe", "quantity": 1}]
    order_id = returns.ordered(lines=lines, tenders=[])
    returns.delivered(order_id, {"1": 1})
    assert codes_of(returns.quote(order_id).body) == ["PRICE_UNKNOWN"]
    refused = returns.quote(order_id, override_reason="a good customer", role="staff").body
    assert codes_of(refused) == ["PRICE_UNKNOWN"]


@pytest.mark.parametrize("outcome", ["refund", "store_credit"])
def test_a_replacement_is_not_wanted_of_what_is_not_exchanged(
    returns: Returns, outcome: str
) -> None:
    price = {"line_id": "x", "sku": "BOOT", "quantity": 1, "unit_price": euros(1_000)}
    order_id = returns.ordered()
    with nothing_changes(returns):
        reply = returns.quote(order_id, outcome=outcome, exchange_for=[price])
        problem = refusal(reply, 422, "VALIDATION_FAILED")
    assert [one["field"] for one in problem["errors"]] == ["exchange_for"]


# --- quotes ---------------------------------------------------------------------------------------


def test_a_quote_that_has_expired_is_not_executed(returns: Returns) -> None:
    quote_id = returns.quoted(returns.bought())
    returns.later(minutes=30)
    with nothing_changes(returns):
        problem = refusal(returns.open(quote_id), 409, "QUOTE_EXPIRED")
    assert problem["expired_at"] == "2026-03-10T10:00:00.000000Z"


def test_a_quote_is_executed_until_it_expires_and_repeated_after_it(returns: Returns) -> None:
    quote_id = returns.quoted(returns.bought())
    returns.later(minutes=29)
    first = returns.open(quote_id, key="k")
    returns.later(days=3)
    again = returns.open(quote_id, key="k")
    assert (again.status, again.body, again.replayed) == (201, first.body, True)


def test_a_quote_whose_order_has_changed_is_not_executed(returns: Returns) -> None:
    order_id = returns.ordered(
        tenders=[
            {"type": "gift_card", "paid": euros(2_500), "reference": "G"},
            {"type": "card", "paid": euros(10_000), "reference": "pi_1"},
        ]
    )
    returns.delivered(order_id)
    quote_id = returns.quoted(order_id, {"1": 1})
    returns.opened(order_id, {"2": 1})
    with nothing_changes(returns):
        # The gift card has been given back by the other one.
        refusal(returns.open(quote_id), 409, "QUOTE_OUTDATED")


def test_a_quote_whose_units_the_shop_has_taken_back_is_not_executed(returns: Returns) -> None:
    order_id = returns.bought()
    quote_id = returns.quoted(order_id, {"2": 1})
    told = {
        "order_id": order_id,
        "refund_id": "shop:1",
        "lines": [{"line_id": "2", "quantity": 1}],
        "legs": [{"tender": "card", "paid": euros(2_500)}],
    }
    returns.hear("orders", "refund.succeeded", told)
    with nothing_changes(returns):
        refusal(returns.open(quote_id), 409, "RETURN_EXCEEDS_PURCHASE")


def test_a_quote_of_nobody_or_altered_is_not_found(returns: Returns) -> None:
    quote_id = returns.quoted(returns.bought())
    with nothing_changes(returns):
        for name in (quote_id[:-1] + ("0" if quote_id[-1] != "0" else "1"), quote_id.lower(), "x"):
            refusal(returns.open(name), 404, "QUOTE_NOT_FOUND")


def test_an_order_of_nobody_or_of_somebody_else_is_not_there(returns: Returns) -> None:
    order_id = returns.bought()
    with nothing_changes(returns):
        theirs = returns.quote(order_id, role="customer", subject="cus_2")
        refusal(theirs, 404, "ORDER_NOT_FOUND")
        refusal(returns.quote(order_id_of("nobody's")), 404, "ORDER_NOT_FOUND")


def test_points_that_nobody_has_told_of_yet_are_waited_for(returns: Returns) -> None:
    tenders = [{"type": "points", "paid": euros(12_500), "reference": "rdm_1"}]
    order_id = returns.bought(tenders=tenders)
    with nothing_changes(returns):
        refusal(returns.quote(order_id), 409, "POINTS_NOT_KNOWN_YET")
    returns.later(days=1)
    assert returns.quote(order_id).status == 201


# --- transitions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("approve", {"reason": "r"}),
        ("reject", {"reason": "r"}),
        ("cancel", {}),
        ("receive", {}),
        ("parcels", {"carrier": "ups", "tracking_number": "1Z1"}),
    ],
)
def test_a_return_that_is_over_does_not_move(returns: Returns, verb: str, body: Any) -> None:
    return_id = returns.opened(returns.bought())
    returns.received(return_id)
    returns.pump()
    with nothing_changes(returns):
        problem = refusal(returns.command(return_id, verb, body), 409, "INVALID_TRANSITION")
    assert (problem["state"], problem["allowed"]) == ("resolved", ["inspect"])


def test_what_has_not_come_is_not_inspected(returns: Returns) -> None:
    return_id = returns.opened(returns.bought())
    body = {"lines": [{"line_id": "1", "quantity": 1, "disposition": "restocked"}]}
    with nothing_changes(returns):
        problem = refusal(returns.command(return_id, "inspect", body), 409, "INVALID_TRANSITION")
    assert "in_transit" in problem["legal"]
    assert "restocked" not in problem["legal"]


def test_a_return_that_waits_for_a_person_is_not_received(returns: Returns) -> None:
    returns.publish(terms={"decision": "review"})
    return_id = returns.opened(returns.bought())
    with nothing_changes(returns):
        refusal(returns.command(return_id, "receive"), 409, "INVALID_TRANSITION")
        parcel = {"carrier": "ups", "tracking_number": "1Z1"}
        refusal(returns.command(return_id, "parcels", parcel), 409, "INVALID_TRANSITION")
        reply = returns.call("GET", "/returns/{return_id}/code", return_id=return_id)
        refusal(reply, 409, "CODE_NOT_AVAILABLE")


def test_a_return_has_ten_parcels_at_most(returns: Returns) -> None:
    return_id = returns.opened(returns.bought())
    for number in range(10):
        parcel = {"carrier": "ups", "tracking_number": f"1Z{number}"}
        assert returns.command(return_id, "parcels", parcel).status == 201
    with nothing_changes(returns):
        parcel = {"carrier": "ups", "tracking_number": "1Z10"}
        refusal(returns.command(return_id, "parcels", parcel), 409, "TOO_MANY_PARCELS")


SETTLE = "refunds/{refund_id}/settle"
REPLAN = "refunds/{refund_id}/replan"


@pytest.mark.parametrize("fault", ["none", "late", "error_500", "fail"])
def test_only_what_a_person_has_to_pay_is_settled_and_only_what_failed_replanned(
    returns: Returns, fault: str
) -> None:
    return_id = returns.opened(returns.bought())
    returns.received(return_id, role="integration")
    refund_id = returns.get(return_id)["refund"]["refunds"][0]["id"]
    paid = {"outcome": "succeeded", "reference": "slip"}
    other = {"tender": "store_credit", "reason": "r"}
    with nothing_changes(returns):
        for verb, body in ((SETTLE, paid), (REPLAN, other)):
            reply = returns.command(return_id, verb, body, refund_id=refund_id)
            refusal(reply, 409, "INVALID_TRANSITION")
    if fault != "none":
        returns.fault(fault, times=9)
    returns.pump()
    with nothing_changes(returns):
        reply = returns.command(return_id, SETTLE, paid, refund_id=refund_id)
        refusal(reply, 409, "INVALID_TRANSITION")
        if fault != "fail":
            reply = returns.command(return_id, REPLAN, other, refund_id=refund_id)
            refusal(reply, 409, "INVALID_TRANSITION")
    if fault == "fail":
        assert returns.command(return_id, REPLAN, other, refund_id=refund_id).status == 201


# --- codes ----------------------------------------------------------------------------------------


def test_a_code_that_was_altered_or_signed_by_others_is_refused(returns: Returns) -> None:
    code = returns.code(returns.opened(returns.bought()))
    head, claims, signature = code.split(".")
    other = codes.issue(_claims(code), codes.seed_of("A" * 43))
    flipped = claims[:-1] + ("A" if claims[-1] != "A" else "B")
    with nothing_changes(returns):
        for altered in (
            f"{head}.{flipped}.{signature}",
            f"{head}.{claims}.{signature[:-4]}AAAA",
            f"{head}.{claims}.",
            f"{head}.{claims}",
            "...",
            "x",
            other,
        ):
            refusal(returns.redeem(altered), 422, "CODE_INVALID")


def _claims(code: str) -> codes.ReturnCode:
    return codes.verify(code, codes.public_keys([codes.seed_of(SEED)]), START)


def test_a_code_that_has_expired_is_refused_unless_it_was_used_before(returns: Returns) -> None:
    return_id = returns.opened(returns.bought())
    code = returns.code(return_id)
    used_at = rfc3339(returns.now.replace(day=24))
    returns.later(days=15)
    with nothing_changes(returns):
        refusal(returns.redeem(code), 409, "CODE_EXPIRED")
    # A till without network took the goods in time, and tells now.
    assert returns.redeem(code, occurred_at=used_at).status == 201


def test_a_code_is_used_once_by_whatever_till(returns: Returns) -> None:
    return_id = returns.opened(returns.bought(), {"1": 2})
    code = returns.code(return_id)
    one = [{"line_id": "1", "quantity": 1, "condition": "as_new"}]
    first = returns.redeem(code, lines=one, key="k")
    assert first.status == 201
    again = returns.redeem(code, lines=one, key="k")
    assert (again.body, again.replayed) == (first.body, True)
    with nothing_changes(returns):
        for subject in ("store_12/till_3", "store_9/till_1"):
            refusal(returns.redeem(code, lines=one, subject=subject), 409, "CODE_ALREADY_USED")
        reply = returns.call("GET", "/returns/{return_id}/code", return_id=return_id)
        refusal(reply, 409, "CODE_ALREADY_USED")


def test_a_code_of_a_return_that_was_called_off_is_refused(returns: Returns) -> None:
    return_id = returns.opened(returns.bought())
    code = returns.code(return_id)
    returns.done(returns.command(return_id, "cancel"))
    with nothing_changes(returns):
        refusal(returns.redeem(code), 409, "INVALID_TRANSITION")


# --- providers' messages --------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["stripe", "credit"])
def test_a_message_that_nobody_signed_is_refused_and_not_kept(
    returns: Returns, source: str
) -> None:
    body = stripe_news(foreign_refund(), returns.now, "evt_1")
    name = {"stripe": "Stripe-Signature", "credit": "webhook-signature"}[source]
    stale = {"stripe": f"t=1,v1={'0' * 64}", "credit": f"v1,{'A' * 43}="}[source]
    with nothing_changes(returns):
        for signature in ("", "x", stale):
            reply = returns.says(source, body, headers={name: signature})
            refusal(reply, 401, "SIGNATURE_INVALID")
        for minutes in (6, -6):
            reply = returns.says(source, body, signed_before=timedelta(minutes=minutes))
            refusal(reply, 401, "SIGNATURE_INVALID")
    assert returns.says(source, body, signed_before=timedelta(minutes=4)).status == 202


def test_a_message_of_a_refund_that_nobody_knows_is_shown_and_can_be_understood_again(
    returns: Returns,
) -> None:
    reply = returns.says("stripe", stripe_news(foreign_refund(), returns.now, "evt_1"))
    assert (reply.status, reply.body["state"]) == (202, "accepted")
    returns.pump(times=2)
    (parked,) = returns.parked()
    assert parked["message_id"] == reply.body["message_id"]
    assert parked["reason"] == f"REFUND_NOT_FOUND: There is no refund rfd_{'0' * 36}0"
    assert (parked["source"], parked["topic"]) == ("stripe", "refund.updated")
    again = returns.call(
        "POST", "/inbox/replay", {"message_id": parked["message_id"]}, role="staff"
    )
    assert again.body == {"outcome": "parked"}
    assert len(returns.parked()) == 1


def test_a_message_that_came_too_early_is_understood_when_it_is_replayed(
    returns: Returns,
) -> None:
    """As after a restored backup: the message is there before the refund that it speaks of."""
    return_id = returns.opened(returns.bought())
    refund_id = f"rfd_{return_id.removeprefix('ret_')}0"
    returns.fault("late")
    told = foreign_refund() | {"metadata": {"tandem_refund_id": refund_id}, "id": None}
    returns.says("stripe", stripe_news(told, returns.now, "evt_1"))
    returns.pump()
    (parked,) = returns.parked()
    assert parked["reason"].startswith("REFUND_NOT_FOUND: ")
    returns.received(return_id, role="integration")
    returns.pump()
    assert returns.get(return_id)["refund"]["refunds"][0]["state"] == "pending"

    body = {"message_id": parked["message_id"]}
    again = returns.call("POST", "/inbox/replay", body, role="staff")
    assert again.body == {"outcome": "understood"}
    assert returns.parked() == []
    assert returns.get(return_id)["refund"]["refunds"][0]["state"] == "succeeded"


UNREADABLE = [
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b"{}",
    b'{"type": {}}',
    b'{"type": ["refund.updated"]}',
]


@pytest.mark.parametrize("source", ["stripe", "credit"])
@pytest.mark.parametrize("body", UNREADABLE)
def test_a_message_that_cannot_be_read_is_kept_and_shown(
    returns: Returns, source: str, body: bytes
) -> None:
    reply = returns.says(source, body)
    assert reply.status == 202
    assert returns.store.inbox.message(reply.body["message_id"]).body == body
    returns.pump()
    (parked,) = returns.parked()
    assert parked["reason"].startswith("UNPARSEABLE: ")


def test_a_message_that_is_sent_again_is_kept_once(returns: Returns) -> None:
    body = stripe_news(foreign_refund(), returns.now, "evt_1")
    assert returns.says("stripe", body).body["state"] == "accepted"
    with nothing_changes(returns):
        assert returns.says("stripe", body).body["state"] == "duplicate"


def test_a_message_without_a_meaning_for_us_is_kept_and_told_to_nobody(returns: Returns) -> None:
    body = stripe_news({}, returns.now, "evt_1", kind="invoice.paid")
    assert returns.says("stripe", body).body["state"] == "ignored"
    assert returns.unpublished() == []


def test_a_refund_that_stripe_made_without_us_is_shown_once(returns: Returns) -> None:
    told = foreign_refund() | {"metadata": {}}
    returns.says("stripe", stripe_news(told, returns.now, "evt_1"))
    returns.says("stripe", stripe_news(told, returns.now, "evt_2", kind="charge.refund.updated"))
    returns.pump()
    (parked,) = returns.parked()
    assert parked["reason"] == "REFUND_NOT_FOUND: the refund carries no id of ours"


@pytest.mark.parametrize(
    ("change", "is_ours"),
    [
        ({}, True),
        ({"amount": 999_999}, False),
        ({"amount": 1}, False),
        ({"currency": "usd"}, False),
        ({"id": "re_of_somebody_else"}, False),
        ({"amount": None, "currency": None}, True),
    ],
)
def test_news_of_another_payment_move_nothing(
    returns: Returns, change: dict[str, Any], is_ours: bool
) -> None:
    return_id = returns.opened(returns.bought())
    returns.fault("late")
    returns.received(return_id, role="integration")
    returns.pump()
    (paid,) = returns.paid()
    before = returns.get(return_id)
    assert before["refund"]["refunds"][0]["state"] == "pending"
    news = news_of({**paid, "status": "succeeded", "currency": "EUR"}, returns.now, 1)
    news["data"]["object"] |= change
    returns.says("stripe", news)
    returns.pump()
    after = returns.get(return_id)
    if is_ours:
        assert after["refund"]["refunds"][0]["state"] == "succeeded"
        assert returns.parked() == []
        return
    assert after == before
    (parked,) = returns.parked()
    assert parked["reason"].startswith("REFUND_DIFFERS: ")


def test_one_provider_says_nothing_of_what_another_pays(returns: Returns) -> None:
    tenders = [{"type": "gift_card", "paid": euros(12_500), "reference": "gift_1"}]
    return_id = returns.opened(returns.bought(tenders=tenders))
    returns.fault("late")
    returns.received(return_id, role="integration")
    returns.pump()
    (paid,) = returns.paid()
    ours = {"metadata": {"tandem_refund_id": paid["refund_id"]}}
    returns.says("stripe", stripe_news(foreign_refund() | ours, returns.now, "evt_1"))
    returns.pump()
    assert returns.get(return_id)["refund"]["refunds"][0]["state"] == "pending"
    (parked,) = returns.parked()
    assert parked["reason"].startswith("REFUND_DIFFERS: ")


def test_news_that_contradict_what_is_known_move_nothing(returns: Returns) -> None:
    """Stripe says `pending` of what it said had succeeded, and `succeeded` of what had failed."""
    return_id = returns.opened(returns.bought())
    returns.received(return_id, role="integration")
    returns.pump()
    (paid,) = returns.paid()
    returns.says("stripe", news_of({**paid, "status": "pending"}, returns.now, 1))
    returns.pump()
    assert returns.get(return_id)["refund"]["refunds"][0]["state"] == "succeeded"
    kinds = returns.kinds(paid["order_id"])
    assert kinds.count("refund.succeeded") == 1


def test_an_answer_about_another_payment_leaves_open_what_was_paid(returns: Returns) -> None:
    """As when somebody has copied our metadata onto another refund."""

    class Confused:
        name = "stripe"

        def refund(self, order: RefundOrder) -> RefundResult:
            twice = Money(amount=order.amount.amount * 2, currency=order.amount.currency)
            return RefundResult(outcome="succeeded", provider="stripe", paid=twice)

        ask = refund

    return_id = returns.opened(returns.bought())
    returns.received(return_id, role="integration")
    refund_id = returns.get(return_id)["refund"]["refunds"][0]["id"]
    origin = Origin("tandem", "system")
    pay(returns.store, refund_id, lambda _tender: Confused(), origin, returns.now)
    (refund,) = returns.get(return_id)["refund"]["refunds"]
    assert (refund["state"], refund["reason"]) == ("unknown", "differs")
