"""Points at the till: held, captured, voided, lapsed by time alone, and given back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import START, Loyalty, Reply
from tests.service.table_contents import nothing_changes, refusal


def points(available: int, held: int = 0) -> dict[str, int]:
    return {"available": available, "pending": 0, "held": held, "owed": 0}


def read(loyalty: Loyalty, account_id: str, redemption_id: str) -> Reply:
    return loyalty.call(
        "GET",
        "/accounts/{account_id}/redemptions/{redemption_id}",
        account_id=account_id,
        redemption_id=redemption_id,
    )


def reverse(loyalty: Loyalty, account_id: str, rid: str, body: Any = None, **options: Any) -> Reply:
    return loyalty.redemption("reverse", account_id, rid, body, role="staff", **options)


def lots(loyalty: Loyalty, account_id: str) -> dict[str, int]:
    return {lot["expires_on"]: lot["points"] for lot in loyalty.account(account_id)["expiring"]}


@pytest.fixture
def member(loyalty: Loyalty) -> str:
    """A member with 100 points, 60 of which end a month before the other 40."""
    account_id = loyalty.enrol(customer_id="cus_1")
    loyalty.buy(account_id, 6000, "ord_1")
    loyalty.now = START.replace(month=4)
    loyalty.buy(account_id, 4000, "ord_2")
    assert lots(loyalty, account_id) == {"2027-03-31": 60, "2027-04-30": 40}
    return account_id


@pytest.fixture
def held(loyalty: Loyalty, member: str) -> str:
    """A hold of 80 of the member's points."""
    return str(loyalty.redeem(member, 80).body["id"])


# --- authorize ------------------------------------------------------------------------------------


def test_a_hold_says_what_it_is_worth_and_how_long_it_lives(loyalty: Loyalty, member: str) -> None:
    reply = loyalty.redeem(member, 80, role="terminal", body={"order_id": "ord_3"})

    assert reply.status == 201
    assert reply.body.pop("id").startswith("rdm_")
    assert reply.body == {
        "account_id": member,
        "status": "AUTHORIZED",
        "points": 80,
        "value": {"amount": 80, "currency": "EUR"},
        "authorized_at": "2026-04-10T09:30:00.000000Z",
        "expires_at": "2026-04-10T09:45:00.000000Z",
        "order_id": "ord_3",
        "location_id": "store_12",
        "captured_points": 0,
        "captured_value": None,
        "reversed_points": 0,
    }
    assert loyalty.balance(member) == points(20, held=80)


def test_every_channel_sees_a_hold_at_once(loyalty: Loyalty, member: str, held: str) -> None:
    seen = loyalty.call(
        "GET", "/accounts/{account_id}", role="customer", subject="cus_1", account_id=member
    )
    assert seen.body["balance"] == points(20, held=80)
    refusal(loyalty.redeem(member, 21, role="integration"), 409, "INSUFFICIENT_POINTS")
    assert read(loyalty, member, held).body["status"] == "AUTHORIZED"


def test_too_few_points_are_refused_with_the_arithmetic(loyalty: Loyalty, member: str) -> None:
    with nothing_changes(loyalty):
        problem = refusal(loyalty.redeem(member, 130), 409, "INSUFFICIENT_POINTS")

    assert {name: problem[name] for name in ("required", "available", "missing")} == {
        "required": 130,
        "available": 100,
        "missing": 30,
    }


def test_pending_points_cannot_be_held(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 50_000, "ord_web", channel="web")
    refusal(loyalty.redeem(member, 101), 409, "INSUFFICIENT_POINTS")


