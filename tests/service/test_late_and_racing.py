"""What must also hold: repeats that race, facts that are late, stores and baskets, old programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_core.table import Item, Key, Table
from tests.service.conftest import START, Loyalty, purchase

DEFINITION = {
    "name": "Main",
    "accrual_rules": [{"type": "spend", "id": "spend", "points": 1}],
    "point_value": {"points": 100, "value": {"amount": 100, "currency": "EUR"}},
}


def publish(loyalty: Loyalty, **changes: Any) -> None:
    reply = loyalty.call(
        "PUT", "/programs/{program_id}", DEFINITION | changes, role="admin", program_id="main"
    )
    assert reply.status == 200, reply.body


def till(loyalty: Loyalty, verb: str, account_id: str, held: str, store_id: str) -> int:
    reply = loyalty.redemption(
        verb, account_id, held, role="terminal", subject=f"{store_id}/till_1", store_id=store_id
    )
    return reply.status


@pytest.mark.parametrize("verb", ["authorize", "capture", "reverse", "adjust"])
def test_a_repeat_that_overtakes_its_first_answer_gets_the_receipt(
    loyalty: Loyalty, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    account_id = loyalty.enrol()
    loyalty.buy(account_id, 1_000, "ord_1")
    held = "" if verb == "adjust" else _prepare(loyalty, account_id, verb)

    def act() -> Any:
        if verb == "authorize":
            return loyalty.redeem(account_id, 10, key="k")
        if verb == "adjust":
            body = {"points": -10, "reason": "goodwill"}
            return loyalty.call(
                "POST", "/accounts/{account_id}/adjust", body, role="staff", key="k",
                account_id=account_id,
            )  # fmt: skip
        role = "staff" if verb == "reverse" else "integration"
        return loyalty.redemption(verb, account_id, held, key="k", role=role)

    first = act()
    assert first.status in (200, 201), first.body
    # The repeat's read saw the account after the first attempt, and the key before it.
    read = Table.get
    blind = iter([True])

    def read_in_pieces(table: Table, *keys: Key) -> list[Item | None]:
        items = read(table, *keys)
        return [*items[:2], *(None for _ in items[2:])] if next(blind, False) else items

    monkeypatch.setattr(Table, "get", read_in_pieces)
    again = act()
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)


def _prepare(loyalty: Loyalty, account_id: str, verb: str) -> str:
    if verb == "authorize":
        return ""
    held = str(loyalty.redeem(account_id, 10).body["id"])
    if verb == "reverse":
        loyalty.redemption("capture", account_id, held)
    return held


def test_a_hold_belongs_to_the_store_of_its_till(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol()
    loyalty.buy(account_id, 10_000, "ord_1")
    held = loyalty.redeem(account_id, 10, body={"location_id": "store_12"}).body["id"]
    online = loyalty.redeem(account_id, 10).body["id"]

    assert till(loyalty, "capture", account_id, held, "store_99") == 403
    assert till(loyalty, "void", account_id, held, "store_99") == 403
    assert till(loyalty, "capture", account_id, held, "store_12") == 200
    assert till(loyalty, "capture", account_id, online, "store_99") == 200


def test_reporting_late_does_not_undo_the_daily_limit(loyalty: Loyalty) -> None:
    publish(loyalty, limits={"points_per_day": 100})
    account_id = loyalty.enrol()
    for day in range(40):
        loyalty.buy(account_id, 1_000, f"ord_{day}", occurred_at=START - timedelta(days=day))
    late = [
        loyalty.buy(account_id, 8_000, f"late_{number}", occurred_at=START - timedelta(days=9))
        for number in range(3)
    ]
    forgotten = loyalty.buy(account_id, 8_000, "old", occurred_at=START - timedelta(days=90))

    assert [reply.body["points"] for reply in late] == [80, 10, 0]
    assert forgotten.body["points"] == 0


def test_reporting_late_does_not_reset_the_cap_of_an_action(loyalty: Loyalty) -> None:
    rule = {
        "type": "action", "id": "review", "action": "review", "points": 50,
        "limit": {"times": 1, "period": "month"},
    }  # fmt: skip
    publish(loyalty, accrual_rules=[rule], limits={"points_per_day": 70})
    account_id = loyalty.enrol()

    def review(reference: str, days_ago: int) -> int:
        at = rfc3339(START - timedelta(days=days_ago))
        action = {"type": "review", "reference": reference, "occurred_at": at}
        return loyalty.accumulate(account_id, {"action": action}).status

    assert [review("a", 0), review("b", 0), review("c", 40), review("d", 0), review("e", 41)] == [
        201, 409, 201, 409, 409,
    ]  # fmt: skip
    assert loyalty.balance(account_id)["available"] == 100


def test_old_orders_keep_the_program_of_their_purchase(loyalty: Loyalty) -> None:
    window = {"mode": "return_window", "days": 14, "fallback_days": 60}
    publish(loyalty, pending={"web": window}, limits={"negative_floor": 0})
    account_id = loyalty.enrol()
    loyalty.buy(account_id, 10_000, "ord_1", channel="web")
    loyalty.buy(account_id, 5_000, "ord_2")
    publish(loyalty, pending={"web": {"mode": "days", "days": 90}})

    loyalty.hear("order.delivered", {"order_id": "ord_1", "delivered_at": rfc3339(START)})
    loyalty.later(days=14)
    assert loyalty.balance(account_id)["available"] == 150
    loyalty.redeem(account_id, 150)
    loyalty.hear("order.cancelled", {"order_id": "ord_2"})
    assert loyalty.balance(account_id)["owed"] == 0


def test_a_refund_of_a_cancelled_order_takes_nothing_twice(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol()
    loyalty.buy(account_id, 10_000, "ord_1")
    loyalty.buy(account_id, 1_000, "ord_2")
    loyalty.hear("order.cancelled", {"order_id": "ord_1"})
    lines = [{"line_id": "1", "quantity": 1}]
    loyalty.hear("refund.succeeded", {"refund_id": "r", "order_id": "ord_1", "lines": lines})

    assert loyalty.balance(account_id)["available"] == 10


def test_what_happened_to_a_guests_order_is_known_when_the_guest_enrols(loyalty: Loyalty) -> None:
    order = {
        "order_id": "ord_1",
        "channel": "pos",
        "customer": {"email": "guest@example.com"},
        "placed_at": rfc3339(START),
        "lines": purchase("ord_1", [5_000])["lines"],
    }
    bad = {"order_id": "ord_1", "lines": [{"line_id": "no such line", "quantity": 1}]}
    loyalty.hear("order.placed", order)
    loyalty.hear("order.cancelled", bad, event_id="evt_a")
    lines = [{"line_id": "1", "quantity": 1}]
    loyalty.hear(
        "refund.succeeded", {"refund_id": "r", "order_id": "ord_1", "lines": lines}, "evt_b"
    )
    loyalty.later(days=120)
    account_id = loyalty.enrol(identifiers=[{"type": "email", "value": "guest@example.com"}])
    loyalty.hear_own(account_id)
    with pytest.raises(ExceptionGroup, match="parked"):
        loyalty.hear_own(account_id)

    assert loyalty.balance(account_id)["available"] == 0


def test_members_of_another_program_earn_from_the_bus(loyalty: Loyalty) -> None:
    reply = loyalty.call(
        "PUT", "/programs/{program_id}", DEFINITION, role="admin", program_id="club"
    )
    assert reply.status == 200
    account_id = loyalty.enrol(customer_id="cus_club", program_id="club")
    order = {
        "order_id": "ord_1",
        "channel": "pos",
        "customer": {"customer_id": "cus_club"},
        "placed_at": rfc3339(START),
        "lines": purchase("ord_1", [5_000])["lines"],
    }
    loyalty.hear("order.placed", order)

    assert loyalty.balance(account_id)["available"] == 50


def test_long_keys_do_not_break_the_pages_of_the_ledger(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol()
    subject = "s" * 900
    for number in range(3):
        reply = loyalty.call(
            "POST", "/accounts/{account_id}/adjust", {"points": 1, "reason": "x"}, role="staff",
            subject=subject, key=f"{number}" + "k" * 254, account_id=account_id,
        )  # fmt: skip
        assert reply.status == 201
    seen: list[int] = []
    query = {"limit": "1"}
    for is_last in (False, False, False, True):
        page = loyalty.call(
            "GET", "/accounts/{account_id}/events", query=query, account_id=account_id
        ).body
        seen += [event["seq"] for event in page["events"]]
        assert (page["cursor"] is None) is is_last
        query["cursor"] = page["cursor"]
    assert seen == [4, 3, 2, 1]
