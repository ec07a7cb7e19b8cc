"""The money of a return: reserved, asked for, told, failed and paid otherwise; and replacements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.problems import Problem
from tandem_returns import bookkeeping, deciding, payouts
from tandem_returns.drafts import Draft
from tandem_returns.payments import RefundOutcome, RefundResult
from tandem_returns.payouts import RefundMoved
from tandem_returns.refund_plans import ExchangeInvalid, PointsNotKnownYet
from tandem_returns.returns import (
    PERSON,
    ExchangeLine,
    ExchangePayment,
    Refund,
    RefundNotFound,
    RefundState,
    Return,
)
from tests.unit.returns_cases import (
    PLACED,
    STORE,
    Desk,
    bought,
    desk,
    eur,
    paid_elsewhere,
    paid_to,
    policy,
    tender,
)

OUTCOMES: tuple[RefundOutcome, ...] = get_args(RefundOutcome)


def card_shop(quantity: int = 1, paid: int = 1000) -> Desk:
    return desk([bought("a", quantity, paid)], [tender("card", paid, "pi_1")])


def reserved() -> tuple[Desk, Return, Refund]:
    """A return whose money is reserved for its card."""
    shop = card_shop()
    back = shop.receive(shop.ask({"a": 1}))
    return shop, back, back.refunds[0]


def submitted() -> tuple[Desk, Return, Refund]:
    shop, back, refund = reserved()
    back = shop.do(back, payouts.submitted, refund.refund_id, "stripe")
    return shop, back, back.refunds[0]


def after(outcome: RefundOutcome) -> Callable[[], tuple[Desk, Return, Refund]]:
    def told() -> tuple[Desk, Return, Refund]:
        shop, back, refund = submitted()
        back = shop.resulted(back, refund, outcome, provider_reference="re_1")
        return shop, back, back.refunds[0]

    return told


def replanned() -> tuple[Desk, Return, Refund]:
    shop, back, refund = after("failed")()
    said = (refund.refund_id, "store_credit", None, "the card is closed")
    back = shop.do(back, payouts.replan, *said)
    return shop, back, back.refunds[0]


PASTS: dict[RefundState, Callable[[], tuple[Desk, Return, Refund]]] = {
    "reserved": reserved,
    "submitted": submitted,
    "unknown": after("unknown"),
    "pending": after("pending"),
    "requires_action": after("requires_action"),
    "succeeded": after("succeeded"),
    "failed": after("failed"),
    "replanned": replanned,
}


# --- what a provider says -------------------------------------------------------------------------


def expected(state: RefundState, outcome: RefundOutcome) -> tuple[RefundState, bool]:
    """Where a refund is after a provider has said something, and whether that could be."""
    if state in ("reserved", "submitted", "unknown"):
        return outcome, True
    if state in ("pending", "requires_action"):
        return (state if outcome == "unknown" else outcome), True
    if state == "succeeded":
        return ("failed" if outcome == "failed" else "succeeded"), True
    return state, outcome == "failed"


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("state", PASTS)
def test_a_refund_goes_where_the_table_says(state: RefundState, outcome: RefundOutcome) -> None:
    shop, back, refund = PASTS[state]()
    assert refund.state == state
    draft = Draft(shop.book, shop.now, back)
    could_be = payouts.resulted(
        draft, refund.refund_id, RefundResult(outcome=outcome, provider="stripe")
    )
    assert (draft.current.refund(refund.refund_id).state, could_be) == expected(state, outcome)


@pytest.mark.parametrize("state", ["pending", "requires_action", "succeeded", "failed"])
def test_what_is_told_again_changes_nothing(state: RefundOutcome) -> None:
    shop, back, refund = PASTS[state]()
    known = len(shop.facts)
    shop.resulted(back, refund, state)
    assert len(shop.facts) == known


def test_whoever_does_not_know_is_asked_again_and_ever_more_seldom() -> None:
    shop, back, refund = after("unknown")()
    pauses = []
    for _ in range(12):
        assert refund.ask_at is not None
        pauses.append(refund.ask_at - shop.now)
        shop.now = refund.ask_at
        refund = shop.resulted(back, refund, "unknown").refunds[0]
    assert pauses == sorted(pauses)
    assert pauses[0] < timedelta(minutes=10)
    assert pauses[-1] == timedelta(hours=6)


@pytest.mark.parametrize("state", ["reserved", "submitted", "unknown", "pending"])
def test_what_nobody_hears_of_is_asked_for_by_time(state: RefundState) -> None:
    shop, back, refund = PASTS[state]()
    assert refund.ask_at is not None
    assert back.due_at == refund.ask_at > shop.now


def test_a_refund_is_written_down_as_submitted_once() -> None:
    shop, back, refund = submitted()
    known = len(shop.facts)
    shop.do(back, payouts.submitted, refund.refund_id, "another")
    assert (len(shop.facts), refund.provider) == (known, "stripe")


def test_an_unknown_refund_is_refused_by_name() -> None:
    shop, back, _ = reserved()
    with pytest.raises(RefundNotFound):
        shop.do(back, payouts.submitted, "rfd_other", "stripe")


def test_the_providers_own_name_for_a_refund_is_kept() -> None:
    shop, back, refund = after("pending")()
    back = shop.resulted(back, refund, "succeeded")
    assert back.refunds[0].provider_reference == "re_1"


def test_a_refund_that_a_bank_takes_back_opens_the_return_again() -> None:
    shop, back, refund = after("succeeded")()
    assert (back.status, back.refunded_at) == ("resolved", shop.now)
    back = shop.resulted(back, refund, "failed", reason="bank_rejected")
    assert (back.status, back.refunded_at) == ("in_progress", None)
    assert back.money_of(back.lines[0]) == "failed"
    back = shop.do(back, payouts.replan, refund.refund_id, "store_credit", None, "as agreed")
    back = shop.pay(back)
    assert (back.status, back.refunded_at) == ("resolved", shop.now)
    assert len(shop.told("return.closed")) == 1


# --- people ---------------------------------------------------------------------------------------


def for_people() -> tuple[Desk, Return, Refund]:
    shop, back, refund = reserved()
    nobody = RefundResult(outcome="requires_action", provider=PERSON, reason="no_provider")
    back = shop.do(back, payouts.resulted, refund.refund_id, nobody)
    return shop, back, back.refunds[0]


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_person_writes_down_what_they_paid_or_could_not(outcome: RefundState) -> None:
    shop, back, refund = for_people()
    said = (refund.refund_id, outcome, "slip-1", "transfer")
    refund = shop.do(back, payouts.paid_by_hand, *said).refunds[0]
    assert (refund.state, refund.provider, refund.provider_reference) == (
        outcome,
        PERSON,
        "slip-1",
    )


@pytest.mark.parametrize("state", PASTS)
def test_what_a_provider_has_heard_of_is_not_paid_by_hand(state: RefundState) -> None:
    shop, back, refund = PASTS[state]()
    with pytest.raises(RefundMoved) as refused:
        shop.do(back, payouts.paid_by_hand, refund.refund_id, "succeeded", "slip-1", "")
    assert refused.value.extra["state"] == state
    assert refused.value.extra["allowed"] == (["replan"] if state == "failed" else [])


def test_what_a_shop_has_paid_meanwhile_is_settled_by_a_person() -> None:
    shop = card_shop()
    back = shop.ask({"a": 1})
    told = paid_elsewhere("r1", {"a": 1}, [("card", "pi_1", 1000)])
    shop.hear(bookkeeping.refunded_elsewhere(shop.book, told, shop.now))
    (refund,) = shop.receive(back).refunds
    assert (refund.is_for_people, refund.reason) == (True, "paid_elsewhere")
    back = shop.do(back, payouts.paid_by_hand, refund.refund_id, "succeeded", "r1", "")
    assert back.status == "resolved"


@pytest.mark.parametrize("state", [state for state in PASTS if state != "failed"])
def test_only_what_failed_for_good_is_paid_in_another_way(state: RefundState) -> None:
    shop, back, refund = PASTS[state]()
    with pytest.raises(RefundMoved):
        shop.do(back, payouts.replan, refund.refund_id, "store_credit", None, "")


def test_what_failed_is_paid_in_another_way_under_a_name_of_its_own() -> None:
    shop, back, refund = replanned()
    again = back.refunds[1]
    assert (again.replaces, again.tender, again.paid) == (
        refund.refund_id,
        "store_credit",
        eur(1000),
    )
    assert again.refund_id != refund.refund_id
    assert paid_to(back) == {"store_credit": 1000}
    assert shop.book.tender("t0").room == 0
    assert shop.pay(back).status == "resolved"


# --- what is told of it ---------------------------------------------------------------------------


def test_points_and_cash_at_the_counter_are_paid_at_once() -> None:
    shop = desk(
        [bought("a", 1, 1000)],
        [tender("points", 300, "red_1"), tender("cash", 200), tender("card", 500, "pi_1")],
    )
    shop.redeem("red_1", 77)
    shop.receive(shop.ask({"a": 1}, method="store"), counter=STORE)
    told = [one for fact in shop.told("refund.succeeded") for one in fact.legs]
    assert [(one.tender, one.paid, one.points, one.reference) for one in told] == [
        ("points", eur(300), 77, "red_1"),
        ("cash", eur(200), None, None),
    ]


def test_units_stand_in_what_is_paid_first_and_in_nothing_else() -> None:
    shop = desk([bought("a", 2, 1000)], [tender("gift_card", 300, "gc_1"), tender("cash", 700)])
    back = shop.receive(shop.ask({"a": 2}, method="store"), counter=STORE)
    shop.pay(back)
    told = {
        fact.legs[0].tender: [(one.line_id, one.quantity) for one in fact.lines]
        for fact in shop.told("refund.succeeded")
    }
    assert told == {"cash": [("a", 2)], "gift_card": []}


def test_a_return_without_money_tells_of_its_units_all_the_same() -> None:
    shop = desk([bought("a", 1, 0)])
    shop.receive(shop.ask({"a": 1}))
    (fact,) = shop.told("refund.succeeded")
    assert (fact.legs, [one.quantity for one in fact.lines]) == ((), [1])


@given(st.data())
def test_each_unit_is_told_exactly_once_whatever_becomes_of_its_money(data: st.DataObject) -> None:
    shop = desk(
        [bought("a", 3, 1000), bought("b", 2, 301)],
        [tender("points", 200, "red_1"), tender("gift_card", 300, "gc_1"), tender("card", 801)],
    )
    shop.redeem("red_1", 55)
    back = shop.ask({"a": 3, "b": 2})
    pieces = data.draw(st.permutations(["a", "a", "a", "b", "b"]))
    for step in data.draw(
        st.lists(st.sampled_from(["come", *OUTCOMES, "replan", "by hand"]), max_size=25)
    ):
        if step == "come":
            if pieces:
                shop.receive(back, pieces.pop())
            continue
        refunds = shop.returns[back.return_id].refunds
        if not refunds:
            continue
        refund = data.draw(st.sampled_from(refunds))
        with suppress(Problem):
            if step == "replan":
                kind = data.draw(st.sampled_from(["store_credit", "cash", "card"]))
                counter = data.draw(st.sampled_from([None, STORE]))
                said = (refund.refund_id, kind, None, "")
                shop.do(back, payouts.replan, *said, counter=counter)
            elif step == "by hand":
                said = (refund.refund_id, "succeeded", None, "")
                shop.do(back, payouts.paid_by_hand, *said)
            else:
                shop.resulted(back, refund, cast(RefundOutcome, step))
    # In the end all of it arrives, and whatever failed is paid otherwise.
    for line_id in pieces:
        shop.receive(back, line_id)
    for refund in shop.returns[back.return_id].payable:
        if refund.state == "failed":
            shop.do(back, payouts.replan, refund.refund_id, "store_credit", None, "")
    shop.pay(back)
    told: Counter[str] = Counter()
    for fact in shop.told("refund.succeeded"):
        told.update({one.line_id: one.quantity for one in fact.lines})
    assert told == {"a": 3, "b": 2}
    assert sum(paid_to(shop.returns[back.return_id]).values()) == 1301
    assert shop.returns[back.return_id].status == "resolved"


def test_late_money_is_told_once() -> None:
    shop, back, refund = submitted()
    assert back.refund_due_by == shop.now + timedelta(hours=24)
    shop.do(back, deciding.time_passes)
    assert shop.told("refund.late") == []
    shop.now += timedelta(hours=24)
    for _ in range(2):
        back = shop.do(back, deciding.time_passes)
    (late,) = shop.told("refund.late")
    assert (late.triggered_at, late.refund_due_by) == (back.triggered_at, back.refund_due_by)
    assert shop.resulted(back, refund).late


def test_money_that_is_on_its_way_in_time_is_not_late() -> None:
    shop, back, _ = after("succeeded")()
    shop.now += timedelta(days=9)
    shop.do(back, deciding.time_passes)
    assert shop.told("refund.late") == []


# --- what is paid in another form -----------------------------------------------------------------


def test_points_of_which_nothing_was_heard_yet_are_waited_for_and_then_a_persons_affair() -> None:
    shop = desk([bought("a", 1, 100)], [tender("points", 100, "red_1")])
    shop.now = PLACED + timedelta(hours=1)
    with pytest.raises(PointsNotKnownYet):
        shop.offer({"a": 1})
    shop.now = PLACED + timedelta(days=2)
    (refund,) = shop.receive(shop.ask({"a": 1})).refunds
    assert (refund.state, refund.tender, refund.points) == ("reserved", "points", None)


def test_store_credit_takes_the_place_of_money_and_has_a_bonus_of_its_own() -> None:
    shop = desk(
        [bought("a", 2, 1000)], [tender("points", 300, "red_1"), tender("card", 700, "pi_1")]
    )
    shop.redeem("red_1", 30)
    back = shop.ask({"a": 2}, policy(bonus_percent=10), "store_credit")
    assert [(leg.tender, leg.paid, leg.points, leg.bonus) for leg in back.legs] == [
        ("points", 300, 30, False),
        ("store_credit", 700, None, False),
        ("store_credit", 70, None, True),
    ]
    shop.receive(back, "a", 1)
    assert paid_to(shop.receive(back, "a", 1)) == {"points": 300, "store_credit": 770}


def test_a_bonus_is_in_proportion_to_what_has_come() -> None:
    shop = card_shop(2)
    back = shop.ask({"a": 2}, policy(bonus_percent=10), "store_credit")
    shop.receive(back, "a", 1)
    assert paid_to(shop.receive(back, "a", 1, "short")) == {"store_credit": 550}


def test_who_returns_a_gift_gets_a_card_and_the_giver_nothing() -> None:
    shop = desk(
        [bought("a", 1, 1000)], [tender("points", 300, "red_1"), tender("card", 700, "pi_1")]
    )
    shop.redeem("red_1", 30)
    back = shop.ask({"a": 1}, outcome="store_credit", gift=True)
    assert all(leg.points is None for leg in back.legs)
    assert paid_to(shop.receive(back)) == {"gift_card": 1000}
    assert [one.room for one in shop.book.tenders] == [0, 0]


def test_fees_come_off_what_is_paid_and_never_more_than_that() -> None:
    terms = policy(restocking_percent=20, fees={"mail": [eur(150)]})
    back = card_shop(2, 1000).ask({"a": 1}, terms)
    assert (back.fees, [leg.paid for leg in back.legs]) == (250, [250])
    cheap = card_shop(2, 100).ask({"a": 1}, terms)
    assert (cheap.fees, cheap.legs) == (50, ())


# --- replacements ---------------------------------------------------------------------------------


def replacement(price: int, quantity: int = 1) -> tuple[ExchangeLine, ...]:
    return (ExchangeLine(line_id="n1", sku="other", quantity=quantity, unit_price=eur(price)),)


EXTRA = ExchangePayment(type="card", paid=eur(400), reference="pi_extra")


def created(shop: Desk) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, str | None]]]:
    (fact,) = shop.told("exchange.created")
    lines = [(line.sku, line.quantity, line.paid.amount) for line in fact.lines]
    return lines, [(one.type, one.paid.amount, one.reference) for one in fact.tenders]


def test_the_same_items_cost_nothing_more_whatever_was_paid_for_them() -> None:
    shop = card_shop(3, 1000)
    back = shop.receive(shop.ask({"a": 3}, outcome="exchange"))
    lines, tenders = created(shop)
    assert (lines, tenders) == (
        [("sku-a", 2, 666), ("sku-a", 1, 334)],
        [("card", 1000, "pi_1")],
    )
    assert (back.status, paid_to(back)) == ("resolved", {})
    assert len(shop.told("return.closed")) == 1


def test_what_a_cheaper_item_leaves_goes_back_as_from_any_return() -> None:
    shop = desk(
        [bought("a", 1, 1000)], [tender("points", 300, "red_1"), tender("card", 700, "pi_1")]
    )
    shop.redeem("red_1", 30)
    back = shop.ask({"a": 1}, outcome="exchange", exchange_for=replacement(500))
    back = shop.receive(back)
    assert paid_to(back) == {"points": 300, "card": 200}
    assert created(shop) == ([("other", 1, 500)], [("card", 500, "pi_1")])


def test_points_that_pay_for_a_replacement_stay_with_their_redemption() -> None:
    shop = desk([bought("a", 1, 1000)], [tender("points", 1000, "red_1")])
    shop.redeem("red_1", 101)
    back = shop.ask({"a": 1}, outcome="exchange", exchange_for=replacement(333))
    assert [(leg.paid, leg.points, leg.exchange) for leg in back.legs] == [
        (667, 67, False),
        (333, 34, True),
    ]


def test_a_dearer_item_is_paid_for_on_top() -> None:
    shop = card_shop()
    offer = shop.offer({"a": 1}, outcome="exchange", exchange_for=replacement(1400))
    assert offer.plan.due == 400
    shop.receive(shop.take_up(offer, EXTRA))
    assert created(shop) == (
        [("other", 1, 1400)],
        [("card", 1000, "pi_1"), ("card", 400, "pi_extra")],
    )


def test_a_replacement_in_another_currency_is_refused() -> None:
    line = ExchangeLine.model_validate(
        {"line_id": "n", "sku": "n", "quantity": 1, "unit_price": {"amount": 1, "currency": "USD"}}
    )
    with pytest.raises(ExchangeInvalid):
        card_shop().offer({"a": 1}, outcome="exchange", exchange_for=[line])


def test_a_replacement_leaves_with_who_hands_the_old_one_over() -> None:
    for counter, handed_over in ((STORE, True), (None, False)):
        shop = card_shop()
        shop.receive(shop.ask({"a": 1}, outcome="exchange"), counter=counter)
        (fact,) = shop.told("exchange.created")
        assert (fact.handed_over, fact.store_id) == (handed_over, counter)


def test_a_replacement_waits_until_everything_has_come() -> None:
    shop = card_shop(2)
    back = shop.receive(shop.ask({"a": 2}, outcome="exchange"), "a", 1)
    assert (shop.told("exchange.created"), back.refunds) == ([], ())
    shop.receive(back, "a", 1)
    assert len(shop.told("exchange.created")) == 1


def test_a_replacement_waits_for_the_inspection_where_the_policy_does() -> None:
    shop = card_shop()
    back = shop.receive(shop.ask({"a": 1}, policy("inspected"), "exchange"))
    assert (back.outcome, shop.told("exchange.created")) == ("exchange", [])
    shop.inspect(back, "a")
    assert len(shop.told("exchange.created")) == 1


def test_what_comes_only_in_part_is_refunded_with_what_was_paid_on_top() -> None:
    shop = card_shop(2)
    offer = shop.offer({"a": 2}, outcome="exchange", exchange_for=replacement(1400))
    back = shop.take_up(offer, EXTRA)
    shop.receive(back, "a", 1)
    back = shop.receive(back, "a", 1, "empty_box")
    assert (back.outcome, shop.told("exchange.created")) == ("refund", [])
    assert sorted((one.reference, one.paid.amount) for one in back.refunds) == [
        ("pi_1", 500),
        ("pi_extra", 400),
    ]
    assert shop.pay(back).status == "partially_resolved"
    assert shop.book.tender("t0").room == 500


ENDS: dict[str, Callable[[Desk, Return], Any]] = {
    "rejected": lambda shop, back: shop.do(back, deciding.reject, ""),
    "cancelled": lambda shop, back: shop.do(back, deciding.cancel, ""),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_was_paid_on_top_is_paid_back_once_when_there_is_no_replacement(end: str) -> None:
    shop = card_shop()
    terms = policy(decision="review")
    offer = shop.offer({"a": 1}, terms, "exchange", exchange_for=replacement(1400))
    back = shop.take_up(offer, EXTRA)
    ENDS[end](shop, back)
    (refund,) = shop.returns[back.return_id].refunds
    assert (refund.reference, refund.paid, refund.lines) == ("pi_extra", eur(400), ())
    assert shop.pay(back).status == end
    assert (shop.book.left, shop.book.tender("t0").room) == ({"a": 1}, 1000)


@pytest.mark.parametrize("is_paid_by_then", [True, False])
def test_a_replacement_whose_difference_was_paid_back_is_not_sent_for_nothing(
    is_paid_by_then: bool,
) -> None:
    shop = card_shop()
    offer = shop.offer({"a": 1}, outcome="exchange", exchange_for=replacement(1400))
    back = shop.take_up(offer, EXTRA)
    shop.now += timedelta(days=30)
    shop.do(back, deciding.time_passes)
    if is_paid_by_then:
        shop.pay(back)
    back = shop.receive(back)
    assert shop.told("exchange.created") == []
    assert sorted((one.reference, one.paid.amount) for one in back.refunds) == [
        ("pi_1", 1000),
        ("pi_extra", 400),
    ]
    assert shop.pay(back).status == "resolved"


def test_a_gift_is_exchanged_without_a_word_or_a_cent_to_the_giver() -> None:
    shop = desk(
        [bought("a", 1, 1000)], [tender("points", 300, "red_1"), tender("card", 700, "pi_1")]
    )
    shop.redeem("red_1", 30)
    back = shop.ask({"a": 1}, outcome="exchange", exchange_for=replacement(500), gift=True)
    assert paid_to(shop.receive(back)) == {"gift_card": 500}
    _, tenders = created(shop)
    assert {(kind, reference) for kind, _, reference in tenders} == {("gift_card", None)}
    assert sum(paid for _, paid, _ in tenders) == 500
