"""What must hold for every return book, whatever is bought, asked back, sent, refused and paid."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tandem_core.events import joined_objects
from tandem_core.problems import Problem
from tandem_returns import bookkeeping, deciding, payouts
from tandem_returns.cases import Method, Outcome, Trigger
from tandem_returns.heard import HeardLine, HeardTender, OrderCancelled
from tandem_returns.logistics import Condition, Disposition
from tandem_returns.payments import RefundOutcome
from tandem_returns.purchases import Book
from tandem_returns.return_facts import (
    ReturnBookOpened,
    ReturnBookUpdated,
    ReturnRequested,
    apply,
    fact_of,
    rebooked,
    updated,
)
from tandem_returns.returns import ExchangeLine, ExchangePayment, Return, held_by
from tests.unit.returns_cases import (
    ORDER,
    Desk,
    bought,
    desk,
    eur,
    paid_elsewhere,
    policy,
    tender,
    units,
)

KINDS = ("points", "gift_card", "card", "cash", "store_credit", "paypal")

quantities = st.integers(1, 4)
amounts = st.integers(0, 400)


@st.composite
def baskets(draw: st.DrawFn, *, priced: bool = False) -> list[HeardLine]:
    prices = amounts if priced else st.one_of(amounts, amounts, amounts, st.none())
    return [
        bought(f"l{number}", draw(quantities), draw(prices))
        for number in range(draw(st.integers(1, 3)))
    ]


@st.composite
def payments(draw: st.DrawFn, lines: list[HeardLine], *, enough: bool = False) -> list[HeardTender]:
    """Any mixture of tenders, for less than the lines, as much, or more (their delivery)."""
    owed = sum(line.paid.amount for line in lines if line.paid)
    total = owed + draw(st.integers(0, 80) if enough else st.integers(-80, 80))
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=4))
    told = []
    for number, kind in enumerate(kinds):
        last = number == len(kinds) - 1
        part = max(0, total) if last else draw(st.integers(0, max(0, total)))
        total -= part
        told.append(tender(kind, part, f"ref_{number}"))
    return told


@st.composite
def purchases(draw: st.DrawFn, *, priced: bool = False, enough: bool = False) -> Desk:
    """A delivered order with what it earned, and the points that paid for it."""
    lines = draw(baskets(priced=priced))
    shop = desk(lines, draw(payments(lines, enough=enough)))
    earned = {line.line_id: draw(st.integers(0, 9)) for line in lines}
    shop.hear(bookkeeping.earned(shop.book, earned, shop.now))
    for one in shop.book.tenders:
        if one.type == "points" and one.reference:
            shop.redeem(one.reference, draw(st.integers(0, 500)))
    return shop


def money_by_source(back: Return) -> Counter[str]:
    """Minor units that were set in motion or carried over, by the tender they count against."""
    money: Counter[str] = Counter()
    for leg in back.legs:
        carried = leg.exchange and back.exchange is not None and back.exchange.created
        money[leg.source or "on top"] += leg.paid if carried else leg.refunded
    return money


def points_by_source(back: Return) -> Counter[str]:
    return Counter({leg.source or "on top": leg.refunded_points for leg in back.legs})


def all_paid(shop: Desk) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Money and points by tender, and money by line of what was returned."""
    money: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for back in shop.returns.values():
        money.update(money_by_source(back))
        for leg in back.legs:
            points[leg.source or "on top"] += leg.refunded_points
    lines = Counter({line.line_id: line.held_amount for line in shop.book.lines})
    return +money, +points, +lines


def told_units(shop: Desk) -> Counter[tuple[str, str]]:
    """Units that `refund.succeeded` has told of, by return and line."""
    told: Counter[tuple[str, str]] = Counter()
    for fact in shop.told("refund.succeeded"):
        for one in fact.lines:
            told[fact.return_id, one.line_id] += one.quantity
    return told


# --- splits ---------------------------------------------------------------------------------------


@st.composite
def splits(draw: st.DrawFn, shop: Desk) -> list[dict[str, int]]:
    """The units of an order in any number of returns."""
    each = [line.line_id for line in shop.book.lines for _ in range(line.quantity)]
    each = draw(st.permutations(each))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(each) - 1)), max_size=4)))
    bounds = [0, *cuts, len(each)]
    parts = [Counter(each[start:end]) for start, end in itertools.pairwise(bounds)]
    return [dict(part) for part in parts if part]


