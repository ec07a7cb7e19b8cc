"""The statutory withdrawal: two steps without a login, one receipt, and no word about orders."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Reply, Returns
from tests.service.table_contents import nothing_changes, refusal

AMY = {"order_reference": "#1001", "name": "Amy Ames", "email": "amy@example.com"}


def declare(returns: Returns, *, key: str | None = None, **changes: Any) -> Any:
    told = {name: value for name, value in {**AMY, **changes}.items() if value is not None}
    return returns.done(returns.call("POST", "/withdrawals", told, role=None, key=key))


def confirm(returns: Returns, withdrawal: Any, **options: Any) -> Reply:
    return returns.call(
        "POST",
        "/withdrawals/{withdrawal_id}/confirm",
        role=None,
        withdrawal_id=withdrawal["id"],
        **options,
    )


def withdrawn(returns: Returns, **changes: Any) -> Any:
    """Declare and confirm, and let it be matched; return the receipt."""
    receipt = returns.done(confirm(returns, declare(returns, **changes)))["receipt"]
    returns.pump(times=2)
    return receipt


def the_return_of(returns: Returns, order_id: str) -> Any:
    query = {"order_id": order_id}
    (back,) = returns.done(returns.call("GET", "/returns", query=query))["returns"]
    return back


def test_two_steps_make_a_return_and_a_receipt_with_date_and_time(returns: Returns) -> None:
    returns.publish(time_zone="Europe/Berlin", terms={"final_sale": True})
    order_id = returns.bought()
    declared = declare(returns, lines=[{"sku": "SHOE", "quantity": 1}], statement="I withdraw")
    assert (declared["status"], declared["receipt"]) == ("declared", None)
    assert declared["confirm_by"] == "2026-03-11T09:30:00.000000Z"
    returns.pump()
    listed = returns.call("GET", "/returns", query={"order_id": order_id})
    assert listed.body["returns"] == []

    returns.later(hours=1)
    reply = confirm(returns, declared)
    assert reply.status == 200, reply.body
    receipt = reply.body["receipt"]
    assert receipt["submitted_at"] == "2026-03-10T10:30:00.000000Z"
    assert receipt["submitted_local"] == "2026-03-10T11:30:00+01:00"
    assert receipt["time_zone"] == "Europe/Berlin"
    assert receipt["declaration"]["statement"] == "I withdraw"
    returns.pump(times=2)

    back = the_return_of(returns, order_id)
    assert (back["statutory"], back["status"], back["method"]) == (True, "approved", "mail")
    assert [(one["line_id"], one["quantity"]) for one in back["lines"]] == [("1", 1)]
    # No more than proof of sending is waited for.
    assert back["lines"][0]["trigger"] == "first_scan"
    assert back["refund"]["fees"] == {"amount": 0, "currency": "EUR"}
    (matched,) = returns.events("withdrawal.matched")
    assert (matched["order_id"], matched["return_id"]) == (order_id, back["id"])


def test_confirmed_again_it_is_the_same_receipt_whenever_and_by_whatever_key(
    returns: Returns,
) -> None:
    order_id = returns.bought()
    declared = declare(returns)
    first = confirm(returns, declared, key="a")
    returns.pump()
    returns.later(days=40)
    for key in ("a", "b"):
        with nothing_changes(returns):
            again = confirm(returns, declared, key=key)
        assert (again.status, again.body, again.replayed) == (200, first.body, True)
    assert the_return_of(returns, order_id)["statutory"]


def test_the_same_declaration_twice_is_one(returns: Returns) -> None:
    returns.bought()
    first = declare(returns, key="k")
    with nothing_changes(returns):
        assert declare(returns, key="k") == first


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        ('{"foo": 1}', 422, "VALIDATION_FAILED"),
        ("[]", 422, "VALIDATION_FAILED"),
        ("{", 400, "MALFORMED_JSON"),
    ],
)
def test_a_call_that_takes_no_body_refuses_one(
    returns: Returns, raw: str, status: int, code: str
) -> None:
    declared = declare(returns)
    with nothing_changes(returns):
        refusal(confirm(returns, declared, raw=raw), status, code)
    assert confirm(returns, declared, raw="{}").status == 200


def test_a_declaration_is_confirmed_within_a_day(returns: Returns) -> None:
    declared = declare(returns)
    returns.later(days=1)
    with nothing_changes(returns):
        refusal(confirm(returns, declared), 409, "DECLARATION_EXPIRED")


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "eve@example.com"},
        {"order_reference": "#9999"},
        {"email": None},
        {"lines": [{"sku": "SHOE", "quantity": 3}]},
        {"lines": [{"sku": "GOLD", "quantity": 1}]},
    ],
)
def test_whoever_declares_learns_nothing_about_orders(returns: Returns, changes: Any) -> None:
    order_id = returns.bought()
    answers = []
    for told in (None, changes):
        declared = declare(returns, **(told or {}))
        confirmed = returns.done(confirm(returns, declared))
        returns.pump()
        again = returns.done(confirm(returns, declared))
        assert again == confirmed
        answers.append((shape(declared), shape(confirmed)))
    assert answers[0] == answers[1]
    # The second one is for people.
    assert len(returns.events("withdrawal.unmatched")) == 1
    assert the_return_of(returns, order_id)["status"] == "approved"


def shape(answer: Any) -> Any:
    """An answer without what its asker has said."""
    receipt = answer["receipt"]
    return {
        **answer,
        "id": "",
        "receipt": receipt and {**receipt, "declaration": "", "withdrawal_id": ""},
    }


@pytest.mark.parametrize("reference", ["#1001", "1001", " # 1001", "order id"])
def test_an_order_is_named_as_it_is_read(returns: Returns, reference: str) -> None:
    order_id = returns.bought()
    withdrawn(returns, order_reference=order_id if reference == "order id" else reference)
    assert the_return_of(returns, order_id)["statutory"]


def test_it_may_be_declared_before_the_goods_have_come(returns: Returns) -> None:
    order_id = returns.ordered()
    withdrawn(returns)
    back = the_return_of(returns, order_id)
    assert {line["line_id"]: line["quantity"] for line in back["lines"]} == {"1": 2, "2": 1}


def test_after_its_time_it_is_for_people(returns: Returns) -> None:
    returns.bought()
    returns.later(days=15)
    withdrawn(returns)
    (unmatched,) = returns.events("withdrawal.unmatched")
    assert unmatched["order_reference"] == "#1001"
    assert returns.events("return.requested") == []


def test_it_counts_when_it_was_confirmed_however_late_it_is_heard(returns: Returns) -> None:
    order_id = returns.bought()
    returns.later(days=13)
    returns.done(confirm(returns, declare(returns)))
    returns.later(days=20)
    returns.pump(times=2)
    assert the_return_of(returns, order_id)["statutory"]


def test_what_was_bought_in_a_store_is_not_withdrawn_from(returns: Returns) -> None:
    order_id = returns.bought(channel="pos")
    withdrawn(returns)
    listed = returns.call("GET", "/returns", query={"order_id": order_id})
    assert listed.body["returns"] == []


def test_what_is_with_a_return_already_is_not_withdrawn_twice(returns: Returns) -> None:
    order_id = returns.bought()
    returns.opened(order_id, {"1": 1})
    withdrawn(returns)
    listed = returns.call("GET", "/returns", query={"order_id": order_id}).body["returns"]
    (back,) = [one for one in listed if one["statutory"]]
    assert {line["line_id"]: line["quantity"] for line in back["lines"]} == {"1": 1, "2": 1}


def test_a_withdrawal_is_paid_when_its_parcel_is_first_seen(returns: Returns) -> None:
    order_id = returns.bought()
    withdrawn(returns)
    back = the_return_of(returns, order_id)
    parcel = {"carrier": "ups", "tracking_number": "1Z1"}
    added = returns.command(back["id"], "parcels", parcel, role="customer", subject="cus_1")
    assert added.status == 201
    returns.later(hours=3)
    returns.scanned(order_id, "1Z1", "picked_up")
    returns.pump()
    assert [one["amount"] for one in returns.paid()] == [12_500]


def test_what_a_consumer_has_stated_is_private_and_sealed(returns: Returns) -> None:
    returns.bought()
    withdrawn(returns, phone="+491701234567", statement="private words")
    for entry in returns.journal():
        if entry.type.startswith("withdrawal."):
            for secret in ("Amy", "amy@", "+49170", "private words"):
                assert secret not in entry.data
            assert "private words" in entry.private
    (confirmed,) = returns.events("withdrawal.confirmed")
    assert confirmed["email"] == "amy@example.com"
