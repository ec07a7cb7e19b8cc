"""Points that purchases and actions earn: how many, from when, until when, and once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tests.service.conftest import START, Loyalty, Reply, purchase
from tests.service.table_contents import nothing_changes, refusal

MAIN: dict[str, Any] = {
    "name": "Main",
    "accrual_rules": [{"type": "spend", "id": "spend", "points": 1}],
    "point_value": {"points": 100, "value": {"amount": 100, "currency": "EUR"}},
}


def put_program(loyalty: Loyalty, program_id: str = "main", **definition: Any) -> Reply:
    reply = loyalty.call(
        "PUT",
        "/programs/{program_id}",
        {**MAIN, **definition},
        role="admin",
        program_id=program_id,
    )
    assert reply.status == 200, reply.body
    return reply


def rules(*more: Any) -> list[Any]:
    return [*MAIN["accrual_rules"], *more]


def euros(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


def calculate(loyalty: Loyalty, account_id: str, body: Any, **options: Any) -> Reply:
    return loyalty.call(
        "POST", "/accounts/{account_id}/calculate", body, account_id=account_id, **options
    )


def reasons(reply: Reply) -> dict[str, tuple[bool, str, str]]:
    """The explanation by rule: whether it fired, why, and the arithmetic."""
    return {
        note["rule_id"]: (note["fired"], note["reason"], note["detail"])
        for note in reply.body["explanation"]
    }


@pytest.fixture
def member(loyalty: Loyalty) -> str:
    return loyalty.enrol(customer_id="cus_1")


# --- at once, or later ----------------------------------------------------------------------------


def test_a_purchase_at_the_till_can_be_spent_at_once(loyalty: Loyalty, member: str) -> None:
    reply = loyalty.buy(member, 1299, "ord_1", role="terminal")

    assert reply.status == 201
    event = reply.body
    assert (event["type"], event["points"], event["seq"]) == ("points.earned", 12, 2)
    assert event["balance"] == {"available": 12, "pending": 0, "held": 0, "owed": 0}
    assert (event["order_id"], event["channel"]) == ("ord_1", "pos")
    assert event["location_id"] == "store_12"
    assert event["actor"] == "terminal:shop"
    assert event["program"] == "main@1"
    assert event["expires_on"] == "2027-03-31"
    assert event["postings"] == {"available": 12, "issuance": -12}
    account = loyalty.account(member)
    assert account["balance"] == event["balance"]
    assert account["lifetime_points"] == 12
    assert account["expiring"] == [{"points": 12, "expires_on": "2027-03-31"}]


@pytest.mark.parametrize("channel", ["web", "app", "marketplace", "social"])
def test_a_purchase_online_matures_by_time_alone(
    loyalty: Loyalty, member: str, channel: str
) -> None:
    reply = loyalty.buy(member, 5000, "ord_1", channel=channel)

    assert reply.body["type"] == "points.pending"
    assert reply.body["matures_at"] == "2026-05-09T09:30:00.000000Z"
    assert loyalty.balance(member) == {"available": 0, "pending": 50, "held": 0, "owed": 0}

    loyalty.later(days=60, seconds=-1)
    assert loyalty.balance(member)["pending"] == 50
    loyalty.later(seconds=1)
    with nothing_changes(loyalty):
        assert loyalty.balance(member) == {"available": 50, "pending": 0, "held": 0, "owed": 0}


def test_points_that_have_matured_by_time_can_be_spent(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 5000, "ord_1", channel="web")
    refusal(loyalty.redeem(member, 50), 409, "INSUFFICIENT_POINTS")
    loyalty.later(days=60)

    assert loyalty.redeem(member, 50).status == 201
    kinds = [event["type"] for event in loyalty.events(member)]
    assert kinds[:2] == ["redemption.authorized", "points.activated"]


def test_points_end_with_the_month_after_a_year(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 5000, "ord_1")
    loyalty.now = loyalty.now.replace(year=2027, month=3, day=31, hour=23, minute=59)
    assert loyalty.balance(member)["available"] == 50

    loyalty.later(minutes=1)
    assert loyalty.balance(member)["available"] == 0
    assert loyalty.account(member)["lifetime_points"] == 50
    assert loyalty.account(member)["expiring"] == []


def test_a_purchase_too_small_for_a_point_is_known_all_the_same(
    loyalty: Loyalty, member: str
) -> None:
    reply = loyalty.buy(member, 99, "ord_1", channel="web")

    assert (reply.status, reply.body["points"]) == (201, 0)
    assert loyalty.balance(member) == {"available": 0, "pending": 0, "held": 0, "owed": 0}
    assert loyalty.buy(member, 99, "ord_1", channel="web").replayed


# --- one order, one accrual -----------------------------------------------------------------------


def test_till_shop_and_bus_report_one_order_and_it_earns_once(
    loyalty: Loyalty, member: str
) -> None:
    first = loyalty.buy(member, 5000, "ord_1", role="terminal", key="till-1")
    second = loyalty.buy(member, 5000, "ord_1", key="shop-1")
    for _ in range(2):
        placed = {
            **purchase("ord_1", [5000]),
            "customer": {"customer_id": "cus_1"},
            "placed_at": rfc3339(START),
        }
        loyalty.hear("order.placed", placed)

    assert (first.replayed, second.replayed) == (False, True)
    assert second.body == first.body
    assert loyalty.balance(member)["available"] == 50
    assert [entry.type for entry in loyalty.entries(member)] == [
        "account.enrolled",
        "points.earned",
    ]


def test_the_bus_may_be_first(loyalty: Loyalty, member: str) -> None:
    placed = {
        **purchase("ord_1", [5000]),
        "customer": {"customer_id": "cus_1"},
        "placed_at": rfc3339(START),
    }
    loyalty.hear("order.placed", placed)

    with nothing_changes(loyalty):
        reply = loyalty.buy(member, 5000, "ord_1", role="terminal", key="till-1")
    assert (reply.status, reply.replayed, reply.body["points"]) == (201, True, 50)


def test_a_repeat_is_answered_as_the_first_time_long_after(loyalty: Loyalty, member: str) -> None:
    bought_at = loyalty.now
    first = loyalty.buy(member, 5000, "ord_1", key="k", occurred_at=bought_at)
    for number in range(20):
        loyalty.buy(member, 100, f"other_{number}")
    loyalty.later(days=700)

    with nothing_changes(loyalty):
        again = loyalty.buy(member, 5000, "ord_1", key="k", occurred_at=bought_at)
    assert (again.status, again.body, again.replayed) == (201, first.body, True)
    assert again.headers["ETag"] == first.headers["ETag"]


def test_a_key_with_another_amount_is_refused(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 5000, "ord_1", key="k")

    with nothing_changes(loyalty):
        refusal(loyalty.buy(member, 6000, "ord_1", key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_a_key_with_another_order_is_refused(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 5000, "ord_1", key="k")

    with nothing_changes(loyalty):
        refusal(loyalty.buy(member, 5000, "ord_2", key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_two_tills_may_use_the_same_key(loyalty: Loyalty, member: str) -> None:
    for till in ("store_12/till_3", "store_12/till_4"):
        reply = loyalty.buy(member, 5000, f"ord_{till}", role="terminal", subject=till, key="1")
        assert (reply.status, reply.replayed) == (201, False)
    assert loyalty.balance(member)["available"] == 100


def test_an_order_earns_on_one_account_only(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 5000, "ord_1")
    other = loyalty.enrol(customer_id="cus_2")

    with nothing_changes(loyalty):
        refusal(loyalty.buy(other, 5000, "ord_1"), 409, "ORDER_ALREADY_ACCRUED")
    assert loyalty.balance(other)["available"] == 0


# --- what earns -----------------------------------------------------------------------------------


def test_points_are_rounded_down_once_and_the_lines_add_up(loyalty: Loyalty, member: str) -> None:
    body = {"purchase": purchase("ord_1", [199, 199, 199, 199])}

    reply = calculate(loyalty, member, body)

    assert reply.body["points"] == 7
    assert [line["points"] for line in reply.body["lines"]] == [2, 2, 2, 1]
    assert reasons(reply) == {
        "spend": (True, "APPLIED", "7.96 EUR at 1 per 1 = 7.96"),
        "rounding": (True, "ROUNDED_DOWN", "7.96 -> 7"),
    }


@pytest.mark.parametrize("tender", ["points", "gift_card"])
def test_what_was_paid_with_points_or_gift_cards_earns_nothing(
    loyalty: Loyalty, member: str, tender: str
) -> None:
    body = purchase("ord_1", [6000, 4000])
    body["tenders"] = [
        {"type": tender, "paid": euros(2500), "reference": "x"},
        {"type": "card", "paid": euros(7500)},
    ]

    reply = loyalty.accumulate(member, {"purchase": body})

    assert reply.body["points"] == 75
    assert any("25.00" in note["detail"] for note in reply.body["explanation"])
    assert loyalty.balance(member)["available"] == 75


def test_a_purchase_paid_with_points_alone_earns_nothing(loyalty: Loyalty, member: str) -> None:
    body = purchase("ord_1", [1000])
    body["tenders"] = [{"type": "points", "paid": euros(5000)}]

    reply = loyalty.accumulate(member, {"purchase": body})
    assert (reply.status, reply.body["points"]) == (201, 0)


def test_a_free_purchase_earns_nothing(loyalty: Loyalty, member: str) -> None:
    reply = loyalty.accumulate(member, {"purchase": purchase("ord_1", [0, 0])})
    assert (reply.status, reply.body["points"]) == (201, 0)


def test_excluded_lines_earn_nothing_and_the_explanation_says_so(
    loyalty: Loyalty, member: str
) -> None:
    put_program(loyalty, excluded={"skus": ["sku-1"], "categories": ["tobacco"]})
    body = purchase("ord_1", [1000, 2000, 4000])
    body["lines"][1]["category"] = "tobacco"

    reply = loyalty.accumulate(member, {"purchase": body})

    assert reply.body["points"] == 40
    assert reasons(reply)["excluded"] == (True, "LINES_EXCLUDED", "2 lines earn nothing")


def test_the_most_generous_rule_counts_for_a_line(loyalty: Loyalty, member: str) -> None:
    put_program(
        loyalty,
        accrual_rules=rules(
            {
                "type": "spend",
                "id": "wine-x3",
                "points": 1,
                "multiplier": "3",
                "match": {"categories": ["wine"]},
            },
            {
                "type": "spend",
                "id": "sku-x1.5",
                "points": 1,
                "multiplier": "1.5",
                "match": {"skus": ["sku-1", "sku-2"]},
            },
        ),
    )
    body = purchase("ord_1", [1000, 1000, 1000])
    body["lines"][0]["category"] = "wine"

    reply = calculate(loyalty, member, {"purchase": body})

    assert [line["points"] for line in reply.body["lines"]] == [30, 15, 10]
    assert reasons(reply) == {
        "spend": (True, "APPLIED", "10.00 EUR at 1 per 1 = 10"),
        "wine-x3": (True, "APPLIED", "10.00 EUR at 1 x 3 per 1 = 30"),
        "sku-x1.5": (True, "APPLIED", "10.00 EUR at 1 x 1.5 per 1 = 15"),
    }


def test_a_rule_that_does_not_fire_says_why(loyalty: Loyalty, member: str) -> None:
    put_program(
        loyalty,
        accrual_rules=rules(
            {
                "type": "spend",
                "id": "wine",
                "points": 5,
                "match": {"categories": ["wine"]},
            },
            {"type": "spend", "id": "app-only", "points": 2, "channels": ["app"]},
            {"type": "spend", "id": "dollars", "points": 2, "currency": "USD"},
            {"type": "spend", "id": "big", "points": 2, "minimum_spend": euros(5001)},
            {"type": "order", "id": "bonus", "points": 100, "minimum_spend": euros(10_000)},
        ),
    )

    reply = calculate(loyalty, member, {"purchase": purchase("ord_1", [5000])})

    assert reply.body["points"] == 50
    refused = {rule: why for rule, (fired, why, _) in reasons(reply).items() if not fired}
    assert refused == {
        "wine": "NO_MATCHING_LINES",
        "app-only": "OTHER_CHANNEL",
        "dollars": "OTHER_CURRENCY",
        "big": "BELOW_MINIMUM_SPEND",
        "bonus": "BELOW_MINIMUM_SPEND",
    }
    assert reasons(reply)["bonus"][2] == "50.00 short of 100.00 EUR"


def test_an_order_above_the_minimum_earns_a_fixed_bonus(loyalty: Loyalty, member: str) -> None:
    bonus = {"type": "order", "id": "bonus", "points": 7, "minimum_spend": euros(10_000)}
    put_program(loyalty, accrual_rules=rules(bonus))

    reply = calculate(loyalty, member, {"purchase": purchase("ord_1", [7500, 2500])})

    assert reply.body["points"] == 107
    assert sum(line["points"] for line in reply.body["lines"]) == 107
    assert reasons(reply)["bonus"] == (True, "APPLIED", "7 for the order")


def test_the_minimum_counts_what_can_earn_only(loyalty: Loyalty, member: str) -> None:
    bonus = {"type": "order", "id": "bonus", "points": 7, "minimum_spend": euros(10_000)}
    put_program(loyalty, accrual_rules=rules(bonus), excluded={"skus": ["sku-1"]})

    reply = calculate(loyalty, member, {"purchase": purchase("ord_1", [2500, 9999])})
    assert reply.body["points"] == 99


def test_a_currency_without_decimals_earns_by_its_own_major_unit(
    loyalty: Loyalty, member: str
) -> None:
    put_program(loyalty, accrual_rules=[{"type": "spend", "id": "yen", "points": 1, "per": "100"}])
    body = purchase("ord_1", [1250])
    body["lines"][0]["paid"]["currency"] = "JPY"

    reply = calculate(loyalty, member, {"purchase": body})
    assert reply.body["points"] == 12
    assert "1250 JPY at 1 per 100 = 12.5" in str(reasons(reply))


# --- limits ---------------------------------------------------------------------------------------


def test_a_day_earns_no_more_than_its_limit(loyalty: Loyalty, member: str) -> None:
    put_program(loyalty, limits={"points_per_day": 60})

    assert loyalty.buy(member, 5000, "ord_1").body["points"] == 50
    cut = loyalty.buy(member, 5000, "ord_2")
    assert cut.body["points"] == 10
    assert reasons(cut)["limits"] == (
        True,
        "DAILY_LIMIT",
        "at most 60 points a day, 10 were left",
    )
    assert loyalty.buy(member, 5000, "ord_3").body["points"] == 0
    loyalty.later(days=1)
    assert loyalty.buy(member, 5000, "ord_4").body["points"] == 50
    assert loyalty.balance(member)["available"] == 110


def test_the_limit_counts_for_the_day_of_the_purchase_in_the_programs_time_zone(
    loyalty: Loyalty, member: str
) -> None:
    put_program(loyalty, limits={"points_per_day": 60}, time_zone="Europe/Berlin")
    yesterday = START.replace(day=9, hour=22, minute=30)
    today = START.replace(day=9, hour=23, minute=30)

    assert loyalty.buy(member, 6000, "ord_1", occurred_at=yesterday).body["points"] == 60
    assert loyalty.buy(member, 6000, "ord_2", occurred_at=today).body["points"] == 60
    assert loyalty.buy(member, 100, "ord_3", occurred_at=yesterday).body["points"] == 0


def test_no_purchase_earns_more_than_points_can_count(loyalty: Loyalty, member: str) -> None:
    rule = {"type": "spend", "id": "s", "points": 10**12, "per": "0.001", "multiplier": "999999"}
    put_program(loyalty, accrual_rules=[rule])

    reply = loyalty.buy(member, 10**12, "ord_1")
    assert (reply.status, reply.body["points"]) == (201, 10**12)


# --- actions --------------------------------------------------------------------------------------


def action(kind: str, reference: str, **more: Any) -> dict[str, Any]:
    return {"action": {"type": kind, "reference": reference, **more}}


ACTIONS = rules(
    {"type": "action", "id": "review", "action": "review", "points": 20},
    {
        "type": "action",
        "id": "birthday",
        "action": "birthday",
        "points": 100,
        "limit": {"times": 1, "period": "year"},
    },
    {
        "type": "action",
        "id": "share",
        "action": "share",
        "points": 5,
        "limit": {"times": 2, "period": "day"},
    },
)


def test_an_action_earns_its_points_once_for_each_reference(loyalty: Loyalty, member: str) -> None:
    put_program(loyalty, accrual_rules=ACTIONS)

    first = loyalty.accumulate(member, action("review", "rev_1"), key="k")
    assert (first.status, first.body["type"], first.body["points"]) == (201, "points.earned", 20)
    assert reasons(first) == {"review": (True, "APPLIED", "20 for review")}
    with nothing_changes(loyalty):
        for key in ("k", "another"):
            again = loyalty.accumulate(member, action("review", "rev_1"), key=key)
            assert (again.status, again.body, again.replayed) == (201, first.body, True)
    assert loyalty.accumulate(member, action("review", "rev_2")).body["points"] == 20
    assert loyalty.balance(member)["available"] == 40


def test_an_action_is_capped_for_its_period(loyalty: Loyalty, member: str) -> None:
    put_program(loyalty, accrual_rules=ACTIONS)
    for number in range(2):
        assert loyalty.accumulate(member, action("share", f"s{number}")).status == 201

    with nothing_changes(loyalty):
        refusal(loyalty.accumulate(member, action("share", "s2")), 409, "LIMIT_EXCEEDED")
    assert loyalty.accumulate(member, action("birthday", "2026")).status == 201
    refusal(loyalty.accumulate(member, action("birthday", "again")), 409, "LIMIT_EXCEEDED")
    loyalty.later(days=1)
    assert loyalty.accumulate(member, action("share", "s3")).status == 201
    refusal(loyalty.accumulate(member, action("birthday", "2026-2")), 409, "LIMIT_EXCEEDED")
    loyalty.later(days=365)
    assert loyalty.accumulate(member, action("birthday", "2027")).status == 201
    assert loyalty.balance(member)["available"] == 100 + 100 + 3 * 5


def test_an_action_without_a_rule_is_refused(loyalty: Loyalty, member: str) -> None:
    with nothing_changes(loyalty):
        refusal(loyalty.accumulate(member, action("follow", "f1")), 422, "ACTION_NOT_REWARDED")


def test_an_action_of_the_past_ages_from_its_day(loyalty: Loyalty, member: str) -> None:
    put_program(loyalty, accrual_rules=ACTIONS)
    at = "2026-01-15T12:00:00Z"

    reply = loyalty.accumulate(member, action("review", "r", occurred_at=at))
    assert reply.body["expires_on"] == "2027-01-31"


def test_an_action_of_the_future_is_refused(loyalty: Loyalty, member: str) -> None:
    put_program(loyalty, accrual_rules=ACTIONS)
    at = rfc3339(loyalty.now + timedelta(minutes=6))

    with nothing_changes(loyalty):
        reply = loyalty.accumulate(member, action("review", "r", occurred_at=at))
        problem = refusal(reply, 422, "VALIDATION_FAILED")
    assert problem["errors"][0]["field"] == "action.occurred_at"
    assert problem["errors"][0]["code"] == "IN_THE_FUTURE"


# --- calculate ------------------------------------------------------------------------------------


def test_calculating_says_what_accumulating_gives_and_writes_nothing(
    loyalty: Loyalty, member: str
) -> None:
    body = {"purchase": purchase("ord_1", [1999, 501])}
    with nothing_changes(loyalty):
        told = calculate(loyalty, member, body, key="", role="terminal")
    given = loyalty.accumulate(member, body)

    assert told.status == 200
    assert told.body["points"] == given.body["points"] == 25
    assert told.body["explanation"] == given.body["explanation"]
    assert "Idempotent-Replayed" not in told.headers


def test_calculating_for_nobody_is_refused(loyalty: Loyalty) -> None:
    body = {"purchase": purchase("ord_1", [1999])}
    refusal(calculate(loyalty, "acc_nobody", body), 404, "ACCOUNT_NOT_FOUND")


# --- program versions -----------------------------------------------------------------------------


def test_an_entry_keeps_the_version_of_the_program_that_decided_it(
    loyalty: Loyalty, member: str
) -> None:
    before = loyalty.buy(member, 5000, "ord_1", key="k1")
    double = [{"type": "spend", "id": "double", "points": 2}]
    assert put_program(loyalty, accrual_rules=double).body["version"] == 2
    after = loyalty.buy(member, 5000, "ord_2")

    assert (before.body["program"], before.body["points"]) == ("main@1", 50)
    assert (after.body["program"], after.body["points"]) == ("main@2", 100)
    assert loyalty.buy(member, 5000, "ord_1", key="k1").body == before.body
    assert [event["program"] for event in loyalty.events(member)] == ["main@2", "main@1", "main@1"]


def test_an_earlier_version_of_a_program_can_still_be_read(loyalty: Loyalty) -> None:
    put_program(loyalty, name="Second")
    put_program(loyalty, name="Third")

    def read(**query: str) -> Reply:
        return loyalty.call("GET", "/programs/{program_id}", query=query, program_id="main")

    assert [read(version=str(n)).body["name"] for n in (1, 2, 3)] == ["Main", "Second", "Third"]
    assert (read().body["name"], read().headers["ETag"]) == ("Third", '"3"')
    refusal(read(version="4"), 404, "PROGRAM_NOT_FOUND")


def test_the_same_program_again_makes_no_new_version(loyalty: Loyalty) -> None:
    first = put_program(loyalty, name="Second")
    with nothing_changes(loyalty):
        assert put_program(loyalty, name="Second").body == first.body


def test_a_program_changed_by_somebody_else_meanwhile_is_not_overwritten(loyalty: Loyalty) -> None:
    put_program(loyalty, name="Second")

    with nothing_changes(loyalty):
        reply = loyalty.call(
            "PUT",
            "/programs/{program_id}",
            {**MAIN, "name": "Mine"},
            role="admin",
            headers={"If-Match": '"1"'},
            program_id="main",
        )
        refusal(reply, 412, "VERSION_CONFLICT")


def test_another_program_has_its_own_rules(loyalty: Loyalty) -> None:
    put_program(loyalty, "vip", accrual_rules=[{"type": "spend", "id": "five", "points": 5}])
    account_id = loyalty.enrol(customer_id="cus_1", program_id="vip")

    reply = loyalty.buy(account_id, 1000, "ord_1")
    assert (reply.body["points"], reply.body["program"]) == (50, "vip@1")


# --- expiry policies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expiry", "expected"),
    [
        ({"mode": "rolling", "months": 1}, "2026-04-30"),
        ({"mode": "fixed_date", "month_day": "03-31"}, "2026-03-31"),
        ({"mode": "fixed_date", "month_day": "03-09"}, "2027-03-09"),
        ({"mode": "fixed_date", "month_day": "02-29", "minimum_months": 1}, "2027-02-28"),
        ({"mode": "fixed_date", "month_day": "03-31", "minimum_months": 6}, "2027-03-31"),
    ],
)
def test_points_end_by_the_policy_of_their_program(
    loyalty: Loyalty, member: str, expiry: Any, expected: str
) -> None:
    put_program(loyalty, expiry=expiry)
    assert loyalty.buy(member, 5000, "ord_1").body["expires_on"] == expected
    assert loyalty.account(member)["expiring"] == [{"points": 50, "expires_on": expected}]


def test_points_that_never_end_are_not_announced_as_ending(loyalty: Loyalty, member: str) -> None:
    put_program(loyalty, expiry={"mode": "never"})
    loyalty.buy(member, 5000, "ord_1")
    loyalty.later(days=20_000)

    assert loyalty.account(member)["expiring"] == []
    assert loyalty.balance(member)["available"] == 50


def test_inactivity_ends_all_points_together_and_activity_extends_them(
    loyalty: Loyalty, member: str
) -> None:
    put_program(loyalty, expiry={"mode": "inactivity", "months": 6})
    loyalty.buy(member, 5000, "ord_1")
    loyalty.now = START.replace(month=9, day=10)
    loyalty.buy(member, 1000, "ord_2")
    assert loyalty.account(member)["expiring"] == [{"points": 60, "expires_on": "2027-03-10"}]

    loyalty.now = START.replace(year=2027, month=3, day=10)
    held = loyalty.redeem(member, 10).body["id"]
    loyalty.redemption("capture", member, held)
    assert loyalty.account(member)["expiring"] == [{"points": 50, "expires_on": "2027-09-10"}]

    loyalty.now = START.replace(year=2027, month=9, day=11)
    assert loyalty.balance(member)["available"] == 0


# --- when and where -------------------------------------------------------------------------------


def test_a_purchase_reported_late_ages_from_its_own_day(loyalty: Loyalty, member: str) -> None:
    reply = loyalty.buy(member, 5000, "ord_1", occurred_at=START - timedelta(days=60))

    assert reply.body["expires_on"] == "2027-01-31"
    assert reply.body["occurred_at"] == "2026-01-09T09:30:00.000000Z"
    assert reply.body["recorded_at"] >= rfc3339(START)


def test_an_imported_purchase_may_have_ended_already(loyalty: Loyalty, member: str) -> None:
    reply = loyalty.buy(member, 5000, "ord_1", occurred_at=START - timedelta(days=800))

    assert (reply.status, reply.body["points"]) == (201, 50)
    assert loyalty.balance(member)["available"] == 0
    assert loyalty.account(member)["lifetime_points"] == 50
    assert [event["type"] for event in loyalty.events(member)][:1] == ["points.expired"]


def test_an_imported_web_order_may_have_matured_already(loyalty: Loyalty, member: str) -> None:
    at = START - timedelta(days=100)
    loyalty.buy(member, 5000, "ord_1", channel="web", occurred_at=at)

    assert loyalty.balance(member) == {"available": 50, "pending": 0, "held": 0, "owed": 0}


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"]
)
def test_a_purchase_before_there_were_tills_is_refused(
    loyalty: Loyalty, member: str, instant: str
) -> None:
    body = purchase("ord_1", [5000])
    body["occurred_at"] = instant

    with nothing_changes(loyalty):
        refusal(loyalty.accumulate(member, {"purchase": body}), 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati"])
def test_the_oldest_purchase_breaks_nothing(loyalty: Loyalty, member: str, zone: str) -> None:
    put_program(loyalty, time_zone=zone, reminder_days=3650, restore_grace_days=3650)
    body = purchase("ord_1", [5000])
    body["occurred_at"] = "1900-01-01T00:00:00Z"

    assert loyalty.accumulate(member, {"purchase": body}).body["points"] == 50
    assert loyalty.balance(member)["available"] == 0


def test_a_clock_may_run_five_minutes_ahead(loyalty: Loyalty, member: str) -> None:
    ahead = START + timedelta(minutes=5)
    assert loyalty.buy(member, 5000, "ord_1", occurred_at=ahead).status == 201

    with nothing_changes(loyalty):
        reply = loyalty.buy(member, 100, "ord_2", occurred_at=ahead + timedelta(seconds=1))
        problem = refusal(reply, 422, "VALIDATION_FAILED")
        (error,) = problem["errors"]
        assert (error["field"], error["code"]) == ("purchase.occurred_at", "IN_THE_FUTURE")


def test_calculating_for_the_future_is_refused_too(loyalty: Loyalty, member: str) -> None:
    body = {"purchase": purchase("ord_1", [100], "pos", START + timedelta(days=1))}
    refusal(calculate(loyalty, member, body), 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("verb", ["accumulate", "calculate"])
def test_a_terminal_acts_in_its_own_store_only(loyalty: Loyalty, member: str, verb: str) -> None:
    body = purchase("ord_1", [5000])
    body["location_id"] = "store_13"

    with nothing_changes(loyalty):
        reply = loyalty.call(
            "POST",
            "/accounts/{account_id}/" + verb,
            {"purchase": body},
            role="terminal",
            store_id="store_12",
            account_id=member,
        )
        refusal(reply, 403, "FORBIDDEN")


def test_a_terminal_without_a_store_is_refused(loyalty: Loyalty, member: str) -> None:
    with nothing_changes(loyalty):
        refusal(loyalty.buy(member, 100, "o", role="terminal", store_id=""), 403, "FORBIDDEN")


def test_the_shop_may_name_any_store(loyalty: Loyalty, member: str) -> None:
    body = purchase("ord_1", [5000])
    body["location_id"] = "store_13"
    assert loyalty.accumulate(member, {"purchase": body}).body["location_id"] == "store_13"


# --- by hand --------------------------------------------------------------------------------------


def adjust(loyalty: Loyalty, account_id: str, points: int, **options: Any) -> Reply:
    body = {"points": points, "reason": "goodwill", **options.pop("body", {})}
    return loyalty.call(
        "POST",
        "/accounts/{account_id}/adjust",
        body,
        role=options.pop("role", "staff"),
        account_id=account_id,
        **options,
    )


def test_staff_add_points_with_a_reason(loyalty: Loyalty, member: str) -> None:
    reply = adjust(loyalty, member, 30, subject="amy", key="k")

    assert (reply.status, reply.body["type"]) == (201, "points.adjusted")
    assert (reply.body["reason"], reply.body["actor"]) == ("goodwill", "staff:amy")
    assert loyalty.balance(member)["available"] == 30
    with nothing_changes(loyalty):
        again = adjust(loyalty, member, 30, subject="amy", key="k")
        assert (again.body, again.replayed) == (reply.body, True)
        refusal(adjust(loyalty, member, 31, subject="amy", key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_two_people_may_adjust_under_the_same_key(loyalty: Loyalty, member: str) -> None:
    for subject in ("amy", "bob"):
        assert not adjust(loyalty, member, 30, subject=subject, key="1").replayed
    assert loyalty.balance(member)["available"] == 60


def test_staff_take_no_more_than_there_is(loyalty: Loyalty, member: str) -> None:
    adjust(loyalty, member, 30)

    with nothing_changes(loyalty):
        problem = refusal(adjust(loyalty, member, -31), 409, "INSUFFICIENT_POINTS")
    assert (problem["required"], problem["available"], problem["missing"]) == (31, 30, 1)
    assert adjust(loyalty, member, -30).status == 201
    assert loyalty.balance(member)["available"] == 0


def test_what_is_taken_beyond_the_balance_is_owed_and_paid_by_the_next_points(
    loyalty: Loyalty, member: str
) -> None:
    adjust(loyalty, member, -20, body={"allow_negative_balance": True})
    assert loyalty.balance(member) == {"available": 0, "pending": 0, "held": 0, "owed": 20}

    reply = loyalty.buy(member, 5000, "ord_1")
    assert reply.body["postings"] == {"available": 30, "owed": 20, "issuance": -50}
    assert loyalty.balance(member) == {"available": 30, "pending": 0, "held": 0, "owed": 0}


@pytest.mark.parametrize("role", ["customer", "terminal", "integration"])
def test_only_staff_adjust(loyalty: Loyalty, member: str, role: str) -> None:
    with nothing_changes(loyalty):
        refusal(adjust(loyalty, member, 30, role=role, subject="cus_1"), 403, "FORBIDDEN")
