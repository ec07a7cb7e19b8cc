"""Money and units where it is easily paid twice, never, or to whoever asks cleverly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tandem_core import secrets
from tandem_core.clock import rfc3339
from tests.service.conftest import Returns
from tests.service.returns_service import SECRETS, euros, quantities
from tests.service.services import client

ME: dict[str, Any] = {"role": "customer", "subject": "cus_1"}


def refunds_of(returns: Returns, return_id: str) -> list[tuple[str, str, str]]:
    found = returns.get(return_id)["refund"]["refunds"]
    return [(one["state"], one["provider"], one["reason"]) for one in found]


def paid(returns: Returns) -> int:
    return sum(int(one["amount"]) for one in returns.paid())


def without(provider: str) -> None:
    """Let the operator lose a provider's key."""
    cloud = client("secretsmanager")
    kept = json.loads(cloud.get_secret_value(SecretId=SECRETS)["SecretString"])
    del kept[provider]
    cloud.put_secret_value(SecretId=SECRETS, SecretString=json.dumps(kept))
    secrets.secrets_provider.cache_clear()


# --- paid twice -----------------------------------------------------------------------------------


def test_what_a_provider_was_asked_for_is_not_paid_by_hand_when_its_key_is_lost(
    returns: Returns,
) -> None:
    return_id = returns.opened(returns.bought())
    returns.received(return_id)
    returns.fault("connection_lost")
    returns.pump()
    assert refunds_of(returns, return_id) == [("unknown", "stripe", "connection_lost")]
    assert paid(returns) == 5_000
    without("stripe")
    returns.later(hours=1)
    returns.watch()
    assert refunds_of(returns, return_id) == [("unknown", "stripe", "no_provider")]
    refund_id = returns.get(return_id)["refund"]["refunds"][0]["id"]
    by_hand = returns.command(
        return_id, "refunds/{refund_id}/settle", {"outcome": "succeeded"}, refund_id=refund_id
    )
    assert (by_hand.status, by_hand.body["code"]) == (409, "INVALID_TRANSITION")


def test_what_an_edit_has_made_cheaper_is_not_paid_without_a_look(returns: Returns) -> None:
    card = {"type": "gift_card", "reference": "G1"}
    order_id = returns.bought(tenders=[{**card, "paid": euros(12_500)}])
    return_id = returns.opened(order_id, {"1": 2, "2": 1})
    edit = {
        "order_id": order_id,
        "added": [{"line_id": "1", "sku": "SHOE", "quantity": 2, "paid": euros(6_000)}],
        "tenders": [{**card, "paid": euros(8_500)}],
    }
    returns.hear("orders", "order.updated", edit)
    returns.received(return_id)
    returns.pump()
    assert refunds_of(returns, return_id) == [("requires_action", "person", "order_changed")]
    assert paid(returns) == 0


def test_what_is_kept_for_its_little_worth_is_not_asked_for_by_the_piece(
    returns: Returns,
) -> None:
    returns.publish(terms={"keep_below": [euros(6_000)]})
    order_id = returns.bought()
    beforehand = [returns.quoted(order_id, {"1": 1}, method="keep", **ME) for _ in range(2)]
    assert returns.open(beforehand[0], **ME).status == 201
    second = returns.open(beforehand[1], **ME)
    assert (second.status, second.body["code"]) == (409, "QUOTE_OUTDATED")
    (line,) = returns.quote(order_id, {"1": 1}, method="keep", **ME).body["lines"]
    assert (line["eligible"], line["code"]) == (False, "METHOD_NOT_OFFERED")