@given(st.data())
def test_any_split_of_an_order_ends_where_one_return_of_all_of_it_does(data: st.DataObject) -> None:
    terms = policy(refund_delivery=data.draw(st.booleans()))
    shop = data.draw(purchases(priced=True))
    whole = Desk(shop.book)
    whole.receive(whole.ask({line.line_id: line.quantity for line in shop.book.lines}, terms))
    split = Desk(shop.book)
    for part in data.draw(splits(shop)):
        split.receive(split.ask(part, terms))
    assert all_paid(split) == all_paid(whole)
    assert split.book.left == dict.fromkeys(split.book.left, 0)


@given(st.data())
def test_a_return_that_arrives_in_pieces_pays_what_one_that_arrives_at_once_does(
    data: st.DataObject,
) -> None:
    terms = policy(
        bonus_percent=data.draw(st.integers(0, 30)),
        restocking_percent=data.draw(st.integers(0, 100)),
        fees={"mail": [eur(data.draw(st.integers(0, 100)))]},
        refund_delivery=data.draw(st.booleans()),
    )
    outcome: Outcome = data.draw(st.sampled_from(["refund", "store_credit"]))
    shop = data.draw(purchases(priced=True))
    everything = {line.line_id: line.quantity for line in shop.book.lines}
    gift = data.draw(st.booleans())
    back = shop.ask(everything, terms, outcome, gift=gift)
    pieces = data.draw(
        st.permutations([name for name, number in everything.items() for _ in range(number)])
    )
    for line_id in pieces:
        shop.receive(back, line_id)
    back = shop.returns[back.return_id]
    assert [leg.refunded for leg in back.legs] == [leg.paid for leg in back.legs]
    assert [leg.refunded_points for leg in back.legs] == [leg.points or 0 for leg in back.legs]
    told = Counter({line.line_id: line.quantity for line in back.lines})
    shop.pay(back)
    assert told_units(shop) == {(back.return_id, name): number for name, number in told.items()}


@given(st.data())
def test_the_units_of_a_line_are_worth_what_was_paid_for_it(data: st.DataObject) -> None:
    shop = data.draw(purchases(priced=True, enough=True))
    for part in data.draw(splits(shop)):
        shop.ask(part)
    for line in shop.book.lines:
        assert line.paid is not None
        assert line.held_amount == line.paid.amount


@given(st.data())
def test_points_to_be_taken_are_what_loyalty_takes_for_any_split_and_order(
    data: st.DataObject,
) -> None:
    shop = data.draw(purchases(priced=True))
    earned = {line.line_id: line.earned for line in shop.book.lines}
    predicted: Counter[str] = Counter()
    for part in data.draw(splits(shop)):
        if data.draw(st.booleans()):
            gone = OrderCancelled(order_id=ORDER, lines=units(part))
            before = {line.line_id: line for line in shop.book.lines}
            shop.hear(bookkeeping.cancelled(shop.book, gone, shop.now))
            for line in shop.book.lines:
                was = before[line.line_id]
                predicted[line.line_id] += was.points_of(line.gone) - was.points_of(was.gone)
        else:
            for planned in shop.offer(part).plan.lines:
                predicted[planned.line_id] += planned.points_taken
            shop.ask(part)
    # loyalty divides what a line has earned over its units by largest remainder, cumulatively.
    assert +predicted == +Counter(earned)


# --- anything at all ------------------------------------------------------------------------------


