"""What must hold for every account, whatever happens to it and in whatever order."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tandem_core.money import Money
from tandem_core.problems import Problem
from tandem_loyalty import ledger, redemptions, reversals
from tandem_loyalty.accrual import points_of_purchase
from tandem_loyalty.earning import accrue_purchase, matures_after_arrival
from tandem_loyalty.facts import (
    AccountFact,
    Accrued,
    PointsReversed,
    RedemptionCaptured,
    RedemptionReversed,
    fact_of,
)
from tandem_loyalty.ledger import Draft, fold, settled
from tandem_loyalty.points import Account, Balance
from tandem_loyalty.programs import (
    DEFAULT_PROGRAM,
    InactivityExpiry,
    Limits,
    OrderRule,
    Program,
    SpendRule,
)
from tandem_loyalty.purchases import Purchase, Tender

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
EMPTY = Account(program_id="main", customer_id=None, enrolled_at=START)

PROGRAMS = [
    DEFAULT_PROGRAM,
    DEFAULT_PROGRAM.model_copy(update={"limits": Limits(negative_floor=50)}),
    DEFAULT_PROGRAM.model_copy(update={"expiry": InactivityExpiry(mode="inactivity", months=6)}),
    DEFAULT_PROGRAM.model_copy(
        update={
            "time_zone": "America/New_York",
            "accrual_rules": (
                SpendRule(type="spend", id="base", points=3, per="2", multiplier="1.5"),
                OrderRule(type="order", id="bonus", points=7),
            ),
        }
    ),
]

programs = st.sampled_from(PROGRAMS)
amounts = st.lists(st.integers(0, 5_000), min_size=1, max_size=5)
quantities = st.integers(1, 7)


def purchase(order_id: str, lines: list[tuple[int, int]], channel: str, at: datetime) -> Purchase:
    return Purchase.model_validate(
        {
            "order_id": order_id,
            "channel": channel,
            "occurred_at": at,
            "lines": [
                {
                    "line_id": str(number),
                    "sku": f"sku-{number}",
                    "quantity": quantity,
                    "paid": {"amount": amount, "currency": "EUR"},
                }
                for number, (amount, quantity) in enumerate(lines)
            ],
        }
    )


class Member:
    """An account driven through decisions the way the use cases drive it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.account = EMPTY
        self.now = START
        self.facts: list[AccountFact] = []
        self.numbers = itertools.count()
        self.orders: dict[str, tuple[Accrued, list[PointsReversed]]] = {}
        self.captured: dict[str, tuple[RedemptionCaptured, list[RedemptionReversed]]] = {}

    def decide(self, decision: Any) -> Any:
        """Settle, decide, settle; a refusal changes nothing."""
        draft = Draft("acc_1", self.account, self.program, self.now)
        draft.settle()
        try:
            fact = decision(draft)
        except Problem:
            return None
        draft.settle()
        self.account = draft.account
        self.facts += draft.facts
        return fact

    def step(self, verb: str, number: int, size: int) -> None:
        getattr(self, f"_{verb}")(number, size)

    def _wait(self, number: int, size: int) -> None:
        self.now += timedelta(minutes=size, days=number % 40)

    def _wait_long(self, number: int, _size: int) -> None:
        self.now += timedelta(days=number % 400)

    def _buy(self, number: int, size: int) -> None:
        order_id = f"ord-{next(self.numbers)}"
        lines = [(size * 10, 1 + number % 3), (number * 7, 2), (0, 1)]
        channel = "web" if number % 2 else "pos"
        at = self.now - timedelta(days=size % 3)
        accrued = self.decide(
            lambda draft: accrue_purchase(draft, purchase(order_id, lines, channel, at))
        )
        self.orders[order_id] = (accrued, [])

    def _arrive(self, number: int, size: int) -> None:
        for order_id in list(self.orders)[number % 3 :: 3]:
            at = self.now - timedelta(hours=size)
            self.decide(
                lambda draft, order_id=order_id, at=at: matures_after_arrival(
                    draft, order_id, DEFAULT_PROGRAM.pending_policy("web"), at, None
                )
            )

    def _hold(self, number: int, size: int) -> None:
        self.decide(
            lambda draft: redemptions.authorize(
                draft,
                f"rdm-{next(self.numbers)}",
                size + 1,
                ttl_seconds=60 * (1 + number),
                order_id=None,
                location_id=None,
                basket=None,
            )
        )

    def _capture(self, number: int, size: int) -> None:
        for name in list(self.account.holds)[number % 2 :][:1]:
            held = self.account.holds[name].points
            points = None if size % 2 else 1 + size % held
            captured = self.decide(
                lambda draft, name=name, points=points: (
                    redemptions.capture(draft, name, points)
                    if name in draft.account.holds
                    else ledger.adjust(draft, -(10**9), "lapsed", allow_negative=False)
                )
            )
            if captured:
                self.captured[name] = (captured, [])

    def _void(self, _number: int, _size: int) -> None:
        for name in list(self.account.holds)[:1]:
            if self.account.holds[name].expires_at > self.now:
                self.decide(lambda draft, name=name: redemptions.void(draft, name))

    def _give_back(self, number: int, size: int) -> None:
        for captured, earlier in list(self.captured.values())[number % 2 :][:1]:
            fact = self.decide(
                lambda draft, captured=captured, earlier=earlier: redemptions.reverse(
                    draft, captured, earlier, 1 + size if number % 3 else None
                )
            )
            if fact:
                earlier.append(fact)

    def _return(self, number: int, size: int) -> None:
        for order_id, (accrued, earlier) in list(self.orders.items())[number % 2 :][:1]:
            wanted = {"0": 1} if size % 2 else {"1": 1, "2": 1}
            fact = self.decide(
                lambda draft, accrued=accrued, earlier=earlier, order_id=order_id, wanted=wanted: (
                    reversals.reverse_lines(
                        draft,
                        accrued,
                        earlier,
                        f"r-{order_id}",
                        wanted,
                        self.now,
                        self.program.limits.negative_floor,
                    )
                )
            )
            if fact:
                earlier.append(fact)

    def _adjust(self, number: int, size: int) -> None:
        points = size + 1 if number % 2 else -(size + 1)
        self.decide(
            lambda draft: ledger.adjust(draft, points, "test", allow_negative=number % 3 == 0)
        )


