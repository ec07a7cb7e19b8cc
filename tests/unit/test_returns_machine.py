"""The three axes of a return: what is decided, where units are, and what follows for the whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest

from tandem_returns import deciding, payouts, views
from tandem_returns.cases import Trigger
from tandem_returns.codes import CodeAlreadyUsed
from tandem_returns.deciding import TooManyParcels
from tandem_returns.logistics import InvalidTransition, UnitState, moved
from tandem_returns.purchases import ReturnExceedsPurchase, UnknownLine
from tandem_returns.quotes import QuoteOutdated
from tandem_returns.returns import LabelState, Parcel, Return, ReturnMoved
from tests.unit.returns_cases import (
    START,
    STORE,
    Desk,
    bought,
    desk,
    eur,
    logistics_of,
    paid_to,
    policy,
    tender,
)

LONG = timedelta(days=30)


def shop(quantity: int = 2, paid: int = 1000) -> Desk:
    return desk([bought("a", quantity, paid)], [tender("card", paid, "pi_1")])


# --- where units are ------------------------------------------------------------------------------

ENDS = {"restocked", "refurbish", "vendor", "donate", "destroy", "missing"}
NOT_AS_SENT = {"wrong_item", "short", "empty_box"}
TAKEN_IN = {"received", "handed_over"} | NOT_AS_SENT
# docs: return, logistics (per unit). Scans may be missed, so units may skip what comes between.
LEGAL: dict[str, set[str]] = {
    "awaiting": {"dropped_off", "in_transit", "arrived"} | TAKEN_IN,
    "dropped_off": {"in_transit", "arrived", "lost"} | TAKEN_IN,
    "in_transit": {"arrived", "lost"} | TAKEN_IN,
    "arrived": TAKEN_IN,
    "lost": {"in_transit", "arrived"} | TAKEN_IN,
    "received": {"inspected"} | NOT_AS_SENT | ENDS,
    "handed_over": {"inspected"} | NOT_AS_SENT | ENDS,
    "inspected": ENDS,
    "refurbish": {"restocked", "destroy"},
    "wrong_item": {"received", "handed_over"},
    "short": {"received", "handed_over"},
    "empty_box": {"received", "handed_over"},
}
STATES: tuple[UnitState, ...] = get_args(UnitState)


@pytest.mark.parametrize("to", STATES)
@pytest.mark.parametrize("state", STATES)
def test_units_move_as_the_table_says_and_in_no_other_way(state: UnitState, to: UnitState) -> None:
    legal = LEGAL.get(state, set())
    if to in legal:
        assert moved("a", {state: 2}, to, 1) == {state: 1, to: 1}
        return
    with pytest.raises(InvalidTransition) as refused:
        moved("a", {state: 2}, to, 1)
    assert (refused.value.status, refused.value.code) == (409, "INVALID_TRANSITION")
    assert refused.value.extra["legal"] == sorted(legal)


def test_the_units_that_are_nearest_are_taken_in_first() -> None:
    assert moved("a", {"awaiting": 1, "arrived": 1}, "received", 1) == {
        "awaiting": 1,
        "received": 1,
    }


def test_more_units_than_there_are_do_not_move() -> None:
    with pytest.raises(InvalidTransition):
        moved("a", {"awaiting": 1}, "received", 2)


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("as_new", "received"),
        ("opened", "received"),
        ("damaged", "received"),
        ("wrong_item", "wrong_item"),
        ("short", "short"),
        ("empty_box", "empty_box"),
    ],
)
def test_a_receipt_says_what_has_really_come(condition: str, state: str) -> None:
    counter = shop(1)
    back = counter.receive(counter.ask({"a": 1}), "a", 1, condition)
    assert logistics_of(back, "a") == {state: 1}
    (received,) = counter.told("return.received")
    accepted = [(one.line_id, one.quantity) for one in received.accepted]
    assert accepted == ([("a", 1)] if state == "received" else [])


def test_what_is_not_what_was_bought_is_not_paid_and_can_still_come() -> None:
    counter = shop()
    back = counter.ask({"a": 2})
    counter.receive(back, "a", 1, "wrong_item")
    back = counter.receive(back, "a", 1)
    assert paid_to(back) == {"card": 500}
    assert counter.book.left == {"a": 1}
    counter.pay(back)
    assert counter.returns[back.return_id].status == "partially_resolved"
    back = counter.receive(back, "a", 1)
    assert paid_to(back) == {"card": 1000}
    assert counter.book.left == {"a": 0}


def test_what_others_have_asked_for_meanwhile_is_not_taken_in_a_second_time() -> None:
    counter = shop()
    back = counter.receive(counter.ask({"a": 2}), "a", 2, "short")
    counter.ask({"a": 2})
    with pytest.raises(ReturnExceedsPurchase) as refused:
        counter.receive(back, "a", 1)
    assert refused.value.extra["left"] == [{"line_id": "a", "quantity": 0}]


def test_units_that_are_found_again_take_no_money_that_others_have_by_now() -> None:
    """Points come back first. They are given to who returned meanwhile, and only once."""
    counter = desk(
        [bought("a", 2, 1000)], [tender("points", 500, "red_1"), tender("card", 500, "pi_1")]
    )
    counter.redeem("red_1", 100)
    lost = counter.receive(counter.ask({"a": 1}), "a", 1, "short")
    counter.receive(counter.ask({"a": 1}))
    with pytest.raises(QuoteOutdated):
        counter.receive(lost, "a", 1)


def test_goods_go_back_on_the_shelf_once_each() -> None:
    counter = shop(3)
    back = counter.receive(counter.ask({"a": 3}))
    counter.inspect(back, "a", 1, "restocked")
    counter.inspect(back, "a", 2, "refurbish")
    counter.inspect(back, "a", 1, "restocked")
    back = counter.inspect(back, "a", 1, "destroy")
    restocked = counter.told("item.restocked")
    assert [(one.sku, one.quantity) for one in restocked] == [("sku-a", 1), ("sku-a", 1)]
    assert logistics_of(back, "a") == {"restocked": 2, "destroy": 1}
    with pytest.raises(InvalidTransition):
        counter.inspect(back, "a", 1, "restocked")


def test_looking_at_units_does_not_yet_say_where_they_go() -> None:
    counter = shop(1)
    back = counter.inspect(counter.receive(counter.ask({"a": 1})), "a")
    assert logistics_of(back, "a") == {"inspected": 1}
    assert counter.told("item.restocked") == []


def test_a_line_of_another_return_is_not_taken_in() -> None:
    counter = desk([bought("a"), bought("b")])
    back = counter.ask({"a": 1})
    with pytest.raises(UnknownLine):
        counter.receive(back, "b")


# --- what is decided ------------------------------------------------------------------------------


def waiting() -> tuple[Desk, Return]:
    counter = shop()
    return counter, counter.ask({"a": 2}, policy(decision="review"))


def approved() -> tuple[Desk, Return]:
    counter = shop()
    return counter, counter.ask({"a": 2})


def under_way() -> tuple[Desk, Return]:
    counter, back = approved()
    return counter, counter.scan(back)


def resolved() -> tuple[Desk, Return]:
    counter, back = approved()
    counter.receive(back)
    return counter, counter.pay(back)


def partially_resolved() -> tuple[Desk, Return]:
    counter, back = approved()
    counter.receive(back, "a", 1, "empty_box")
    counter.receive(back, "a", 1)
    return counter, counter.pay(back)


def rejected() -> tuple[Desk, Return]:
    counter, back = waiting()
    return counter, counter.do(back, deciding.reject, "worn")


def called_off() -> tuple[Desk, Return]:
    counter, back = approved()
    return counter, counter.do(back, deciding.cancel, "keeps it")


def expired() -> tuple[Desk, Return]:
    counter, back = approved()
    counter.now += LONG
    return counter, counter.do(back, deciding.time_passes)


PASTS: dict[str, Callable[[], tuple[Desk, Return]]] = {
    "requested": waiting,
    "approved": approved,
    "in_progress": under_way,
    "resolved": resolved,
    "partially_resolved": partially_resolved,
    "rejected": rejected,
    "cancelled": called_off,
    "expired": expired,
}
COMMANDS: dict[str, Callable[[Desk, Return], Return]] = {
    "approve": lambda counter, back: counter.do(back, deciding.approve, "", None),
    "reject": lambda counter, back: counter.do(back, deciding.reject, "no"),
    "cancel": lambda counter, back: counter.do(back, deciding.cancel, "no"),
    "receive": lambda counter, back: counter.receive(back),
    "parcels": lambda counter, back: counter.do(
        back, deciding.add_parcel, Parcel(carrier="ups", tracking_number="1Z1"), None, None
    ),
}
# Where each command is possible, and what the header is then.
POSSIBLE = {
    ("approve", "requested"): "approved",
    ("reject", "requested"): "rejected",
    ("cancel", "requested"): "cancelled",
    ("cancel", "approved"): "cancelled",
    ("receive", "approved"): "in_progress",
    ("receive", "in_progress"): "in_progress",
    ("receive", "expired"): "in_progress",
    ("parcels", "approved"): "approved",
    ("parcels", "in_progress"): "in_progress",
}


@pytest.mark.parametrize("status", PASTS)
def test_the_header_follows_from_the_lines(status: str) -> None:
    _, back = PASTS[status]()
    assert back.status == status


@pytest.mark.parametrize("status", PASTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_possible_where_the_table_says(command: str, status: str) -> None:
    counter, back = PASTS[status]()
    after = POSSIBLE.get((command, status))
    if after:
        assert COMMANDS[command](counter, back).status == after
        return
    before = (counter.book, counter.returns[back.return_id])
    with pytest.raises(ReturnMoved) as refused:
        COMMANDS[command](counter, back)
    assert refused.value.code == "INVALID_TRANSITION"
    assert refused.value.extra["state"] == status
    assert command not in refused.value.extra["allowed"] or status == "partially_resolved"
    assert (counter.book, counter.returns[back.return_id]) == before


@pytest.mark.parametrize("status", PASTS)
def test_a_return_names_the_commands_that_are_possible(status: str) -> None:
    _, back = PASTS[status]()
    possible = {command for command in COMMANDS if (command, status) in POSSIBLE}
    # What came otherwise than it was sent may be put right, unit by unit.
    possible |= {"receive"} if status == "partially_resolved" else set()
    possible |= {"inspect"} if status in ("resolved", "partially_resolved") else set()
    assert set(back.moves) == possible


def test_what_did_not_come_is_received_by_name() -> None:
    counter, back = partially_resolved()
    with pytest.raises(ReturnMoved, match="name the units"):
        counter.receive(back)
    assert counter.receive(back, "a", 1).status == "in_progress"


def test_more_than_can_move_is_refused_with_how_many_can() -> None:
    counter = shop(3)
    back = counter.ask({"a": 3})
    counter.receive(back, "a", 2)
    with pytest.raises(InvalidTransition) as refused:
        counter.receive(back, "a", 2)
    assert refused.value.detail == "Line a has 1 that can move to received, not 2"
    assert refused.value.extra["movable"] == 1
    with pytest.raises(ReturnExceedsPurchase) as exceeded:
        counter.receive(back, "a", 7)
    assert exceeded.value.extra["left"] == [{"line_id": "a", "quantity": 1}]
    with pytest.raises(ReturnExceedsPurchase) as exceeded:
        counter.inspect(back, "a", 4)
    assert exceeded.value.extra["left"] == [{"line_id": "a", "quantity": 2}]


@pytest.mark.parametrize("status", ["rejected", "cancelled", "expired"])
def test_what_ends_without_goods_gives_its_units_and_money_back(status: str) -> None:
    counter, back = PASTS[status]()
    assert counter.book.left == {"a": 2}
    assert counter.book.tender("t0").room == 1000
    assert {back.money_of(line) for line in back.lines} == {"none"}
    assert counter.offer({"a": 2}).plan.lines[0].amount == 1000


@pytest.mark.parametrize("status", ["resolved", "partially_resolved"])
def test_a_return_is_closed_once_when_nothing_more_is_expected(status: str) -> None:
    counter, back = PASTS[status]()
    assert back.closed_at == counter.now
    assert len(counter.told("return.closed")) == 1
    counter.inspect(back, "a", 1, "restocked")
    assert len(counter.told("return.closed")) == 1


@pytest.mark.parametrize("status", ["rejected", "cancelled", "expired", "in_progress"])
def test_what_has_ended_before_or_goes_on_is_not_closed(status: str) -> None:
    counter, _ = PASTS[status]()
    assert counter.told("return.closed") == []


@pytest.mark.parametrize("status", PASTS)
def test_a_return_tells_when_it_ended(status: str) -> None:
    counter, back = PASTS[status]()
    goes_on = status in ("requested", "approved", "in_progress")
    assert back.ended_at == (None if goes_on else counter.now)


def test_what_is_taken_up_again_has_not_ended() -> None:
    counter, back = expired()
    back = counter.receive(back)
    assert (back.status, back.ended_at, back.closed_at) == ("in_progress", None, None)
    back = counter.pay(back)
    assert (back.ended_at, len(counter.told("return.closed"))) == (counter.now, 1)


def test_what_a_bank_sends_back_ends_when_it_has_been_paid_after_all() -> None:
    counter, back = resolved()
    (paid,) = back.refunds
    counter.now += timedelta(days=1)
    back = counter.resulted(back, paid, "failed")
    assert (back.status, back.ended_at) == ("in_progress", None)
    counter.do(back, payouts.replan, paid.refund_id, "store_credit", None, "")
    counter.now += timedelta(days=1)
    assert counter.pay(back).ended_at == counter.now
    assert len(counter.told("return.closed")) == 1


def test_of_what_came_only_in_part_the_money_that_was_due_is_paid() -> None:
    _, back = partially_resolved()
    assert back.money_of(back.lines[0]) == "succeeded"
    (leg,) = views.return_view(back, START).refund.legs
    assert (leg.state, leg.paid, back.legs[0].refunded) == ("succeeded", eur(500), 500)


def test_a_return_that_nothing_came_of_pays_nothing() -> None:
    counter, back = approved()
    back = counter.receive(back, "a", 2, "empty_box")
    assert (back.status, back.money_of(back.lines[0])) == ("partially_resolved", "none")
    assert len(counter.told("return.closed")) == 1


# --- time, parcels and codes ----------------------------------------------------------------------


def test_a_return_expires_on_its_day_and_not_before() -> None:
    counter, back = approved()
    assert back.ship_by == back.due_at
    assert back.ship_by is not None
    counter.now = back.ship_by - timedelta(seconds=1)
    assert counter.do(back, deciding.time_passes).status == "approved"
    counter.now = back.ship_by
    assert counter.do(back, deciding.time_passes).status == "expired"
    assert len(counter.told("return.expired")) == 1


def test_a_return_that_nobody_brings_to_the_counter_expires_and_is_taken_in_all_the_same() -> None:
    counter = shop()
    back = counter.ask({"a": 1}, method="store")
    counter.now += LONG
    assert counter.do(back, deciding.time_passes).status == "expired"
    assert paid_to(counter.receive(back, counter=STORE)) == {"card": 500}


def test_what_is_on_its_way_does_not_expire() -> None:
    counter, back = under_way()
    counter.now += LONG * 12
    assert counter.do(back, deciding.time_passes).status == "in_progress"


def test_a_late_scan_takes_an_expired_return_up_again() -> None:
    counter, back = expired()
    back = counter.scan(back)
    assert (back.status, counter.book.left) == ("in_progress", {"a": 0})
    assert [one.revived for one in counter.told("return.approved")] == [False, True]


def test_a_late_parcel_is_refused_when_its_units_came_back_otherwise() -> None:
    counter, back = expired()
    counter.ask({"a": 1})
    with pytest.raises(ReturnExceedsPurchase):
        counter.receive(back)


def test_a_return_that_is_taken_up_again_is_paid_with_what_is_left_by_then() -> None:
    """Points come back first: to who asked while it had expired, and the card's money to it."""
    counter = desk(
        [bought("a", 2, 1000)], [tender("points", 500, "red_1"), tender("card", 500, "pi_1")]
    )
    counter.redeem("red_1", 100)
    back = counter.ask({"a": 1})
    counter.now += LONG
    counter.do(back, deciding.time_passes)
    other = counter.receive(counter.ask({"a": 1}))
    back = counter.receive(back)
    assert (paid_to(other), paid_to(back)) == ({"points": 500}, {"card": 500})
    assert [one.room for one in counter.book.tenders] == [0, 0]