def test_absurdly_many_points_are_too_many_whatever_a_point_is_worth(
    loyalty: Loyalty, member: str
) -> None:
    worth_much = {
        "name": "Main",
        "accrual_rules": [],
        "point_value": {"points": 1, "value": {"amount": 10**12, "currency": "EUR"}},
    }
    put = loyalty.call("PUT", "/programs/{program_id}", worth_much, role="admin", program_id="main")
    assert put.status == 200

    with nothing_changes(loyalty):
        refusal(loyalty.redeem(member, 10**12), 409, "INSUFFICIENT_POINTS")
        refusal(loyalty.redeem(member, 100), 409, "LIMIT_EXCEEDED")
    assert loyalty.redeem(member, 1).body["value"]["amount"] == 10**12


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1, 1.5, "80", True, None, [80], {"points": 80}])
def test_what_is_not_a_number_of_points_is_refused(
    loyalty: Loyalty, member: str, amount: Any
) -> None:
    with nothing_changes(loyalty):
        problem = refusal(loyalty.redeem(member, amount), 422, "VALIDATION_FAILED")
    assert problem["errors"][0]["field"] == "points"


@pytest.mark.parametrize("seconds", [0, -1, 7 * 24 * 3600 + 1, "900", 0.5])
def test_a_hold_lives_from_a_second_to_a_week(loyalty: Loyalty, member: str, seconds: Any) -> None:
    with nothing_changes(loyalty):
        reply = loyalty.redeem(member, 10, body={"expires_in_seconds": seconds})
        refusal(reply, 422, "VALIDATION_FAILED")


def test_an_account_has_at_most_eighty_open_holds(loyalty: Loyalty, member: str) -> None:
    first = loyalty.redeem(member, 1).body["id"]
    for _ in range(79):
        assert loyalty.redeem(member, 1).status == 201

    with nothing_changes(loyalty):
        refusal(loyalty.redeem(member, 1), 409, "TOO_MANY_HOLDS")
    loyalty.redemption("void", member, first)
    assert loyalty.redeem(member, 1).status == 201
    loyalty.later(minutes=15)
    assert loyalty.balance(member) == points(100)
    assert loyalty.redeem(member, 100).status == 201


def test_a_program_may_limit_the_share_of_a_basket(loyalty: Loyalty, member: str) -> None:
    limited = {
        "name": "Main",
        "accrual_rules": [],
        "point_value": {"points": 1, "value": {"amount": 1, "currency": "EUR"}},
        "limits": {"basket_share_percent": 50},
    }
    loyalty.call("PUT", "/programs/{program_id}", limited, role="admin", program_id="main")

    def basket(amount: int, currency: str = "EUR") -> dict[str, Any]:
        return {"order_id": "ord_b", "basket": {"amount": amount, "currency": currency}}

    with nothing_changes(loyalty):
        refusal(loyalty.redeem(member, 51, body=basket(100)), 409, "LIMIT_EXCEEDED")
        refusal(loyalty.redeem(member, 50), 422, "VALIDATION_FAILED")
        refusal(loyalty.redeem(member, 50, body=basket(100, "USD")), 422, "VALIDATION_FAILED")
    assert loyalty.redeem(member, 50, body=basket(200)).status == 201
    with nothing_changes(loyalty):
        refusal(loyalty.redeem(member, 30, body=basket(150)), 409, "LIMIT_EXCEEDED")


def test_a_terminal_holds_in_its_own_store_only(loyalty: Loyalty, member: str) -> None:
    with nothing_changes(loyalty):
        reply = loyalty.redeem(member, 10, role="terminal", body={"location_id": "store_13"})
        refusal(reply, 403, "FORBIDDEN")


def test_a_customer_does_not_hold_points_on_their_own(loyalty: Loyalty, member: str) -> None:
    with nothing_changes(loyalty):
        refusal(loyalty.redeem(member, 10, role="customer", subject="cus_1"), 403, "FORBIDDEN")


# --- capture and void -----------------------------------------------------------------------------


def test_a_capture_spends_the_hold(loyalty: Loyalty, member: str, held: str) -> None:
    reply = loyalty.redemption("capture", member, held, role="terminal")

    assert reply.status == 200
    assert (reply.body["status"], reply.body["captured_points"]) == ("CAPTURED", 80)
    assert reply.body["captured_value"] == {"amount": 80, "currency": "EUR"}
    assert read(loyalty, member, held).body == reply.body
    assert loyalty.balance(member) == points(20)
    assert lots(loyalty, member) == {"2027-04-30": 20}
    assert loyalty.account(member)["lifetime_points"] == 100