VERBS = [
    "wait", "wait_long", "buy", "buy", "arrive", "hold", "hold", "capture", "void", "give_back",
    "return", "adjust",
]  # fmt: skip
stories = st.lists(
    st.tuples(st.sampled_from(VERBS), st.integers(0, 60), st.integers(0, 120)), max_size=40
)


def tell(program: Program, story: list[tuple[str, int, int]]) -> Member:
    member = Member(program)
    for verb, number, size in story:
        member.step(verb, number, size)
    return member


@given(programs, stories)
def test_the_state_is_the_fold_of_its_facts(program: Program, story: Any) -> None:
    member = tell(program, story)
    stored = [(fact.type, fact.model_dump_json(exclude_none=True)) for fact in member.facts]
    assert fold(EMPTY, [fact_of(kind, data) for kind, data in stored]) == member.account
    state = member.account.model_dump_json(exclude_defaults=True)
    assert Account.model_validate_json(state) == member.account


@given(programs, stories)
def test_the_ledger_adds_up_to_the_balance(program: Program, story: Any) -> None:
    member = tell(program, story)
    balance = member.account.balance
    assert sum(fact.points for fact in member.facts) == (
        balance.available + balance.pending - balance.owed
    )
    totals: dict[str, int] = {}
    for fact in member.facts:
        assert sum(fact.postings.values()) == 0
        for name, points in fact.postings.items():
            totals[name] = totals.get(name, 0) + points
    assert balance == Balance(
        available=totals.get("available", 0),
        pending=totals.get("pending", 0),
        held=totals.get("held", 0),
        owed=-totals.get("owed", 0),
    )
    if member.facts:
        assert member.facts[-1].balance == balance


