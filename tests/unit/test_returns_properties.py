"""What must hold for every return book, whatever is bought, asked back, sent, refused and paid."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from tandem_core.events import joined_objects
from tandem_core.problems import Problem
from tandem_returns import bookkeeping, deciding, payouts, views
from tandem_returns.cases import Method, Outcome, Trigger
from tandem_returns.heard import HeardLine, HeardTender, OrderCancelled, OrderUpdated
from tandem_returns.logistics import NOT_AS_SENT, Disposition
from tandem_returns.payments import RefundOutcome
from tandem_returns.purchases import Book, BookLine, BookTender
from tandem_returns.return_facts import (
    ReturnBookOpened,
    ReturnBookUpdated,
    ReturnRequested,
    apply,
    fact_of,
    rebooked,
    updated,
)
from tandem_returns.returns import ExchangeLine, ExchangePayment, Refund, Return, held_by
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


def mostly(usual: Any, *odd: Any) -> st.SearchStrategy[Any]:
    """Odd things alone would leave little to look at."""
    return st.sampled_from([*[usual] * 2 * len(odd), *odd])


quantities = st.integers(1, 4)
amounts = st.integers(0, 400)


@st.composite
def baskets(draw: st.DrawFn, *, priced: bool = False) -> list[HeardLine]:
    """Up to three lines; of the price of some nobody says anything."""
    lines = []
    for number in range(draw(st.integers(1, 3))):
        is_priced = priced or draw(mostly(True, True, True, False))
        lines.append(bought(f"l{number}", draw(quantities), draw(amounts) if is_priced else None))
    return lines


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


class Life:
    """An order, and what channels, carriers, banks, shops and time do to its returns."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.shop: Desk = draw(purchases())
        self.refunds_elsewhere = 0
        self.edits = 10

    def one_return(self) -> Return:
        return self.draw(st.sampled_from(list(self.shop.returns.values())))

    def one_refund(self) -> tuple[Return, Refund]:
        known = [(back, one) for back in self.shop.returns.values() for one in back.refunds]
        return self.draw(st.sampled_from(known))

    def one_line(self) -> tuple[Return, str]:
        back = self.one_return()
        return back, self.draw(st.sampled_from([line.line_id for line in back.lines]))

    def some_units(self) -> dict[str, int]:
        left = {name: number for name, number in self.shop.book.left.items() if number}
        names = self.draw(st.sets(st.sampled_from(sorted(left)), min_size=1)) if left else ()
        return {name: self.draw(st.integers(1, left[name])) for name in sorted(names)}

    def somebody_asks(self) -> None:
        outcome: Outcome = self.draw(mostly("refund", "exchange", "store_credit"))
        method: Method = self.draw(mostly("mail", "store", "drop_off", "keep"))
        trigger: Trigger = self.draw(mostly("received", *get_args(Trigger)))
        terms = policy(
            trigger,
            bonus_percent=10,
            decision=self.draw(mostly("approve", "review")),
            restocking_percent=self.draw(mostly(0, 15)),
            fees={method: [eur(self.draw(mostly(0, 5, 200)))]},
            refund_delivery=self.draw(st.booleans()),
        )
        replacement = []
        if outcome == "exchange" and self.draw(st.booleans()):
            price = eur(self.draw(amounts))
            replacement = [ExchangeLine(line_id="n1", sku="new", quantity=1, unit_price=price)]
        gift = self.draw(mostly(False, True))
        offer = self.shop.offer(self.some_units(), terms, outcome, method, replacement, gift=gift)
        if offer.plan.lines:
            payment = None
            if offer.plan.due:
                due = eur(offer.plan.due)
                payment = ExchangePayment(type="card", paid=due, reference="pi_extra")
            self.shop.take_up(offer, payment)

    def units_come(self) -> None:
        back, line_id = self.one_line()
        condition = self.draw(mostly("as_new", "damaged", *NOT_AS_SENT))
        counter = self.draw(mostly(None, "store-1"))
        self.shop.receive(back, line_id, self.draw(st.integers(1, 3)), condition, counter)

    def units_are_inspected(self) -> None:
        back, line_id = self.one_line()
        disposition = self.draw(st.sampled_from([None, *get_args(Disposition)]))
        self.shop.inspect(back, line_id, self.draw(st.integers(1, 3)), disposition)

    def a_parcel_is_scanned(self) -> None:
        status = self.draw(st.sampled_from(["in_transit", "delivered", "failed", "returned"]))
        arrived = {"delivered_at": self.shop.now} if status == "delivered" else {}
        self.shop.scan(self.one_return(), status, **arrived)

    def somebody_approves(self) -> None:
        ship_by = self.shop.now + timedelta(days=14)
        self.shop.do(self.one_return(), deciding.approve, "fine", ship_by)

    def somebody_refuses(self) -> None:
        self.shop.do(self.one_return(), deciding.reject, "no")

    def somebody_cancels(self) -> None:
        self.shop.do(self.one_return(), deciding.cancel, "changed my mind")

    def time_passes(self) -> None:
        self.shop.now += timedelta(days=self.draw(st.sampled_from([1, 20])))
        for back in list(self.shop.returns.values()):
            self.shop.do(back, deciding.time_passes)

    def a_provider_answers(self) -> None:
        back, refund = self.one_refund()
        outcome: RefundOutcome = self.draw(mostly("succeeded", *get_args(RefundOutcome)))
        if refund.provider not in ("tandem", "person"):
            self.shop.resulted(back, refund, outcome)

    def a_person_pays(self) -> None:
        back, refund = self.one_refund()
        if refund.state == "failed":
            kind = self.draw(st.sampled_from(["card", "store_credit", "cash"]))
            self.shop.do(back, payouts.replan, refund.refund_id, kind, None, "another way")
        else:
            said = (refund.refund_id, "succeeded", "slip-1", "by hand")
            self.shop.do(back, payouts.paid_by_hand, *said)

    def the_shop_pays_first(self) -> None:
        one = self.draw(st.sampled_from(self.shop.book.tenders))
        if one.room:
            self.the_shop_pays(self.some_units(), one, self.draw(st.integers(1, one.room)))

    def the_shop_books_what_we_paid(self) -> None:
        one = self.draw(st.sampled_from(self.shop.book.tenders))
        if one.held > one.echoed:
            self.the_shop_pays({}, one, self.draw(st.integers(1, one.held - one.echoed)))
            same = next(each for each in self.shop.book.tenders if each.id == one.id)
            assert same.elsewhere == one.elsewhere, "it is counted once"

    def the_shop_pays(self, wanted: dict[str, int], one: BookTender, amount: int) -> None:
        self.refunds_elsewhere += 1
        name = f"shop-{self.refunds_elsewhere}"
        told = paid_elsewhere(name, wanted, [(one.type, one.reference, amount)])
        self.shop.hear(bookkeeping.refunded_elsewhere(self.shop.book, told, self.shop.now))

    def units_are_cancelled(self) -> None:
        gone = OrderCancelled(order_id=ORDER, lines=units(self.some_units()))
        self.shop.hear(bookkeeping.cancelled(self.shop.book, gone, self.shop.now))

    def a_tender_is_told_late(self) -> None:
        known = [
            HeardTender(type=one.type, paid=one.paid, reference=one.reference)
            for one in self.shop.book.tenders
        ]
        self.edits += 1
        more = tender(self.draw(st.sampled_from(KINDS[1:])), self.draw(amounts), f"e{self.edits}")
        told = OrderUpdated(order_id=ORDER, tenders=(*known, more))
        fact = bookkeeping.edited(self.shop.book, told, (), self.edits, self.shop.now)
        self.shop.hear(fact)

    # What holds at every moment.

    def never_more_units_than_bought(self) -> None:
        for line in self.shop.book.lines:
            assert line.held >= 0
            assert line.gone <= line.quantity

    def never_more_money_than_paid(self) -> None:
        money, points, _ = all_paid(self.shop)
        for one in self.shop.book.tenders:
            assert 0 <= money[one.id] <= one.held
            assert one.held + one.elsewhere <= one.paid.amount
            assert points[one.id] <= one.held_points <= (one.points or 0)
        worth = self.shop.book.paid_of_lines
        for line in self.shop.book.lines:
            assert 0 <= line.held_amount <= worth[line.line_id]

    def the_book_holds_what_its_returns_hold(self) -> None:
        held = [held_by(back) for back in self.shop.returns.values()]
        for line in self.shop.book.lines:
            assert line.held == sum(one.units.get(line.line_id, 0) for one in held)
        for one in self.shop.book.tenders:
            assert one.held == sum(each.tenders.get(one.id, 0) for each in held)
            assert one.held_points == sum(each.points.get(one.id, 0) for each in held)

    def each_unit_is_told_once(self) -> None:
        told = told_units(self.shop)
        for back in self.shop.returns.values():
            for line in back.lines:
                assert told[back.return_id, line.line_id] <= line.paid_units <= line.quantity
                if not back.payable:
                    assert told[back.return_id, line.line_id] == line.paid_units

    def a_return_ends_once(self) -> None:
        for kind in ("return.closed", "exchange.created"):
            ends = Counter(fact.return_id for fact in self.shop.told(kind))
            assert set(ends.values()) <= {1}

    def a_replacement_is_paid_for(self) -> None:
        for fact in self.shop.told("exchange.created"):
            value = sum(line.paid.amount for line in fact.lines)
            assert sum(one.paid.amount for one in fact.tenders) == value

    def check(self) -> None:
        self.never_more_units_than_bought()
        self.never_more_money_than_paid()
        self.the_book_holds_what_its_returns_hold()
        self.each_unit_is_told_once()
        self.a_return_ends_once()
        self.a_replacement_is_paid_for()