class AnyBook(RuleBasedStateMachine):
    """An order, and everything that channels, carriers, banks, shops and time do to its returns."""

    shop: Desk
    refunds_elsewhere = 0

    @initialize(data=st.data())
    def bought(self, data: st.DataObject) -> None:
        self.shop = data.draw(purchases())
        self.superseded: set[str] = set()

    def a_return(self, data: st.DataObject) -> Return:
        return data.draw(st.sampled_from(list(self.shop.returns.values())))

    def some_units(self, data: st.DataObject) -> dict[str, int]:
        left = {name: number for name, number in self.shop.book.left.items() if number}
        if not left:
            return {}
        names = data.draw(st.sets(st.sampled_from(sorted(left)), min_size=1))
        return {name: data.draw(st.integers(1, left[name])) for name in sorted(names)}

    @rule(
        data=st.data(),
        outcome=st.sampled_from(get_args(Outcome)),
        method=st.sampled_from(get_args(Method)),
        trigger=st.sampled_from(get_args(Trigger)),
        decision=st.sampled_from(["approve", "approve", "review"]),
        gift=st.booleans(),
        fee=st.integers(0, 30),
    )
    def somebody_asks(
        self,
        data: st.DataObject,
        outcome: Outcome,
        method: Method,
        trigger: Trigger,
        decision: str,
        gift: bool,
        fee: int,
    ) -> None:
        wanted = self.some_units(data)
        if not wanted:
            return
        terms = policy(
            trigger,
            bonus_percent=10,
            decision=decision,
            restocking_percent=fee,
            fees={method: [eur(fee)]},
            refund_delivery=data.draw(st.booleans()),
        )
        replacement = []
        if outcome == "exchange" and data.draw(st.booleans()):
            price = eur(data.draw(amounts))
            replacement = [ExchangeLine(line_id="n1", sku="new", quantity=1, unit_price=price)]
        offer = self.shop.offer(wanted, terms, outcome, method, replacement, gift=gift)
        if not offer.plan.lines:
            return
        payment = None
        if offer.plan.due:
            payment = ExchangePayment(type="card", paid=eur(offer.plan.due), reference="pi_extra")
        self.shop.take_up(offer, payment)

    @precondition(lambda self: self.shop.returns)
    @rule(
        data=st.data(),
        condition=st.sampled_from([*get_args(Condition), "as_new", "as_new", "as_new"]),
        quantity=st.integers(1, 3),
        counter=st.sampled_from([None, "store-1"]),
    )
    def units_come(
        self, data: st.DataObject, condition: Condition, quantity: int, counter: str | None
    ) -> None:
        back = self.a_return(data)
        line = data.draw(st.sampled_from(back.lines))
        with suppress(Problem):
            self.shop.receive(back, line.line_id, quantity, condition, counter)

    @precondition(lambda self: self.shop.returns)
    @rule(
        data=st.data(),
        disposition=st.sampled_from([None, *get_args(Disposition)]),
        quantity=st.integers(1, 3),
    )
    def units_are_inspected(
        self, data: st.DataObject, disposition: Disposition | None, quantity: int
    ) -> None:
        back = self.a_return(data)
        line = data.draw(st.sampled_from(back.lines))
        with suppress(Problem):
            self.shop.inspect(back, line.line_id, quantity, disposition)

    @precondition(lambda self: self.shop.returns)
    @rule(data=st.data(), status=st.sampled_from(["in_transit", "delivered", "failed", "returned"]))
    def a_parcel_is_scanned(self, data: st.DataObject, status: str) -> None:
        arrived = {"delivered_at": self.shop.now} if status == "delivered" else {}
        with suppress(Problem):
            self.shop.scan(self.a_return(data), status, **arrived)

    @precondition(lambda self: self.shop.returns)
    @rule(
        data=st.data(),
        approved=st.booleans(),
        cancelled=st.booleans(),
    )
    def somebody_decides(self, data: st.DataObject, approved: bool, cancelled: bool) -> None:
        back = self.a_return(data)
        with suppress(Problem):
            if cancelled:
                self.shop.do(back, deciding.cancel, "because")
            elif approved:
                in_time = self.shop.now + timedelta(days=14)
                self.shop.do(back, deciding.approve, "because", in_time)
            else:
                self.shop.do(back, deciding.reject, "because")

    @rule(days=st.sampled_from([1, 20]))
    def time_passes(self, days: int) -> None:
        self.shop.now += timedelta(days=days)
        for back in list(self.shop.returns.values()):
            self.shop.do(back, deciding.time_passes)

    @precondition(lambda self: any(back.refunds for back in self.shop.returns.values()))
    @rule(data=st.data(), outcome=st.sampled_from(get_args(RefundOutcome)))
    def a_provider_answers(self, data: st.DataObject, outcome: RefundOutcome) -> None:
        refunds = [(b, r) for b in self.shop.returns.values() for r in b.refunds]
        back, refund = data.draw(st.sampled_from(refunds))
        if refund.provider not in ("tandem", "person"):
            self.shop.resulted(back, refund, outcome)

    @precondition(lambda self: any(back.refunds for back in self.shop.returns.values()))
    @rule(data=st.data(), kind=st.sampled_from(["card", "store_credit", "cash"]))
    def a_person_pays(self, data: st.DataObject, kind: str) -> None:
        refunds = [(b, r) for b in self.shop.returns.values() for r in b.refunds]
        back, refund = data.draw(st.sampled_from(refunds))
        with suppress(Problem):
            self.shop.do(back, payouts.replan, refund.refund_id, kind, None, "another way")
        with suppress(Problem):
            self.shop.do(
                back, payouts.paid_by_hand, refund.refund_id, "succeeded", "slip-1", "by hand"
            )

    @rule(data=st.data(), money_only=st.booleans())
    def the_shop_pays(self, data: st.DataObject, money_only: bool) -> None:
        wanted = {} if money_only else self.some_units(data)
        one = data.draw(st.sampled_from(self.shop.book.tenders))
        most = one.held - one.echoed if money_only else one.room
        if most < 1:
            return
        self.refunds_elsewhere += 1
        legs = [(one.type, one.reference, data.draw(st.integers(1, most)))]
        told = paid_elsewhere(f"shop-{self.refunds_elsewhere}", wanted, legs)
        before = {each.id: each.held + each.elsewhere for each in self.shop.book.tenders}
        self.shop.hear(bookkeeping.refunded_elsewhere(self.shop.book, told, self.shop.now))
        if money_only:
            after = {each.id: each.held + each.elsewhere for each in self.shop.book.tenders}
            assert after == before, "what the shop books of ours is counted once"

    @rule(data=st.data())
    def units_are_cancelled(self, data: st.DataObject) -> None:
        gone = OrderCancelled(order_id=ORDER, lines=units(self.some_units(data)))
        self.shop.hear(bookkeeping.cancelled(self.shop.book, gone, self.shop.now))

    @precondition(lambda self: self.shop.returns)
    @invariant()
    def never_more_units_than_bought(self) -> None:
        for line in self.shop.book.lines:
            assert line.held >= 0
            assert line.gone <= line.quantity

    @precondition(lambda self: self.shop.returns)
    @invariant()
    def never_more_money_than_paid(self) -> None:
        for one in self.shop.book.tenders:
            assert one.held >= 0
            assert one.held + one.elsewhere <= one.paid.amount
        money, points, _ = all_paid(self.shop)
        for one in self.shop.book.tenders:
            assert money[one.id] <= one.held
            assert points[one.id] <= one.held_points
            assert one.held_points <= (one.points or 0)
        worth = self.shop.book.paid_of_lines
        for line in self.shop.book.lines:
            assert 0 <= line.held_amount <= worth[line.line_id]

    @precondition(lambda self: self.shop.returns)
    @invariant()
    def the_book_holds_what_its_returns_hold(self) -> None:
        held = [held_by(back) for back in self.shop.returns.values()]
        for line in self.shop.book.lines:
            assert line.held == sum(one.units.get(line.line_id, 0) for one in held)
        for one in self.shop.book.tenders:
            assert one.held == sum(each.tenders.get(one.id, 0) for each in held)
            assert one.held_points == sum(each.points.get(one.id, 0) for each in held)

    @precondition(lambda self: self.shop.returns)
    @invariant()
    def each_unit_is_told_once(self) -> None:
        told = told_units(self.shop)
        for back in self.shop.returns.values():
            for line in back.lines:
                assert told[back.return_id, line.line_id] <= line.paid_units <= line.quantity
                if not back.payable:
                    assert told[back.return_id, line.line_id] == line.paid_units

    @precondition(lambda self: self.shop.returns)
    @invariant()
    def a_return_ends_once(self) -> None:
        ends = Counter(fact.return_id for fact in self.shop.told("return.closed"))
        assert all(number == 1 for number in ends.values())
        created = Counter(fact.return_id for fact in self.shop.told("exchange.created"))
        assert all(number == 1 for number in created.values())

    @precondition(lambda self: self.shop.returns)
    @invariant()
    def a_replacement_is_paid_for(self) -> None:
        for fact in self.shop.told("exchange.created"):
            value = sum(line.paid.amount for line in fact.lines)
            assert sum(one.paid.amount for one in fact.tenders) == value

    def teardown(self) -> None:
        if not hasattr(self, "shop"):
            return
        book, returns = folded(self.shop)
        assert book == self.shop.book
        assert returns == self.shop.returns


def folded(shop: Desk) -> tuple[Book | None, dict[str, Return]]:
    """Read the book and its returns back from the documents of their journal."""
    book: Book | None = None
    returns: dict[str, Return] = {}
    for recorded in shop.facts:
        text = joined_objects(recorded.document(), recorded.private_document())
        fact = fact_of(recorded.type, text)
        assert fact == recorded
        if isinstance(fact, ReturnBookOpened):
            book = fact.book
            continue
        assert book is not None
        if isinstance(fact, ReturnBookUpdated):
            book = updated(book, fact)
            continue
        return_id: str = fact.return_id  # type: ignore[attr-defined]
        before = returns.get(return_id)
        returns[return_id] = apply(before, fact)
        book = rebooked(book, before, returns[return_id])
        if isinstance(fact, ReturnRequested):
            book = book.with_history(fact.requested_at, fact.amount)
    return book, returns


TestAnyBook = AnyBook.TestCase
TestAnyBook.settings = settings(stateful_step_count=25)