@given(programs, stories)
def test_nothing_is_ever_negative_and_what_is_owed_leaves_nothing_to_spend(
    program: Program, story: Any
) -> None:
    member = Member(program)
    floor = program.limits.negative_floor
    for verb, number, size in story:
        member.step(verb, number, size)
        account = member.account
        assert all(points > 0 for points in account.lots.values())
        assert all(order.points > 0 for order in account.pending.values())
        assert all(sum(hold.lots.values()) == hold.points > 0 for hold in account.holds.values())
        assert account.owed >= 0
        assert not (account.owed and account.lots)
        if floor is not None and not any(verb == "adjust" for verb, *_ in story):
            assert account.owed <= floor


@given(programs, stories, st.lists(st.integers(0, 500), min_size=1, max_size=4))
def test_looking_often_or_seldom_makes_no_difference(
    program: Program, story: Any, days: list[int]
) -> None:
    member = tell(program, story)
    account, now = member.account, member.now
    for step in days:
        now += timedelta(days=step, minutes=step)
        account = settled("acc_1", account, program, now)
    assert account == settled("acc_1", member.account, program, now)


@given(programs, stories, st.integers(1, 200))
def test_spending_takes_the_lots_that_end_first(program: Program, story: Any, points: int) -> None:
    member = tell(program, story)
    member.decide(lambda draft: ledger.adjust(draft, 200, "enough", allow_negative=True))
    before = member.account
    assume(points <= before.balance.available)
    held = member.decide(
        lambda draft: redemptions.authorize(
            draft, "rdm-x", points, ttl_seconds=60, order_id=None, location_id=None, basket=None
        )
    )
    assume(held is not None)
    taken = {lot: -part for lot, part in held.lots.items()}
    assert sum(taken.values()) == points
    last_taken = max(before.ends_on(lot) for lot in taken)
    for lot, had in before.lots.items():
        if before.ends_on(lot) < last_taken:
            assert taken.get(lot) == had


@given(programs, stories, st.integers(1, 300), st.integers(1, 300), st.data())
def test_capture_void_and_reverse_restore_the_lots_exactly(
    program: Program, story: Any, points: int, captured: int, data: st.DataObject
) -> None:
    member = tell(program, story)
    member.decide(
        lambda draft: ledger.adjust(draft, 400, "something to spend", allow_negative=True)
    )
    before = member.account
    assume(captured <= points <= before.balance.available)

    def hold(name: str) -> Any:
        return member.decide(
            lambda draft: redemptions.authorize(
                draft, name, points, ttl_seconds=600, order_id=None, location_id=None, basket=None
            )
        )

    assume(hold("rdm-void") is not None)
    assert member.account.balance.available == before.balance.available - points
    member.decide(lambda draft: redemptions.void(draft, "rdm-void"))
    assert member.account.lots == before.lots

    hold("rdm-all")
    fact = member.decide(lambda draft: redemptions.capture(draft, "rdm-all", captured))
    assert member.account.balance.available == before.balance.available - captured
    earlier: list[RedemptionReversed] = []
    left = captured
    while left:
        part = data.draw(st.integers(1, left))
        earlier.append(
            member.decide(lambda draft, part=part: redemptions.reverse(draft, fact, earlier, part))
        )
        left -= part
    assert earlier[-1].redemption.status == "REVERSED"
    assert member.account.lots == before.lots
    assert member.account.holds == before.holds


