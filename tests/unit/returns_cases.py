"""A return book in memory, and short ways to say what is bought, asked back, sent and paid.

A `Desk` does what the use cases do around the domain: quote, request, decide, and keep the facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from tandem_core.money import Money
from tandem_returns import bookkeeping, deciding, payouts
from tandem_returns.cases import Case, CaseLine, Method, Outcome, Trigger
from tandem_returns.deciding import Request
from tandem_returns.drafts import Draft
from tandem_returns.eligibility import Verdict, evaluate
from tandem_returns.heard import (
    FulfillmentHeard,
    HeardLeg,
    HeardLine,
    HeardQuantity,
    HeardTender,
    OrderPlaced,
    ParcelHeard,
    Redemption,
    RefundHeard,
)
from tandem_returns.ids import id_within
from tandem_returns.logistics import Disposition
from tandem_returns.payments import RefundOutcome, RefundResult
from tandem_returns.policies import PolicyDefinition, Terms, TriggerByRisk
from tandem_returns.purchases import Book
from tandem_returns.refund_plans import Plan, plan, same_items
from tandem_returns.return_facts import BookFact, InspectedUnits, ReceivedUnits, ReturnBookUpdated
from tandem_returns.returns import Exchange, ExchangeLine, ExchangePayment, Refund, Return

ORDER = "ord_01JD0000000000000000000000"
PLACED = datetime(2026, 3, 2, 9, tzinfo=UTC)
DELIVERED = PLACED + timedelta(days=2)
START = PLACED + timedelta(days=4)
STORE = "store-1"


def eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


def bought(line_id: str, quantity: int = 1, paid: int | None = 1000, **said: Any) -> HeardLine:
    price = None if paid is None else eur(paid)
    return HeardLine(line_id=line_id, sku=f"sku-{line_id}", quantity=quantity, paid=price, **said)


def tender(kind: str, paid: int, reference: str | None = None) -> HeardTender:
    return HeardTender(type=kind, paid=eur(paid), reference=reference)


def placed(
    lines: Sequence[HeardLine], tenders: Sequence[HeardTender] = (), **said: Any
) -> OrderPlaced:
    return OrderPlaced(
        order_id=ORDER,
        customer_id="cus_1",
        source="webshop",
        external_id="1001",
        number="#1001",
        channel="web",
        placed_at=PLACED,
        currency="EUR",
        lines=tuple(lines),
        tenders=tuple(tenders),
        **said,
    )


def units(of: Mapping[str, int]) -> tuple[HeardQuantity, ...]:
    return tuple(HeardQuantity(line_id=name, quantity=number) for name, number in of.items())


def arrival(
    fulfillment_id: str,
    of: Mapping[str, int],
    state: str = "delivered",
    before: str | None = "shipped",
    delivered_at: datetime | None = DELIVERED,
) -> FulfillmentHeard:
    return FulfillmentHeard(
        order_id=ORDER,
        fulfillment_id=fulfillment_id,
        state=state,
        previous_state=before,
        lines=units(of),
        delivered_at=delivered_at,
        occurred_at=DELIVERED,
    )


def paid_elsewhere(
    refund_id: str, of: Mapping[str, int], legs: Sequence[tuple[str, str | None, int]]
) -> RefundHeard:
    """What a shop platform pays back, by tender type and reference."""
    return RefundHeard(
        order_id=ORDER,
        refund_id=refund_id,
        lines=units(of),
        legs=tuple(
            HeardLeg(tender=kind, reference=reference, paid=eur(paid))
            for kind, reference, paid in legs
        ),
    )


def policy(
    trigger: Trigger = "received",
    *,
    bonus_percent: int = 0,
    refund_delivery: bool = False,
    **terms: Any,
) -> PolicyDefinition:
    """A policy that takes nearly everything back."""
    return PolicyDefinition(
        name="Test",
        terms=Terms(
            **{"window_days": "unlimited", "keep_below": (eur(10**9),)} | terms,
            trigger=TriggerByRisk(low=trigger, normal=trigger, high=trigger),
        ),
        gift_outcomes=("refund", "exchange", "store_credit"),
        store_credit_bonus_percent=bonus_percent,
        refund_delivery="whole_order" if refund_delivery else "never",
    )


LENIENT = policy()


@dataclass(frozen=True)
class Offer:
    """A quote: a case, what the policy says of it, and its money."""

    case: Case
    verdict: Verdict
    plan: Plan
    exchange_for: tuple[ExchangeLine, ...]


@dataclass
class Desk:
    """A book, its returns, and every fact that was recorded of them."""

    book: Book
    now: datetime = START
    returns: dict[str, Return] = field(default_factory=dict)
    facts: list[BookFact] = field(default_factory=list)

    def hear(self, fact: ReturnBookUpdated | None) -> None:
        """Add what became known of the purchase."""
        if fact:
            draft = Draft(self.book, self.now)
            draft.record(fact)
            self.book = draft.opened
            self.facts += draft.facts

    def redeem(self, reference: str, points: int, value: int | None = None) -> None:
        taken = Redemption(
            id=reference,
            captured_points=points,
            captured_value=None if value is None else eur(value),
        )
        self.hear(bookkeeping.redeemed(self.book, taken, self.now))

    def offer(
        self,
        wanted: Mapping[str, int],
        terms: PolicyDefinition = LENIENT,
        outcome: Outcome = "refund",
        method: Method = "mail",
        exchange_for: Sequence[ExchangeLine] = (),
        **said: Any,
    ) -> Offer:
        """Quote a return."""
        self.book.check_left(wanted)
        case = Case(
            placed_at=self.book.placed_at,
            at=self.now,
            channel=self.book.channel,
            source=self.book.source,
            country=self.book.country,
            currency=self.book.currency,
            customer_id=self.book.customer_id,
            tier=None,
            outcome=outcome,
            method=method,
            lines=tuple(self._case_line(*each) for each in wanted.items()),
            **said,
        )
        verdict = evaluate(terms, case)
        value = plan(self.book, wanted, verdict, outcome, at=self.now, gift=case.gift)
        if outcome == "exchange":
            exchange_for = tuple(exchange_for) or same_items(self.book, value.lines)
            value = plan(
                self.book,
                wanted,
                verdict,
                outcome,
                at=self.now,
                gift=case.gift,
                exchange_for=exchange_for,
            )
        return Offer(case, verdict, value, tuple(exchange_for))

    def _case_line(self, line_id: str, quantity: int) -> CaseLine:
        line = self.book.line(line_id)
        return CaseLine(
            line_id=line_id,
            sku=line.sku,
            category=line.category,
            quantity=quantity,
            unit_paid=eur(self.book.paid_of_lines[line_id] // line.quantity) if line.paid else None,
            amount=self.book.amount_of(line_id, quantity),
            reason="does_not_fit",
            evidence=self.book.evidence_of(line_id),
        )

    def take_up(
        self, offer: Offer, payment: ExchangePayment | None = None, counter: str | None = None
    ) -> Return:
        """Execute a quote."""
        exchange = None
        if offer.case.outcome == "exchange":
            exchange = Exchange(lines=offer.exchange_for, due=offer.plan.due, paid=payment)
        draft = Draft(self.book, self.now, counter=counter)
        quote_id = f"quo_{len(self.returns)}"
        deciding.request(
            draft,
            Request(
                return_id=id_within("ret", ORDER, quote_id),
                quote_id=quote_id,
                case=offer.case,
                verdict=offer.verdict,
                plan=offer.plan,
                exchange=exchange,
                begun_in="web",
                store_id=None,
            ),
        )
        return self._keep(draft)

    def ask(self, wanted: Mapping[str, int], *said: Any, **more: Any) -> Return:
        """Quote a return and begin it at once."""
        payment = more.pop("payment", None)
        counter = more.pop("counter", None)
        return self.take_up(self.offer(wanted, *said, **more), payment, counter)

    def do(
        self,
        back: Return,
        decide: Callable[..., Any],
        *said: Any,
        counter: str | None = None,
        **more: Any,
    ) -> Return:
        """Run a decision on a return, as it is by now."""
        draft = Draft(self.book, self.now, self.returns[back.return_id], counter)
        decide(draft, *said, **more)
        return self._keep(draft)

    def _keep(self, draft: Draft) -> Return:
        self.book = draft.opened
        self.facts += draft.facts
        self.returns[draft.current.return_id] = draft.current
        return draft.current

    def receive(
        self,
        back: Return,
        line_id: str | None = None,
        quantity: int = 1,
        condition: str = "as_new",
        counter: str | None = None,
    ) -> Return:
        """Take units in; without a line, all that are on their way."""
        told: tuple[ReceivedUnits, ...] = ()
        if line_id:
            told = (ReceivedUnits(line_id=line_id, quantity=quantity, condition=condition),)
        return self.do(back, deciding.receive, told, None, counter=counter)

    def inspect(
        self,
        back: Return,
        line_id: str,
        quantity: int = 1,
        disposition: Disposition | None = None,
    ) -> Return:
        found = InspectedUnits(line_id=line_id, quantity=quantity, disposition=disposition)
        return self.do(back, deciding.inspect, (found,))

    def scan(self, back: Return, status: str = "in_transit", **said: Any) -> Return:
        return self.do(back, deciding.follow, parcel(status, **{"handed_over_at": self.now} | said))

    def resulted(
        self, back: Return, refund: Refund, outcome: RefundOutcome = "succeeded", **said: Any
    ) -> Return:
        """Write down what a provider says of a refund."""
        result = RefundResult(outcome=outcome, provider="stripe", **said)
        return self.do(back, payouts.resulted, refund.refund_id, result)

    def pay(self, back: Return) -> Return:
        """Let every refund that is open be paid."""
        for refund in self.returns[back.return_id].payable:
            if refund.state in payouts.OPEN:
                self.resulted(back, refund)
        return self.returns[back.return_id]

    def told(self, kind: str) -> list[Any]:
        """The facts of a type, in their order."""
        return [fact for fact in self.facts if fact.type == kind]


def parcel(status: str = "in_transit", **said: Any) -> ParcelHeard:
    return ParcelHeard(carrier="ups", tracking_number="1Z999", status=status, **said)


def desk(
    lines: Sequence[HeardLine],
    tenders: Sequence[HeardTender] = (),
    *,
    delivered: bool = True,
    **said: Any,
) -> Desk:
    """A desk where an order is known, and delivered."""
    draft = Draft(None, START)
    draft.record(bookkeeping.opened(placed(lines, tenders, **said), "main@1", ("digest",), 1))
    opened = Desk(draft.opened, facts=draft.facts)
    if delivered:
        everything = {line.line_id: line.quantity for line in lines}
        opened.hear(bookkeeping.arrived(opened.book, arrival("ful_1", everything), 2))
    return opened


def paid_to(back: Return) -> dict[str, int]:
    """Minor units of a return that were set in motion, by kind of tender."""
    money: dict[str, int] = {}
    for refund in back.refunds:
        if refund.state != "replanned" and refund.tender != "none":
            money[refund.tender] = money.get(refund.tender, 0) + refund.paid.amount
    return money


def logistics_of(back: Return, line_id: str) -> dict[str, int]:
    line = back.line(line_id)
    assert line is not None
    return cast(dict[str, int], line.logistics)