def test_the_remainder_is_paid_once_when_an_expired_return_is_taken_up_again() -> None:
    counter = shop(2, 1)
    first, last = counter.ask({"a": 1}), counter.ask({"a": 1})
    assert (first.lines[0].amount, last.lines[0].amount) == (0, 1)
    counter.now += LONG
    counter.do(last, deciding.time_passes)
    counter.receive(counter.ask({"a": 1}))
    counter.do(first, deciding.cancel, "")
    assert counter.receive(last).lines[0].amount == 0


@pytest.mark.parametrize(
    ("scans", "state"),
    [
        ([("in_transit", False)], "in_transit"),
        ([("in_transit", False), ("delivered", True)], "arrived"),
        ([("delivered", True), ("in_transit", False)], "arrived"),
        ([("in_transit", False), ("failed", False)], "lost"),
        ([("in_transit", False), ("failed", False), ("delivered", True)], "arrived"),
        ([("in_transit", False), ("returned", False)], "in_transit"),
    ],
)
def test_units_follow_their_parcel(scans: list[tuple[str, bool]], state: str) -> None:
    counter, back = approved()
    for status, has_arrived in scans:
        delivered = {"delivered_at": counter.now} if has_arrived else {}
        back = counter.scan(back, status, **delivered)
    assert logistics_of(back, "a") == {state: 2}


