"""A return from its quote to its money."""

from __future__ import annotations

from tests.service.conftest import Returns
from tests.service.returns_service import euros


def test_half_comes_back_over_the_counter(returns: Returns) -> None:
    order_id = returns.bought()
    quote = returns.quote(order_id, {"1": 1}, role="customer", subject="cus_1")
    assert quote.status == 201, quote.body
    assert quote.body["refund"]["legs"] == [
        {"tender": "card", "paid": euros(5_000), "points": None}
    ]
    opened = returns.open(quote.body["id"], role="customer", subject="cus_1")
    assert opened.status == 201, opened.body
    return_id = opened.body["id"]
    assert opened.body["status"] == "approved"
    code = returns.call("GET", "/returns/{return_id}/code", return_id=return_id)
    assert code.status == 200, code.body
    redeemed = returns.call(
        "POST", "/codes/redeem", {"code": code.body["code"]}, role="terminal", subject="till"
    )
    assert redeemed.status == 201, redeemed.body
    returns.pump()
    back = returns.get(return_id)
    assert back["status"] == "resolved", back
    assert [one["amount"] for one in returns.paid()] == [5_000]
    again = returns.call(
        "POST", "/codes/redeem", {"code": code.body["code"]}, role="terminal", subject="till"
    )
    assert (again.status, again.body["code"]) == (409, "CODE_ALREADY_USED")
    assert returns.kinds(order_id) == [
        "return_book.opened",
        "return_book.updated",
        "return.requested",
        "return.approved",
        "return.received",
        "refund.planned",
        "refund.submitted",
        "refund.succeeded",
        "return.closed",
    ]