# Each as often as it leads somewhere; `of_returns` need one, `of_refunds` one with a refund.
of_returns = (
    *(Life.units_come,) * 4,
    *(Life.time_passes,) * 2,
    Life.units_are_inspected,
    Life.a_parcel_is_scanned,
    Life.somebody_approves,
    Life.somebody_refuses,
    *(Life.somebody_cancels,) * 2,
    Life.the_shop_pays_first,
    Life.the_shop_books_what_we_paid,
    Life.units_are_cancelled,
    Life.a_tender_is_told_late,
)
of_refunds = (*(Life.a_provider_answers,) * 4, Life.a_person_pays)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """An order with a past, checked after each step."""
    life = Life(draw)
    for _ in range(draw(st.integers(10, 30))):
        steps = [Life.somebody_asks] * (4 if any(life.shop.book.left.values()) else 0)
        steps += of_returns if life.shop.returns else []
        steps += of_refunds if any(one.refunds for one in life.shop.returns.values()) else []
        if not steps:
            break
        with suppress(Problem):
            draw(st.sampled_from(steps))(life)
        life.check()
    return life


@given(lives())
def test_nobody_gets_back_more_than_was_bought_or_paid(life: Life) -> None:
    life.check()


@given(lives())
def test_book_and_returns_are_what_their_journal_tells(life: Life) -> None:
    assert folded(life.shop) == (life.shop.book, life.shop.returns)