def test_a_capture_in_part_gives_the_rest_back_at_once(
    loyalty: Loyalty, member: str, held: str
) -> None:
    reply = loyalty.redemption("capture", member, held, {"points": 50})

    assert (reply.body["status"], reply.body["points"]) == ("CAPTURED", 80)
    assert (reply.body["captured_points"], reply.body["captured_value"]["amount"]) == (50, 50)
    assert loyalty.balance(member) == points(50)
    assert lots(loyalty, member) == {"2027-03-31": 10, "2027-04-30": 40}


def test_no_more_is_captured_than_is_held(loyalty: Loyalty, member: str, held: str) -> None:
    with nothing_changes(loyalty):
        reply = loyalty.redemption("capture", member, held, {"points": 81})
        problem = refusal(reply, 409, "CAPTURE_EXCEEDS_AUTHORIZED")
    assert (problem["required"], problem["held"]) == (81, 80)


def test_a_void_gives_the_points_back_to_their_lots(
    loyalty: Loyalty, member: str, held: str
) -> None:
    reply = loyalty.redemption("void", member, held, role="terminal")

    assert (reply.status, reply.body["status"]) == (200, "VOIDED")
    assert loyalty.balance(member) == points(100)
    assert lots(loyalty, member) == {"2027-03-31": 60, "2027-04-30": 40}


@pytest.mark.parametrize(
    ("closed_by", "verb", "code"),
    [
        ("capture", "capture", "REDEMPTION_ALREADY_CAPTURED"),
        ("capture", "void", "REDEMPTION_ALREADY_CAPTURED"),
        ("void", "capture", "REDEMPTION_ALREADY_VOIDED"),
        ("void", "void", "REDEMPTION_ALREADY_VOIDED"),
        ("time", "capture", "REDEMPTION_EXPIRED"),
        ("time", "void", "REDEMPTION_EXPIRED"),
        ("reverse", "capture", "REDEMPTION_ALREADY_CAPTURED"),
        ("reverse", "void", "REDEMPTION_ALREADY_CAPTURED"),
    ],
)
def test_a_hold_is_closed_once(
    loyalty: Loyalty, member: str, held: str, closed_by: str, verb: str, code: str
) -> None:
    close(loyalty, member, held, closed_by)

    with nothing_changes(loyalty):
        refusal(loyalty.redemption(verb, member, held), 409, code)


@pytest.mark.parametrize("closed_by", ["nothing", "void", "time"])
def test_only_what_is_captured_can_be_reversed(
    loyalty: Loyalty, member: str, held: str, closed_by: str
) -> None:
    close(loyalty, member, held, closed_by)

    with nothing_changes(loyalty):
        refusal(reverse(loyalty, member, held), 409, "REDEMPTION_NOT_CAPTURED")


def close(loyalty: Loyalty, member: str, held: str, how: str) -> None:
    if how == "time":
        loyalty.later(minutes=15)
    if how in ("capture", "void", "reverse"):
        first = "void" if how == "void" else "capture"
        assert loyalty.redemption(first, member, held).status == 200
    if how == "reverse":
        assert reverse(loyalty, member, held).status == 200


@pytest.mark.parametrize("verb", ["capture", "void", "reverse"])
def test_a_redemption_is_known_under_its_own_account_only(
    loyalty: Loyalty, member: str, held: str, verb: str
) -> None:
    other = loyalty.enrol(customer_id="cus_2")

    with nothing_changes(loyalty):
        for account_id, redemption_id, code in (
            (other, held, "REDEMPTION_NOT_FOUND"),
            (member, "rdm_unknown", "REDEMPTION_NOT_FOUND"),
            ("acc_unknown", held, "ACCOUNT_NOT_FOUND"),
        ):
            reply = loyalty.redemption(verb, account_id, redemption_id, role="staff")
            refusal(reply, 404, code)
        refusal(read(loyalty, other, held), 404, "REDEMPTION_NOT_FOUND")

    loyalty.redemption("capture", member, held, key="same")
    with nothing_changes(loyalty):
        reply = loyalty.redemption(verb, other, held, role="staff", key="same")
        refusal(reply, 404, "REDEMPTION_NOT_FOUND")


# --- time alone -----------------------------------------------------------------------------------


