"""What a return shows: what it comes to, to whoever may know it."""

from __future__ import annotations

from tandem_returns import bookkeeping, contracts, deciding, payouts, views
from tandem_returns.policies import PolicyDefinition
from tandem_returns.returns import Return
from tests.unit.returns_cases import (
    LENIENT,
    Desk,
    bought,
    desk,
    eur,
    paid_elsewhere,
    policy,
    tender,
)

Legs = list[tuple[str, int | None, int | None, str]]


def refund_of(shop: Desk, back: Return) -> contracts.ReturnRefund:
    return views.return_view(shop.returns[back.return_id], shop.now).refund


def legs_of(shop: Desk, back: Return) -> Legs:
    return [
        (leg.tender, leg.paid.amount if leg.paid else None, leg.points, leg.state)
        for leg in refund_of(shop, back).legs
    ]


def three_units(earned: int = 31) -> Desk:
    """Three units, paid with points, a gift card and a card, and what they have earned."""
    shop = desk(
        [bought("a", 3, 3000)],
        [tender("points", 1500, "red_1"), tender("gift_card", 700), tender("card", 800, "pi_1")],
    )
    shop.redeem("red_1", 1500)
    shop.hear(bookkeeping.earned(shop.book, {"a": earned}, shop.now))
    return shop


def asked(shop: Desk, terms: PolicyDefinition = LENIENT) -> Return:
    return shop.ask({"a": 3}, terms)


# --- what it comes to -----------------------------------------------------------------------------


def test_units_that_may_still_come_are_shown_as_planned() -> None:
    shop = three_units()
    back = asked(shop)
    assert legs_of(shop, back) == [
        ("points", 1500, 1500, "planned"),
        ("gift_card", 700, None, "planned"),
        ("card", 800, None, "planned"),
    ]
    assert refund_of(shop, back).points_taken == 31
    shop.receive(back, "a", 1)
    assert legs_of(shop, back)[0] == ("points", 1500, 1500, "planned")


def test_no_more_is_shown_than_is_due_for_what_came() -> None:
    shop = three_units()
    back = asked(shop)
    shop.receive(back, "a", 2)
    shop.receive(back, "a", 1, "short")
    shop.pay(back)
    assert shop.returns[back.return_id].status == "partially_resolved"
    assert legs_of(shop, back) == [
        ("points", 1500, 1500, "succeeded"),
        ("gift_card", 500, None, "succeeded"),
        ("card", 0, None, "none"),
    ]
    shown = refund_of(shop, back)
    # Loyalty divides 31 as 11, 10, 10.
    assert (shown.points_restored, shown.points_taken) == (1500, 21)


def test_points_that_are_not_given_back_are_not_shown_as_given() -> None:
    shop = three_units()
    back = asked(shop)
    shop.receive(back, "a", 1)
    shop.receive(back, "a", 2, "empty_box")
    shown = refund_of(shop, back)
    assert (shown.points_restored, shown.points_taken) == (1000, 11)
    assert legs_of(shop, back)[0] == ("points", 1000, 1000, "succeeded")


def test_what_is_found_after_all_counts_again() -> None:
    shop = three_units()
    back = asked(shop)
    shop.receive(back, "a", 2)
    shop.receive(back, "a", 1, "short")
    shop.receive(back, "a", 1)
    shop.pay(back)
    assert [leg[1] for leg in legs_of(shop, back)] == [1500, 700, 800]
    assert refund_of(shop, back).points_taken == 31


def test_fees_are_shown_for_what_came() -> None:
    terms = policy(restocking_percent=10, fees={"mail": [eur(50)]})
    shop = desk([bought("a", 3, 3000)], [tender("card", 3000, "pi_1")])
    back = asked(shop, terms)
    assert refund_of(shop, back).fees == eur(350)
    shop.receive(back, "a", 1)
    shop.receive(back, "a", 2, "short")
    assert (refund_of(shop, back).fees, legs_of(shop, back)[0][1]) == (eur(150), 850)


def test_nothing_is_shown_for_a_return_of_which_nothing_came() -> None:
    shop = three_units()
    back = asked(shop, policy(fees={"mail": [eur(50)]}))
    shop.receive(back, "a", 3, "empty_box")
    assert {leg[3] for leg in legs_of(shop, back)} == {"none"}
    assert {leg[1] for leg in legs_of(shop, back)} == {0}
    shown = refund_of(shop, back)
    assert (shown.fees, shown.points_restored, shown.points_taken) == (eur(0), 0, 0)