@given(lives())
def test_what_a_return_shows_is_what_was_paid_once_it_is_settled(life: Life) -> None:
    for back in life.shop.returns.values():
        refund = views.return_view(back, life.shop.now).refund
        shown = {one.tender: 0 for one in refund.legs}
        for one in refund.legs:
            assert (one.state == "none") <= (not one.paid or not one.paid.amount)
            shown[one.tender] += one.paid.amount if one.paid else 0
        settled = back.is_settled and back.status not in ("requested", "approved", "in_progress")
        if not settled or back.gift:
            continue
        paid = [one for one in back.refunds if one.state == "succeeded"]
        assert +Counter(shown) == sum_by_tender(paid)
        assert {one.state for one in refund.legs} <= {"succeeded", "none"}
        restored = sum(one.points or 0 for one in paid if one.tender == "points")
        assert refund.points_restored == restored
        gone = {line.line_id: line.paid_units for line in back.lines}
        taken = sum(line.points_taken_for(gone[line.line_id]) for line in back.lines)
        assert refund.points_taken == taken


def sum_by_tender(refunds: list[Refund]) -> Counter[str]:
    money: Counter[str] = Counter()
    for one in refunds:
        money[one.tender] += one.paid.amount
    return +money


@given(st.data())
def test_what_part_of_a_line_had_earned_is_what_loyalty_takes_for_it(data: st.DataObject) -> None:
    line = BookLine(
        line_id="a",
        sku="a",
        quantity=data.draw(st.integers(1, 9)),
        earned=data.draw(st.integers(0, 50)),
    )
    gone = data.draw(st.integers(0, line.quantity - 1))
    asked = data.draw(st.integers(1, line.quantity - gone))
    came = data.draw(st.integers(0, asked))
    shop = desk([bought("a", line.quantity)], [])
    shop.hear(bookkeeping.earned(shop.book, {"a": line.earned}, shop.now))
    if gone:
        shop.ask({"a": gone})
    back = shop.ask({"a": asked})
    if came:
        shop.receive(back, "a", came)
    if asked > came:
        shop.receive(back, "a", asked - came, "short")
    refund = views.return_view(shop.returns[back.return_id], shop.now).refund
    assert refund.points_taken == line.points_of(gone + came) - line.points_of(gone)


@given(lives())
def test_what_is_given_up_can_be_asked_for_again(life: Life) -> None:
    shop = life.shop
    for back in list(shop.returns.values()):
        with suppress(Problem):
            shop.do(back, deciding.cancel, "changed my mind")
    left = {name: number for name, number in shop.book.left.items() if number}
    if not left:
        return
    offer = shop.offer(left)
    for planned in offer.plan.lines:
        line = shop.book.line(planned.line_id)
        kept = line.cancelled * shop.book.paid_of_lines[line.line_id] / line.quantity
        rest = shop.book.paid_of_lines[line.line_id] - line.held_amount
        assert rest - kept - 1 < planned.amount <= rest
    room = sum(one.room for one in shop.book.tenders)
    wanted = sum(planned.amount for planned in offer.plan.lines)
    assert sum(leg.paid for leg in offer.plan.legs) == min(room, wanted)
    shop.take_up(offer)
    assert shop.book.left == dict.fromkeys(shop.book.left, 0) or len(offer.plan.lines) < len(left)
    life.check()


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