def test_a_hold_left_alone_is_available_again_without_any_schedule(
    loyalty: Loyalty, member: str, held: str
) -> None:
    loyalty.later(minutes=15, seconds=-1)
    assert loyalty.balance(member) == points(20, held=80)

    loyalty.later(seconds=1)
    with nothing_changes(loyalty):
        assert loyalty.balance(member) == points(100)
        assert read(loyalty, member, held).body["status"] == "EXPIRED"
        assert lots(loyalty, member) == {"2027-03-31": 60, "2027-04-30": 40}


def test_points_of_a_lapsed_hold_can_be_held_again_and_the_ledger_tells_both(
    loyalty: Loyalty, member: str, held: str
) -> None:
    loyalty.later(hours=1)
    again = loyalty.redeem(member, 100)

    assert again.status == 201
    newest, before, *_ = loyalty.events(member)
    assert (newest["type"], newest["redemption_id"]) == ("redemption.authorized", again.body["id"])
    assert (before["type"], before["redemption_id"]) == ("redemption.expired", held)
    assert before["occurred_at"] == "2026-04-10T09:45:00.000000Z"
    assert before["actor"] == "tandem"


def test_a_hold_lives_as_long_as_the_till_asks(loyalty: Loyalty, member: str) -> None:
    reply = loyalty.redeem(member, 80, body={"expires_in_seconds": 60})

    assert reply.body["expires_at"] == "2026-04-10T09:31:00.000000Z"
    loyalty.later(seconds=60)
    assert loyalty.balance(member) == points(100)