def test_a_repeated_scan_is_no_news() -> None:
    counter, back = under_way()
    known = len(counter.facts)
    counter.scan(back)
    assert len(counter.facts) == known


def test_a_scan_from_before_the_return_is_of_another_journey() -> None:
    counter, back = approved()
    back = counter.scan(back, handed_over_at=START - timedelta(seconds=1))
    assert back.status == "approved"


@pytest.mark.parametrize("status", ["requested", "rejected", "cancelled"])
def test_a_scan_moves_nothing_that_is_not_approved(status: str) -> None:
    counter, back = PASTS[status]()
    known = len(counter.facts)
    assert counter.scan(back).status == status
    assert len(counter.facts) == known


def test_a_parcel_is_added_once_and_not_without_end() -> None:
    counter, back = approved()
    parcels = [Parcel(carrier="ups", tracking_number=f"1Z{number}") for number in range(11)]
    label = LabelState(state="bought")
    for one in [parcels[0], *parcels[:10]]:
        back = counter.do(back, deciding.add_parcel, one, "https://label", label)
    assert back.parcels == tuple(parcels[:10])
    added = counter.told("return.parcel_added")
    assert len(added) == 10
    assert "https://label" not in added[0].document()
    with pytest.raises(TooManyParcels):
        counter.do(back, deciding.add_parcel, parcels[10], None, None)


