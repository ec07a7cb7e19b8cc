"""What a return book knows of its purchase: evidence, money, points, and what others pay back."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_returns import bookkeeping, deciding
from tandem_returns.heard import (
    FulfillmentHeard,
    HandedOver,
    HeardQuantity,
    OrderCancelled,
    OrderUpdated,
)
from tandem_returns.purchases import Book, ReturnExceedsPurchase, UnknownLine
from tandem_returns.return_facts import fact_of
from tests.unit.returns_cases import (
    DELIVERED,
    ORDER,
    PLACED,
    START,
    Desk,
    arrival,
    bought,
    desk,
    eur,
    paid_elsewhere,
    paid_to,
    policy,
    tender,
    units,
)

LATER = DELIVERED + timedelta(days=30)


def evidence(book: Book, line_id: str = "a") -> list[tuple[int, datetime | None]]:
    return [(one.quantity, one.delivered_at) for one in book.evidence_of(line_id)]


def hear_all(shop: Desk, events: list[tuple[int, FulfillmentHeard]]) -> list[Any]:
    for seq, event in events:
        shop.hear(bookkeeping.arrived(shop.book, event, seq))
    return evidence(shop.book)


# --- evidence -------------------------------------------------------------------------------------


def test_nothing_has_been_delivered_before_somebody_says_so() -> None:
    assert evidence(desk([bought("a", 2)], delivered=False).book) == [(2, None)]


def test_what_left_over_the_counter_has_been_delivered() -> None:
    handed_over = HandedOver(id="ful_0", lines=units({"a": 2}))
    shop = desk([bought("a", 2)], delivered=False, handed_over=handed_over)
    assert evidence(shop.book) == [(2, PLACED)]


def test_each_parcel_has_a_window_of_its_own() -> None:
    shop = desk([bought("a", 5)], delivered=False)
    first = arrival("ful_1", {"a": 2})
    second = arrival("ful_2", {"a": 1}, delivered_at=LATER)
    assert hear_all(shop, [(2, first), (3, second)]) == [(1, LATER), (2, DELIVERED), (2, None)]


def test_a_retracted_delivery_takes_its_evidence_away() -> None:
    shop = desk([bought("a", 2)])
    retracted = arrival("ful_1", {"a": 2}, "shipped", "delivered", None)
    assert hear_all(shop, [(3, retracted)]) == [(2, None)]


def test_late_evidence_moves_the_window() -> None:
    shop = desk([bought("a", 1)])
    terms = policy(window_days=30)
    shop.now = DELIVERED + timedelta(days=31)
    (verdict,) = shop.offer({"a": 1}, terms).verdict.lines
    assert (verdict.eligible, verdict.code) == (False, "OUTSIDE_WINDOW")
    corrected = arrival("ful_1", {"a": 1}, delivered_at=DELIVERED + timedelta(days=3))
    shop.hear(bookkeeping.arrived(shop.book, corrected, 3))
    assert shop.offer({"a": 1}, terms).verdict.lines[0].eligible


def test_a_retraction_from_before_the_newest_word_is_old_even_where_that_changed_nothing() -> None:
    shop = desk([bought("a", 1)])
    again = arrival("ful_1", {"a": 1}, "collected", "delivered")
    retracted = arrival("ful_1", {"a": 1}, "shipped", "delivered", None)
    assert hear_all(shop, [(4, again), (3, retracted)]) == [(1, DELIVERED)]


@given(st.data())
def test_events_of_fulfilments_may_come_in_any_order_and_twice(data: st.DataObject) -> None:
    """A fulfilment goes through states; what is known in the end is what its last one says."""
    states = ["allocated", "shipped", "delivered", "shipped", "collected", "exception", "delivered"]
    events = []
    seq = 1
    for name in ("ful_1", "ful_2"):
        before = None
        for state in data.draw(st.lists(st.sampled_from(states), max_size=5)):
            seq += 1
            at = DELIVERED + timedelta(hours=data.draw(st.integers(0, 2)))
            has_arrived = state in ("delivered", "collected")
            event = arrival(name, {"a": 2}, state, before, at if has_arrived else None)
            events.append((seq, event))
            before = state
    in_order = hear_all(desk([bought("a", 4)], delivered=False), events)
    shuffled = data.draw(st.permutations([*events, *events]))
    assert hear_all(desk([bought("a", 4)], delivered=False), shuffled) == in_order


def test_units_that_are_held_count_as_those_delivered_first() -> None:
    shop = desk([bought("a", 4)], delivered=False)
    first = arrival("ful_1", {"a": 2})
    second = arrival("ful_2", {"a": 2}, delivered_at=LATER)
    hear_all(shop, [(2, first), (3, second)])
    back = shop.ask({"a": 3})
    assert evidence(shop.book) == [(1, LATER)]
    shop.do(back, deciding.cancel, "")
    assert evidence(shop.book) == [(2, LATER), (2, DELIVERED)]


# --- units ----------------------------------------------------------------------------------------


def test_more_than_is_left_is_refused_with_what_is_left() -> None:
    shop = desk([bought("a", 3), bought("b", 1)])
    shop.ask({"a": 2})
    with pytest.raises(ReturnExceedsPurchase) as refused:
        shop.offer({"a": 2, "b": 1})
    assert refused.value.extra["left"] == [
        {"line_id": "a", "quantity": 1},
        {"line_id": "b", "quantity": 1},
    ]


def test_a_line_that_was_never_bought_is_refused_by_name() -> None:
    with pytest.raises(UnknownLine):
        desk([bought("a")]).offer({"z": 1})


def test_cancelled_units_cannot_come_back() -> None:
    shop = desk([bought("a", 3)])
    gone = OrderCancelled(order_id=ORDER, lines=units({"a": 2}))
    shop.hear(bookkeeping.cancelled(shop.book, gone, START))
    assert shop.book.left == {"a": 1}


# --- money ----------------------------------------------------------------------------------------


def test_the_last_unit_takes_the_remainder() -> None:
    shop = desk([bought("a", 3, 1000)])
    amounts = [shop.ask({"a": 1}).lines[0].amount for _ in range(3)]
    assert amounts == [333, 333, 334]


def test_what_was_paid_less_than_the_lines_say_is_divided_in_their_proportion() -> None:
    shop = desk([bought("a", 1, 750), bought("b", 1, 250)], [tender("card", 900)])
    assert shop.book.paid_of_lines == {"a": 675, "b": 225}


def test_tenders_get_their_own_back_and_cash_is_last() -> None:
    paid = [
        tender("cash", 100),
        tender("card", 300),
        tender("gift_card", 200),
        tender("paypal", 50),
    ]
    shop = desk([bought("a", 1, 650)], paid)
    legs = shop.offer({"a": 1}).plan.legs
    assert [(leg.tender, leg.paid) for leg in legs] == [
        ("gift_card", 200),
        ("card", 300),
        ("paypal", 50),
        ("cash", 100),
    ]


def test_delivery_comes_back_with_the_last_of_a_whole_order_only() -> None:
    shop = desk([bought("a", 2, 1000)], [tender("card", 1490)])
    terms = policy(refund_delivery=True)
    first, second = shop.ask({"a": 1}, terms), shop.ask({"a": 1}, terms)
    assert (first.delivery, second.delivery) == (0, 490)


def test_a_line_without_a_price_makes_no_delivery_charge() -> None:
    shop = desk([bought("a", 1, 1000), bought("b", 1, None)], [tender("card", 1500)])
    assert shop.book.delivery_charge == 0


def test_a_line_of_which_nobody_knows_the_price_is_not_refunded() -> None:
    offer = desk([bought("a", 1, None)], [tender("card", 500)]).offer({"a": 1})
    assert (offer.verdict.lines[0].code, offer.plan.lines) == ("PRICE_UNKNOWN", ())


def test_a_line_that_cost_nothing_comes_back_for_nothing() -> None:
    shop = desk([bought("a", 1, 0)])
    back = shop.receive(shop.ask({"a": 1}))
    assert (back.status, paid_to(back)) == ("resolved", {})


# --- tenders that are told later ------------------------------------------------------------------


def late(shop: Desk, *tenders: Any, seq: int = 5) -> None:
    order = OrderUpdated(order_id=ORDER, tenders=tenders)
    shop.hear(bookkeeping.edited(shop.book, order, (), seq, START))


def test_an_order_without_tenders_was_paid_in_some_other_way() -> None:
    (one,) = desk([bought("a", 1, 700)]).book.tenders
    assert (one.type, one.paid) == ("other", eur(700))


def test_a_tender_keeps_its_name_when_others_are_told() -> None:
    shop = desk([bought("a", 1, 700)], [tender("card", 500, "pi_1"), tender("cash", 200)])
    late(shop, tender("card", 500, "pi_1"), tender("gift_card", 200, "gc_1"), seq=5)
    late(
        shop,
        tender("card", 300, "pi_2"),
        tender("card", 200, "pi_3"),
        tender("gift_card", 200, "gc_1"),
        seq=6,
    )
    names = [one.id for one in shop.book.tenders]
    assert len(set(names)) == len(names) == 3
    assert shop.book.tender("t2").reference == "gc_1"


def test_a_tender_that_is_told_late_is_not_paid_on_top_of_what_was_assumed() -> None:
    shop = desk([bought("a", 2, 1000)])
    shop.receive(shop.ask({"a": 1}))
    late(shop, tender("card", 1000, "pi_1"))
    assert shop.book.delivery_charge == 0
    rest = shop.offer({"a": 1}, policy(refund_delivery=True)).plan
    assert [(leg.tender, leg.paid) for leg in rest.legs] == [("card", 500)]


def test_an_edit_that_is_older_than_the_last_one_says_nothing() -> None:
    shop = desk([bought("a", 1, 700)], [tender("card", 700, "pi_1")])
    late(shop, tender("card", 600, "pi_1"), seq=6)
    late(shop, tender("card", 500, "pi_1"), seq=5)
    assert shop.book.tender("t0").paid == eur(600)


# --- points ---------------------------------------------------------------------------------------


def test_points_come_back_in_proportion_and_the_last_part_takes_the_remainder() -> None:
    shop = desk([bought("a", 3, 300)], [tender("points", 300, "red_1")])
    shop.redeem("red_1", 100)
    restored = [shop.ask({"a": 1}).legs[0].points for _ in range(3)]
    assert restored == [33, 33, 34]


def test_a_replacement_that_was_paid_with_part_of_a_redemption_has_that_part_of_its_points() -> (
    None
):
    shop = desk([bought("a", 1, 100)], [tender("points", 100, "red_1")])
    shop.redeem("red_1", 1000, value=400)
    assert shop.book.tender("t0").points == 250


def test_what_units_have_earned_is_divided_by_largest_remainder() -> None:
    shop = desk([bought("a", 3)])
    shop.hear(bookkeeping.earned(shop.book, {"a": 5}, START))
    assert [shop.book.line("a").points_of(number) for number in range(4)] == [0, 2, 4, 5]


# --- what a shop pays back by itself --------------------------------------------------------------


def shop_pays(shop: Desk, refund_id: str, of: dict[str, int], amount: int) -> None:
    told = paid_elsewhere(refund_id, of, [("card", "pi_1", amount)])
    shop.hear(bookkeeping.refunded_elsewhere(shop.book, told, START))


def card_order(quantity: int = 2, paid: int = 1000) -> Desk:
    return desk([bought("a", quantity, paid)], [tender("card", paid, "pi_1")])


def test_units_that_a_shop_has_refunded_cannot_come_back_to_us() -> None:
    shop = card_order()
    shop_pays(shop, "r1", {"a": 1}, 500)
    assert (shop.book.left, shop.book.tender("t0").room) == ({"a": 1}, 500)
    assert shop.offer({"a": 1}).plan.lines[0].amount == 500


def test_a_shop_that_books_what_we_have_paid_is_counted_once() -> None:
    shop = card_order()
    shop.pay(shop.receive(shop.ask({"a": 1})))
    shop_pays(shop, "r1", {}, 500)
    assert (shop.book.tender("t0").echoed, shop.book.tender("t0").elsewhere) == (500, 0)
    assert shop.book.tender("t0").room == 500


def test_of_a_shops_refund_that_also_books_ours_the_news_alone_is_its_own() -> None:
    shop = card_order(4, 2000)
    shop.pay(shop.receive(shop.ask({"a": 1})))
    told = paid_elsewhere("r1", {"a": 1}, [("card", "pi_1", 1000)])
    told = told.model_copy(update={"booked": (HeardQuantity(line_id="a", quantity=1),)})
    shop.hear(bookkeeping.refunded_elsewhere(shop.book, told, START))
    one = shop.book.tender("t0")
    assert (one.echoed, one.elsewhere, one.room) == (500, 500, 1000)


def test_what_a_shop_pays_beyond_ours_is_its_own() -> None:
    shop = card_order()
    shop.pay(shop.receive(shop.ask({"a": 1})))
    shop_pays(shop, "r1", {}, 300)
    shop_pays(shop, "r2", {}, 300)
    one = shop.book.tender("t0")
    assert (one.echoed, one.elsewhere, one.room) == (500, 100, 400)


def test_a_shops_refund_is_counted_once_however_often_it_is_told() -> None:
    shop = card_order()
    shop_pays(shop, "r1", {"a": 1}, 500)
    shop_pays(shop, "r1", {"a": 1}, 500)
    assert shop.book.line("a").elsewhere == 1


def test_units_of_a_line_that_a_refund_names_twice_are_both_worth_something() -> None:
    shop = card_order(3, 900)
    twice = paid_elsewhere("r1", {"a": 1}, [("card", "pi_1", 600)])
    twice = twice.model_copy(update={"lines": (*twice.lines, *twice.lines)})
    shop.hear(bookkeeping.refunded_elsewhere(shop.book, twice, START))
    assert (shop.book.line("a").elsewhere, shop.book.line("a").held_amount) == (2, 600)


def test_a_person_looks_before_what_a_shop_has_paid_meanwhile_is_paid_again() -> None:
    shop = card_order(1, 500)
    back = shop.ask({"a": 1})
    shop_pays(shop, "r1", {"a": 1}, 500)
    (refund,) = shop.receive(back).refunds
    assert (refund.state, refund.reason) == ("requires_action", "paid_elsewhere")


# --- people ---------------------------------------------------------------------------------------


def test_contacts_stand_beside_the_document_and_are_forgotten_with_the_person() -> None:
    shop = desk([bought("a")])
    (opened,) = shop.told("return_book.opened")
    assert "digest" not in opened.document()
    assert fact_of(opened.type, opened.document()).book.contacts == ()  # type: ignore[attr-defined]
    shop.hear(bookkeeping.erased(shop.book, START))
    assert shop.book.contacts == ()
    assert bookkeeping.erased(shop.book, START) is None


def test_the_last_returns_are_remembered_for_limits_and_no_more() -> None:
    shop = desk([bought("a", 25, 2500)])
    for number in range(25):
        shop.now = START + timedelta(days=number)
        shop.ask({"a": 1})
    kept = shop.book.history
    assert len(kept) == 20
    assert all(earlier.at < later.at for earlier, later in itertools.pairwise(kept))