@pytest.mark.parametrize("statutory", [False, True])
def test_a_number_that_a_customer_types_pays_nothing_by_being_scanned(
    returns: Returns, statutory: bool
) -> None:
    """It may be any parcel of anybody, and the same one for ten orders."""
    at_once = dict.fromkeys(("low", "normal", "high"), "first_scan")
    returns.publish(terms={"trigger": at_once})
    order_id = returns.bought()
    if statutory:
        declared = {"order_reference": "1001", "email": "amy@example.com"}
        withdrawal = returns.call("POST", "/withdrawals", declared, role=None).body["id"]
        route = "/withdrawals/{withdrawal_id}/confirm"
        assert returns.call("POST", route, {}, role=None, withdrawal_id=withdrawal).status == 200
        returns.pump()
        return_id = str(returns.events("return.approved")[0]["return_id"])
    else:
        return_id = returns.opened(order_id, {"1": 2, "2": 1}, **ME)
    added = returns.command(
        return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z-OTHERS"}, **ME
    )
    assert added.status == 201
    assert added.body["lines"][0]["trigger"] == ("first_scan" if statutory else "received")
    returns.later(hours=1)
    returns.scanned(order_id, "1ZOTHERS")
    returns.scanned(order_id, "1ZOTHERS", "delivered")
    returns.pump()
    assert paid(returns) == (12_500 if statutory else 0)
    returns.received(return_id)
    returns.pump()
    assert paid(returns) == 12_500


# --- never paid -----------------------------------------------------------------------------------


def test_a_till_that_tells_later_has_paid_no_cash_and_handed_nothing_out(
    returns: Returns,
) -> None:
    order_id = returns.bought(tenders=[{"type": "cash", "paid": euros(12_500)}])
    cash = returns.opened(order_id, {"1": 1}, method="store")
    swap = returns.opened(order_id, {"2": 1}, method="store", outcome="exchange")
    at = rfc3339(returns.now)
    returns.later(hours=5)
    for return_id in (cash, swap):
        told = returns.redeem(returns.code(return_id), occurred_at=at)
        assert told.status == 201
        assert told.body["lines"][0]["units"] == {"handed_over": 1}
    returns.pump()
    assert refunds_of(returns, cash) == [("requires_action", "person", "no_provider")]
    (exchange,) = returns.events("exchange.created")
    assert exchange["handed_over"] is False


@pytest.mark.parametrize("outcome", ["refund", "exchange"])
def test_what_nobody_sends_keeps_neither_the_money_of_the_rest_nor_its_units(
    returns: Returns, outcome: str
) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"1": 2}, outcome=outcome)
    returns.received(return_id, ("1", 1, "as_new"))
    returns.later(days=15)
    assert returns.watch()["seen"] == 1
    returns.pump()
    shown = returns.get(return_id)
    assert (shown["status"], shown["lines"][0]["units"]) == (
        "partially_resolved",
        {"received": 1, "short": 1},
    )
    assert paid(returns) == 5_000
    # It comes after all, to a counter.
    till: dict[str, Any] = {"role": "terminal", "subject": "store_12/till_3"}
    returns.received(return_id, ("1", 1, "as_new"), **till)
    returns.pump()
    assert returns.get(return_id)["status"] == "resolved"
    assert paid(returns) == 10_000
    assert returns.watch()["seen"] == 0


def test_a_parcel_with_something_that_others_have_asked_back_brings_the_rest(
    returns: Returns,
) -> None:
    order_id = returns.bought()
    both = {returns.opened(order_id, units): units for units in ({"2": 1}, {"1": 2})}
    for return_id in both:
        parcel = {"carrier": "ups", "tracking_number": "1Z1"}
        assert returns.command(return_id, "parcels", parcel).status == 201
    returns.later(days=15)
    returns.watch()
    first, second = sorted(both)
    returns.opened(order_id, both[first])
    returns.scanned(order_id, "1Z1")
    assert returns.get(first)["status"] == "expired"
    assert returns.get(second)["status"] == "in_progress"


def test_no_tender_is_no_way_to_pay(returns: Returns) -> None:
    return_id = returns.opened(returns.bought())
    returns.received(return_id)
    returns.fault("fail")
    returns.pump()
    (refund,) = returns.get(return_id)["refund"]["refunds"]
    assert refund["state"] == "failed"
    again = {"tender": "none", "reason": "written off"}
    verb = "refunds/{refund_id}/replan"
    assert returns.command(return_id, verb, again, refund_id=refund["id"]).status == 201
    returns.pump()
    assert returns.get(return_id)["status"] == "in_progress"


