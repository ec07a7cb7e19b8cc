"""What callers see of a return: what it comes to, why it was decided so, and of a gift no price."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tests.service.conftest import Returns
from tests.service.returns_service import euros, redemption

Told = tuple[str, int, str]


def points_and_card(returns: Returns) -> str:
    """Three units for 30.00, half of that paid with points, which have earned 31."""
    lines = [{"line_id": "1", "sku": "SHOE", "name": "Shoe", "quantity": 3, "paid": euros(3_000)}]
    tenders = [
        {"type": "points", "paid": euros(1_500), "reference": "rdm_1"},
        {"type": "card", "paid": euros(1_500), "reference": "pi_1"},
    ]
    order_id = returns.ordered(lines=lines, tenders=tenders)
    returns.delivered(order_id, {"1": 3})
    captured = {"account_id": "acc_1", "redemption": redemption("rdm_1", 1_500, euros(1_500))}
    returns.hear("loyalty", "redemption.captured", captured)
    earned = [{"line_id": "1", "quantity": 3, "points": 31}]
    returns.hear("loyalty", "points.earned", {"order_id": order_id, "lines": earned})
    return order_id


def legs(back: Any) -> list[tuple[str, int, str]]:
    return [(one["tender"], one["paid"]["amount"], one["state"]) for one in back["refund"]["legs"]]


# --- what it comes to -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "shown", "points"),
    [
        ([("1", 3, "as_new")], [("points", 1500, "succeeded"), ("card", 1500, "succeeded")], 31),
        (
            [("1", 2, "as_new"), ("1", 1, "short")],
            [("points", 1500, "succeeded"), ("card", 500, "succeeded")],
            21,
        ),
        (
            [("1", 1, "as_new"), ("1", 2, "wrong_item")],
            [("points", 1000, "succeeded"), ("card", 0, "none")],
            11,
        ),
        ([("1", 3, "empty_box")], [("points", 0, "none"), ("card", 0, "none")], 0),
    ],
)
def test_a_return_shows_what_was_paid_for_what_came(
    returns: Returns, told: list[Told], shown: list[Told], points: int
) -> None:
    return_id = returns.opened(points_and_card(returns), {"1": 3})
    opened = returns.get(return_id)
    assert legs(opened) == [("points", 1_500, "planned"), ("card", 1_500, "planned")]
    returns.received(return_id, *told, role="integration")
    returns.pump()
    back = returns.get(return_id)
    assert legs(back) == shown
    restored = next(paid for tender, paid, _ in shown if tender == "points")
    refund = back["refund"]
    assert (refund["points_restored"], refund["points_taken"]) == (restored, points)
    paid = {one["tender"]: one["paid"]["amount"] for one in refund["refunds"]}
    assert paid == {tender: amount for tender, amount, _ in shown if amount}


@pytest.mark.parametrize("end", ["reject", "cancel", "expire"])
def test_a_return_that_has_ended_shows_no_money_and_no_points(returns: Returns, end: str) -> None:
    returns.publish(terms={"decision": "review" if end == "reject" else "approve"})
    return_id = returns.opened(points_and_card(returns), {"1": 3})
    if end == "expire":
        returns.later(days=15)
        returns.watch()
    else:
        returns.done(returns.command(return_id, end, {"reason": "no"}))
    back = returns.get(return_id)
    assert legs(back) == [("points", 0, "none"), ("card", 0, "none")]
    assert back["closed_at"] == rfc3339(returns.now)
    assert (back["refund"]["points_restored"], back["refund"]["points_taken"]) == (0, 0)


def test_a_refund_that_failed_is_shown_as_it_was_paid_in_the_end(returns: Returns) -> None:
    return_id = returns.opened(returns.bought())
    returns.received(return_id, role="integration")
    returns.fault("fail")
    returns.pump()
    assert legs(returns.get(return_id)) == [("card", 5_000, "failed")]
    (failed,) = returns.get(return_id)["refund"]["refunds"]
    again = {"tender": "store_credit", "reason": "the card is closed"}
    verb = "refunds/{refund_id}/replan"
    assert returns.command(return_id, verb, again, refund_id=failed["id"]).status == 201
    returns.pump()
    back = returns.get(return_id)
    assert legs(back) == [("store_credit", 5_000, "succeeded")]
    assert back["refund"]["legs"][0]["instead_of"] == "card"


def test_points_that_pay_for_a_replacement_are_not_said_to_come_back(returns: Returns) -> None:
    quote = returns.quote(points_and_card(returns), {"1": 1}, outcome="exchange").body
    assert (quote["refund"]["legs"], quote["refund"]["points_restored"]) == ([], 0)
    return_id = returns.open(quote["id"]).body["id"]
    assert returns.get(return_id)["refund"]["points_restored"] == 0
    returns.received(return_id)
    returns.pump()
    assert returns.get(return_id)["refund"]["points_restored"] == 0


# --- gifts ----------------------------------------------------------------------------------------


def test_what_was_paid_for_a_gift_is_not_shown_by_what_it_is_exchanged_for(
    returns: Returns,
) -> None:
    order_id = points_and_card(returns)
    till: dict[str, Any] = {"role": "terminal", "subject": "store_12/till_3"}
    gift: dict[str, Any] = {"method": "store", "gift": True, "outcome": "exchange", **till}
    quote = returns.quote(order_id, {"1": 2}, **gift).body
    opened = returns.done(returns.open(quote["id"], **till))
    received = returns.received(opened["id"], **till)
    returns.pump()
    seen = [quote, opened, received, returns.get(opened["id"], **till)]
    for one in seen:
        assert [line["unit_price"] for line in one["exchange"]["lines"]] == [None]
        refund = one["refund"]
        assert (refund["points_restored"], refund["points_taken"]) == (0, None)
        assert "1000" not in str(one)
        assert "2000" not in str(one)
    found = returns.call("POST", "/purchases/search", {"customer_id": "cus_1"}, **till)
    assert not {"paid", "unit_price", "points"} & set(found.body["orders"][0]["lines"][0])
    # The replacement itself is paid with what was paid for the gift.
    (created,) = returns.events("exchange.created")
    assert [line["paid"] for line in created["lines"]] == [euros(2_000)]


def test_what_is_paid_back_beside_a_cheaper_replacement_of_a_gift_is_not_shown(
    returns: Returns,
) -> None:
    order_id = points_and_card(returns)
    till: dict[str, Any] = {"role": "terminal", "subject": "store_12/till_3"}
    boots = [{"line_id": "x", "sku": "BOOT", "quantity": 1, "unit_price": euros(700)}]
    gift: dict[str, Any] = {"method": "store", "gift": True, "outcome": "exchange", **till}
    quote = returns.quote(order_id, {"1": 1}, exchange_for=boots, **gift).body
    assert {leg["tender"] for leg in quote["refund"]["legs"]} == {"gift_card"}
    assert {leg["paid"] for leg in quote["refund"]["legs"]} == {None}
    back = returns.done(returns.open(quote["id"], **till))
    assert {leg["paid"] for leg in back["refund"]["legs"]} == {None}
    assert back["exchange"]["lines"][0]["unit_price"] is None


# --- why it was decided so ------------------------------------------------------------------------

ME: dict[str, Any] = {"role": "customer", "subject": "cus_1"}
AMY: dict[str, Any] = {"role": "staff", "subject": "amy"}


def decision_of(back: Any) -> tuple[str | None, str | None]:
    return back["decision_reason"], back["decided_by"]


def test_the_customer_reads_why_their_return_was_rejected_but_not_by_whom(
    returns: Returns,
) -> None:
    returns.publish(terms={"decision": "review"})
    order_id = returns.bought()
    return_id = returns.opened(order_id)
    assert decision_of(returns.get(return_id, **AMY)) == (None, None)
    reply = returns.command(return_id, "reject", {"reason": "worn for weeks"}, **AMY)
    assert decision_of(returns.done(reply)) == ("worn for weeks", "staff:amy")
    for caller in (AMY, {"role": "terminal"}, {"role": "integration"}):
        assert decision_of(returns.get(return_id, **caller)) == ("worn for weeks", "staff:amy")
    assert decision_of(returns.get(return_id, **ME)) == ("worn for weeks", None)
    listed = returns.call("GET", "/returns", query={"order_id": order_id}, **ME)
    assert decision_of(listed.body["returns"][0]) == ("worn for weeks", None)


def test_why_staff_approved_or_called_off_is_said_among_them(returns: Returns) -> None:
    returns.publish(terms={"decision": "review"})
    for verb in ("approve", "cancel"):
        return_id = returns.opened(returns.bought(verb))
        returns.done(returns.command(return_id, verb, {"reason": "a good customer"}, **AMY))
        assert decision_of(returns.get(return_id, **AMY)) == ("a good customer", "staff:amy")
        assert decision_of(returns.get(return_id, **ME)) == (None, None)


def test_who_gives_no_reason_has_given_none(returns: Returns) -> None:
    return_id = returns.opened(returns.bought())
    cancelled = returns.done(returns.command(return_id, "cancel", {}, **ME))
    assert decision_of(cancelled) == (None, None)
    assert decision_of(returns.get(return_id, **AMY)) == (None, "customer:cus_1")