def test_a_code_is_good_for_one_time() -> None:
    counter, back = approved()
    back = counter.do(back, deciding.receive, (), None, by_code=True)
    assert back.code_used
    with pytest.raises(CodeAlreadyUsed):
        counter.do(back, deciding.receive, (), None, by_code=True)


# --- what the money waits for ---------------------------------------------------------------------

# From which step on money is set in motion, of: approved, scanned, arrived, received, inspected.
STEPS: tuple[Callable[[Desk, Return], Any], ...] = (
    lambda _counter, back: back,
    lambda counter, back: counter.scan(back),
    lambda counter, back: counter.scan(back, "delivered", delivered_at=counter.now),
    lambda counter, back: counter.receive(back),
    lambda counter, back: counter.inspect(back, "a", 2),
)


@pytest.mark.parametrize(
    ("trigger", "first"),
    [("approval", 0), ("drop_off", 1), ("first_scan", 1), ("received", 3), ("inspected", 4)],
)
def test_money_goes_when_what_the_policy_waits_for_has_come(trigger: Trigger, first: int) -> None:
    counter = shop()
    back = counter.ask({"a": 2}, policy(trigger), method="drop_off")
    for number, step in enumerate(STEPS):
        step(counter, back)
        now = counter.returns[back.return_id]
        assert paid_to(now) == ({"card": 1000} if number >= first else {})
        assert now.money_of(now.lines[0]) == ("reserved" if number >= first else "planned")
    assert len(counter.told("refund.planned")) == 1