def test_nothing_is_shown_for_a_return_that_was_called_off() -> None:
    shop = three_units()
    back = asked(shop)
    shop.do(back, deciding.cancel, "changed my mind")
    assert [leg[1:] for leg in legs_of(shop, back)] == [
        (0, 0, "none"),
        (0, None, "none"),
        (0, None, "none"),
    ]
    shown = refund_of(shop, back)
    assert (shown.points_restored, shown.points_taken) == (0, 0)


def test_points_taken_go_on_where_earlier_returns_have_ended() -> None:
    shop = three_units(earned=32)
    shop.receive(shop.ask({"a": 1}))
    back = shop.ask({"a": 2})
    # 11 are gone, 11 and 10 are left.
    assert refund_of(shop, back).points_taken == 21
    shop.receive(back, "a", 1)
    shop.receive(back, "a", 1, "short")
    assert refund_of(shop, back).points_taken == 11


def test_a_return_that_is_taken_up_again_takes_what_its_units_have_earned_by_then() -> None:
    shop = desk([bought("a", 3, 3000)], [tender("card", 3000, "pi_1")])
    back = shop.ask({"a": 1})
    shop.hear(bookkeeping.earned(shop.book, {"a": 31}, shop.now))
    assert back.ship_by is not None
    shop.now = back.ship_by
    shop.do(back, deciding.time_passes)
    assert refund_of(shop, back).points_taken == 0
    shop.receive(back)
    assert refund_of(shop, back).points_taken == 11


def test_an_amount_that_a_shop_has_paid_itself_is_what_a_person_looks_at() -> None:
    shop = desk([bought("a", 1, 1000)], [tender("card", 1000, "pi_1")])
    back = shop.ask({"a": 1})
    told = paid_elsewhere("r1", {"a": 1}, [("card", "pi_1", 1000)])
    shop.hear(bookkeeping.refunded_elsewhere(shop.book, told, shop.now))
    shop.receive(back)
    assert legs_of(shop, back) == [("card", 1000, None, "requires_action")]


# --- who really paid ------------------------------------------------------------------------------


def test_what_was_paid_in_another_way_is_shown_so() -> None:
    shop = desk([bought("a", 2, 2000)], [tender("card", 2000, "pi_1")])
    back = shop.ask({"a": 2})
    first = shop.receive(back, "a", 1).refunds[0]
    shop.resulted(back, first, "failed")
    said = (first.refund_id, "store_credit", None, "the card is closed")
    shop.do(back, payouts.replan, *said)
    assert legs_of(shop, back) == [
        ("card", 1000, None, "planned"),
        ("store_credit", 1000, None, "reserved"),
    ]
    assert [leg.instead_of for leg in refund_of(shop, back).legs] == [None, "card"]
    shop.receive(back, "a", 1, "short")
    shop.pay(back)
    assert legs_of(shop, back) == [("store_credit", 1000, None, "succeeded")]


def test_what_failed_on_every_way_is_shown_on_the_last() -> None:
    shop = desk([bought("a", 1, 1000)], [tender("card", 1000, "pi_1")])
    back = shop.receive(shop.ask({"a": 1}))
    for number, kind in enumerate(["store_credit", "cash"]):
        failed = shop.resulted(back, shop.returns[back.return_id].refunds[number], "failed")
        said = (failed.refunds[number].refund_id, kind, None, "")
        back = shop.do(back, payouts.replan, *said)
    assert legs_of(shop, back) == [("cash", 1000, None, "reserved")]


# --- replacements ---------------------------------------------------------------------------------


def test_points_that_pay_for_a_replacement_are_not_restored() -> None:
    shop = three_units()
    offer = shop.offer({"a": 1}, outcome="exchange")
    assert offer.plan.points_restored == 0
    back = shop.take_up(offer)
    shown = refund_of(shop, back)
    assert (shown.legs, shown.points_restored, shown.points_taken) == ((), 0, 11)
    shop.receive(back)
    assert refund_of(shop, back).points_restored == 0