def test_a_hold_outlives_its_lots_and_gives_back_with_a_grace(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.now = START.replace(year=2027, month=3, day=31, hour=23)
    held = loyalty.redeem(member, 60, body={"expires_in_seconds": 2 * 3600}).body["id"]
    loyalty.later(hours=1, minutes=30)
    assert loyalty.balance(member) == points(40, held=60)

    loyalty.redemption("void", member, held)
    assert lots(loyalty, member) == {"2027-04-30": 40, "2027-05-01": 60}


# --- reverse --------------------------------------------------------------------------------------


def test_a_reversal_gives_the_points_back_to_the_same_lots(
    loyalty: Loyalty, member: str, held: str
) -> None:
    loyalty.redemption("capture", member, held)
    reply = reverse(loyalty, member, held)

    assert (reply.status, reply.body["status"]) == (200, "REVERSED")
    assert reply.body["reversed_points"] == 80
    assert lots(loyalty, member) == {"2027-03-31": 60, "2027-04-30": 40}


def test_a_reversal_in_parts_ends_where_a_whole_one_does(
    loyalty: Loyalty, member: str, held: str
) -> None:
    loyalty.redemption("capture", member, held)

    first = reverse(loyalty, member, held, {"points": 30})
    assert (first.body["status"], first.body["reversed_points"]) == ("PARTIALLY_REVERSED", 30)
    assert lots(loyalty, member) == {"2027-03-31": 10, "2027-04-30": 40}
    with nothing_changes(loyalty):
        reply = reverse(loyalty, member, held, {"points": 51})
        problem = refusal(reply, 409, "REVERSAL_EXCEEDS_CAPTURED")
        assert (problem["required"], problem["left"]) == (51, 50)

    second = reverse(loyalty, member, held, {"points": 50})
    assert (second.body["status"], second.body["reversed_points"]) == ("REVERSED", 80)
    assert lots(loyalty, member) == {"2027-03-31": 60, "2027-04-30": 40}
    with nothing_changes(loyalty):
        for body in (None, {"points": 1}):
            refusal(reverse(loyalty, member, held, body), 409, "REVERSAL_EXCEEDS_CAPTURED")


def test_a_reversal_of_points_that_have_ended_gives_a_grace(
    loyalty: Loyalty, member: str, held: str
) -> None:
    loyalty.redemption("capture", member, held)
    loyalty.now = START.replace(year=2027, month=4, day=10)
    reverse(loyalty, member, held)

    assert lots(loyalty, member) == {"2027-04-30": 40, "2027-05-10": 60}


@pytest.mark.parametrize("role", ["customer", "terminal", "integration"])
def test_only_staff_reverse(loyalty: Loyalty, member: str, held: str, role: str) -> None:
    loyalty.redemption("capture", member, held)

    with nothing_changes(loyalty):
        reply = loyalty.redemption("reverse", member, held, role=role, subject="cus_1")
        refusal(reply, 403, "FORBIDDEN")


# --- repeats --------------------------------------------------------------------------------------


def test_each_verb_repeated_with_its_key_answers_the_first_body(
    loyalty: Loyalty, member: str
) -> None:
    first = loyalty.redeem(member, 80, key="a")
    held = first.body["id"]
    captured = loyalty.redemption("capture", member, held, {"points": 70}, key="c")
    reversed_ = reverse(loyalty, member, held, {"points": 20}, key="r")
    loyalty.redeem(member, 50)
    loyalty.later(days=900)

    with nothing_changes(loyalty):
        again = [
            loyalty.redeem(member, 80, key="a"),
            loyalty.redemption("capture", member, held, {"points": 70}, key="c"),
            reverse(loyalty, member, held, {"points": 20}, key="r"),
        ]
    for reply, before in zip(again, [first, captured, reversed_], strict=True):
        assert (reply.status, reply.body) == (before.status, before.body)
        assert reply.headers["ETag"] == before.headers["ETag"]
        assert reply.replayed
        assert not before.replayed


def test_a_repeated_void_answers_the_first_body(loyalty: Loyalty, member: str, held: str) -> None:
    first = loyalty.redemption("void", member, held, key="v")
    with nothing_changes(loyalty):
        again = loyalty.redemption("void", member, held, key="v")
    assert (again.status, again.body, again.replayed) == (200, first.body, True)


def test_a_retry_gets_its_receipt_after_the_balance_is_gone(loyalty: Loyalty, member: str) -> None:
    first = loyalty.redeem(member, 100, key="a")
    loyalty.redemption("capture", member, first.body["id"])
    refusal(loyalty.redeem(member, 100), 409, "INSUFFICIENT_POINTS")

    with nothing_changes(loyalty):
        again = loyalty.redeem(member, 100, key="a")
    assert (again.status, again.body, again.replayed) == (201, first.body, True)


def test_a_key_used_with_another_body_is_refused(loyalty: Loyalty, member: str) -> None:
    held = loyalty.redeem(member, 80, key="a").body["id"]

    with nothing_changes(loyalty):
        for reply in (
            loyalty.redeem(member, 79, key="a"),
            loyalty.redeem(member, 80, key="a", body={"order_id": "x"}),
            loyalty.redemption("capture", member, held, key="a"),
            loyalty.buy(member, 100, "ord_9", key="a"),
        ):
            refusal(reply, 422, "IDEMPOTENCY_KEY_REUSED")

    loyalty.redemption("capture", member, held, {"points": 10}, key="c")
    with nothing_changes(loyalty):
        for reply in (
            loyalty.redemption("capture", member, held, {"points": 11}, key="c"),
            loyalty.redemption("void", member, held, key="c"),
        ):
            refusal(reply, 422, "IDEMPOTENCY_KEY_REUSED")

    reverse(loyalty, member, held, {"points": 5}, key="r")
    with nothing_changes(loyalty):
        refusal(reverse(loyalty, member, held, key="r"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_two_tills_may_use_the_same_key(loyalty: Loyalty, member: str) -> None:
    one = loyalty.redeem(member, 10, role="terminal", subject="store_12/till_3", key="1")
    other = loyalty.redeem(member, 10, role="terminal", subject="store_12/till_4", key="1")

    assert (one.status, other.status) == (201, 201)
    assert one.body["id"] != other.body["id"]


def test_two_people_may_reverse_under_the_same_key(loyalty: Loyalty, member: str) -> None:
    held = loyalty.redeem(member, 80).body["id"]
    loyalty.redemption("capture", member, held)

    for subject, left in (("amy", 10), ("bob", 20)):
        reply = reverse(loyalty, member, held, {"points": 10}, key="1", subject=subject)
        assert (reply.body["reversed_points"], reply.replayed) == (left, False)