def test_units_at_a_drop_off_point_are_enough_for_who_waits_for_that_and_not_for_a_scan() -> None:
    for trigger, due in (("drop_off", 2), ("first_scan", 0)):
        back = shop().ask({"a": 2}, policy(trigger), method="drop_off")  # type: ignore[arg-type]
        line = back.lines[0].model_copy(update={"logistics": {"dropped_off": 2}})
        assert line.triggered == due


def test_what_is_received_without_a_scan_is_paid_by_whoever_waits_for_a_scan() -> None:
    counter = shop()
    back = counter.receive(counter.ask({"a": 2}, policy("first_scan")))
    assert paid_to(back) == {"card": 1000}


def test_what_was_paid_at_the_first_scan_is_not_paid_again_when_it_turns_out_short() -> None:
    counter = shop()
    back = counter.scan(counter.ask({"a": 2}, policy("first_scan")))
    back = counter.receive(back, "a", 2, "short")
    assert paid_to(back) == {"card": 1000}
    assert counter.book.left == {"a": 0}


def test_what_may_be_kept_is_paid_at_once_and_nothing_is_expected() -> None:
    counter = shop()
    back = counter.ask({"a": 2}, method="keep")
    assert (logistics_of(back, "a"), paid_to(back)) == ({"not_required": 2}, {"card": 1000})
    assert back.ship_by is None
    assert counter.pay(back).status == "resolved"


def test_a_person_approves_what_waits_and_the_money_goes_then() -> None:
    counter = shop()
    back = counter.ask({"a": 2}, policy("approval", decision="review"))
    assert (back.status, back.refunds) == ("requested", ())
    back = counter.do(back, deciding.approve, "fine", None)
    assert paid_to(back) == {"card": 1000}


def test_cash_is_paid_over_the_counter_and_elsewhere_by_a_person() -> None:
    for store, state in ((STORE, "succeeded"), (None, "reserved")):
        counter = desk([bought("a", 1, 700)], [tender("cash", 700)])
        back = counter.ask({"a": 1}, method="store")
        (refund,) = counter.receive(back, counter=store).refunds
        assert (refund.state, refund.paid) == (state, eur(700))


def test_goods_over_the_counter_are_handed_over() -> None:
    counter, back = approved()
    assert logistics_of(counter.receive(back, counter=STORE), "a") == {"handed_over": 2}
