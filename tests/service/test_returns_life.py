"""Returns from their quotes to their money: each way back, each outcome, each turn on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tests.service.conftest import Returns
from tests.service.returns_service import HOME, euros, redemption
from tests.service.table_contents import contents, nothing_changes, refusal


def quoted_leg(tender: str, paid: int | None, points: int | None = None) -> dict[str, Any]:
    shown = None if paid is None else euros(paid)
    return {"tender": tender, "paid": shown, "points": points, "bonus": False}


CARD = [quoted_leg("card", 5_000)]


def axes(back: Any, line_id: str = "1") -> tuple[str, str, str]:
    """Where a line is: what was decided, where its units are, how far its money is."""
    (line,) = [one for one in back["lines"] if one["line_id"] == line_id]
    return line["decision"], line["logistics"], line["money"]


def amounts(returns: Returns) -> list[int]:
    return [one["amount"] for one in returns.paid()]


# --- ways back ------------------------------------------------------------------------------------


def test_half_comes_back_over_the_counter(returns: Returns) -> None:
    order_id = returns.bought()
    quote = returns.quote(order_id, {"1": 1}, role="customer", subject="cus_1")
    assert quote.status == 201, quote.body
    assert quote.body["refund"]["legs"] == CARD
    opened = returns.open(quote.body["id"], role="customer", subject="cus_1")
    assert opened.status == 201, opened.body
    return_id = opened.body["id"]
    assert opened.body["status"] == "approved"

    code = returns.code(return_id)
    assert returns.code(return_id) == code
    redeemed = returns.redeem(code)
    assert redeemed.status == 201, redeemed.body
    returns.pump()

    back = returns.get(return_id)
    assert (back["status"], axes(back)) == ("resolved", ("approved", "handed_over", "succeeded"))
    assert amounts(returns) == [5_000]
    refusal(returns.redeem(code), 409, "CODE_ALREADY_USED")
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


def test_a_parcel_with_our_label_pays_when_it_is_received(returns: Returns) -> None:
    order_id = returns.bought()
    opened = returns.open(returns.quoted(order_id), address=HOME)
    assert opened.body["label"] == {"state": "wanted", "url": None, "reason": ""}
    return_id = opened.body["id"]
    returns.pump()

    (label,) = returns.labels()
    back = returns.get(return_id)
    assert back["label"]["state"] == "bought"
    assert back["label"]["url"] == label["postage_label"]["label_url"]
    number = label["tracking_code"]
    assert back["parcels"] == [{"carrier": "USPS", "tracking_number": number}]
    (added,) = returns.events("return.parcel_added")
    assert (added["carrier"], added["tracking_number"]) == ("USPS", number)
    assert added["label_url"] == label["postage_label"]["label_url"]
    assert not any("ADDRESS#" in sk for _, sk in contents(returns))

    returns.later(hours=2)
    returns.scanned(order_id, number, carrier="usps")
    assert axes(returns.get(return_id)) == ("approved", "in_transit", "planned")
    returns.later(days=2)
    returns.scanned(order_id, number, "delivered", carrier="usps")
    back = returns.get(return_id)
    assert (back["status"], axes(back)) == ("in_progress", ("approved", "arrived", "planned"))
    assert amounts(returns) == []

    returns.received(return_id)
    returns.pump()
    back = returns.get(return_id)
    assert (back["status"], axes(back)) == ("resolved", ("approved", "received", "succeeded"))
    assert amounts(returns) == [5_000]


def test_who_is_trusted_is_paid_at_the_first_scan(returns: Returns) -> None:
    for number in range(5):
        returns.bought(f"before-{number}")
    order_id = returns.bought()
    return_id = returns.opened(order_id)
    parcel = {"carrier": "UPS", "tracking_number": "1Z 999"}
    added = returns.command(return_id, "parcels", parcel, role="integration", subject="shop")
    assert added.status == 201, added.body

    returns.later(hours=1)
    returns.scanned(order_id, "1Z999", "label_created")
    assert axes(returns.get(return_id)) == ("approved", "awaiting", "planned")
    returns.scanned(order_id, "1Z999")
    returns.pump()

    back = returns.get(return_id)
    assert (back["status"], axes(back)) == ("in_progress", ("approved", "in_transit", "succeeded"))
    assert amounts(returns) == [5_000]
    assert back["time_to_refund"]["seconds"] == 0
    returns.received(return_id)
    returns.pump()
    assert returns.get(return_id)["status"] == "resolved"
    assert amounts(returns) == [5_000]


def test_a_scan_from_before_the_return_is_of_another_journey(returns: Returns) -> None:
    order_id = returns.bought()
    returns.later(days=3)
    return_id = returns.opened(order_id)
    returns.command(return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z1"})
    before = rfc3339(returns.now.replace(day=returns.now.day - 1))
    returns.scanned(order_id, "1Z1", "delivered", handed_over_at=before, delivered_at=before)

    assert axes(returns.get(return_id)) == ("approved", "awaiting", "planned")


def test_a_parcel_that_was_registered_late_tells_all_at_once(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id)
    returns.command(return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z1"})
    returns.later(days=1)
    told = returns.scanned(order_id, "1Z1", "delivered").data
    assert axes(returns.get(return_id)) == ("approved", "arrived", "planned")
    with nothing_changes(returns):
        returns.hear("orders", "shipment.registered", told)


def test_a_parcel_that_is_lost_frees_its_units_and_one_that_is_found_takes_them_again(
    returns: Returns,
) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"2": 1})
    returns.command(return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z1"})
    returns.later(days=1)
    returns.scanned(order_id, "1Z1")
    returns.scanned(order_id, "1Z1", "failed")
    assert axes(returns.get(return_id), "2") == ("approved", "lost", "none")
    assert returns.get(return_id)["status"] == "partially_resolved"
    assert amounts(returns) == []

    returns.later(days=5)
    returns.scanned(order_id, "1Z1", "delivered")
    returns.received(return_id)
    returns.pump()
    assert axes(returns.get(return_id), "2") == ("approved", "received", "succeeded")
    assert amounts(returns) == [2_500]


def test_a_parcel_that_goes_back_to_its_sender_brings_nothing(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id)
    returns.command(return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z1"})
    returns.later(days=1)
    with nothing_changes(returns):
        returns.scanned(order_id, "1Z1", "returned")
    assert axes(returns.get(return_id)) == ("approved", "awaiting", "planned")


def test_a_drop_off_pays_as_the_policy_says(returns: Returns) -> None:
    returns.publish(terms={"trigger": dict.fromkeys(("low", "normal", "high"), "first_scan")})
    order_id = returns.bought()
    return_id = returns.opened(order_id, method="drop_off")
    returns.command(return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z1"})
    returns.later(hours=1)
    returns.scanned(order_id, "1Z1", "picked_up")
    returns.pump()

    assert axes(returns.get(return_id)) == ("approved", "in_transit", "succeeded")
    assert amounts(returns) == [5_000]


def test_what_is_kept_is_paid_at_once(returns: Returns) -> None:
    returns.publish(terms={"keep_below": [euros(6_000)]})
    order_id = returns.bought()
    back = returns.open(returns.quoted(order_id, method="keep", reason="damaged")).body
    assert axes(back) == ("approved", "not_required", "reserved")
    assert back["ship_by"] is None
    returns.pump()

    back = returns.get(back["id"])
    assert (back["status"], axes(back)) == ("resolved", ("approved", "not_required", "succeeded"))
    assert amounts(returns) == [5_000]
    assert returns.events("return.received") == []


def test_cash_is_paid_at_the_counter_where_the_goods_are(returns: Returns) -> None:
    order_id = returns.bought(tenders=[{"type": "cash", "paid": euros(12_500)}])
    return_id = returns.opened(order_id, method="store", role="terminal", subject="till")
    back = returns.received(return_id, role="terminal", subject="till")

    assert (back["status"], axes(back)) == ("resolved", ("approved", "handed_over", "succeeded"))
    assert back["refund"]["refunds"][0]["provider"] == "tandem"
    assert amounts(returns) == []


def test_cash_for_a_parcel_is_paid_by_a_person(returns: Returns) -> None:
    order_id = returns.bought(tenders=[{"type": "cash", "paid": euros(12_500)}])
    return_id = returns.opened(order_id)
    returns.received(return_id, role="integration")
    returns.pump()
    (refund,) = returns.get(return_id)["refund"]["refunds"]
    assert (refund["state"], refund["reason"]) == ("requires_action", "no_provider")

    settled = returns.command(
        return_id,
        "refunds/{refund_id}/settle",
        {"outcome": "succeeded", "reference": "slip 7"},
        refund_id=refund["id"],
        role="terminal",
        subject="till",
    )
    assert settled.status == 200, settled.body
    assert settled.body["status"] == "resolved"
    (refund,) = settled.body["refund"]["refunds"]
    assert (refund["provider"], refund["provider_reference"]) == ("person", "slip 7")


# --- begun here, ended there ----------------------------------------------------------------------


def test_begun_in_the_app_as_a_parcel_and_ended_at_the_counter(returns: Returns) -> None:
    order_id = returns.bought(tenders=[{"type": "cash", "paid": euros(12_500)}])
    quote_id = returns.quoted(order_id, {"1": 2}, role="customer", subject="cus_1")
    back = returns.open(quote_id, role="customer", subject="cus_1", address=HOME).body
    returns.pump()
    ended = returns.received(back["id"], role="terminal", subject="till", store_id="store_9")

    assert axes(ended) == ("approved", "handed_over", "succeeded")
    assert ended["status"] == "resolved"
    returns.pump()
    (told,) = returns.events("return.received")
    assert (told["location_id"], told["accepted"]) == (
        "store_9",
        [{"line_id": "1", "quantity": 2}],
    )


def test_begun_at_the_counter_and_ended_as_a_parcel(returns: Returns) -> None:
    order_id = returns.bought()
    quote_id = returns.quoted(order_id, method="store", role="terminal", subject="till")
    return_id = returns.open(quote_id, role="terminal", subject="till").body["id"]
    parcel = {"carrier": "ups", "tracking_number": "1Z1"}
    added = returns.command(return_id, "parcels", parcel, role="customer", subject="cus_1")
    assert added.status == 201, added.body
    returns.later(days=1)
    returns.scanned(order_id, "1Z1", "delivered")
    back = returns.received(return_id, role="integration")
    returns.pump()

    assert axes(back) == ("approved", "received", "reserved")
    assert returns.get(return_id)["status"] == "resolved"
    assert amounts(returns) == [5_000]


def test_the_second_half_of_the_same_return_comes_later_by_post(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"1": 2, "2": 1})
    half = returns.received(return_id, ("1", 1, "as_new"), role="terminal", subject="till")
    assert half["status"] == "in_progress"
    assert half["lines"][0]["units"] == {"awaiting": 1, "handed_over": 1}
    returns.pump()
    assert amounts(returns) == [5_000]

    returns.received(return_id, role="integration")
    returns.pump()
    back = returns.get(return_id)
    assert back["status"] == "resolved"
    assert sorted(amounts(returns)) == [5_000, 7_500]
    told = [one["lines"] for one in returns.events("refund.succeeded")]
    assert told == [
        [{"line_id": "1", "quantity": 1}],
        [{"line_id": "1", "quantity": 1}, {"line_id": "2", "quantity": 1}],
    ]


# --- without a receipt, and gifts -----------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        {"identifier": {"type": "email", "value": "Amy@Example.com"}},
        {"identifier": {"type": "phone", "value": "+49 170 1234567"}},
        {"identifier": {"type": "card", "value": "9780000000001"}},
        {"customer_id": "cus_1"},
    ],
)
def test_a_purchase_is_found_without_its_receipt(returns: Returns, wanted: Any) -> None:
    returns.hear(
        "loyalty",
        "account.enrolled",
        {
            "account_id": "acc_1",
            "customer_id": "cus_1",
            "identifiers": [
                {"type": "phone", "value": "+491701234567"},
                {"type": "card", "value": "9780000000001"},
                {"type": "never heard of", "value": "1"},
            ],
        },
    )
    order_id = returns.bought()
    returns.later(days=1)
    newer = returns.ordered("1002")
    returns.opened(order_id, {"1": 1})

    found = returns.done(returns.call("POST", "/purchases/search", wanted, role="terminal"))
    assert [one["order_id"] for one in found["orders"]] == [newer, order_id]
    shoe, hat = found["orders"][1]["lines"]
    assert (shoe["quantity"], shoe["left"], shoe["returnable"]) == (2, 1, 1)
    assert (hat["left"], hat["returnable"]) == (1, 1)
    assert [one["returnable"] for one in found["orders"][0]["lines"]] == [0, 0]
    assert "paid" not in str(found)


def test_nobody_is_found_by_what_nobody_has(returns: Returns) -> None:
    returns.bought()
    for wanted in (
        {"identifier": {"type": "email", "value": "bob@example.com"}},
        {"customer_id": "cus_2"},
    ):
        found = returns.done(returns.call("POST", "/purchases/search", wanted, role="terminal"))
        assert found == {"orders": []}


def test_a_gift_comes_back_for_a_card_and_its_price_is_not_shown(returns: Returns) -> None:
    order_id = returns.bought()
    quote = returns.quote(
        order_id, {"1": 1}, method="store", gift=True, outcome="store_credit", role="terminal"
    )
    assert quote.status == 201, quote.body
    assert quote.body["refund"]["legs"] == [quoted_leg("gift_card", None)]
    assert (quote.body["lines"][0]["refund"], quote.body["refund"]["fees"]) == (None, None)
    back = returns.open(quote.body["id"], role="terminal").body
    returns.received(back["id"], role="terminal")
    returns.pump()

    (paid,) = returns.paid()
    assert (paid["tender"], paid["amount"], paid["reference"]) == ("gift_card", 5_000, "")
    back = returns.get(back["id"])
    assert (back["gift"], back["status"]) == (True, "resolved")
    assert "5000" not in str(back)


def test_a_gift_is_not_refunded_to_who_brings_it(returns: Returns) -> None:
    quote = returns.quote(returns.bought(), method="store", gift=True, role="terminal")
    assert [line["code"] for line in quote.body["lines"]] == ["OUTCOME_NOT_OFFERED"]
    with nothing_changes(returns):
        refused = refusal(returns.open(quote.body["id"], role="terminal"), 409, "NOT_RETURNABLE")
    assert refused["lines"] == [{"line_id": "1", "code": "OUTCOME_NOT_OFFERED"}]


# --- store credit and tenders ---------------------------------------------------------------------


def test_store_credit_comes_with_a_bonus(returns: Returns) -> None:
    returns.publish(store_credit_bonus_percent=10)
    order_id = returns.bought()
    quote = returns.quote(order_id, {"1": 1}, outcome="store_credit").body
    credit = [
        (leg["tender"], leg["paid"]["amount"], leg["bonus"]) for leg in quote["refund"]["legs"]
    ]
    assert credit == [("store_credit", 5_000, False), ("store_credit", 500, True)]
    back = returns.open(quote["id"]).body
    assert [leg["bonus"] for leg in back["refund"]["legs"]] == [False, True]
    returns.received(back["id"])
    returns.pump()

    assert sorted(amounts(returns)) == [500, 5_000]
    assert {one["reference"] for one in returns.paid()} == {"cus_1"}
    assert returns.get(back["id"])["status"] == "resolved"


def test_each_tender_gets_its_own_back_and_points_stay_points(returns: Returns) -> None:
    order_id = returns.ordered(
        tenders=[
            {"type": "card", "paid": euros(9_000), "reference": "pi_1"},
            {"type": "points", "paid": euros(2_000), "reference": "rdm_1"},
            {"type": "gift_card", "paid": euros(1_500), "reference": "GIFT-1"},
        ]
    )
    returns.delivered(order_id)
    returns.hear(
        "loyalty",
        "redemption.captured",
        {"account_id": "acc_1", "redemption": redemption("rdm_1", 2_000, euros(2_000))},
    )
    points = [{"line_id": "1", "quantity": 2, "points": 84}]
    returns.hear("loyalty", "points.earned", {"order_id": order_id, "lines": points})

    quote = returns.quote(order_id, {"1": 1}).body["refund"]
    assert quote["legs"] == [
        quoted_leg("points", 2_000, 2_000),
        quoted_leg("gift_card", 1_500),
        quoted_leg("card", 1_500),
    ]
    assert (quote["points_restored"], quote["points_taken"]) == (2_000, 42)

    for units in ({"1": 1}, {"1": 1, "2": 1}):
        returns.received(returns.opened(order_id, units))
        returns.pump()
    assert sorted((one["tender"], one["reference"], one["amount"]) for one in returns.paid()) == [
        ("card", "pi_1", 1_500),
        ("card", "pi_1", 7_500),
        ("gift_card", "GIFT-1", 1_500),
    ]
    (told,) = [
        one for one in returns.events("refund.succeeded") if one["legs"][0]["tender"] == "points"
    ]
    (leg,) = told["legs"]
    assert (leg["points"], leg["reference"]) == (2_000, "rdm_1")


# --- what comes back otherwise than it was sent ---------------------------------------------------


@pytest.mark.parametrize("condition", ["wrong_item", "short", "empty_box"])
def test_what_did_not_come_is_not_paid_and_can_be_told_right_later(
    returns: Returns, condition: str
) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"1": 2})
    back = returns.received(return_id, ("1", 1, "as_new"), ("1", 1, condition), role="integration")
    returns.pump()
    assert back["lines"][0]["units"] == {"received": 1, condition: 1}
    assert returns.get(return_id)["status"] == "partially_resolved"
    assert amounts(returns) == [5_000]
    (told,) = returns.events("return.received")
    assert told["accepted"] == [{"line_id": "1", "quantity": 1}]

    # It was only put aside, and is found: the rest is paid.
    back = returns.received(return_id, ("1", 1, "opened"), role="integration")
    returns.pump()
    assert returns.get(return_id)["status"] == "resolved"
    assert amounts(returns) == [5_000, 5_000]


def test_what_did_not_come_can_be_asked_back_again_but_not_twice(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"2": 1})
    returns.received(return_id, ("2", 1, "empty_box"), role="integration")
    again = returns.opened(order_id, {"2": 1})

    with nothing_changes(returns):
        found = returns.command(
            return_id,
            "receive",
            {"lines": [{"line_id": "2", "quantity": 1, "condition": "as_new"}]},
        )
        refusal(found, 409, "RETURN_EXCEEDS_PURCHASE")
    returns.received(again)
    returns.pump()
    assert amounts(returns) == [2_500]


def test_units_go_where_they_belong_and_are_restocked_once(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"1": 2, "2": 1})
    returns.received(return_id, role="integration")
    returns.inspected(return_id, ("1", 2, None))
    returns.inspected(return_id, ("1", 1, "restocked"), ("1", 1, "refurbish"), ("2", 1, "donate"))
    back = returns.inspected(return_id, ("1", 1, "restocked"))
    assert back["lines"][0]["units"] == {"restocked": 2}
    assert back["lines"][1]["units"] == {"donate": 1}
    with nothing_changes(returns):
        body = {"lines": [{"line_id": "1", "quantity": 1, "disposition": "restocked"}]}
        problem = refusal(returns.command(return_id, "inspect", body), 409, "INVALID_TRANSITION")
    assert problem["legal"] == []

    returns.pump()
    restocked = returns.events("item.restocked")
    assert [(one["sku"], one["quantity"]) for one in restocked] == [("SHOE", 1), ("SHOE", 1)]
    assert amounts(returns) == [12_500]
    assert returns.get(return_id)["status"] == "resolved"


def test_high_risk_is_paid_when_it_has_been_inspected(returns: Returns) -> None:
    returns.publish(limits={"max_returns": 1})
    order_id = returns.bought()
    returns.opened(order_id, {"2": 1})
    return_id = returns.opened(order_id, {"1": 1})
    assert returns.get(return_id)["status"] == "requested"
    returns.done(returns.command(return_id, "approve", {"reason": "a good customer"}))
    returns.received(return_id, role="integration")
    returns.pump()
    assert amounts(returns) == []
    assert returns.get(return_id)["status"] == "in_progress"

    returns.inspected(return_id, ("1", 1, "restocked"))
    returns.pump()
    assert amounts(returns) == [5_000]
    assert returns.get(return_id)["status"] == "resolved"


# --- people decide --------------------------------------------------------------------------------


def reviewed(returns: Returns, units: dict[str, int] | None = None) -> str:
    returns.publish(terms={"decision": "review"})
    return returns.opened(returns.bought(), units)


def test_a_person_approves_with_a_reason_and_their_name_is_kept(returns: Returns) -> None:
    return_id = reviewed(returns)
    assert axes(returns.get(return_id)) == ("needs_review", "awaiting", "planned")
    returns.later(days=3)
    reason = {"reason": "the photo shows it"}
    reply = returns.command(return_id, "approve", reason, role="staff", subject="amy")
    assert reply.status == 200, reply.body
    assert reply.body["status"] == "approved"
    # Its time to be sent begins with the approval.
    assert reply.body["ship_by"] == "2026-03-28T00:00:00.000000Z"

    (entry,) = [one for one in returns.journal() if one.type == "return.approved"]
    assert entry.origin.actor == "staff:amy"
    returns.pump()
    (told,) = returns.events("return.approved")
    assert told["reason"] == "the photo shows it"


def test_a_person_rejects_with_a_reason_and_the_units_are_free_again(returns: Returns) -> None:
    return_id = reviewed(returns, {"1": 2})
    order_id = returns.get(return_id)["order_id"]
    reply = returns.command(return_id, "reject", {"reason": "worn"}, role="staff", subject="amy")
    assert (reply.status, reply.body["status"]) == (200, "rejected")
    (entry,) = [one for one in returns.journal() if one.type == "return.rejected"]
    assert entry.origin.actor == "staff:amy"
    with nothing_changes(returns):
        for verb, body in (
            ("approve", {"reason": "no"}),
            ("reject", {"reason": "no"}),
            ("cancel", {}),
            ("receive", {}),
        ):
            problem = refusal(returns.command(return_id, verb, body), 409, "INVALID_TRANSITION")
            assert problem["state"] == "rejected"
    assert returns.quote(order_id, {"1": 2}).status == 201


def test_staff_override_what_the_policy_does_not_allow(returns: Returns) -> None:
    order_id = returns.bought()
    returns.later(days=60)
    refused = returns.quote(order_id).body
    assert [line["code"] for line in refused["lines"]] == ["OUTSIDE_WINDOW"]

    quote = returns.quote(order_id, override_reason="goodwill", role="staff", subject="amy").body
    line = quote["lines"][0]
    assert (line["eligible"], line["decision"]) == (True, "approved")
    assert {"OUTSIDE_WINDOW", "OVERRIDDEN"} <= {one["code"] for one in line["explanation"]}
    # Whoever executes it, it was her decision.
    opened = returns.open(quote["id"], role="customer", subject="cus_1")
    assert (opened.status, opened.body["override_reason"], opened.body["decided_by"]) == (
        201,
        None,
        None,
    )
    shown = returns.get(opened.body["id"], role="staff")
    assert (shown["override_reason"], shown["decision_reason"]) == ("goodwill", "goodwill")
    assert shown["decided_by"] == "staff:amy"
    (entry,) = [one for one in returns.journal() if one.type == "return.requested"]
    assert entry.origin.actor == "customer:cus_1"


# --- called off, forgotten, taken up again --------------------------------------------------------


def test_a_return_is_called_off_before_it_is_sent(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"1": 2})
    back = returns.done(returns.command(return_id, "cancel", role="customer", subject="cus_1"))
    assert (back["status"], axes(back)[0]) == ("cancelled", "cancelled")
    assert returns.opened(order_id, {"1": 2}) != return_id


def test_a_return_on_its_way_is_not_called_off(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id)
    returns.command(return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z1"})
    returns.later(hours=1)
    returns.scanned(order_id, "1Z1")
    with nothing_changes(returns):
        refusal(returns.command(return_id, "cancel"), 409, "INVALID_TRANSITION")


def test_nobody_sends_it_and_it_expires_and_a_later_scan_revives_it(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id)
    returns.command(return_id, "parcels", {"carrier": "ups", "tracking_number": "1Z1"})
    returns.later(days=14)
    returns.watch()
    assert returns.get(return_id)["status"] == "approved"
    returns.later(days=1)
    assert returns.watch() == {"seen": 1, "failed": 0}
    assert returns.get(return_id)["status"] == "expired"
    assert returns.watch() == {"seen": 0, "failed": 0}

    returns.later(days=1)
    returns.scanned(order_id, "1Z1", "delivered")
    assert axes(returns.get(return_id)) == ("approved", "arrived", "planned")
    returns.received(return_id)
    returns.pump()
    assert returns.get(return_id)["status"] == "resolved"
    assert returns.events("return.approved")[-1]["revived"] is True


def test_an_expired_return_whose_units_others_asked_for_is_not_revived(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"2": 1})
    returns.later(days=15)
    returns.watch()
    returns.opened(order_id, {"2": 1})
    with nothing_changes(returns):
        reply = returns.command(return_id, "receive", {})
        problem = refusal(reply, 409, "RETURN_EXCEEDS_PURCHASE")
    assert problem["left"] == [{"line_id": "2", "quantity": 0}]


# --- time to refund -------------------------------------------------------------------------------


def test_money_that_is_late_is_told_once(returns: Returns) -> None:
    returns.publish(refund_within_hours=2)
    return_id = returns.opened(returns.bought())
    returns.received(return_id, role="integration")
    (refund_id,) = [one["id"] for one in returns.get(return_id)["refund"]["refunds"]]
    returns.fault("late", match={"refund_id": refund_id})
    returns.pump()
    assert returns.get(return_id)["refund"]["refunds"][0]["state"] == "pending"
    returns.later(hours=1, minutes=59)
    returns.watch()
    assert returns.get(return_id)["time_to_refund"]["late"] is False
    for _ in range(3):
        returns.later(minutes=1)
        returns.watch()
    returns.pump()
    (late,) = returns.events("refund.late")
    assert late["refund_due_by"] == "2026-03-10T11:30:00.000000Z"

    returns.told(refund_id, "succeeded")
    returns.pump()
    measured = returns.get(return_id)["time_to_refund"]
    assert (measured["late"], measured["seconds"]) == (True, 2 * 3600 + 2 * 60)
    returns.later(days=3)
    assert returns.get(return_id)["time_to_refund"] == measured


def test_a_drop_off_point_is_told_the_code_and_the_money_goes_by_what_the_policy_waits_for(
    returns: Returns,
) -> None:
    by_risk = dict.fromkeys(("low", "normal", "high"), "drop_off")
    policy = {"name": "Main", "terms": {"trigger": by_risk}}
    put = returns.call("PUT", "/policies/{policy_id}", policy, role="admin", policy_id="main")
    assert put.status == 200, put.body
    returns.later(seconds=1)
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"1": 1}, method="drop_off")
    code = returns.call("GET", "/returns/{return_id}/code", return_id=return_id).body["code"]
    told = returns.call("POST", "/codes/redeem", {"code": code}, role="integration")
    assert (told.status, told.body["lines"][0]["logistics"]) == (201, "dropped_off"), told.body
    returns.pump()
    assert [one["amount"] for one in returns.paid()] == [5_000]
    again = returns.call("POST", "/codes/redeem", {"code": code}, role="integration")
    assert (again.status, again.body["code"]) == (409, "CODE_ALREADY_USED")
    assert returns.received(return_id, role="integration")["status"] == "resolved"


def test_what_waits_for_a_person_is_listed_and_told_when_it_waits_too_long(
    returns: Returns,
) -> None:
    policy = {"name": "Main", "terms": {"decision": "review"}}
    put = returns.call("PUT", "/policies/{policy_id}", policy, role="admin", policy_id="main")
    assert put.status == 200, put.body
    returns.later(seconds=1)
    order_id = returns.bought()
    waiting = [returns.opened(order_id, {"1": 1}), returns.opened(order_id, {"2": 1})]

    def listed() -> list[str]:
        query = {"status": "requested"}
        reply = returns.call("GET", "/returns", role="staff", query=query)
        assert reply.status == 200, reply.body
        return [one["id"] for one in reply.body["returns"]]

    assert sorted(listed()) == sorted(waiting)
    assert returns.command(waiting[0], "approve").status == 200
    assert listed() == waiting[1:]
    denied = returns.call("GET", "/returns", role="terminal", query={"status": "requested"})
    assert (denied.status, denied.body["code"]) == (403, "FORBIDDEN")
    returns.later(days=3)
    returns.watch()
    returns.watch()
    assert returns.kinds(order_id).count("return.overdue") == 1


def test_a_parcel_that_was_scanned_and_does_not_arrive_is_told_once(returns: Returns) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id, {"1": 1}, method="drop_off")
    code = returns.call("GET", "/returns/{return_id}/code", return_id=return_id).body["code"]
    told = returns.call("POST", "/codes/redeem", {"code": code}, role="integration")
    assert told.status == 201, told.body
    for _ in range(3):
        returns.later(days=8)
        returns.watch()
    assert returns.kinds(order_id).count("return.overdue") == 1


# --- where a parcel starts ------------------------------------------------------------------------


def test_an_address_is_kept_for_a_label_and_no_longer(returns: Returns) -> None:
    returns.publish(terms={"decision": "review"})
    at_the_counter = returns.quoted(returns.bought("a"), method="store")
    returns.done(returns.open(at_the_counter, address=HOME))
    assert not any("ADDRESS#" in sk for _, sk in contents(returns))
    for number, (verb, body) in enumerate((("reject", {"reason": "worn"}), ("cancel", {}))):
        order_id = returns.bought(f"{number}")
        back = returns.done(returns.open(returns.quoted(order_id), address=HOME))
        assert any("ADDRESS#" in sk for _, sk in contents(returns))
        returns.done(returns.command(back["id"], verb, body))
        assert not any("ADDRESS#" in sk for _, sk in contents(returns))


def test_a_parcel_that_is_told_twice_is_one_and_each_key_keeps_its_answer(
    returns: Returns,
) -> None:
    order_id = returns.bought()
    return_id = returns.opened(order_id)
    parcel = {"carrier": "ups", "tracking_number": "1Z1"}
    for key in ("one", "two"):
        first = returns.command(return_id, "parcels", parcel, key=key)
        assert (first.status, first.replayed) == (201, False)
        assert len(first.body["parcels"]) == 1
        with nothing_changes(returns):
            again = returns.command(return_id, "parcels", parcel, key=key)
            assert (again.body, again.replayed) == (first.body, True)
            other = {"carrier": "ups", "tracking_number": "1Z2"}
            reused = returns.command(return_id, "parcels", other, key=key)
            refusal(reused, 422, "IDEMPOTENCY_KEY_REUSED")
    assert returns.kinds(order_id).count("return.parcel_added") == 1