@given(
    programs,
    stories,
    st.lists(st.tuples(st.integers(0, 5_000), quantities), min_size=1, max_size=4),
    st.sampled_from(["web", "pos"]),
    st.randoms(use_true_random=False),
)
def test_any_split_and_order_of_partial_returns_equals_the_whole(
    program: Program, story: Any, lines: list[tuple[int, int]], channel: str, random: Any
) -> None:
    member = tell(program, story)
    accrued = member.decide(
        lambda draft: accrue_purchase(draft, purchase("ord-x", lines, channel, member.now))
    )
    bought, floor = member.account, program.limits.negative_floor
    whole = Draft("acc_1", bought, program, member.now)
    reversals.reverse_lines(whole, accrued, [], "whole", None, member.now, floor)

    split = Draft("acc_1", bought, program, member.now)
    earlier: list[PointsReversed] = []
    units = [str(number) for number, (_, quantity) in enumerate(lines) for _ in range(quantity)]
    random.shuffle(units)
    while units:
        size = random.randint(1, len(units))
        part, units = units[:size], units[size:]
        wanted = {line: part.count(line) for line in set(part)}
        earlier.append(
            reversals.reverse_lines(split, accrued, earlier, "part", wanted, member.now, floor)
        )
    assert split.account == whole.account
    assert sum(line.points for fact in earlier for line in fact.lines) == accrued.granted
    with pytest.raises(reversals.ReturnExceedsPurchase):
        reversals.reverse_lines(split, accrued, earlier, "more", {"0": 8}, member.now, floor)


@given(programs, stories, st.lists(st.tuples(st.integers(0, 5_000), quantities), min_size=1))
def test_buying_and_returning_everything_is_as_if_never_bought(
    program: Program, story: Any, lines: list[tuple[int, int]]
) -> None:
    member = tell(program, story)
    member.decide(lambda draft: ledger.adjust(draft, 1, "settle", allow_negative=True))
    before = member.account
    accrued = member.decide(
        lambda draft: accrue_purchase(draft, purchase("ord-x", lines, "pos", member.now))
    )
    taken_back = member.decide(
        lambda draft: reversals.reverse_lines(
            draft, accrued, [], "all", None, member.now, program.limits.negative_floor
        )
    )
    balance = member.account.balance
    assert balance.model_copy(update={"owed": balance.owed + taken_back.waived}) == before.balance
    assert member.account.lifetime_points == before.lifetime_points


@given(programs, amounts, st.lists(st.integers(0, 3_000), max_size=3))
def test_the_lines_of_a_purchase_add_up_to_its_points(
    program: Program, paid: list[int], tenders: list[int]
) -> None:
    bought = purchase("ord-x", [(amount, 1) for amount in paid], "pos", START)
    bought = bought.model_copy(
        update={
            "tenders": tuple(
                Tender(type=kind, paid=Money(amount=amount, currency="EUR"))
                for kind, amount in zip(["gift_card", "points", "card"], tenders, strict=False)
            )
        }
    )
    accrual = points_of_purchase(program, bought)
    assert sum(line.points for line in accrual.lines) == accrual.points >= 0
    assert all(line.points >= 0 for line in accrual.lines)
    if program is DEFAULT_PROGRAM:
        unearning = min(sum(tenders[:2]), sum(paid))
        assert accrual.points == (sum(paid) - unearning) // 100


@given(stories, st.permutations([3, 20, 7, 20]))
def test_arrivals_join_in_any_order(story: Any, days: list[int]) -> None:
    member = tell(DEFAULT_PROGRAM, story)
    accrued = member.decide(
        lambda draft: accrue_purchase(draft, purchase("ord-x", [(990, 1)], "web", member.now))
    )
    assume(accrued.granted)
    for day in days:
        at = member.now + timedelta(days=day - 20)
        member.decide(
            lambda draft, at=at: matures_after_arrival(
                draft, "ord-x", DEFAULT_PROGRAM.pending_policy("web"), at, None
            )
        )
    assert member.account.pending["ord-x"].matures_at == member.now + timedelta(days=30)
