"""Exchanges: a replacement for what comes back, its price difference either way, each once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Returns
from tests.service.returns_service import euros
from tests.service.table_contents import nothing_changes, refusal


def wanted(price: int, quantity: int = 1, currency: str = "EUR") -> list[Any]:
    unit_price = {"amount": price, "currency": currency}
    return [{"line_id": "x", "sku": "BOOT", "name": "Boot", "quantity": quantity,
             "unit_price": unit_price}]  # fmt: skip


def exchange(returns: Returns, order_id: str, price: int | None = None, **options: Any) -> Any:
    """Quote an exchange of a shoe, for its like unless a price is told."""
    if price is not None:
        options["exchange_for"] = wanted(price)
    reply = returns.quote(order_id, {"1": 1}, outcome="exchange", **options)
    assert reply.status == 201, reply.body
    return reply.body


def created(returns: Returns) -> Any:
    returns.pump(times=2)
    (told,) = returns.events("exchange.created")
    assert told["external_id"] == told["exchange_id"] == told["return_id"]
    paid = sum(line["paid"]["amount"] for line in told["lines"])
    assert sum(tender["paid"]["amount"] for tender in told["tenders"]) == paid
    return told


def test_a_shoe_is_exchanged_for_its_like_by_the_customer(returns: Returns) -> None:
    order_id = returns.bought()
    quote = exchange(returns, order_id, role="customer", subject="cus_1")
    assert (quote["exchange"]["due"], quote["refund"]["legs"]) == (euros(0), [])
    return_id = returns.open(quote["id"], role="customer", subject="cus_1").body["id"]
    returns.pump()
    assert returns.events("exchange.created") == []
    returns.received(return_id, role="integration")

    told = created(returns)
    assert (told["source"], told["handed_over"], told["currency"]) == ("exchange", False, "EUR")
    (line,) = told["lines"]
    assert (line["sku"], line["quantity"], line["paid"]) == ("SHOE", 1, euros(5_000))
    assert told["tenders"] == [{"type": "card", "paid": euros(5_000), "reference": "pi_1001"}]
    assert returns.paid() == []
    back = returns.get(return_id)
    assert (back["status"], back["exchange"]["created"]) == ("resolved", True)
    # What was exchanged is told as come back, so that its points are taken.
    (succeeded,) = returns.events("refund.succeeded")
    assert (succeeded["lines"], succeeded["legs"]) == ([{"line_id": "1", "quantity": 1}], [])


def test_an_odd_price_is_exchanged_without_a_cent_missing(returns: Returns) -> None:
    lines = [{"line_id": "1", "sku": "SOCK", "name": "Sock", "quantity": 3, "paid": euros(1_000)}]
    order_id = returns.ordered(
        lines=lines, tenders=[{"type": "card", "paid": euros(1_000), "reference": "pi_1"}]
    )
    returns.delivered(order_id, {"1": 3})
    for units in (1, 2):
        quote = returns.quote(order_id, {"1": units}, outcome="exchange").body
        assert quote["exchange"]["due"] == euros(0)
        returns.received(returns.open(quote["id"]).body["id"], role="integration")
    returns.pump()
    told = returns.events("exchange.created")
    worth = [sum(line["paid"]["amount"] for line in one["lines"]) for one in told]
    assert worth == [333, 667]


def test_what_is_cheaper_gives_the_difference_back(returns: Returns) -> None:
    order_id = returns.bought()
    quote = exchange(returns, order_id, 4_000, role="terminal", method="store")
    assert [leg["paid"] for leg in quote["refund"]["legs"]] == [euros(1_000)]
    return_id = returns.open(quote["id"], role="terminal").body["id"]
    returns.received(return_id, role="terminal", subject="till")

    told = created(returns)
    assert (told["handed_over"], told["store_id"]) == (True, "store_12")
    assert told["tenders"] == [{"type": "card", "paid": euros(4_000), "reference": "pi_1001"}]
    assert [one["amount"] for one in returns.paid()] == [1_000]
    assert returns.get(return_id)["status"] == "resolved"


def test_what_is_dearer_is_paid_for_first(returns: Returns) -> None:
    order_id = returns.bought()
    quote = exchange(returns, order_id, 6_000, role="terminal", method="store")
    assert quote["exchange"]["due"] == euros(1_000)
    with nothing_changes(returns):
        for payment in (
            None,
            {"type": "cash", "paid": euros(999)},
            {"type": "cash", "paid": euros(1_001)},
            {"type": "cash", "paid": {"amount": 1_000, "currency": "USD"}},
        ):
            told = {"payment": payment} if payment else {}
            problem = refusal(
                returns.open(quote["id"], role="terminal", **told), 409, "PAYMENT_DUE"
            )
            assert problem["due"] == euros(1_000)
    payment = {"type": "card", "paid": euros(1_000), "reference": "pi_top"}
    return_id = returns.open(quote["id"], role="terminal", payment=payment).body["id"]
    returns.received(return_id, role="terminal")

    told = created(returns)
    assert told["tenders"] == [
        {"type": "card", "paid": euros(5_000), "reference": "pi_1001"},
        {"type": "card", "paid": euros(1_000), "reference": "pi_top"},
    ]
    assert returns.paid() == []


def test_nothing_is_paid_on_top_of_what_costs_nothing_more(returns: Returns) -> None:
    quote = exchange(returns, returns.bought())
    with nothing_changes(returns):
        paid = {"type": "cash", "paid": euros(1)}
        refusal(returns.open(quote["id"], payment=paid), 409, "PAYMENT_DUE")


def test_another_currency_is_no_price(returns: Returns) -> None:
    order_id = returns.bought()
    with nothing_changes(returns):
        reply = returns.quote(
            order_id, outcome="exchange", exchange_for=wanted(5_000, currency="USD")
        )
        refusal(reply, 422, "EXCHANGE_INVALID")


@pytest.mark.parametrize("end", ["cancel", "reject", "expire"])
def test_what_was_paid_on_top_is_given_back_when_there_is_no_exchange(
    returns: Returns, end: str
) -> None:
    returns.publish(terms={"decision": "review" if end == "reject" else "approve"})
    quote = exchange(returns, returns.bought(), 6_000)
    payment = {"type": "card", "paid": euros(1_000), "reference": "pi_top"}
    return_id = returns.open(quote["id"], payment=payment).body["id"]
    if end == "expire":
        returns.later(days=15)
        returns.watch()
    else:
        returns.done(returns.command(return_id, end, {"reason": "no"}))
    returns.pump(times=2)

    (paid,) = returns.paid()
    assert (paid["reference"], paid["amount"]) == ("pi_top", 1_000)
    (told,) = returns.events("refund.succeeded")
    assert told["lines"] == []
    assert returns.get(return_id)["status"] in ("cancelled", "rejected", "expired")


def test_an_exchange_of_which_half_is_missing_becomes_a_refund(returns: Returns) -> None:
    quote = returns.quote(
        returns.bought(), {"1": 2}, outcome="exchange", exchange_for=wanted(6_000, 2)
    ).body
    payment = {"type": "card", "paid": euros(2_000), "reference": "pi_top"}
    return_id = returns.open(quote["id"], payment=payment).body["id"]
    returns.received(return_id, ("1", 1, "as_new"), role="integration")
    returns.pump()
    assert returns.paid() == []
    returns.received(return_id, ("1", 1, "empty_box"), role="integration")
    returns.pump(times=2)

    assert returns.events("exchange.created") == []
    paid = {one["reference"]: one["amount"] for one in returns.paid()}
    assert paid == {"pi_1001": 5_000, "pi_top": 2_000}
    back = returns.get(return_id)
    assert (back["outcome"], back["status"]) == ("refund", "partially_resolved")


def test_an_exchange_is_created_once_however_often_its_goods_are_received(
    returns: Returns,
) -> None:
    quote = returns.quote(returns.bought(), {"1": 2}, outcome="exchange").body
    return_id = returns.open(quote["id"]).body["id"]
    for key in ("a", "a", "b", "b"):
        body = {"lines": [{"line_id": "1", "quantity": 1, "condition": "as_new"}]}
        returns.done(returns.command(return_id, "receive", body, key=key))
    told = created(returns)
    assert [line["quantity"] for line in told["lines"]] == [2]