def test_a_payment_that_gets_its_name_after_the_quote_is_refunded_by_it(returns: Returns) -> None:
    card: dict[str, Any] = {"type": "card", "paid": euros(12_500)}
    order_id = returns.bought(tenders=[card])
    return_id = returns.opened(order_id)
    named = {"order_id": order_id, "tenders": [{**card, "reference": "pi_9"}]}
    returns.hear("orders", "order.updated", named)
    returns.received(return_id)
    returns.pump()
    (refund,) = returns.paid()
    assert (refund["reference"], refund["amount"]) == ("pi_9", 5_000)


# --- where it is ----------------------------------------------------------------------------------


def test_units_are_restocked_where_they_were_taken_in(returns: Returns) -> None:
    """Begun in the app, or at another store: that is not where the shelf is."""
    till: dict[str, Any] = {"role": "terminal", "subject": "store_12/till_3"}
    return_id = returns.opened(returns.bought(), store_id="store_7")
    returns.received(return_id, **till)
    returns.inspected(return_id, ("1", 1, "restocked"))
    returns.pump()
    (restocked,) = returns.events("item.restocked")
    assert restocked["store_id"] == "store_12"


def test_a_pickup_that_is_told_right_is_what_may_come_back(returns: Returns) -> None:
    order_id = returns.ordered()
    told = {"fulfillment_type": "pickup", "state": "collected", "previous_state": "collected"}
    at = rfc3339(returns.now)
    picked_up = {
        "order_id": order_id,
        "fulfillment_id": "ful_1",
        "lines": quantities({"1": 1}),
        "delivered_at": at,
        "occurred_at": at,
        **told,
    }
    returns.hear("orders", "pickup.collected", {**picked_up, "previous_state": "ready"})
    returns.hear("orders", "pickup.updated", {**picked_up, "lines": quantities({"1": 2})})
    assert returns.quote(order_id, {"1": 2}).body["lines"][0]["eligible"] is True


# --- whose it is ----------------------------------------------------------------------------------


def test_who_is_erased_is_forgotten_by_their_withdrawal(returns: Returns) -> None:
    order_id = returns.bought()
    declaration = {
        "order_reference": "1001",
        "name": "Amy Aronson",
        "email": "amy@example.com",
        "statement": "I, Amy, withdraw.",
    }
    declared = returns.call("POST", "/withdrawals", declaration, role=None)
    confirm = {"role": None, "withdrawal_id": declared.body["id"]}
    route = "/withdrawals/{withdrawal_id}/confirm"
    before = returns.call("POST", route, {}, **confirm).body["receipt"]
    returns.pump()
    for _ in range(2):
        returns.hear("orders", "order.erased", {"order_id": order_id}, event_id="evt_erased")
    after = returns.call("POST", route, {}, **confirm).body["receipt"]
    assert "amy" not in json.dumps(after).lower()
    assert after["submitted_at"] == before["submitted_at"]
    assert not any(entry.private for entry in returns.entries(declared.body["id"]))


def test_a_guest_who_claims_their_order_has_its_returns(returns: Returns) -> None:
    guest: dict[str, Any] = {"customer_id": None, "customer": {"email": "amy@example.com"}}
    order_id = returns.bought(**guest)
    return_id = returns.opened(order_id)
    route = "/returns/{return_id}"
    assert returns.call("GET", route, return_id=return_id, **ME).status == 404
    returns.hear("orders", "order.updated", {"order_id": order_id, "customer_id": "cus_1"})
    assert returns.get(return_id, **ME)["customer_id"] == "cus_1"
    other: dict[str, Any] = {"role": "customer", "subject": "cus_2"}
    assert returns.call("GET", route, return_id=return_id, **other).status == 404
    assert returns.command(return_id, "cancel", {}, **ME).status == 200
    mine = returns.call("GET", "/returns", query={"customer_id": "cus_1"}, **ME)
    assert [one["id"] for one in mine.body["returns"]] == [return_id]
